import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nas_gym
from nas_gym.cli.output import status_of
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.runs.findings import Findings
from nas_gym.store import load_run
from nas_gym.testing.spaces import BitString

TABLE = ("--space", "nasbench201", "--evaluator", "nasbench201", "--agent", "random-search")


@pytest.mark.slow
def test_the_command_ends_in_time(run: Callable[..., int], capsys: Any) -> None:
    began = time.monotonic()
    assert run("search", *TABLE, "--time", "1s", "--run", "timed") == 0
    assert time.monotonic() - began < 100
    shown = capsys.readouterr()
    assert "the time of the search is over; no child was cut; go on with `nas-gym" in shown.err
    assert "run timed: out of time, " in shown.out
    assert run("resume", "timed", "--time", "1s") == 0


def test_children_of_a_batch_that_the_clock_cut_were_evaluated(
    tmp_path: Path, capsys: Any, clock: Callable[[float], float]
) -> None:
    class Slow(Landscape):
        def evaluate(self, architectures: Any, seeds: Any) -> Any:
            for evaluation in super().evaluate(architectures, seeds):
                clock(0.06)
                yield evaluation

    space, store = BitString(4), tmp_path / "s.sqlite"
    parts = (space, Slow(space), "random-search")
    nas_gym.search(*parts, num_envs=4, run="cut", store=store, time_limit=0.1)
    found = Findings.of(load_run("cut", store))
    assert (found.status, len(found.rows)) == ("out of time", 0)
    assert found.unanswered
    assert status_of(found) == 0
    assert capsys.readouterr().err == ""
    nas_gym.search(*parts, num_envs=4, run="none", store=store, time_limit=1e-9)
    assert status_of(Findings.of(load_run("none", store))) == 1
    assert "the time was over before a child was evaluated" in capsys.readouterr().err


@pytest.mark.parametrize("time_", ["0", "5x", "-1m", "nan"])
@pytest.mark.parametrize("command", [("search",), ("resume", "a")])
def test_what_is_no_time_is_refused(
    run: Callable[..., int], capsys: Any, command: tuple[str, ...], time_: str
) -> None:
    assert run(*command, f"--time={time_}") == 2
    shown = capsys.readouterr().err
    assert "--time is" in shown
    assert "give seconds above 0, or a text such as 90s, 20m" in shown


def test_a_reward_of_what_the_evaluator_does_not_give_is_refused(
    run: Callable[..., int], capsys: Any
) -> None:
    assert run("search", "--reward", "inverse-perplexity", "--budget", "1", "--workers", "1") == 2
    assert "needs the metric 'perplexity', but the evaluator gives accuracy" in (
        capsys.readouterr().err
    )
