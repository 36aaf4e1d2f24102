"""The kind of data that a name or a path means; a wrong one is refused before torch is imported.

What people read of names and paths goes through ``shown``: file systems hold any bytes.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from nas_gym.errors import InvalidDataset, UnknownName, unknown_name
from nas_gym.plugins import names


def user_path(text: str | os.PathLike[str]) -> Path:
    """Return the path of a text; a ``~name`` without a home stays as it is."""
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:  # no such user, or no home
        return path


def shown(text: str | os.PathLike[str]) -> str:
    r"""Return a name or path for people: bytes that are no UTF-8 as ``\xe9``, no control signs."""
    return "".join(c if c.isprintable() else _escaped(c) for c in os.fspath(text))


def _escaped(sign: str) -> str:
    if "\udc80" <= sign <= "\udcff":  # a byte that the file system's encoding does not know
        return f"\\x{ord(sign) - 0xDC00:02x}"
    return sign.encode("unicode_escape").decode()


def images_at(name: str) -> Literal["name", "folder", "file"]:
    """Return what ``name`` is as a data set of images.

    Raises:
        UnknownName: No such data set.
        InvalidDataset: A path at which there is nothing to read.
    """
    known = names("dataset")
    path = user_path(name)
    if name in known:
        return "name"
    if os.path.isdir(path):
        return "folder"
    if path.suffix.lower() == ".npz":
        return "file"
    if len(path.parts) > 1 or os.path.isfile(path):
        raise InvalidDataset(
            f"{shown(name)} is not a folder{_why_not(path)}: give a folder of images, an .npz "
            f"file, or one of {', '.join(known)}"
        )
    if name in names("text"):
        raise UnknownName(f"{name!r} is a text, for spaces of recurrent cells: give images")
    raise _nothing_there("data set", name, [*known, "FOLDER_OF_IMAGES", "FILE.npz"])


def text_at(name: str) -> Literal["name", "folder"]:
    """Return what ``name`` is as a text.

    Raises:
        UnknownName: No such text.
        InvalidDataset: A path at which there is no folder.
    """
    known = names("text")
    path = user_path(name)
    if name in known:
        return "name"
    if os.path.isdir(path):
        return "folder"
    if len(path.parts) > 1 or os.path.exists(path):
        raise InvalidDataset(
            f"{shown(name)} is not a folder{_why_not(path)}: give a folder with train.txt, "
            f"valid.txt and test.txt, or one of {', '.join(known)}"
        )
    if name in names("dataset"):
        raise UnknownName(f"{name!r} is a data set of images, and this space reads text: give one")
    raise _nothing_there("text", name, [*known, "a folder with train.txt, valid.txt and test.txt"])


def _why_not(path: Path) -> str:
    """Return why a path cannot be looked at, in brackets; empty if there is just no folder."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError) as error:  # the second: a path with a NUL
        return f" ({getattr(error, 'strerror', None) or error})"
    return ""


def _nothing_there(kind: str, name: str, known: Sequence[str]) -> UnknownName:
    """Return the error for a word that is neither a known name nor a folder; it says where."""
    try:
        here = os.getcwd()
    except OSError:  # it was deleted
        here = "this folder"
    hint = str(unknown_name(kind, name, known)).removeprefix(f"unknown {kind} {name!r}: ")
    return UnknownName(f"there is no {kind} or folder {shown(repr(name))} in {shown(here)}: {hint}")
