"""What the arrays of an ``.npz`` file are, by their names."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nas_gym.errors import InvalidDataset
from nas_gym.options.printable import printable
from nas_gym.training.images.summary import PARTS

_KINDS = {"images": "images", "x": "images", "labels": "labels", "y": "labels"}
_PART_WORDS = {
    "train": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "test": "test",
}  # fmt: skip
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[^\W\d_]+")
_END = r"(?:x|y|images?|imgs?|labels?|targets?|set|data)?"
_TEST = re.compile(rf"[xy]?(?:test|tst|testing|holdout){_END}|[xy]?te")
_VALIDATION = re.compile(rf"[xy]?(?:val|valid|validation|dev){_END}")


class ArrayNames(NamedTuple):
    """What the arrays of an ``.npz`` file are, by their names."""

    parts: dict[str, tuple[str, str]]  # part -> names of its images and of its labels
    others: list[str]  # names of arrays that are left out

    @property
    def own(self) -> list[str]:
        """The parts that the file has beside the training part."""
        return [part for part in self.parts if part != "train"]


def layout_of(names: Sequence[str], where: str) -> ArrayNames:
    """Return which arrays are images and labels of which part."""
    found: dict[str, dict[str, str]] = {}
    for name in names:
        meaning = _meaning(name)
        if meaning is None:
            continue
        part, kind = meaning
        other = found.setdefault(part, {}).setdefault(kind, name)
        if other != name:
            raise InvalidDataset(
                f"{where} has the arrays {printable(other)} and {printable(name)}, which are both "
                f"the {kind} of the {part} part: take one away"
            )
    whole = {part: found[part] for part in PARTS if len(found.get(part, ())) == 2}
    if "train" not in whole:
        raise InvalidDataset(
            f"{where} has the arrays {', '.join(map(printable, names)) or 'none'}: expected images "
            "and labels (and, of a test part of your own, test_images and test_labels)"
        )
    _check_whole(names, found, where)
    parts = {part: (pair["images"], pair["labels"]) for part, pair in whole.items()}
    used = {name for pair in parts.values() for name in pair}
    return ArrayNames(parts, sorted(set(names) - used))


def _check_whole(names: Sequence[str], found: Mapping[str, Mapping[str, str]], where: str) -> None:
    """Raise InvalidDataset if half of a part is there, or one under names that are not known.

    Left out, the training part would be split for it, and nobody would notice.
    """
    for part, pair in found.items():
        if len(pair) == 1 and part != "train":
            ((kind, name),) = pair.items()
            lacking = "labels" if kind == "images" else "images"
            raise InvalidDataset(
                f"{where} has the array {printable(name)}, the {kind} of a {part} part, and not "
                f"its {lacking}: add {part}_{lacking}, or take it away"
            )
    for name in names:
        meant = _part_meant(name)
        if meant is not None and meant not in found:
            raise InvalidDataset(
                f"{where} has the array {printable(name)}, which seems to be of a {meant} part: "
                f"call its arrays {meant}_images and {meant}_labels, or take it away"
            )


def _meaning(name: str) -> tuple[str, str] | None:
    """Return of which part an array is, and whether it is its images or labels; None for others."""
    words = name.casefold().split("_")
    if words in (["images"], ["labels"]):
        return "train", words[0]
    kinds = [_KINDS[word] for word in words if word in _KINDS]
    parts = [_PART_WORDS[word] for word in words if word in _PART_WORDS]
    return (parts[0], kinds[0]) if len(words) == 2 and len(kinds) == len(parts) == 1 else None


def _part_meant(name: str) -> str | None:
    """Return of which part an array of another name seems to be: ``testImages``, ``X_test1``."""
    for word in _WORD.findall(_CAMEL.sub("_", name).casefold()):
        if _TEST.fullmatch(word):
            return "test"
        if _VALIDATION.fullmatch(word):
            return "validation"
    return None
