"""The note of a table: what it was made with, and what its columns mean, as JSON data.

An ``.npz`` file has it in an array ``note``, a CSV file in the first row of a column ``note``, a
Parquet file in its metadata under ``note``.
"""

import csv
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nas_gym.errors import InvalidTable

NOTE = "note"
FORMAT = 1  # of notes


def note_of(path: Path, data: bytes) -> dict[str, Any] | None:
    """Return the note in a file's content; None if it has none.

    Raises:
        InvalidTable: It has one that cannot be read, or of another version.
    """
    readers = {".npz": _of_npz, ".csv": _of_csv, ".parquet": _of_parquet}
    try:
        text = readers[path.suffix.lower()](data)
    except Exception:  # the file is broken: whoever reads its columns says how
        return None
    if text is None:
        return None
    try:
        note = json.loads(text)
    except (ValueError, RecursionError):
        return None  # a column of the user's own that has this name
    if not isinstance(note, dict) or "nas_gym_table" not in note:
        return None
    layout = note.get("layout")
    if note["nas_gym_table"] != FORMAT or not isinstance(layout, Mapping):
        raise InvalidTable(
            f"{path} was written by another version of nas-gym: make it again with "
            "`nas-gym tabulate`, or give the meaning of its columns as options"
        )
    return note


def _of_npz(data: bytes) -> str | None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if f"{NOTE}.npy" not in archive.namelist():
            return None
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        note = arrays[NOTE]
    return str(note) if note.ndim == 0 else None


def _of_csv(data: bytes) -> str | None:
    rows = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
    header = next(rows)
    return next(rows)[header.index(NOTE)] if NOTE in header else None


def _of_parquet(data: bytes) -> str | None:
    from pyarrow import parquet

    metadata = parquet.read_schema(io.BytesIO(data)).metadata or {}
    return metadata[NOTE.encode()].decode() if NOTE.encode() in metadata else None
