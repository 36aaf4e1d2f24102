"""A table as a file: CSV, ``.npz`` or Parquet, with a note of what it was made with."""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nas_gym.errors import InvalidTable, not_installed
from nas_gym.evaluators.tables.columns import check_suffix
from nas_gym.evaluators.tables.note import NOTE
from nas_gym.options.files import write_file

Column = np.ndarray[Any, Any]


def check_writable(path: Path) -> None:
    """Raise InvalidTable if no table can be written there; writes nothing."""
    check_suffix(path)
    if path.suffix.lower() == ".parquet":
        _arrow(path)
    if not path.absolute().parent.is_dir():
        raise InvalidTable(
            f"the table {path} cannot be written: there is no folder {path.absolute().parent}"
        )


def write_table(path: Path, columns: Mapping[str, Column], note: Mapping[str, Any]) -> None:
    """Write a table whole, or leave what is there.

    Args:
        path: Where to; its ending says in which form.
        columns: Of numbers or of text, with as many entries; (rows,), (rows, seeds) or (rows,
            seeds, epochs). In CSV there is a column per seed, ``accuracy0``, ``accuracy1``, …, and
            curves are numbers with blanks between them.
        note: What it was made with, as JSON data.

    Raises:
        InvalidTable: It cannot be written.
    """
    writers: dict[str, Callable[[Path, Mapping[str, Column], str], bytes]] = {
        ".npz": _npz,
        ".csv": _csv,
        ".parquet": _parquet,
    }
    data = writers[path.suffix.lower()](path, columns, json.dumps(note))
    try:
        write_file(path, data)
    except OSError as error:
        raise InvalidTable(
            f"the table {path} cannot be written ({error.strerror or error}): make room for it, or "
            "name another file"
        ) from error


def column_names(path: Path, name: str, seeds: int) -> list[str]:
    """Return the names of a column of several seeds, as it is in the file."""
    if path.suffix.lower() == ".csv":
        return [f"{name}{seed}" for seed in range(seeds)]
    return [name]


def _npz(path: Path, columns: Mapping[str, Column], note: str) -> bytes:
    del path
    file = io.BytesIO()
    arrays: dict[str, Any] = {**columns, NOTE: np.array(note)}
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def _csv(path: Path, columns: Mapping[str, Column], note: str) -> bytes:
    flat: dict[str, list[str]] = {}
    for name, column in columns.items():
        if column.ndim == 1:
            flat[name] = [_cell(value) for value in column.tolist()]
            continue
        for seed, of in enumerate(column_names(path, name, column.shape[1])):
            flat[of] = [_cell(value) for value in column[:, seed].tolist()]
    rows = len(next(iter(flat.values())))
    flat[NOTE] = [note, *[""] * (rows - 1)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(flat)
    writer.writerows(zip(*flat.values(), strict=True))
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if isinstance(value, list):
        known = [number for number in value if not math.isnan(number)]
        return " ".join(map(repr, known))
    return "" if isinstance(value, float) and math.isnan(value) else str(value)


def _parquet(path: Path, columns: Mapping[str, Column], note: str) -> bytes:
    arrow, parquet = _arrow(path)
    table = arrow.table({name: column.tolist() for name, column in columns.items()})
    file = arrow.BufferOutputStream()
    parquet.write_table(table.replace_schema_metadata({NOTE: note}), file)
    data: bytes = file.getvalue().to_pybytes()
    return data


def _arrow(path: Path) -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise InvalidTable(
            f"{not_installed(str(path), 'pyarrow', 'parquet')}, or name a file that ends in .npz "
            "or .csv"
        ) from error
    return pyarrow, parquet
