"""Which files of a folder are the three parts of a text, by their names.

They are plain (``train.txt``), or as texts are given away: ``ptb.train.txt`` (Mikolov's Penn
Treebank), ``wiki.train.tokens`` (WikiText). Nothing is read here.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from nas_gym.errors import InvalidDataset
from nas_gym.options.printable import printable

FILES = ("train.txt", "valid.txt", "test.txt")
PARTS = ("train", "validation", "test")
KNOWN_NAMES = "train.txt, valid.txt and test.txt (or ptb.train.txt, wiki.train.tokens and the like)"
# The word of a part, as it stands in names of files.
_PARTS = {
    "train": "train", "training": "train", "test": "test", "testing": "test",
    "valid": "validation", "val": "validation", "validation": "validation", "dev": "validation",
}  # fmt: skip
_SUFFIXES = {".txt", ".tokens", ".raw"}
_PLAIN = ("", ".txt")
_SPELLED = "char"  # in names of files whose letters stand between spaces, as in Mikolov's archive

_Key = tuple[str, str]  # the name without its part, and the suffix
_Groups = dict[_Key, dict[str, list[str]]]  # -> part -> names of files


class TextFiles(NamedTuple):
    """The files of a text."""

    paths: tuple[Path, Path, Path]  # of PARTS
    left_out: tuple[str, ...]  # names of files in the folder that are parts of another text


def text_files(folder: Path, level: str = "word") -> TextFiles:
    """Return the files of the text in a folder.

    Args:
        folder: The folder.
        level: ``"word"`` or ``"character"``, which files whose letters stand between spaces do not
            have.

    Raises:
        InvalidDataset: The folder cannot be listed, or has no text, or more than one.
    """
    groups = _groups(folder)
    whole = {key: parts for key, parts in groups.items() if len(parts) == len(PARTS)}
    if not whole:
        raise _missing(folder, groups)
    plain = _PLAIN in whole
    keys = [_PLAIN] if plain else [key for key in whole if not _is_copy(key, whole)]
    if len(keys) > 1:
        first = [_names(whole[key])[0] for key in sorted(keys)]
        raise InvalidDataset(
            f"{printable(folder)} holds {len(keys)} texts ({', '.join(map(printable, first))}, …): "
            "put the three files of one into a folder of their own"
        )
    train, validation, test = (_only(folder, whole[keys[0]][part]) for part in PARTS)
    if level == "character" and _SPELLED in keys[0][0].split("."):
        raise InvalidDataset(
            f"{printable(folder / train)} has its letters between spaces, so that every other "
            "character would be a space: give level='word' (--set evaluator.level=word), for "
            "which each letter is a word, or the text as it is written"
        )
    chosen = (train, validation, test)
    others = [name for parts in groups.values() for name in _names(parts) if name not in chosen]
    paths = (folder / train, folder / validation, folder / test)
    return TextFiles(paths, tuple(sorted(others)))


def _groups(folder: Path) -> _Groups:
    """Return the files that are parts of a text by their names; one text has one key."""
    try:
        with os.scandir(folder) as listing:
            names = sorted(entry.name for entry in listing if entry.is_file())
    except OSError as error:
        raise InvalidDataset(
            f"{printable(folder)} cannot be listed ({error.strerror}): make it readable"
        ) from None
    groups: _Groups = {}
    for name in names:
        stem, suffix = os.path.splitext(name.casefold())
        words = re.split(r"[._\-\s]+", stem)
        places = [place for place, word in enumerate(words) if word in _PARTS]
        if suffix not in _SUFFIXES or len(places) != 1:
            continue
        (place,) = places
        rest = ".".join((*words[:place], *words[place + 1 :]))
        groups.setdefault((rest, suffix), {}).setdefault(_PARTS[words[place]], []).append(name)
    return groups


def _is_copy(key: _Key, whole: Mapping[_Key, object]) -> bool:
    """Return whether a text is another one that is there, letter by letter (``ptb.char``)."""
    words = key[0].split(".")
    return _SPELLED in words and (".".join(w for w in words if w != _SPELLED), key[1]) in whole


def _names(parts: Mapping[str, list[str]]) -> list[str]:
    return [name for part in PARTS for name in parts.get(part, ())]


def _only(folder: Path, names: list[str]) -> str:
    """Return the one file of a part; of several the plain one."""
    plain = [name for name in names if name in FILES]
    if len(names) == 1 or plain:
        return (*plain, *names)[0]
    raise InvalidDataset(
        f"{printable(folder)} has {' and '.join(map(printable, names))} for one part: take all but "
        "one away"
    )


def _missing(folder: Path, groups: _Groups) -> InvalidDataset:
    """Return the error for a folder without a whole text; it says what is missing most likely."""
    order = sorted(groups, key=lambda key: (-len(groups[key]), key != _PLAIN, key))
    found = groups[order[0]] if order else {}
    wanted = dict(zip(PARTS, FILES, strict=True))
    if found and order[0] != _PLAIN:
        known = _names(found)[0]
        word = next(w for w in re.split(r"[._\-\s]+", known) if w.casefold() in _PARTS)
        for part, plain in wanted.items():
            wanted[part] = known.replace(word, plain.removesuffix(".txt"), 1)
    missing = [printable(wanted[part]) for part in PARTS if part not in found]
    below = _below(folder)
    return InvalidDataset(
        f"{printable(folder)} has no {' and no '.join(missing)}: a folder of text has the files "
        f"{KNOWN_NAMES}{f'; did you mean {printable(below)}?' if below else ''}"
    )


def _below(folder: Path) -> Path | None:
    """Return a folder in this one that holds a text, if there is one."""
    with os.scandir(folder) as listing:
        folders = sorted(entry.name for entry in listing if entry.is_dir())
    for name in folders[:100]:
        try:
            groups = _groups(folder / name)
        except InvalidDataset:  # not ours to read
            continue
        if any(len(parts) == len(PARTS) for parts in groups.values()):
            return folder / name
    return None
