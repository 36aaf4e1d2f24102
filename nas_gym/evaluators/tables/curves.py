"""The learning curves in a table: one number per epoch, for each training of a row."""

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_gym.errors import InvalidTable
from nas_gym.evaluators.tables.columns import Columns
from nas_gym.evaluators.tables.layout import UNITS, Layout

_log = logging.getLogger("nas_gym")

Curves = npt.NDArray[np.float64]
ROUNDED = 6e-4  # a fraction written with three digits may be so far from the curve's number


def read_curves(of: Layout, columns: Columns, accuracies: npt.NDArray[np.float64]) -> Curves:
    """Return the curves of all rows, (rows, seeds, epochs), fractions; NaN where none was trained.

    Args:
        of: What the columns mean; one column has all curves of a row, or each has one of them: a
            list of numbers, or text with blanks or commas between them.
        columns: The file's.
        accuracies: (rows, seeds), NaN where there was no training.

    Raises:
        InvalidTable: A curve is missing, has a gap, or another length than the others, or does not
            end in its accuracy.
    """
    written = [
        [
            curve
            for name in of.curves
            for curve in _curves(f"{of.path}, {place}: {name}", columns[name][row])
        ]
        for row, place in enumerate(columns.places)
    ]
    read = [[_trimmed(curve) for curve in curves] for curves in written]
    rows, seeds = accuracies.shape
    for place, curves in zip(columns.places, read, strict=True):
        if len(curves) != seeds:
            raise InvalidTable(
                f"{of.path}, {place} has {len(curves)} curves and {seeds} accuracies: give each "
                "accuracy the curve of its training"
            )
    epochs = max(len(curve) for curves in read for curve in curves)
    longest = max(len(curve) for curves in written for curve in curves)
    if 0 < epochs < longest:
        _log.warning(
            "%s: the curves have room for %d epochs, and none has a number after epoch %d; a whole "
            "training is taken to have %d epochs",
            of.path, longest, epochs, epochs,
        )  # fmt: skip
    table = np.full((rows, seeds, epochs), math.nan)
    for row, place in enumerate(columns.places):
        for seed in range(seeds):
            curve = read[row][seed]
            if not np.isnan(accuracies[row, seed]):
                where = f"{of.path}, {place}: the curve of accuracy {seed}"
                table[row, seed] = _checked(where, curve, epochs, of)
    _check_ends(of, columns, accuracies, table)
    return table


def _check_ends(
    of: Layout, columns: Columns, accuracies: npt.NDArray[np.float64], curves: Curves
) -> None:
    """Raise InvalidTable unless each accuracy is the best of the last epochs that count."""
    wrong = _others(accuracies, curves, of.counted)
    if not wrong.any():
        return
    row, seed = (int(number) for number in np.argwhere(wrong)[0])
    scale, epochs = UNITS[of.unit], curves.shape[2]
    rule = "the last number" if of.counted == 1 else f"the best of the last {of.counted} numbers"
    fits = [n for n in range(1, epochs + 1) if not _others(accuracies, curves, n).any()]
    todo = f"give counted={fits[0]}, which fits all rows" if fits else "mend that row"
    raise InvalidTable(
        f"{of.path}, {columns.places[row]}: accuracy {seed} is {scale * accuracies[row, seed]:g}, "
        f"but {rule} of its curve is {scale * curves[row, seed, -of.counted :].max():g}: {todo}, "
        "or leave curves out"
    )


def _others(
    accuracies: npt.NDArray[np.float64], curves: Curves, counted: int
) -> npt.NDArray[np.bool_]:
    """Return which accuracies, (rows, seeds), are not the best of so many of the last epochs."""
    different: npt.NDArray[np.bool_] = (
        np.abs(curves[:, :, -counted:].max(axis=2) - accuracies) > ROUNDED
    )
    return different


def _checked(where: str, curve: Sequence[float], epochs: int, of: Layout) -> Curves:
    """Return a curve as fractions; raise InvalidTable if it is none of so many epochs."""
    numbers, scale = np.array(curve, np.float64), UNITS[of.unit]
    if not len(numbers):
        raise InvalidTable(f"{where} is empty: give all trainings one, or leave curves out")
    gaps = np.flatnonzero(np.isnan(numbers))
    if len(gaps):
        raise InvalidTable(
            f"{where} has a gap after epoch {gaps[0]}: give an accuracy after every epoch, or "
            "leave curves out"
        )
    if len(numbers) != epochs:
        count = len(numbers)
        raise InvalidTable(
            f"{where} has {count} epoch{'s'[: count != 1]}, and others have {epochs}: give all "
            "curves the same length, or leave curves out"
        )
    if not ((numbers >= 0) & (numbers <= scale)).all():
        wrong = numbers[~((numbers >= 0) & (numbers <= scale))][0]
        raise InvalidTable(
            f"{where} has {wrong:g}: with unit {of.unit!r} each number is from 0 to {scale:g}"
        )
    fractions: Curves = numbers / scale
    return fractions


def _curves(where: str, value: Any) -> list[list[float]]:
    """Return the curves in an entry: one, or of a list of lists several."""
    if isinstance(value, list) and any(isinstance(each, list) for each in value):
        return [_numbers(where, each or []) for each in value]
    if isinstance(value, list):
        return [_numbers(where, value)]
    text = "" if value is None else str(value).strip().removeprefix("[").removesuffix("]")
    return [_numbers(where, text.replace(",", " ").split())]


def _numbers(where: str, numbers: Sequence[Any]) -> list[float]:
    """Return numbers as floats, NaN for gaps."""
    read = []
    for number in numbers:
        try:
            read.append(math.nan if number is None else float(number))
        except (TypeError, ValueError):
            raise InvalidTable(
                f"{where} has {str(number)[:40]!r}: give numbers with blanks between them"
            ) from None
    return read


def _trimmed(numbers: Sequence[float]) -> list[float]:
    """Return numbers without the gaps at their end."""
    end = len(numbers)
    while end and math.isnan(numbers[end - 1]):
        end -= 1
    return list(numbers[:end])
