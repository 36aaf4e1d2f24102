"""The file of a ``TableFile``: what its columns mean, and what is wrong in which row."""

import hashlib
import json
import logging
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nas_gym.errors import InvalidSpace, InvalidTable, NASGymError
from nas_gym.evaluators.tables.columns import Columns, check_suffix, read_columns, read_file
from nas_gym.evaluators.tables.curves import read_curves
from nas_gym.evaluators.tables.layout import FORMS, UNITS, Layout
from nas_gym.evaluators.tables.note import note_of
from nas_gym.search_spaces.architecture import architecture_of, up_to_isomorphism
from nas_gym.search_spaces.grammar import SearchSpace, Tokens, decode, tokens_of

_log = logging.getLogger("nas_gym")
_NUMBERS = re.compile(r"\d+(\s*[,\s]\s*\d+)*")


class Table(NamedTuple):
    """The content of a file, in the order of its rows."""

    layout: Layout
    rows: dict[Tokens, int]
    keys: dict[str, int]  # rows by canonical key, if a row answers for all isomorphic ones
    accuracies: npt.NDArray[np.float64]  # (rows, seeds), fractions; NaN: not trained
    curves: npt.NDArray[np.float64] | None  # (rows, seeds, epochs), fractions; NaN: not trained
    seconds: npt.NDArray[np.float64]  # (rows,)
    metrics: npt.NDArray[np.float64]  # (rows, metrics)
    test: npt.NDArray[np.float64]  # (rows, columns), fractions; NaN: not known
    failures: list[str]  # why a row has no accuracy; empty if it has one
    fingerprint: str  # SHA-256 of the file


def read_table(
    space: SearchSpace[Any],
    path: Path,
    layout_of: Callable[[dict[str, Any] | None], Layout],
) -> Table:
    """Read the table of architectures of ``space``; raises as ``TableFile`` does.

    Args:
        space: Whose they are.
        path: The file.
        layout_of: Returns what its columns mean, given its note, or None if it has none.
    """
    check_suffix(path)
    try:
        data = read_file(path)
    except OSError as error:
        raise InvalidTable(
            f"the table {path} cannot be read ({error.strerror or error}): give the path of a file"
        ) from error
    of = layout_of(note_of(path, data))
    columns = read_columns(path, data, of.columns)
    scale = UNITS[of.unit]
    accuracies = _numbers(of, columns, of.accuracy, high=scale, gaps=True) / scale
    failures = _failures(of, columns)
    _check_accuracies(of, columns, accuracies, failures)
    rows = _rows(space, of, columns)
    return Table(
        of,
        rows,
        _keys(space, of, columns, rows) if of.isomorphic else {},
        accuracies,
        read_curves(of, columns, accuracies) if of.curves else None,
        _seconds(of, columns),
        _numbers(of, columns, of.metrics, low=-math.inf),
        _numbers(of, columns, of.test, high=scale, gaps=True) / scale,
        failures,
        hashlib.sha256(data).hexdigest(),
    )


def _seconds(of: Layout, columns: Columns) -> npt.NDArray[np.float64]:
    """Return the seconds of one training of each row, a mean if there is one number per seed."""
    rows = len(columns.places)
    if not of.seconds:
        return np.zeros(rows)
    if not of.seconds_per_seed:
        return _numbers(of, columns, of.seconds)[:, 0]
    each = _numbers(of, columns, of.seconds, gaps=True)
    known = ~np.isnan(each)
    sums = np.where(known, each, 0.0).sum(axis=1)
    means: npt.NDArray[np.float64] = sums / np.maximum(known.sum(axis=1), 1)
    return means


def _failures(of: Layout, columns: Columns) -> list[str]:
    """Return why a row has no accuracy, as far as the file says so."""
    failures = [""] * len(columns.places)
    for name in of.failure:
        for row, value in enumerate(columns[name]):
            for told in value if isinstance(value, list) else [value]:
                failures[row] = failures[row] or str(told or "")
    return failures


def _check_accuracies(
    of: Layout, columns: Columns, accuracies: npt.NDArray[np.float64], failures: Sequence[str]
) -> None:
    for place, row, failure in zip(columns.places, accuracies, failures, strict=True):
        if np.isnan(row).all() and not failure:
            raise InvalidTable(
                f"{of.path}, {place}: there is no accuracy in {_listed(of.accuracy)}: give each "
                "architecture one, or leave its row out and give missing='failure' (--set "
                "evaluator.missing=failure)"
            )
    if of.unit == "percent" and 0 < np.nanmax(accuracies, initial=0.0) <= 0.01:
        raise InvalidTable(
            f"{of.path}: no accuracy is above 1, but unit is 'percent': give 'fraction' if 1 means "
            "that all is right"
        )
    low = int(((accuracies > 0) & (accuracies < 0.01)).sum())
    if of.unit == "percent" and low:
        _log.warning(
            "%s: %d of the accuracies are below 1 and others are not; all are read as percent",
            of.path, low,
        )  # fmt: skip


def _numbers(
    of: Layout,
    columns: Columns,
    names: Sequence[str],
    low: float = 0.0,
    high: float = math.inf,
    gaps: bool = False,
) -> npt.NDArray[np.float64]:
    """Return the named columns as (rows, columns) numbers in [low, high]; gaps become NaN."""
    table = []
    for row, place in enumerate(columns.places):
        numbers: list[float] = []
        for name in names:
            value, where = columns[name][row], f"{of.path}, {place}: {name}"
            for single in value if gaps and isinstance(value, list) else [value]:
                numbers.append(_number(where, single, gaps))
                if numbers[-1] < low or numbers[-1] > high or math.isinf(numbers[-1]):
                    raise InvalidTable(f"{where} is {_cut(single)}: {_expected(of, low, high)}")
        table.append(numbers)
        if len(numbers) != len(table[0]):
            raise InvalidTable(
                f"{of.path}, {place} has {len(numbers)} figures in {_listed(names)}, but the first "
                f"row has {len(table[0])}: give as many, with gaps where there was no training"
            )
    return np.array(table, np.float64).reshape(len(table), len(table[0]))


def _number(where: str, value: Any, gaps: bool) -> float:
    """Return ``value`` as a number; None, NaN and empty text are NaN, which only gaps may be."""
    if isinstance(value, bool):
        raise InvalidTable(f"{where} is {value}: give a number, not whether something is so")
    try:
        empty = value is None or (isinstance(value, str) and not value.strip())
        number = math.nan if empty else float(value)
        if isinstance(value, str) and "_" in value:  # 1_0 is a number to Python alone
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        hint = ""
        if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d*,\d+\s*%?\s*", value):
            hint = " with a decimal point"
        elif isinstance(value, str) and value.strip().endswith("%"):
            hint = " without %"
        raise InvalidTable(f"{where} is {_cut(repr(value))}: give a number{hint}") from None
    if math.isnan(number) and not gaps:
        raise InvalidTable(f"{where} is empty or NaN: give a number")
    return number


def _expected(of: Layout, low: float, high: float) -> str:
    if high in UNITS.values():
        return f"with unit {of.unit!r} it is from 0 to {high:g}"
    return "give a finite number" if low < 0 else "give a finite number of 0 or more"


def _rows(space: SearchSpace[Any], of: Layout, columns: Columns) -> dict[Tokens, int]:
    """Return the row of each architecture."""
    read = _reader(space, of.form)
    rows: dict[Tokens, int] = {}
    for row, (place, value) in enumerate(
        zip(columns.places, columns[of.architecture], strict=True)
    ):
        try:
            tokens = read(value)
        except InvalidSpace:
            raise
        except Exception as error:  # the user's own space may raise anything
            reason = _cut(str(error) if isinstance(error, NASGymError) else repr(error), 200)
            raise InvalidTable(
                f"{of.path}, {place}: the {of.architecture} {_cut(repr(value))} cannot be read as "
                f"form {of.form!r} ({reason}): write it so, or give the column's form, one of "
                f"{', '.join(FORMS)}"
            ) from error
        if rows.setdefault(tokens, row) != row:
            raise InvalidTable(
                f"{of.path}: {columns.places[rows[tokens]]} and {place} are the same "
                f"architecture (tokens {shown(tokens)}): leave one out, or put the accuracies of "
                "several trainings into columns of one row"
            )
    return rows


def _keys(
    space: SearchSpace[Any], of: Layout, columns: Columns, rows: dict[Tokens, int]
) -> dict[str, int]:
    """Return the row of each canonical key."""
    keyed, keys = up_to_isomorphism(space), dict[str, int]()
    for tokens, row in rows.items():
        first = keys.setdefault(architecture_of(keyed, tokens).key, row)
        if first != row:
            raise InvalidTable(
                f"{of.path}: {columns.places[first]} and {columns.places[row]} are isomorphic "
                "architectures, and each row is to answer for all isomorphic ones: leave one out, "
                "or leave the option isomorphic out"
            )
    return keys


def _reader(space: SearchSpace[Any], form: str) -> Callable[[Any], Tokens]:
    """Return a function that turns an entry of the architecture column into tokens."""
    if form == "tokens":
        return lambda value: _checked(space, _listed_tokens(value))
    genotype_from_json = getattr(space, "genotype_from_json", None)
    if genotype_from_json is None:
        raise InvalidSpace(
            f"{type(space).__name__} reads no genotypes: give it a method genotype_from_json(data) "
            "and one answers(genotype), or write the architectures as tokens (form 'tokens')"
        )
    if form == "json":
        return lambda value: tokens_of(space, genotype_from_json(json.loads(value)))
    return lambda value: tokens_of(space, genotype_from_json(value))


def _listed_tokens(value: Any) -> list[Any]:
    """Return ``"1,0,3"``, ``"1 0 3"``, ``"[1, 0, 3]"`` or a list as a list."""
    if not isinstance(value, str):
        return value if isinstance(value, list) else [value]
    text = value.strip().removeprefix("[").removesuffix("]").strip()
    if not _NUMBERS.fullmatch(text):
        raise ValueError("not whole numbers with commas between them")
    return [int(token) for token in text.replace(",", " ").split()]


def _checked(space: SearchSpace[Any], tokens: list[Any]) -> Tokens:
    decode(space, tokens)
    return tuple(int(token) for token in tokens)


def _listed(names: Sequence[str]) -> str:
    return " or ".join(map(repr, names))


def _cut(value: Any, length: int = 80) -> str:
    """Return text for a message, in one line that is not too long."""
    text = " ".join(str(value).splitlines())
    return text if len(text) <= length else f"{text[:length]}…"


def shown(tokens: Tokens) -> str:
    """Return tokens as text for a message."""
    return ",".join(map(str, tokens))
