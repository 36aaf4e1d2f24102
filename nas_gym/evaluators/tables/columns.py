"""Named columns of a file: CSV, ``.npz`` or Parquet. ``reading`` says what they mean."""

import csv
import errno
import io
import os
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from nas_gym.errors import InvalidTable, NASGymError, not_installed, unknown_name

SUFFIXES = (".csv", ".npz", ".parquet")
LARGEST_FILE = 2**31  # bytes; NAS-Bench-201's whole table, as a file of one's own, has 10 million


def read_file(path: Path, largest: int = LARGEST_FILE) -> bytes:
    """Return the content of a regular file.

    Raises:
        OSError: It cannot be read, or is a device, a pipe, or larger: its ``strerror`` says so.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > largest:
            raise OSError(errno.EFBIG, f"it has {size:,} bytes, more than the {largest:,} allowed")
        return file.read(largest)


def open_regular(path: Path) -> BinaryIO:
    """Open a file that is neither a device nor a pipe, at which reading would wait or never end."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no file")
    return path.open("rb")


def check_suffix(path: Path) -> None:
    """Raise InvalidTable unless the name of a file is that of a table."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        hint = _HINTS.get(suffix, "")
        raise InvalidTable(
            f"{path} is no table: {hint}give a file that ends in {', '.join(SUFFIXES)}"
        )


@dataclass(frozen=True)
class Columns:
    """Columns of equal length, and what messages call each row."""

    values: dict[str, Sequence[Any]]
    places: Sequence[str]  # "line 2" of a text, "row 0" of arrays

    def __getitem__(self, name: str) -> Sequence[Any]:
        """Return one column; its items are text if the file is CSV."""
        return self.values[name]


def read_columns(path: Path, data: bytes, wanted: Iterable[str]) -> Columns:
    """Return the ``wanted`` columns of a file.

    Args:
        path: Where it lies.
        data: Its content.
        wanted: Names of columns.

    Raises:
        InvalidTable: The file is no such table.
        UnknownName: It has no such column.
    """
    suffix = path.suffix.lower()
    read: Callable[[Path, bytes, list[str]], Columns] = {
        ".csv": _csv,
        ".npz": _npz,
        ".parquet": _parquet,
    }[suffix]
    columns = read(path, data, list(dict.fromkeys(wanted)))
    if not columns.places:
        raise InvalidTable(f"{path} has no rows: give a table with one row per architecture")
    return columns


_HINTS = {
    **dict.fromkeys((".gz", ".bz2", ".xz", ".zst", ".zip", ".7z"), "unpack it, and "),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "save the sheet as CSV, and "),
    **dict.fromkeys((".tsv", ".tab", ".txt"), "save it with commas as CSV, and "),
}
# How a file begins that is no text, and what it is.
_NO_TEXT = {
    b"PK\x03\x04": "a ZIP file or a workbook of a spreadsheet: save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "a workbook of a spreadsheet: save the sheet as CSV",
    b"\x1f\x8b": "packed by gzip: unpack it",
    b"BZh": "packed by bzip2: unpack it",
    b"\xfd7zXZ": "packed by xz: unpack it",
    b"PAR1": "a Parquet file: name it .parquet",
    b"\x93NUMPY": "an array of numpy: save it with numpy.savez",
    b"\xff\xfe": "in UTF-16: save it as UTF-8",
    b"\xfe\xff": "in UTF-16: save it as UTF-8",
}
_OTHER_SEPARATORS = {";": "';'", "\t": "tabs", "|": "'|'"}


def _text(path: Path, data: bytes) -> str:
    """Return the text of a CSV file; raise InvalidTable, which says what it is, if it is none."""
    for beginning, what in _NO_TEXT.items():
        if data.startswith(beginning):
            raise InvalidTable(f"{path} is no CSV but {what}")
    if b"\0" in data[:1000]:
        raise InvalidTable(f"{path} has bytes of 0, as UTF-16 has: save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidTable(f"{path} is no UTF-8 text ({error}): save it as UTF-8") from error
    if not text.strip():
        raise InvalidTable(f"{path} is empty: give a table with one row per architecture")
    return text


def _check_separator(path: Path, header: Sequence[str], wanted: Iterable[str]) -> None:
    """Raise InvalidTable if the header is cut by something else than commas."""
    if set(wanted) <= set(header):
        return
    for separator, shown in _OTHER_SEPARATORS.items():
        if any(separator in name for name in header):
            raise InvalidTable(
                f"{path} is separated by {shown}: save it with commas between the columns and "
                "points in the numbers"
            )


def _check_known(path: Path, wanted: Iterable[str], known: Sequence[str]) -> None:
    for name in wanted:
        if name not in known:
            raise unknown_name(f"column of {path}", name, known)


def _csv(path: Path, data: bytes, wanted: list[str]) -> Columns:
    reader = csv.reader(io.StringIO(_text(path, data), newline=""), strict=True)
    rows, lines = [], []
    try:
        header = [name.strip() for name in next((row for row in reader if row), [])]
        _check_separator(path, header, wanted)
        if len(set(header)) < len(header):
            twice = next(name for name in header if header.count(name) > 1)
            raise InvalidTable(f"{path} has two columns {twice!r}: give each its own name")
        _check_known(path, wanted, header)
        for row in reader:
            if len(row) not in (0, len(header)):
                raise InvalidTable(
                    f"{path}, line {reader.line_num} has {len(row)} fields, but the header has "
                    f"{len(header)}: quote fields that hold a comma"
                )
            if row:
                rows.append(row)
                lines.append(f"line {reader.line_num}")
    except csv.Error as error:
        raise InvalidTable(f"{path}, line {reader.line_num} is no CSV ({error})") from error
    return Columns({name: [row[header.index(name)] for row in rows] for name in wanted}, lines)


def _npz(path: Path, data: bytes, wanted: list[str]) -> Columns:
    try:
        _check_unpacked(path, data)
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            _check_known(path, wanted, arrays.files)
            values = {name: arrays[name] for name in wanted}
    except NASGymError:
        raise
    except (ValueError, OSError, EOFError, KeyError) as error:
        raise InvalidTable(
            f"{path} cannot be read ({error}): save arrays of numbers and of text (dtype 'U'), not "
            "of objects, with numpy.savez"
        ) from error
    except Exception as error:  # zipfile's and zlib's
        raise InvalidTable(f"{path} is no .npz file ({error})") from error
    lengths = {name: len(array) if array.ndim else -1 for name, array in values.items()}
    if len(set(lengths.values())) != 1 or -1 in lengths.values():
        raise InvalidTable(
            f"{path} has columns of different lengths: "
            + ", ".join(f"{name} {array.shape}" for name, array in values.items())
            + ": give each one entry, or one row, per architecture"
        )
    rows = range(next(iter(lengths.values())))
    lists = {name: array.tolist() for name, array in values.items()}
    return Columns(lists, [f"row {row}" for row in rows])


def _check_unpacked(path: Path, data: bytes) -> None:
    """Raise InvalidTable if the arrays would be larger than a file may be."""
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(info.file_size for info in archive.infolist())
        if size > LARGEST_FILE:
            raise InvalidTable(
                f"{path} unpacks to {size:,} bytes, more than the {LARGEST_FILE:,} allowed: leave "
                "out what the search does not need"
            )


def _parquet(path: Path, data: bytes, wanted: list[str]) -> Columns:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise InvalidTable(
            f"{not_installed(str(path), 'pyarrow', 'parquet')}, or save the table as CSV"
        ) from error
    try:
        file = parquet.ParquetFile(io.BytesIO(data))
        _check_known(path, wanted, file.schema_arrow.names)
        table = file.read(columns=wanted)
        lists = {name: table.column(name).to_pylist() for name in wanted}
    except NASGymError:
        raise
    except Exception as error:  # pyarrow's own, OSError of damaged pages, what its values raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InvalidTable(
            f"{path} cannot be read as Parquet ({reason}): save the table again"
        ) from error
    return Columns(lists, [f"row {row}" for row in range(table.num_rows)])
