import time
from collections.abc import Callable
from typing import Any

import pytest

TABLE = ("--space", "nasbench201", "--evaluator", "nasbench201", "--agent", "random-search")


@pytest.mark.slow
def test_the_command_ends_in_time(run: Callable[..., int], capsys: Any) -> None:
    began = time.monotonic()
    assert run("search", *TABLE, "--time", "1s", "--run", "timed") == 0
    assert time.monotonic() - began < 30
    shown = capsys.readouterr()
    assert "the time of the search is over; no child was cut; go on with `nas-gym" in shown.err
    assert "run timed: out of time, " in shown.out
    assert run("resume", "timed", "--time", "1s") == 0


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
