"""Shared weights in files, so that a search that was killed goes on with them.

A file has a checksum, tensors in safetensors' format and JSON beside them. There are two, written
in turns, each whole or not at all: a kill or a full disk at any moment leaves one at least.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.trained.checkpoints import default_folder
from nas_gym.options.files import read_bytes, write_file
from nas_gym.options.printable import printable
from nas_gym.training.packed import pack, unpack

if TYPE_CHECKING:
    from filelock import FileLock
    from torch import Tensor

NAMES = ("first.weights", "second.weights")
LOCK = "lock"
KEPT = 8  # folders of other searches in the default place
SIDE_BY_SIDE = 16  # searches of one protocol at the same time


class Snapshot(NamedTuple):
    """A moment of the shared weights."""

    tensors: dict[str, "Tensor"]
    facts: dict[str, Any]  # JSON data


class Snapshots:
    """The files of one search; nobody else writes there as long as this is open.

    Args:
        folder: Given by the user; None: one of the protocol, among the user's temporary files.
        protocol: All that the weights depend on.

    Raises:
        InvalidOption: There is no such folder and none can be made, or another process has it.
    """

    def __init__(self, folder: str | Path | None, protocol: Mapping[str, Any]) -> None:
        text = json.dumps(protocol, sort_keys=True)
        self.protocol = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        self.named = folder is not None
        self._next = 0
        if folder is not None:
            self.folder = Path(folder)
            lock = _held(self.folder)
            if lock is None:
                raise InvalidOption(
                    f"another process keeps shared weights in {printable(folder)} now: let it end, "
                    "or name another folder with --set evaluator.checkpoints=FOLDER"
                )
            self._lock: FileLock | None = lock
            return
        base = default_folder("shared-weights", "shared weights")
        self._lock = None
        for number in range(SIDE_BY_SIDE):
            self.folder = base / f"{self.protocol}-{number}"
            self._lock = _held(self.folder)
            if self._lock is not None:
                break
        else:
            raise InvalidOption(
                f"{SIDE_BY_SIDE} processes keep the same shared weights now: let them end, or name "
                "a folder with --set evaluator.checkpoints=FOLDER"
            )
        _make_room(base)

    def save(self, tensors: Mapping[str, "Tensor"], facts: Mapping[str, Any]) -> None:
        """Write a snapshot in place of the older of the two.

        Raises:
            InvalidOption: It cannot be written; what was written before is kept.
        """
        content = pack("facts", tensors, {**facts, "protocol": self.protocol})
        path = self.folder / NAMES[self._next]
        try:
            write_file(path, content)
        except OSError as error:
            there = any((self.folder / name).exists() for name in NAMES)
            raise InvalidOption(
                f"the shared weights cannot be kept in {printable(self.folder)} "
                f"({error.strerror or error}); {'what' if there else 'nothing'} was kept before"
                f"{' is there' if there else ''}: make room, then go on with `nas-gym resume`, or "
                "with the same search where no child is recorded yet"
            ) from error
        self._next = 1 - self._next

    def load(self, value: Callable[[Mapping[str, Any]], float]) -> Snapshot | None:
        """Return the snapshot with the highest value that is not below 0; None without one.

        Args:
            value: Of a snapshot's facts.

        Raises:
            InvalidOption: A file is damaged, or holds the weights of another search.
        """
        best, highest = None, -1.0
        for number, name in enumerate(NAMES):
            path = self.folder / name
            if path.exists():
                snapshot = self._read(path)
                if (found := value(snapshot.facts)) > highest and found >= 0:
                    best, highest, self._next = snapshot, found, 1 - number
        return best

    def _read(self, path: Path) -> Snapshot:
        try:
            content = read_bytes(path)
        except (OSError, ValueError) as error:
            raise InvalidOption(
                f"{printable(path)} cannot be read ({getattr(error, 'strerror', None) or error}): "
                "mend that, or remove it, and the shared weights are trained anew"
            ) from error
        try:
            tensors, facts = unpack("facts", content)
        except ValueError as error:
            raise InvalidOption(
                f"{printable(path)} is cut off, or was changed after it was written: remove it, "
                "and the shared weights are trained anew"
            ) from error
        if facts.get("protocol") != self.protocol:
            raise InvalidOption(
                f"{printable(path)} holds the shared weights of another search (other data, recipe,"
                " options or versions): name another folder with --set evaluator.checkpoints=FOLDER"
            )
        return Snapshot(tensors, facts)

    def discard(self) -> None:
        """Remove the files, unless the user named the folder: then others may go on with them."""
        if not self.named:
            _empty(self.folder)

    def close(self) -> None:
        """Let others write there."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        if not self.named:
            with suppress(OSError):  # there are weights in it
                (self.folder / LOCK).unlink(missing_ok=True)
                self.folder.rmdir()


def _held(folder: Path) -> "FileLock | None":
    """Return the lock of a folder, made if need be; None if another process has it.

    Raises:
        InvalidOption: Nothing can be written there.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK, thread_local=False)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        return None
    except (OSError, NotImplementedError) as error:
        raise InvalidOption(
            f"the shared weights cannot be kept in {printable(folder)} "
            f"({getattr(error, 'strerror', None) or error}): name another folder with --set "
            "evaluator.checkpoints=FOLDER"
        ) from error
    return lock


def _make_room(base: Path) -> None:
    """Remove the oldest weights of searches that were never gone on with."""
    found = []
    for folder in base.iterdir():
        with suppress(OSError):
            found.append((folder.stat().st_mtime_ns, folder))
    for _, folder in sorted(found, reverse=True)[KEPT + 1 :]:
        with suppress(InvalidOption):
            lock = _held(folder)
            if lock is not None:
                _empty(folder)
                lock.release()
                with suppress(OSError):
                    (folder / LOCK).unlink(missing_ok=True)
                    folder.rmdir()


def _empty(folder: Path) -> None:
    for name in NAMES:
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)
            (folder / f".{name}.new").unlink(missing_ok=True)
