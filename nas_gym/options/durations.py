"""Spans of time as people write them: ``90``, ``90s``, ``20m``, ``1h30m``, ``2h``, ``1d``."""

import math
import re
from typing import Any

from nas_gym.errors import InvalidOption
from nas_gym.options.scalars import python_value

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}  # seconds
_NUMBER = r"\d+(?:\.\d+)?"
_TEXT = re.compile("".join(f"(?:({_NUMBER}){unit})?" for unit in _UNITS), re.ASCII)


def seconds_of(what: str, given: Any) -> float | None:
    """Return a span of time in seconds, > 0; infinity and None as they are.

    Args:
        what: Its name in the message, e.g. ``"time_limit"``.
        given: Seconds, or a text: seconds without a unit, or days, hours, minutes and seconds in
            this order, each at most once.

    Raises:
        InvalidOption: It is something else, or nothing is left of it.
    """
    plain = python_value(given)
    if plain is None:
        return None
    seconds = _read(plain.strip().lower()) if isinstance(plain, str) else plain
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0:
        try:
            return float(seconds)
        except OverflowError:  # a whole number that no float can hold
            pass
    raise InvalidOption(
        f"{what} is {' '.join(repr(plain).split())[:80]}: give seconds above 0, or a text such as "
        "90s, 20m, 1h30m, 2h or 1d"
    )


def _read(text: str) -> float | None:
    if text == "inf":
        return math.inf
    if re.fullmatch(_NUMBER, text, re.ASCII):
        return float(text)
    found = _TEXT.fullmatch(text)
    if not text or found is None:
        return None
    return sum(
        float(number or 0) * unit
        for number, unit in zip(found.groups(), _UNITS.values(), strict=True)
    )


def duration_in_words(seconds: float) -> str:
    """Return seconds as ``seconds_of`` reads them: ``90`` as ``1m30s``, ``7200`` as ``2h``."""
    whole, words = int(seconds), ""
    for unit, length in list(_UNITS.items())[:-1]:
        count, whole = divmod(whole, length)
        words += f"{count}{unit}" if count else ""
    rest = whole + (seconds - int(seconds))
    return words + (f"{rest:.3g}s" if rest or not words else "")


def time_in_words(seconds: float) -> str:
    """Return a time as people say it: ``2 h 5 min``, ``2 min 3 s``, ``0.4 s``."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
