"""Networks that have learnt nothing are said, once, by whatever trains them and to whom it says."""

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import nas_gym
from nas_gym.envs.recorder import Answer
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.evaluators.doubts import SaidOnce, doubts_of, judged, learnt_nothing
from nas_gym.evaluators.evaluation import WHOLE, Evaluation, Job
from nas_gym.evaluators.trained.text import LanguageModelEvaluator
from nas_gym.evaluators.workers.jobs import (
    dump_evaluator,
    evaluate_job,
    job_of,
    load_evaluator,
)
from nas_gym.registry import make
from nas_gym.runs.progress import SearchProgress
from nas_gym.runs.validate import validate
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.search_spaces.rnn_cell.space import RNNCell
from nas_gym.store import load_run
from nas_gym.training.text.dataset import text_from_strings

IMAGES = {"largest_share": 0.6, "parts": {"validation": 100}}  # standard error .049
SAID = "a network has learnt nothing: its accuracy, "


@pytest.mark.parametrize(
    ("data", "metrics", "said"),
    [
        ({"unigram_perplexity": 100.0}, {"perplexity": 171.4, "accuracy": 0.1}, "171.40, is no"),
        ({"unigram_perplexity": 100.0}, {"perplexity": 98.0}, "98.00, is hardly better"),
        ({"unigram_perplexity": 100.0}, {"perplexity": 97.9, "accuracy": 0.0}, None),
        ({"largest_share": 0.6}, {"accuracy": 0.6}, "0.6000, is no better than naming"),
        ({"largest_share": 0.6}, {"accuracy": 0.61}, None),
        (IMAGES, {"accuracy": 0.6}, "a network has learnt nothing: its accuracy, 0.6000, is no"),
        (IMAGES, {"accuracy": 0.68}, "may have learnt nothing: its accuracy, 0.6800, is hardly"),
        (IMAGES, {"accuracy": 0.69}, None),
        ({}, {"accuracy": 0.0}, None),
        (None, {"accuracy": 0.0}, None),
        ({"largest_share": 0.6}, {}, None),
        ({"largest_share": 0.6}, {"perplexity": 1e9, "accuracy": 0.0}, None),
    ],
)
def test_what_has_learnt_nothing_is_no_better_than_a_constant_answer(
    data: Any, metrics: dict[str, float], said: str | None
) -> None:
    found = learnt_nothing(data, metrics)
    assert (found is None) == (said is None)
    assert said is None or said in str(found)


def test_a_search_says_once_that_a_network_has_learnt_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Trained for real, at a rate at which nothing can be learnt."""
    lines = "a b c d e f g h\n"
    text = text_from_strings("steps", lines * 60, lines * 12, lines * 12)
    space = RNNCell(base=2)
    recipe = {"name": "quick-text", "epochs": 1, "hidden": 4, "bptt": 10, "learning_rate": 1e-9}
    evaluator = LanguageModelEvaluator(space, dataset=text, recipe=recipe)
    found = nas_gym.search(space, evaluator, "random-search", budget=3)
    assert [r.message for r in caplog.records if "learnt nothing" in r.message] == [
        "a network has learnt nothing: its perplexity, "
        f"{found.answers[0].evaluation.metrics['perplexity']:.2f}, is no better than guessing by "
        f"frequency, {text.unigram_perplexity():.2f}; if others end alike, train longer or by "
        "another recipe"
    ]


@pytest.fixture
def hopeless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An evaluator by training on noise, nine tenths of which are of one class."""
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 255, (100, 8, 8)).astype(np.uint8)
    np.savez("noise.npz", images=images, labels=(np.arange(100) % 10 == 0).astype(int))
    recipe = {"name": "quick", "epochs": 1, "filters": 2, "learning_rate": 1e-9}
    return {"name": "training", "dataset": "noise.npz", "recipe": recipe}


def said_in(caplog: pytest.LogCaptureFixture) -> int:
    """Return how often it was said, since the last time."""
    count = sum(SAID in record.message for record in caplog.records)
    caplog.clear()
    return count


class Silent:
    """A watcher of somebody who knows nothing of doubts."""

    def started(self) -> None:
        pass

    def replayed(self, first: int, answers: Any) -> None:
        pass

    def evaluated(self, answer: Answer, seed: int) -> None:
        pass

    def requested(self, first: int, answers: Any) -> None:
        pass


class Doubting(Silent):
    def __init__(self) -> None:
        self.told: list[str] = []

    def doubted(self, said: str) -> None:
        self.told.append(said)


def test_a_watcher_is_told_and_else_the_log(
    hopeless: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    options: dict[str, Any] = {"agent": "random-search", "budget": 2}
    nas_gym.search("nasbench201", hopeless, watcher=Silent(), **options)
    assert said_in(caplog) == 1
    doubting = Doubting()
    nas_gym.search("nasbench201", hopeless, watcher=doubting, **options)
    assert said_in(caplog) == 0
    assert [said[: len(SAID)] for said in doubting.told] == [SAID]


def test_a_table_says_it_once_for_all_seeds(
    hopeless: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    done = nas_gym.tabulate("nasbench201", "cells.npz", hopeless, sample=1, seeds=2)
    assert (done.trained, done.failed) == (2, 0)
    assert said_in(caplog) == 1


def test_a_validation_says_it(hopeless: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    nas_gym.search("nasbench201", hopeless, "random-search", budget=1, run="r", store="s.sqlite")
    assert said_in(caplog) == 1
    assert len(validate(load_run("r", "s.sqlite"), best=1, repeats=2)) == 2
    assert said_in(caplog) == 1


@dataclass
class Says:
    """An evaluator that says what was given."""

    answers: list[Evaluation]
    stateful: bool = False

    def data_summary(self) -> dict[str, float]:
        return {"largest_share": 0.97}

    def evaluate(self, architectures: Any, seeds: Any) -> Any:
        yield from self.answers

    def close(self) -> None: ...


ARCHITECTURE = architecture_of(NASNetCell(blocks=1), [0] * 10)
BAD = Evaluation(ARCHITECTURE, {"accuracy": 0.5}, source="trained")


def test_it_is_said_of_trained_networks_alone_and_once_on_the_screen() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=False, width=140)
    evaluator = Says([])
    with SearchProgress(20, "", console) as progress:
        progress.started()
        with doubts_of(evaluator).told_to(progress.doubted):
            for change in ({"epochs": 1}, {"source": "memo"}, {"failure": "diverged"}):
                judged(evaluator, replace(BAD, **change))  # type: ignore[arg-type]
            assert "learnt nothing" not in out.getvalue()
            judged(evaluator, BAD)
            judged(evaluator, replace(BAD, metrics={"accuracy": 0.4}))
    assert out.getvalue().count("warning: a network has learnt nothing: its accuracy, 0.5000") == 1


def test_shared_weights_are_judged_and_those_under_training_when_they_stay_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shared = replace(BAD, source="shared weights")
    judged(Says([]), shared)
    assert said_in(caplog) == 1
    in_turn = Says([], stateful=True)
    better = replace(shared, metrics={"accuracy": 0.99})
    for each in [shared] * 19 + [better] + [shared] * 19:
        judged(in_turn, each)
    assert said_in(caplog) == 0
    judged(in_turn, shared)
    assert said_in(caplog) == 1


def test_an_evaluator_alone_and_an_environment_say_it(
    hopeless: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    evaluator = make("evaluator", hopeless, space=make("space", "nasbench201"))
    asked = architecture_of(evaluator.space, [3] * 6)
    for _ in evaluator.evaluate([asked, asked], [0, 1]):
        assert said_in(caplog) <= 1
    list(evaluator.evaluate([asked], [2]))
    assert said_in(caplog) == 0
    env = NASVectorEnv(
        evaluator.space, make("evaluator", hopeless, space=make("space", "nasbench201"))
    )
    env.play([[3] * 6, [2] * 6])
    assert said_in(caplog) == 1


def test_copies_in_worker_processes_are_silent(caplog: pytest.LogCaptureFixture) -> None:
    copy = load_evaluator(dump_evaluator(Says([BAD])))
    job = job_of(Job(ARCHITECTURE, 0, WHOLE))
    assert evaluate_job(copy, job).metrics == BAD.metrics  # type: ignore[union-attr]
    assert said_in(caplog) == 0
    assert evaluate_job(Says([BAD]), job).metrics == BAD.metrics  # type: ignore[union-attr]
    assert said_in(caplog) == 1


def test_trainings_one_after_the_other_say_it_once_and_then_count() -> None:
    doubt = learnt_nothing(IMAGES, {"accuracy": 0.6})
    told: list[str] = []
    say = SaidOnce(told.append)
    for line in ("begins", f"warning: {doubt}", "begins", "epoch 1", f"warning: {doubt}"):
        say(line)
    say.count(3)
    said = "warning: 2 of 3 networks learnt nothing, or hardly anything"
    assert told == ["begins", f"warning: {doubt}", "begins", "epoch 1", said]
    once = SaidOnce(told.append)
    once(f"warning: {doubt}")
    once.count(2)
    assert told[-1] == f"warning: {doubt}"
