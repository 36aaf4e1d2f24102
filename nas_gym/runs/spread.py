"""Mean and deviation of a few figures, which a stranger may have written."""

from collections.abc import Sequence
from statistics import mean, stdev


def mean_of(values: Sequence[float]) -> float | None:
    """Return the mean, or None for no values."""
    return mean(values) if values else None


def deviation_of(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation; None for fewer than two values, or beyond a float."""
    try:
        return stdev(values) if len(values) > 1 else None
    except OverflowError:
        return None


def spread(values: Sequence[float], digits: int) -> str:
    """Return mean ± sample standard deviation for people; the value itself if there is one."""
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    deviation = deviation_of(values)
    shown = "-" if deviation is None else f"{deviation:.{digits}f}"
    return f"{mean(values):.{digits}f} ± {shown}"
