"""The kind of data that a name or a path means; a wrong one is refused before torch is imported."""

import os
from pathlib import Path
from typing import Literal

from nas_gym.errors import InvalidDataset, UnknownName, unknown_name
from nas_gym.plugins import names


def images_at(name: str) -> Literal["name", "folder", "file"]:
    """Return what ``name`` is as a data set of images.

    Raises:
        UnknownName: No such data set.
        InvalidDataset: A path at which there is nothing to read.
    """
    known = names("dataset")
    path = Path(name).expanduser()
    if name in known:
        return "name"
    if name.endswith(".npz"):
        return "file"
    if path.is_dir():
        return "folder"
    if len(path.parts) > 1 or path.is_file():
        raise InvalidDataset(
            f"{name} is not a folder: give a folder of images, an .npz file, or one of "
            f"{', '.join(known)}"
        )
    if name in names("text"):
        raise UnknownName(f"{name!r} is a text, for spaces of recurrent cells: give images")
    raise unknown_name("data set", name, [*known, "FOLDER_OF_IMAGES", "FILE.npz"])


def text_at(name: str) -> Literal["name", "folder"]:
    """Return what ``name`` is as a text.

    Raises:
        UnknownName: No such text.
        InvalidDataset: A path at which there is no folder.
    """
    known = names("text")
    path = Path(name).expanduser()
    if name in known:
        return "name"
    if path.is_dir():
        return "folder"
    if os.sep in name or path.exists():
        raise InvalidDataset(
            f"{name} is not a folder: give a folder with train.txt, valid.txt and test.txt, or one "
            f"of {', '.join(known)}"
        )
    if name in names("dataset"):
        raise UnknownName(f"{name!r} is a data set of images, and this space reads text: give one")
    raise unknown_name("text", name, [*known, "a folder with train.txt, valid.txt and test.txt"])
