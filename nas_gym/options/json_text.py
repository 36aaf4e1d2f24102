"""JSON that somebody else wrote, read within bounds."""

import json
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

LONGEST = 4 * 2**20  # characters of one JSON text
DEEPEST = 64  # lists and mappings within each other


def read_json(text: str, *, infinities: bool = False) -> Any:
    """Return the value of a JSON text that is neither huge nor deep, with finite numbers only.

    Args:
        text: As it was read.
        infinities: Whether the caller looks for them itself, among numbers of 400 digits.

    Raises:
        ValueError: It is something else; says what in a few words.
    """
    _check_length(text)
    try:
        # Python's own float() is the fastest, and makes an infinity of a number with 400 digits.
        checked = not infinities and (_EXPONENT.search(text) or _DIGITS.search(text))
        value = _DECODE_ALL(text) if checked else _DECODE(text)
    except RecursionError:
        raise _deep() from None
    _check_depth(text, value)
    return value


def check_written(text: str, value: Any) -> None:
    """Raise ValueError if ``read_json`` would refuse ``text``, the JSON of ``value``.

    Numbers are not looked at: whoever writes refuses infinities.
    """
    _check_length(text)
    _check_depth(text, value)


def _check_length(text: str) -> None:
    if len(text) > LONGEST:
        raise ValueError(f"it has {len(text):,} characters, and {LONGEST:,} are the most")


def _check_depth(text: str, value: Any) -> None:
    if len(text) > DEEPEST and text.count("[") + text.count("{") > DEEPEST and _is_deep(value):
        raise _deep()


def _deep() -> ValueError:
    return ValueError(f"it has more than {DEEPEST} levels of lists and objects")


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST + 1):
        lists = [each for each in level if isinstance(each, list | tuple)]
        lists += [[*each.values()] for each in level if isinstance(each, dict)]
        level = [item for each in lists for item in each]
        if not level:
            return False
    return True


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


# Of what may be too large for a float. One pattern for both takes twice the time.
_EXPONENT, _DIGITS = re.compile(r"[eE]\+?[0-9]{3}"), re.compile(r"[0-9]{300}")
_DECODE: Callable[[str], Any] = json.JSONDecoder(parse_constant=_no_number).decode
_DECODE_ALL: Callable[[str], Any] = json.JSONDecoder(
    parse_constant=_no_number, parse_float=_finite
).decode
