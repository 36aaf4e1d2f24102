"""The kind of data that a name or a path means; a wrong one is refused before torch is imported.

What people read of names and paths goes through ``printable``: file systems hold any bytes.
"""

import logging
import os
from functools import cache
from pathlib import Path
from typing import Literal

from nas_gym.errors import InvalidDataset, InvalidOption, UnknownName, did_you_mean
from nas_gym.options.paths import recorded_path, user_path
from nas_gym.options.printable import printable
from nas_gym.plugins import names

# Data that comes with what is installed: no user can have broken it.
BUILT_IN = ("digits", "python-docs")
DOWNLOAD_FOLDER = "~/.cache/nas-gym"
_UNPACKED = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}  # by torchvision
_log = logging.getLogger("nas_gym")


def images_at(name: str) -> Literal["name", "folder", "file"]:
    """Return what ``name`` is as a data set of images.

    Raises:
        UnknownName: No such data set.
        InvalidDataset: A path at which there is nothing to read.
    """
    known = names("dataset")
    if name in known:
        return "name"
    path = user_path(name, "dataset")
    if os.path.isdir(path):
        return "folder"
    if path.suffix.lower() == ".npz":
        return "file"
    if len(path.parts) > 1 or os.path.isfile(path):
        raise InvalidDataset(
            f"{printable(name)} is not a folder{_why_not(path)}: {_hint(path)}give a folder of "
            f"images, an .npz file, or one of {', '.join(known)}"
        )
    if name in names("text"):
        raise UnknownName(f"{name!r} is a text, for spaces of recurrent cells: give images")
    raise _nothing_there("data set", name, known)


_PACKED = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")
_ARRAYS = (
    ".npy", ".h5", ".hdf5", ".mat", ".pkl", ".pickle", ".pt", ".pth", ".parquet", ".arrow",
    ".tfrecord", ".csv", ".tsv", ".json", ".jsonl",
)  # fmt: skip


def _hint(path: Path) -> str:
    """Return what to do with a file that holds a data set in another way; empty if unknown."""
    suffix = path.suffix.lower()
    if not os.path.isfile(path):
        return ""
    if suffix in _PACKED:
        return "unpack it, and "
    return "save its images and labels with numpy.savez, or " if suffix in _ARRAYS else ""


def place_to_record(name: str) -> str:
    """Return a name as it is and a path as an absolute one, to be found from any folder.

    Nor does a word change at whose place there is nothing: a message is to show it as it was given.
    """
    if name in _built_in() or not os.path.exists(user_path(name, "dataset")):
        return name
    return recorded_path(name, "dataset")


def check_takes_folder(name: str, folder: object) -> None:
    """Raise InvalidOption unless ``name`` is a named data set whose files lie in a folder."""
    if name == "digits":
        raise InvalidOption(
            f"folder is {str(folder)!r}, and the data set is digits, which comes with "
            "scikit-learn: leave the folder out, or give it as the data set (--dataset)"
        )
    if name not in names("dataset"):
        raise InvalidOption(
            f"folder is {str(folder)!r}, and the data set is {name!r}, which lies where its path "
            "says: leave the folder out, it is for data sets with a name"
        )


def missing_from(name: object, folder: str | None) -> Path | None:
    """Return the folder in which a named data set surely is not, by a look at its names."""
    if not isinstance(name, str) or name not in _UNPACKED:
        return None
    try:
        root = user_path(DOWNLOAD_FOLDER if folder is None else folder)
    except InvalidOption:  # no home: said when the data is read
        return None
    return None if os.path.exists(root / _UNPACKED[name]) else root


def not_there(name: str, root: Path) -> InvalidDataset:
    """Return the error for a named data set that cannot be read where it is to lie."""
    return InvalidDataset(
        f"{name} is not in {root}, or its files are damaged: pass --download (download=True) to "
        "get it, or say where it lies with --folder (folder=...)"
    )


def say_if_shadowed(name: str) -> None:
    """Say once, in the log, that a name means the built-in data and not a folder of that name."""
    if name in _built_in() and os.path.isdir(name):
        _say_shadowed(name, os.path.abspath(name))


def _built_in() -> set[str]:
    return {*names("dataset"), *names("text")}


@cache
def _say_shadowed(name: str, folder: str) -> None:
    _log.warning(
        "the data set %s is the built-in one, not the folder %s: give ./%s for the folder",
        name, folder, name,
    )  # fmt: skip


def _nothing_there(kind: str, name: str, known: list[str]) -> UnknownName:
    """Return the error for a word that is neither a known name nor a path at which something is."""
    return UnknownName(
        f"there is no folder or {kind} {name!r} in {_here()}: {did_you_mean(name, known)}known: "
        f"{', '.join(known)}"
    )


def _here() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return "a folder that was removed"


def text_at(name: str) -> Literal["name", "folder"]:
    """Return what ``name`` is as a text.

    Raises:
        UnknownName: No such text.
        InvalidDataset: A path at which there is no folder.
    """
    known = names("text")
    if name in known:
        return "name"
    path = user_path(name, "dataset")
    if os.path.isdir(path):
        return "folder"
    if len(path.parts) > 1 or os.path.exists(path):
        raise InvalidDataset(
            f"{printable(name)} is not a folder{_why_not(path)}: give a folder with train.txt, "
            f"valid.txt and test.txt (or ptb.train.txt, wiki.train.tokens and the like), or one of "
            f"{', '.join(known)}"
        )
    if name in names("dataset"):
        raise UnknownName(f"{name!r} is a data set of images, and this space reads text: give one")
    raise _nothing_there("text", name, known)


def _why_not(path: Path) -> str:
    """Return why a path cannot be looked at, in brackets; empty if there is just no folder."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError) as error:  # the second: a path with a NUL
        return f" ({getattr(error, 'strerror', None) or error})"
    return ""
