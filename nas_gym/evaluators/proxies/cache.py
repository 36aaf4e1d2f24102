"""Values of proxies, kept in a file that searches share: one line of JSON per architecture.

Lines are only ever added, each by one write, so that several processes may write to one file, and
one that is killed leaves at most a line that is cut: it is passed over. NaN and the infinities are
null there, and NaN when they are read.
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas_gym.errors import StoreError
from nas_gym.options.printable import printable

Values = dict[str, float]


class ValueCache:
    """The values of one scorer in a file that may hold those of others.

    Args:
        path: The file; made when the first value is added.
        scorer: Names all that values depend on besides the architecture.

    Raises:
        StoreError: The file cannot be read.
    """

    def __init__(self, path: Path, scorer: str) -> None:
        self.path, self.scorer = path, scorer

    def known(self, key: str) -> Mapping[str, float]:
        """Return the values of an architecture, by name.

        Args:
            key: Tells it from the others of its space.
        """
        return _read(self.path).get((self.scorer, key), {})

    def add(self, key: str, values: Mapping[str, float]) -> None:
        """Add values of an architecture.

        Raises:
            StoreError: The file cannot be written.
        """
        plain = {name: value if math.isfinite(value) else None for name, value in values.items()}
        line = json.dumps({"scorer": self.scorer, "key": key, "values": plain}) + "\n"
        try:
            with open(self.path, "ab", buffering=0) as file:
                file.write(line.encode())
        except OSError as error:
            raise _unusable(self.path, error) from error


class _Loaded:
    """A file as far as this process has read it."""

    def __init__(self) -> None:
        self.position = 0
        self.values: dict[tuple[str, str], Values] = {}


_LOADED: dict[str, _Loaded] = {}  # by path: searches of one process read a file once


def _read(path: Path) -> dict[tuple[str, str], Values]:
    """Return all values of a file; only what was added since the last time is read."""
    loaded = _LOADED.setdefault(os.path.abspath(path), _Loaded())
    try:
        size = path.stat().st_size
        if size < loaded.position:  # it was replaced
            loaded.position, loaded.values = 0, {}
        if size > loaded.position:
            with open(path, "rb") as file:
                file.seek(loaded.position)
                text = file.read()
            whole = text.rfind(b"\n") + 1
            loaded.position += whole
            for line in text[:whole].splitlines():
                _take(line, loaded.values)
    except FileNotFoundError:
        loaded.position, loaded.values = 0, {}
    except OSError as error:
        raise _unusable(path, error) from error
    return loaded.values


def _take(line: bytes, values: dict[tuple[str, str], Values]) -> None:
    try:
        data: Any = json.loads(line)
        key = (str(data["scorer"]), str(data["key"]))
        found = {str(n): math.nan if v is None else float(v) for n, v in data["values"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return  # cut, or none of ours
    values.setdefault(key, {}).update(found)


def _unusable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"the file of scores {printable(str(path))} cannot be used ({error.strerror or error}): "
        "give one that you may read and write"
    )
