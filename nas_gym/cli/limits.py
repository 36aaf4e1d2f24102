"""The option ``--limit METRIC=MOST``."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any

import tyro

from nas_gym.cli.shared import Words
from nas_gym.errors import InvalidOption
from nas_gym.options.json_text import read_json
from nas_gym.search_spaces.limits.wanted import METRICS, limits_of

LimitWords = Annotated[Words, tyro.conf.arg(metavar="METRIC=MOST"), tyro.conf.UseAppendAction]
_RANGE = ".."
_FORMS = "as parameters=50000, parameters=50k, parameters=1000..50000 or parameters=1000.."
_SHORT = re.compile(r"(\d+(?:\.\d+)?)([kKMG])")  # as people write large numbers
_THOUSANDS = {"K": 1_000, "M": 1_000_000, "G": 1_000_000_000}


def limits_given(words: Sequence[str]) -> dict[str, Any] | None:
    """Return ``["parameters=50000"]`` as ``{"parameters": 50000}``; None if there are no words.

    Numbers may be short: ``50k``, ``1.5M``, ``2G``. ``parameters=1000..50000`` has both sides,
    ``parameters=1000..`` only the least, and ``task.filters=44`` is a field of the task whose
    networks are meant.

    Raises:
        InvalidOption: It is none of these, nothing can keep it, or a metric comes twice.
        UnknownName: A metric that cannot be limited.
    """
    limits: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            raise InvalidOption(
                f"--limit {word!r} is not METRIC=MOST: write it as parameters=50000, "
                "parameters=1000..50000 or task.filters=44"
            )
        part, dot, field = name.partition(".")
        if part == "task" and not (dot and field):
            raise InvalidOption(
                f"--limit {word!r} names no field of the task: write it as task.filters=44"
            )
        place = limits.setdefault("task", {}) if dot and part == "task" else limits
        key = field if place is not limits else name
        if key in place:
            raise InvalidOption(f"--limit {name} is given twice: give one, as {name}=1000..50000")
        place[key] = _value(value, pair=place is limits)
        if place is limits and key in METRICS:
            _check(word, key, value, place[key])
    if not limits:
        return None
    if limits.keys() == {"task"}:
        raise InvalidOption(
            f"--limit has fields of the task alone: give what they limit as well, {_FORMS}"
        )
    limits_of(limits)
    return limits


def _check(word: str, metric: str, text: str, value: Any) -> None:
    """Raise InvalidOption in the words that were typed for a limit that none can be."""
    try:
        limits_of({metric: value})
    except InvalidOption as error:
        least, _, most = text.partition(_RANGE)
        try:
            if least and most:
                limits_of({metric: [value[1], value[0]]})
        except InvalidOption:
            least = ""
        if least and most:
            raise InvalidOption(
                f"--limit is {word!r}: no number is both at least {least} and at most {most}; give "
                f"the smaller one first, {metric}={most}..{least}"
            ) from error
        raise InvalidOption(
            f"--limit is {word!r}: give whole numbers from 0 to 2**60, {_FORMS}"
        ) from error


def _value(text: str, pair: bool) -> Any:
    least, dots, most = text.partition(_RANGE)
    ends = [least, most] if pair and dots else [text]
    numbers = [_number(end) for end in ends]
    for number in numbers if pair else ():
        if isinstance(number, str):
            raise InvalidOption(
                f"--limit has {number!r} where a number belongs: write it as parameters=50000, "
                "parameters=50k, parameters=1.5M or parameters=1000..50000"
            )
    return numbers if len(numbers) > 1 else numbers[0]


def _number(text: str) -> Any:
    """Return JSON data; None for no text, and a word as it is, which the limits refuse."""
    if not text:
        return None
    if short := _SHORT.fullmatch(text):
        exact = Decimal(short[1]) * _THOUSANDS[short[2].upper()]
        return int(exact) if exact == int(exact) else float(exact)
    try:
        return read_json(text.replace("_", ""))
    except ValueError:
        return text
