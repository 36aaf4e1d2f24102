import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nas_gym
from nas_gym.errors import InvalidOption
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.options.durations import duration_in_words, seconds_of
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import load_run
from nas_gym.testing.evaluators import SlowEvaluator

SPACE = NASNetCell(blocks=1)


# ---------------------------------------------------------------- what is written


@pytest.mark.parametrize(
    ("given_", "seconds"),
    [
        *((90, 90), (0.5, 0.5), ("90", 90), ("90s", 90), ("20m", 1200), ("1h30m", 5400)),
        *(("2h", 7200), ("1d", 86400), ("1d2h3m4s", 93784), (" 20M ", 1200), ("1.5h", 5400)),
    ],
)
def test_times_are_read(given_: Any, seconds: float) -> None:
    assert seconds_of("time_limit", given_) == seconds


@pytest.mark.parametrize(
    "given_",
    [
        *("", " ", "m", "20 m", "20min", "30m1h", "5m5m", "-5m", "1h-5m", "0", "0s", "nan", "1e3"),
        *(0, -1, float("nan"), True, [], {}, b"5m", 10**400, "٣m"),
    ],
)
def test_what_is_no_time_is_refused(given_: Any) -> None:
    with pytest.raises(InvalidOption, match=r"^time_limit is .*: give seconds above 0, or a text"):
        nas_gym.search(SPACE, Landscape(SPACE), time_limit=given_)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 10**7))
def test_words_are_read_again(seconds: int) -> None:
    assert seconds_of("", duration_in_words(seconds)) == seconds


@settings(max_examples=25, deadline=None)
@given(st.text(alphabet="0123456789dhms. -", max_size=8))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(InvalidOption):
        assert (seconds_of("", text) or 0) > 0


# ---------------------------------------------------------------- the end


class Counted:
    """Takes time by one child, which ends after the limit."""

    stateful = False

    def __init__(self, clock: Callable[[float], float], seconds: float, slow: int) -> None:
        self.clock, self.seconds, self.slow, self.asked = clock, seconds, slow, 0

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        for architecture in architectures:
            self.asked += 1
            if self.asked == self.slow:
                self.clock(self.seconds)
            yield Evaluation(architecture, {"accuracy": sum(architecture.tokens) / 100})

    def close(self) -> None:
        pass


def history(result: Any) -> list[Any]:
    return [(a.evaluation.architecture.tokens, a.reward) for a in result.answers]


REINFORCE = pytest.param("reinforce", marks=pytest.mark.slow)


@pytest.mark.few(1)
@pytest.mark.parametrize("agent", ["random-search", "regularized-evolution", REINFORCE])
@pytest.mark.parametrize("slow", [3, 8])
def test_a_run_whose_time_was_over_goes_on_as_if_it_had_not_been(
    agent: str, slow: int, tmp_path: Path, clock: Callable[[float], float]
) -> None:
    """In this process the child in flight is waited for, and the rest of its batch not begun."""
    store = tmp_path / "s.sqlite"
    options: dict[str, Any] = {"run": "a", "store": store, "budget": 12, "seed": 1}
    judge, searcher = Counted(clock, 0.12, slow), {"name": agent, "batch_size": 4}
    cut = nas_gym.search(SPACE, judge, searcher, time_limit=0.1, **options)
    assert cut.time_up is not None
    assert cut.time_up.cut == 0
    run = load_run("a", store)
    assert run.status == "out of time"
    assert all(row.failure is None for row in (*run.rows, *run.unanswered))
    assert len(run.rows) + len(run.unanswered) <= judge.asked == slow
    whole = nas_gym.search(SPACE, Counted(clock, 0, 0), searcher, budget=12, seed=1)
    assert history(cut) == history(whole)[: len(cut.answers)]
    on = nas_gym.search(SPACE, Counted(clock, 0, 0), searcher, resume=True, **options)
    assert history(on) == history(whole)
    assert (on.time_up, load_run("a", store).status) == (None, "finished")


def test_time_is_the_only_limit_if_no_other_is_given(
    tmp_path: Path, clock: Callable[[float], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, evaluate = tmp_path / "s.sqlite", Landscape.evaluate

    def slowly(self: Landscape, *asked: Any) -> Iterator[Evaluation]:
        for evaluation in evaluate(self, *asked):
            clock(0.01)
            yield evaluation

    monkeypatch.setattr(Landscape, "evaluate", slowly)
    result = nas_gym.search(
        SPACE, Landscape(SPACE), "random-search", time_limit=0.3, run="a", store=store
    )
    assert result.time_up is not None
    run = load_run("a", store)
    assert (run.config["budget"], run.config["limits"]["time_limit"]) == (None, 0.3)
    with pytest.raises(InvalidOption, match="no budget beside its time"):
        nas_gym.resume("a", store, time_limit=float("inf"))
    again = nas_gym.resume("a", store)  # the run's own limit
    assert again.time_up is not None
    assert len(again.answers) > len(result.answers) > 0
    assert history(again)[: len(result.answers)] == history(result)
    more = len(again.answers) + 1
    assert len(nas_gym.resume("a", store, budget=more).answers) == more


def test_a_budget_may_be_spent_first(tmp_path: Path) -> None:
    result = nas_gym.search(SPACE, Landscape(SPACE), "random-search", budget=3, time_limit="1h")
    assert (len(result.answers), result.time_up) == (3, None)


@pytest.mark.slow
def test_children_in_worker_processes_are_cut(tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    options: dict[str, Any] = {"budget": 4, "num_envs": 4, "run": "a", "store": store, "seed": 1}
    nas_gym.search(SPACE, Landscape(SPACE), "random-search", budget=1, workers=1)  # starts torch
    began = time.monotonic()
    slow = SlowEvaluator(Landscape(SPACE), 1000)
    cut = nas_gym.search(SPACE, slow, "random-search", workers=2, time_limit="30s", **options)
    assert time.monotonic() - began < 300  # and not after a thousand seconds
    assert cut.time_up is not None
    assert cut.time_up.cut == 2
    run = load_run("a", store)
    assert (run.status, run.rows, run.unanswered) == ("out of time", (), ())  # no failed child


@pytest.mark.slow
def test_an_executor_keeps_what_it_runs(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as executor:
        slow = SlowEvaluator(Landscape(SPACE), 6.0)
        options: dict[str, Any] = {"executor": executor, "num_envs": 4, "budget": 4}
        cut = nas_gym.search(SPACE, slow, "random-search", time_limit=0.5, **options)
    assert cut.time_up is not None
    assert (cut.time_up.cut, cut.answers) == (1, ())
