"""Scalars of numpy, torch and other libraries as Python's own."""

import math
import operator
from numbers import Integral, Real
from typing import Any


def python_value(value: Any) -> Any:
    """Return the Python value in a scalar of numpy or torch; spans of time and others as given."""
    is_scalar = hasattr(value, "dtype") and getattr(value, "shape", None) == ()
    is_time = getattr(getattr(value, "dtype", None), "kind", None) in ("m", "M")
    return value.item() if is_scalar and not is_time else value


def python_number(value: Any) -> int | float | None:
    """Return a number as Python's own, an infinity if no float can hold it; None if it is none.

    A truth value is no number.
    """
    number: Any = python_value(value)
    if isinstance(number, bool) or not isinstance(number, Real):
        return None
    if isinstance(number, Integral):
        return operator.index(number)
    try:
        return float(number)
    except OverflowError:
        return math.copysign(math.inf, number)
