"""``nas-gym search --limit``."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from nas_gym.cli.limits import limits_given
from nas_gym.errors import InvalidOption, UnknownName

Run = Callable[..., int]


@pytest.mark.parametrize(
    ("words", "limits"),
    [
        ([], None),
        (["parameters=50000"], {"parameters": 50000}),
        (["parameters=50_000"], {"parameters": 50000}),
        (["parameters=10..20", "multiply_adds=5.."], {"parameters": [10, 20],
                                                      "multiply_adds": [5, None]}),
        (["parameters=50k"], {"parameters": 50_000}),
        (["parameters=1.5M..2G"], {"parameters": [1_500_000, 2_000_000_000]}),
        (["parameters=0.1k"], {"parameters": 100}),
        (["parameters=..20"], {"parameters": [None, 20]}),
        (["parameters=9", "task.filters=44", "task.stem=imagenet"],
         {"parameters": 9, "task": {"filters": 44, "stem": "imagenet"}}),
    ],
)  # fmt: skip
def test_limits_are_read(words: list[str], limits: dict[str, Any] | None) -> None:
    assert limits_given(words) == limits


@pytest.mark.parametrize("word", ["parameters", "=3", "parameters=", "parameters 3"])
def test_what_is_no_limit_is_refused(word: str) -> None:
    with pytest.raises(InvalidOption, match="is not METRIC=MOST"):
        limits_given([word])


@pytest.mark.parametrize("word", ["many", "1.5X", "1..many", "M", "1,5M"])
def test_a_limit_that_is_no_number_is_refused_in_words_of_the_command(word: str) -> None:
    with pytest.raises(InvalidOption, match=r"^--limit has '.*' where a number belongs: write it"):
        limits_given([f"parameters={word}"])


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("parameters=5M..1M", "no number is both at least 5M and at most 1M; give the smaller one "
         "first, parameters=1M..5M"),
        ("multiply_adds=20..1e1", "first, multiply_adds=1e1..20"),
        ("parameters=-5", "give whole numbers from 0 to 2**60, as parameters=50000, parameters="),
        ("parameters=1.5", "give whole numbers"),
        ("parameters=1.5..1", "give whole numbers"),
        ("parameters=2000000000G", "give whole numbers"),
        ("parameters=..", "give whole numbers"),
    ],
)  # fmt: skip
def test_a_limit_that_none_can_be_is_refused_as_it_was_typed(word: str, message: str) -> None:
    with pytest.raises(InvalidOption) as raised:
        limits_given(["task.filters=44", word])
    assert str(raised.value).startswith(f"--limit is {word!r}: ")
    assert message in str(raised.value)


def test_a_task_alone_limits_nothing() -> None:
    with pytest.raises(InvalidOption, match=r"^--limit has fields of the task alone: give what"):
        limits_given(["task.filters=44"])


def test_a_limit_given_twice_is_refused() -> None:
    with pytest.raises(InvalidOption, match="given twice"):
        limits_given(["parameters=3", "parameters=4"])


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'parameters'"):
        limits_given(["parameter=3"])


def search(run: Run, limit: str, *more: str) -> int:
    return run(
        "search", "--space", "nasbench201", "--evaluator", "nasbench201",
        "--agent", "regularized-evolution", "--workers", "1", "--limit", limit, "--run", "r", *more,
    )  # fmt: skip


@pytest.mark.slow
def test_a_search_keeps_its_limit_and_goes_on_with_it(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(run, "parameters=150000", "--budget", "10", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["config"]["cost_limits"] == {"parameters": [None, 150_000]}
    assert run("resume", "r", "--budget", "40", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["requests"] == 40
    assert all(row["parameters"] <= 150_000 for row in found["best"])
    assert run("report", "r") == 0
    assert "every network has at most 150,000 parameters" in capsys.readouterr().out


def test_an_impossible_limit_is_one_sentence(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert search(run, "parameters=10") == 2
    err = capsys.readouterr().err
    assert "the fewest possible parameters are 73,306; give wider limits" in err
    assert "Traceback" not in err
