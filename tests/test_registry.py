import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nas_agents.reinforce import Reinforce
from nas_gym.envs.registration import make_env
from nas_gym.envs.rewards import Accuracy, AccuracyUnderTarget, InversePerplexitySquared
from nas_gym.errors import InvalidOption, InvalidSpace, UnknownName
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.evaluators.workers.spread import in_workers
from nas_gym.plugins import names
from nas_gym.registry import make, spec_of, usual, usual_reward
from nas_gym.search_spaces.conv_net.space import POOLING, ConvNet
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.search_spaces.nasnet_cell.space import AMOEBANET_CELL, NASNetCell
from nas_gym.search_spaces.rnn_cell.space import RNNCell
from nas_gym.testing.spaces import LayerChain


@dataclass(frozen=True)
class OwnReward:
    scale: float = 1.0

    def __call__(self, evaluation: Evaluation) -> float:
        return self.scale * evaluation.metrics["accuracy"]


@pytest.mark.parametrize("kind", ["space", "reward", "agent", "evaluator"])
def test_every_name_makes_something(kind: str, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("architecture,accuracy\n|none~0|+|none~0|none~1|+|none~0|none~1|none~2|,9\n")
    needed: dict[str, dict[str, object]] = {
        "accuracy-under-target": {"target": 1000},
        "table": {"file": str(table), "unit": "percent", "missing": "failure"},
        "nats-bench": {"folder": "NATS-tss-v1_0-3ffb9-simple"},
    }
    cells = ("nasbench201", "table", "nats-bench")
    for name in names(kind):
        space: Any = NASBench201() if name in cells else NASNetCell()
        if name == "language-model":
            space = RNNCell()
        assert make(kind, {"name": name, **needed.get(name, {})}, space=space) is not None


def test_parts_by_name_by_json_by_path_and_alive() -> None:
    assert make("space", "nasnet-cell") == NASNetCell()
    assert make("space", {"name": "nasnet-cell", "blocks": 3}) == NASNetCell(blocks=3)
    assert make("space", {"name": "amoebanet-cell", "blocks": 3}).combines == ("add",)
    assert make("space", "nas_gym.search_spaces.nasnet_cell.space:AMOEBANET_CELL") is AMOEBANET_CELL
    space = NASNetCell(blocks=1)
    assert make("space", space) is space
    assert make("evaluator", "landscape", space=space) == Landscape(space)


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("space", NASNetCell(blocks=3, combines=("add",))),
        ("space", POOLING),
        ("space", RNNCell(base=3, activations=("tanh", "sin"))),
        ("reward", AccuracyUnderTarget(5000.0, exponent=-0.5)),
        ("reward", InversePerplexitySquared(c=100.0)),
        ("reward", OwnReward(2.0)),
        ("agent", Reinforce(learning_rate=0.01)),
    ],
)
def test_specs_round_trip_through_json(kind: str, part: object) -> None:
    spec = json.loads(json.dumps(spec_of(kind, part)))
    made = make(kind, spec)
    assert repr(made) == repr(part)


def test_presets_of_spaces_are_names() -> None:
    assert make("space", "conv-net/pooling") is POOLING
    assert "rnn-cell/control" in names("space")
    assert make("space", {"name": "conv-net/strides", "depth": 4}).depths == (4,)
    with pytest.raises(UnknownName, match="unknown preset of space 'conv-net'"):
        make("space", "conv-net/stride")


def test_a_space_says_what_is_usual_for_it() -> None:
    space = RNNCell(base=2)
    assert usual("evaluator", space) == "language-model"
    assert usual_reward(space, make("evaluator", "language-model", space=space)) == (
        "inverse-perplexity-squared"
    )
    assert usual_reward(space, Landscape(space)) == "accuracy"
    trained = make("evaluator", "training", space=ConvNet())
    assert usual_reward(ConvNet(), trained) == "accuracy-cubed"
    assert usual_reward(ConvNet(), in_workers(trained, 2)) == "accuracy-cubed"
    assert usual_reward(NASNetCell(), Landscape(NASNetCell())) == "accuracy"
    assert make_env(space, Landscape(space)).ledger.reward == Accuracy()


def test_mistakes_get_one_clear_sentence() -> None:
    with pytest.raises(UnknownName, match="unknown agent 'reinforc': did you mean 'reinforce'"):
        make("agent", "reinforc")
    with pytest.raises(UnknownName, match="unknown preset of agent 'reinforce'"):
        make("agent", "reinforce/zoph2015")
    with pytest.raises(UnknownName, match="no module 'nowhere'"):
        make("space", "nowhere:Space")
    with pytest.raises(UnknownName, match="has no 'Nothing'"):
        make("space", "nas_gym.search_spaces.nasnet_cell.space:Nothing")
    with pytest.raises(InvalidOption, match="needs a value for target"):
        make("reward", "accuracy-under-target")
    with pytest.raises(InvalidOption, match="'json:dumps' is no space: it lacks choose"):
        make("space", "json:dumps")
    with pytest.raises(InvalidOption, match="is no agent: it lacks search, batch_size"):
        make("agent", 7)
    with pytest.raises(InvalidSpace, match="give it a method build"):
        make("evaluator", "training", space=LayerChain())
    with pytest.raises(InvalidOption, match="give its name"):
        make("reward", {"target": 1})
