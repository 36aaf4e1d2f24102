"""Limits as users give them: what is understood, and what is refused with one sentence."""

from typing import Any

import numpy as np
import pytest

from nas_gym.errors import InvalidOption, UnknownName
from nas_gym.search_spaces.limits import Limit
from nas_gym.search_spaces.limits.wanted import limits_of


@pytest.mark.parametrize(
    ("given", "limits", "words"),
    [
        ({"parameters": 50_000}, [Limit("parameters", None, 50_000)], "at most 50,000 parameters"),
        ({"parameters": 5e4}, [Limit("parameters", None, 50_000)], "at most 50,000 parameters"),
        (
            {"multiply_adds": (1000, None), "parameters": [10, np.int64(20)]},
            [Limit("parameters", 10, 20), Limit("multiply_adds", 1000, None)],
            "10 to 20 parameters and at least 1,000 multiply_adds",
        ),
    ],
)
def test_limits_are_understood(given: dict[str, Any], limits: list[Limit], words: str) -> None:
    found = limits_of(given)
    assert list(found.limits) == limits
    assert str(found) == words
    assert limits_of(found.to_json()) == found


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (50_000, "limits is 50000: give a mapping"),
        ({}, "limits has no metric"),
        ({"task": {"filters": 4}}, "limits has no metric"),
        ({"parameters": None}, "which limits nothing"),
        ({"parameters": (None, None)}, "which limits nothing"),
        ({"parameters": "many"}, "limit of parameters is 'many': give a number"),
        ({"parameters": "50k"}, "limit of parameters is '50k': give a number such as 50_000"),
        ({"parameters": True}, "limit of parameters is True: give a number"),
        ({"parameters": -1}, "limit of parameters is -1: give a number"),
        ({"parameters": 1.5}, "limit of parameters is 1.5: give a number"),
        ({"parameters": float("nan")}, "limit of parameters is nan: give a number"),
        ({"parameters": (1, 2, 3)}, "limit of parameters is"),
        ({"parameters": (3, 2)}, "no number is both at least 3 and at most 2"),
        ({"parameters": 1, "task": "mobile"}, "task of limits is 'mobile'"),
    ],
)
def test_what_is_no_limit_is_refused(given: Any, message: str) -> None:
    with pytest.raises(InvalidOption, match=message.replace("(", r"\(")):
        limits_of(given)


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'parameters'"):
        limits_of({"params": 3})
