"""Children that were trained in part, kept in files so that they can go on.

They only save time: a child whose file is missing or damaged is trained from the beginning, to the
same result. So they are bounded, the oldest go first, and nothing needs them after a search.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nas_gym.errors import InvalidOption
from nas_gym.options.files import read_bytes, write_file
from nas_gym.options.printable import printable
from nas_gym.training.packed import pack, unpack

if TYPE_CHECKING:
    from torch import Tensor

LARGEST = 2**30  # bytes of all children in a folder, whatever searches left them there
SUFFIX = ".child"


class HalfTrained(NamedTuple):
    """A child that was trained in part."""

    tensors: dict[str, "Tensor"]  # ``Training.state``
    figures: list[list[float]]  # of the validation part, after each epoch


class ChildCheckpoints:
    """The children of one protocol that are trained in part, one file each.

    Args:
        base: Folder of all protocols; by default in the system's folder for temporary files.
        protocol: All that a training depends on beside the architecture and the seed.
        largest: Bytes of the files of all protocols together, > 0.
    """

    def __init__(
        self, base: str | Path | None, protocol: Mapping[str, Any], largest: int = LARGEST
    ) -> None:
        self.base = default_folder() if base is None else Path(base)
        text = json.dumps(protocol, sort_keys=True)
        self.folder = self.base / hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        self.largest = largest

    def load(self, key: str, seed: int) -> HalfTrained | None:
        """Return a child as it was kept; None if it was not, or its file is not as written."""
        path = self._path(key, seed)
        try:
            content = read_bytes(path)
            os.utime(path)  # the youngest now
            return HalfTrained(*unpack("figures", content, _whose(path)))
        except (OSError, ValueError):
            return None

    def keep(self, key: str, seed: int, child: HalfTrained) -> None:
        """Write a child, in place of what was kept of it before.

        Raises:
            InvalidOption: It cannot be written.
        """
        path = self._path(key, seed)
        content = pack("figures", child.tensors, child.figures, _whose(path))
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_file(path, content, durable=False)
        except OSError as error:
            raise InvalidOption(
                f"children that are trained in part cannot be kept in {printable(self.base)} "
                f"({error.strerror or error}): make room there, or repeat the command with --run "
                "NAME --resume --set evaluator.checkpoints=FOLDER"
            ) from error
        self._make_room()

    def drop(self, key: str, seed: int) -> None:
        """Forget a child."""
        _remove(self._path(key, seed))

    def clear(self) -> None:
        """Forget all children of the protocol."""
        for path in self.folder.glob(f"*{SUFFIX}"):
            _remove(path)
        try:
            self.folder.rmdir()
        except OSError:  # another search writes there, or there is none
            return

    def _path(self, key: str, seed: int) -> Path:
        name = hashlib.blake2b(f"{seed}:{key}".encode(), digest_size=16).hexdigest()
        return self.folder / f"{name}{SUFFIX}"

    def _make_room(self) -> None:
        """Remove the oldest files until the others are no larger than they may be.

        Those of other protocols count: a search that was killed may never go on. So do files that
        were not written to their end.
        """
        found = []
        for path in (*self.base.glob(f"*/*{SUFFIX}"), *self.base.glob(f"*/.*{SUFFIX}.new")):
            try:
                status = path.stat()
            except FileNotFoundError:  # another worker removed it
                continue
            found.append((status.st_mtime_ns, status.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self.largest:
                return
            _remove(path)
            total -= size


def _whose(path: Path) -> str:
    """Return whose child a file is of: a copy under another name is no child."""
    return f"{path.parent.name}/{path.name}"


def _remove(path: Path) -> None:
    with suppress(OSError):  # it is no file, or nobody may: then it stays
        path.unlink(missing_ok=True)


def default_folder(kind: str = "children", what: str = "children that are trained in part") -> Path:
    """Return the user's own folder among the system's temporary files; nobody else's is used.

    Args:
        kind: Part of its name.
        what: What is kept there, for people.

    Raises:
        InvalidOption: There is a file or a folder of another user of that name.
    """
    user = os.getuid() if hasattr(os, "getuid") else getuser()  # there is none on Windows
    folder = Path(tempfile.gettempdir()) / f"nas-gym-{kind}-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        ours = not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()
    except OSError as error:
        raise _unusable(what, folder, error.strerror or str(error)) from error
    if not ours or folder.is_symlink():
        raise _unusable(what, folder, "it belongs to another user")
    return folder


def _unusable(what: str, folder: Path, why: str) -> InvalidOption:
    return InvalidOption(
        f"{what} cannot be kept in {printable(folder)} ({why}): name "
        "another folder with --set evaluator.checkpoints=FOLDER"
    )
