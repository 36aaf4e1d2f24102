"""What a folder of images means: its classes, and its own parts if it has them.

It is one folder of images per class. Or it is the folders ``train``, ``val`` (``valid``,
``validation``) and ``test``, each with the same class folders: then the parts are used as they are.
Whatever else looks like parts is refused, since a search would learn to tell training from test
images.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from nas_gym.errors import InvalidDataset, InvalidOption
from nas_gym.options.printable import printable
from nas_gym.training.images.entries import (
    Contents,
    LeftOut,
    identity,
    images_below,
    look,
    walk,
)
from nas_gym.training.images.part_names import are_parts, plain_name
from nas_gym.training.images.splitting import Shares, check_class_count

_OWN = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation",
        "test": "test"}  # fmt: skip
Below = dict[str, list[str]]  # folder -> the images in it


class Listing(NamedTuple):
    """The images of a folder, class by class, in a fixed order."""

    paths: list[str]
    labels: list[int]  # an index into classes
    parts: list[str] | None  # of each: "train", "validation" or "test"; None: to be split
    classes: list[str]
    left_out: Mapping[str, tuple[int, str]]  # by kind: how many, and the first
    nested: int  # images in folders below that of their class


def list_images(root: Path, suffixes: frozenset[str]) -> Listing:
    """Say what the images of a folder are, or refuse to guess.

    Args:
        root: The folder.
        suffixes: Of images that can be read, in lower case.

    Raises:
        InvalidDataset: It is none of the two layouts, or a class has no images.
    """
    left_out = LeftOut()
    found = look(str(root), root, left_out, suffixes)
    own = _own_parts(root, found)
    if own is None:
        paths = _classes_of(root, root, found, left_out, suffixes)
        labels, classes = _labelled(paths)
        nested = _nested(root, paths)
        listing = Listing(_flat(paths), labels, None, classes, left_out.kinds, nested)
    else:
        listing = _list_own(root, own, left_out, suffixes)
    _check_links(root, listing)
    return listing


def _check_links(root: Path, listing: Listing) -> None:
    """Raise InvalidDataset if a link makes one folder that of two classes, or of two parts."""
    owners: dict[tuple[int, int], tuple[tuple[int, str], str]] = {}
    parts = listing.parts or [""] * len(listing.paths)
    each = zip(listing.paths, listing.labels, parts, strict=True)
    for folder, owner in {os.path.dirname(path): (of, part) for path, of, part in each}.items():
        first, where = owners.setdefault(identity(folder), (owner, folder))
        if first != owner:
            raise InvalidDataset(
                f"{printable(folder)} and {printable(where)} are one folder, by a link, whose "
                f"images would be in two {'classes' if first[0] != owner[0] else 'parts'} of "
                f"{printable(root)}: take the link away"
            )


def _own_parts(root: Path, found: Contents) -> Mapping[str, str] | None:
    """Return the folder of each part, if the folder's names say that it has its own."""
    folders, names = found.folders, set(found.folders)
    if not are_parts(folders):
        return None
    parts = {_OWN[name]: name for name in folders if name in _OWN}
    sure = "train" in parts and names <= set(_OWN) and len(parts) == len(folders)
    if not sure or len(parts) < 2 or found.images:
        _refuse_parts(root, folders)
    if len(parts) == 2 and found.hidden:
        raise InvalidDataset(
            f"{printable(root)} holds parts, not classes ({', '.join(folders)}), and beside them "
            f"{printable(found.hidden[0])}: take that away, or bring the third part, so that it is "
            "certain that these are the parts of one data set"
        )
    return parts


def _refuse_parts(root: Path, folders: Sequence[str]) -> NoReturn:
    raise InvalidDataset(
        f"{printable(root)} holds parts, not classes ({_listed(folders)}): give the folder that "
        "has one folder per class, and nas-gym splits it itself; or, to use your own parts, name "
        "them train, val and test, with nothing beside them and the same class folders in each"
    )


def _list_own(
    root: Path, own: Mapping[str, str], left_out: LeftOut, suffixes: frozenset[str]
) -> Listing:
    listing = Listing([], [], [], [], left_out.kinds, 0)
    nested = 0
    for part in ("train", "validation", "test"):
        if part not in own:
            continue
        folder = root / own[part]
        found = look(str(folder), root, left_out, suffixes)
        if are_parts(found.folders) or not found.folders:
            _refuse_parts(root, list(own.values()))
        paths = _classes_of(folder, root, found, left_out, suffixes)
        labels, classes = _labelled(paths)
        if part == "train":
            listing.classes.extend(classes)
        elif odd := sorted(set(listing.classes) ^ set(classes)):
            there, missing = (part, "train") if odd[0] in classes else ("train", part)
            alike = [name for name in odd[1:] if plain_name(name) == plain_name(odd[0])]
            raise InvalidDataset(
                f"{printable(root)}: {own[there]} has a class {printable(odd[0])}, and "
                f"{own[missing]} has {'one that is written in another way' if alike else 'none'}: "
                "each part needs the same class folders"
            )
        listing.paths.extend(_flat(paths))
        listing.labels.extend(labels)
        assert listing.parts is not None
        listing.parts.extend([part] * len(labels))
        nested += _nested(folder, paths)
    return listing._replace(nested=nested)


def _classes_of(
    folder: Path, root: Path, found: Contents, left_out: LeftOut, suffixes: frozenset[str]
) -> Below:
    """Return the images of each class folder of ``folder``, after all checks."""
    here = printable(folder)
    if not found.folders:
        loose = f", but {len(found.images)} images" if found.images else ""
        raise InvalidDataset(
            f"{here} has no folders{loose}: put each class's images in a folder of it"
        )
    if found.images:
        raise InvalidDataset(
            f"{here} has {len(found.images)} images beside its class folders (such as "
            f"{printable(found.images[0])}): put them into their classes' folders, or take them "
            "away"
        )
    if len(found.folders) > 1:
        check_class_count(len(found.folders), here)
    paths: Below = {}
    kinds = dict(left_out.kinds)
    for name in found.folders:
        paths[name] = walk(str(folder / name), root, left_out, suffixes)
    _check_layout(folder, paths)
    if len(paths) == 1:
        (only,) = paths
        inside = sorted({p[0] for p in images_below(paths[only], str(folder / only)) if p[1:]})
        where = printable(folder / only)
        hint = f"; it is {printable(only)}, which holds folders: did you mean {where}"
        raise InvalidDataset(
            f"{here} has 1 class: give at least 2{hint if len(inside) > 1 else ''}"
        )
    if empty := [name for name, images in paths.items() if not images]:
        new = [
            kind
            for kind, (_, example) in left_out.kinds.items()
            if kind not in kinds and set(Path(example).parts) & set(map(printable, empty))
        ]
        raise InvalidDataset(
            f"{here}: class {_listed(empty)} has no image"
            f"{f' (left out: {_listed(new)})' if new else ''}: give it some, or take it away"
        )
    return paths


def _check_layout(folder: Path, paths: Below) -> None:
    """Raise InvalidDataset if what lies in the class folders looks like classes or parts."""
    inner = []
    for name, images in paths.items():
        parts = list(images_below(images, str(folder / name)))
        inside = {part[0] for part in parts if len(part) > 1}
        if len(inside) > 1 and are_parts(inside):
            raise InvalidDataset(
                f"{printable(folder)}: {printable(name)} holds parts ({_listed(sorted(inside))}): "
                "put the class folders into the parts, named train, val and test, or all images of "
                "a class into its folder"
            )
        inner.append(set() if any(len(part) == 1 for part in parts) else inside)
    shared = set.intersection(*inner) if len(inner) > 1 else set()
    if len(shared) > 1:
        raise InvalidDataset(
            f"{printable(folder)} holds parts, not classes ({_listed(list(paths))}), it seems, "
            f"since each holds the folders {_listed(sorted(shared))} and no image beside them: "
            "give the folder that has one folder per class, or name the parts train, val and test"
        )


def _labelled(paths: Below) -> tuple[list[int], list[str]]:
    labels = [label for label, images in enumerate(paths.values()) for _ in images]
    return labels, list(paths)


def _flat(paths: Below) -> list[str]:
    return [path for images in paths.values() for path in images]


def _nested(folder: Path, paths: Below) -> int:
    return sum(len(parts) > 2 for parts in images_below(_flat(paths), str(folder)))


def _listed(names: Sequence[str], most: int = 6) -> str:
    listed = ", ".join(map(printable, names[:most]))
    return listed + (f" and {len(names) - most} more" if len(names) > most else "")


def folder_name(folder: Path) -> str:
    """Return the name of the data set that is a folder."""
    return folder.name if folder.name not in ("", "..") else folder.resolve().name


def has_own_part(data: str, part: str) -> InvalidOption:
    """Return the error for a share of a part that the data has already."""
    return InvalidOption(f"{data} has its own {part} part: leave out the option {part!r}")


def check_own_parts(place: Path, parts: Collection[str], shares: Shares) -> None:
    """Raise InvalidOption for a share of validation or test that a folder or file has already."""
    for part, share in zip(("validation", "test"), shares, strict=True):
        if share is not None and part in parts:
            raise has_own_part(printable(place), part)


def path_below(path: str, root: Path) -> str:
    """Return the path below ``root`` with forward slashes: what the split hashes."""
    return os.path.relpath(path, root).replace(os.sep, "/")
