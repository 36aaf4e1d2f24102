"""What lies in the folders of a data set: images, other folders, and what is left out and why.

Nothing is left out without being counted by its kind; nothing that could be a picture is left out.
"""

import os
import re
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from nas_gym.errors import InvalidDataset
from nas_gym.options.printable import printable

# What file managers, notebooks, archivers and file servers leave beside the data.
_HIDDEN = (".", "@", "~")
_SYSTEM = {
    "__macosx", "$recycle.bin", "recycler", "system volume information", "lost+found", "#recycle",
    "#snapshot", "__pycache__", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r",
}  # fmt: skip
_COPIES = {".bak", ".tmp", ".temp", ".part", ".partial", ".crdownload", ".download", ".swp", ".old"}
# Pictures that Pillow cannot read, and what to do: to leave them out would change the classes.
_UNREADABLE = {
    **dict.fromkeys((".heic", ".heif", ".hif"), "HEIC"),
    ".jxl": "JPEG XL",
    **dict.fromkeys((".svg", ".svgz", ".eps", ".wmf", ".emf"), "a drawing of lines"),
    **dict.fromkeys(
        (".dcm", ".dicom", ".nii", ".exr", ".hdr", ".fits", ".fit", ".fts"), "a measured image"
    ),
    **dict.fromkeys(
        (".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw"),
        "a camera's raw image",
    ),
}
_LOCKS = "-locks"  # after the name of a store, as nas_gym.store.locks names them
# What a run's folder holds, as nas_gym.runs.export names it.
_PICTURES = ({"learning_curve.png", "learning_curve.svg"}, {"best-1.json", "best-1.md"})
_OF_A_RUN = re.compile(r"(?:learning_curve|best-\d+)\.(?:png|svg|json|md)")
_STARTS = (
    b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*",
    b"\0\0\0\x0cjP  \r\n", b"\xff\x4f\xff\x51",
)  # fmt: skip


class Contents(NamedTuple):
    """What lies in one folder; names in the order of their code points."""

    folders: list[str]
    images: list[str]
    hidden: list[str]  # folders that are left out


@dataclass
class LeftOut:
    """Counts what is left out, by kind, each with the first example."""

    kinds: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, kind: str, path: str) -> None:
        """Count one file or folder."""
        count, example = self.kinds.get(kind, (0, path))
        self.kinds[kind] = (count + 1, example)


def look(folder: str, root: Path, left_out: LeftOut, suffixes: frozenset[str]) -> Contents:
    """Return what lies in a folder.

    Args:
        folder: The folder.
        root: Of the data set, to name what is left out.
        left_out: Counts that.
        suffixes: Of images that can be read, in lower case.

    Raises:
        InvalidDataset: It cannot be listed, or holds a picture that cannot be read.
    """
    found = Contents([], [], [])
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        raise InvalidDataset(
            f"{printable(folder)} cannot be listed ({error.strerror}): make it readable"
        ) from None
    beside = {entry.name for entry in entries}
    written = _of_a_run(beside)
    for entry in entries:
        name, where = entry.name, printable(os.path.relpath(entry.path, root))
        try:
            mode = entry.stat().st_mode
        except OSError as error:
            if not entry.is_symlink():
                raise InvalidDataset(
                    f"{printable(entry.path)} cannot be looked at ({error.strerror}): make it "
                    "readable"
                ) from None
            left_out.add("broken links", where)
            continue
        if is_hidden(name):
            left_out.add("hidden folders" if stat.S_ISDIR(mode) else "hidden files", where)
            found.hidden.extend([name] if stat.S_ISDIR(mode) else [])
        elif stat.S_ISDIR(mode) and _is_ours(entry.path, beside):
            left_out.add("folders that nas-gym wrote", where)
        elif stat.S_ISDIR(mode):
            found.folders.append(name)
        elif name in written:
            left_out.add("files that nas-gym wrote", where)
        elif not stat.S_ISREG(mode):  # to open a pipe would wait for ever
            left_out.add("pipes and devices", where)
        elif (kind := _kind(entry.path, suffixes)) is None:
            found.images.append(name)
        else:
            left_out.add(kind, where)
    return found


def walk(folder: str, root: Path, left_out: LeftOut, suffixes: frozenset[str]) -> list[str]:
    """Return the paths of all images in and below a folder; links are followed, never in a circle.

    They come folder by folder, in the order of the folders' whole paths. A link to ``root``, or to
    the part that the folder lies in, would bring the images of other classes.
    """
    seen: list[tuple[str, list[str]]] = []
    around = frozenset(
        identity(path) for path in (str(root), os.path.dirname(os.path.abspath(folder)))
    )
    waiting = [(folder, around)]
    while waiting:
        current, above = waiting.pop()
        if (itself := identity(current)) in above:
            left_out.add("links to a folder around them", printable(os.path.relpath(current, root)))
            continue
        found = look(current, root, left_out, suffixes)
        seen.append((current, found.images))
        waiting += [(os.path.join(current, f), above | {itself}) for f in found.folders]
    return [os.path.join(current, name) for current, names in sorted(seen) for name in names]


def identity(folder: str) -> tuple[int, int]:
    """Return what is the same for all paths to one folder."""
    try:
        status = os.stat(folder)
    except OSError as error:
        raise InvalidDataset(
            f"{printable(folder)} cannot be looked at ({error.strerror}): make it readable"
        ) from None
    return status.st_dev, status.st_ino


def _is_ours(folder: str, beside: Collection[str]) -> bool:
    """Return whether a folder holds a store, its locks or the pictures of a run.

    Who searches within the folder of the images has them there, and would search on with pictures
    of learning curves as a class.
    """
    if _is_locks(os.path.basename(folder), beside):
        return True
    try:
        names = set(os.listdir(folder))
    except OSError:  # said where the folder is read
        return False
    only = bool(names) and names == _of_a_run(names)
    return only or any(_is_locks(name, names) for name in names)


def _of_a_run(names: Collection[str]) -> set[str]:
    """Return the names of what a run wrote; a run may have the name of a class."""
    if not any(pictures <= set(names) for pictures in _PICTURES):
        return set()
    return {name for name in names if _OF_A_RUN.fullmatch(name)}


def _is_locks(name: str, beside: Collection[str]) -> bool:
    return name.endswith(_LOCKS) and name.removesuffix(_LOCKS) in beside


def is_hidden(name: str) -> bool:
    """Return whether a name is of what systems leave beside the data."""
    return name.startswith(_HIDDEN) or name.endswith("~") or name.casefold() in _SYSTEM


def _kind(path: str, suffixes: frozenset[str]) -> str | None:
    """Return what kind of file is left out; None for an image."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix in suffixes:
        return None
    start = b"" if suffix in _COPIES else _start_of(path)
    heic = start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1")
    if suffix in _UNREADABLE or heic:
        raise InvalidDataset(
            f"{printable(path)} is {_UNREADABLE.get(suffix, 'HEIC')}, which cannot be read here: "
            "convert such files to PNG or JPEG, or take them away"
        )
    webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    if start.startswith(_STARTS) or webp or start[4:12] in (b"ftypavif", b"ftypavis"):
        return None
    return f"{printable(suffix)} files" if suffix else "files without a suffix"


def _start_of(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(16)
    except OSError as error:
        raise InvalidDataset(
            f"{printable(path)} cannot be read ({error.strerror}): make it readable, or take it "
            "away"
        ) from None


def images_below(paths: list[str], folder: str) -> Iterator[tuple[str, ...]]:
    """Yield each path below ``folder`` as its parts."""
    for path in paths:
        yield tuple(os.path.relpath(path, folder).split(os.sep))
