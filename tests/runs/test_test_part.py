"""No search gets at the final training, nor sees a test figure."""

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import nas_gym
from nas_gym.envs.ledger import Ledger
from nas_gym.envs.rewards import Accuracy
from nas_gym.errors import InvalidOption
from nas_gym.evaluators.trained.final import FinalTraining
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.evaluators.workers.parallel import ParallelEvaluator
from nas_gym.plugins import names
from nas_gym.runs.findings import Findings, summary
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import RunData, load_run

SPACE = NASNetCell(blocks=1)
SHORT = {"name": "quick", "epochs": 1, "filters": 2, "learning_rate": 0.1}


def search(run: str, evaluator: Any, store: Path, **options: Any) -> RunData:
    settings = {"budget": 4, "run": run, "store": store} | options
    nas_gym.search(SPACE, evaluator, "random-search", **settings)
    return load_run(run, store)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    """A run of four children that were really trained."""
    store = tmp_path_factory.mktemp("found") / "store.sqlite"
    return search("found", {"name": "training", "recipe": SHORT}, store)


def test_no_search_sees_a_test_figure(found: RunData) -> None:
    assert found.rows
    shown = [row.metrics for row in found.rows] + [
        summary(Findings.of(found))["best"],
        {**found.config, "data": None},  # sizes of the parts, no figures
    ]
    assert "test" not in json.dumps(shown)
    env = gym.make("NASNetCell-v0", space=SPACE, evaluator={"name": "training", "recipe": SHORT})
    _, info = env.reset(seed=0)
    done = False
    while not done:
        mask = info["action_mask"]
        _, _, done, _, info = env.step(int(np.flatnonzero(mask)[0]))
    env.close()
    assert info["evaluation"]["accuracy"] > 0
    assert "test" not in json.dumps(info["evaluation"])


@pytest.mark.parametrize(
    "evaluator",
    [
        "nas_gym.evaluators.trained.final:FinalTraining",
        {"name": "nas_gym.evaluators.trained.final:FinalTraining", "recipe": SHORT},
        FinalTraining(SPACE),
        ParallelEvaluator(FinalTraining(SPACE), workers=1),
    ],
)
def test_no_search_gets_at_the_final_training(evaluator: Any) -> None:
    assert not any("final" in name for name in names("evaluator"))
    with pytest.raises(InvalidOption, match="the test part, which no search may see"):
        nas_gym.search(SPACE, evaluator, "random-search", budget=1)
    with pytest.raises(InvalidOption, match="nas-gym validate"):
        gym.make("NASNetCell-v0", space=SPACE, evaluator=evaluator)


def test_no_ledger_asks_the_final_training() -> None:
    with pytest.raises(InvalidOption, match="no search may see"):
        Ledger(FinalTraining(SPACE, recipe=SHORT), Accuracy())


def test_the_final_training_is_the_searchs_with_test_figures() -> None:
    architecture = architecture_of(SPACE, (0,) * SPACE.max_length)
    evaluators = TrainingEvaluator(SPACE, recipe=SHORT), FinalTraining(SPACE, recipe=SHORT)
    (searched,), (final,) = (list(e.evaluate([architecture], [5])) for e in evaluators)
    assert final.metrics.keys() - searched.metrics.keys() == {
        "test_accuracy",
        "test_balanced_accuracy",
    }
    assert {**searched.metrics, **final.metrics} == dict(final.metrics)
    assert evaluators[0].protocol == evaluators[1].protocol
