"""Which folders' names are those of parts (``seg_train``, ``Val2017``, …), not of classes.

Used by ``nas_gym.training.images.folders``, which refuses to take one for the other.
"""

import re
from collections.abc import Collection
from typing import Literal, NamedTuple

_END = r"(?:s|ing|ed|set|data|images?|imgs?|pics?|split|part)*"
_TRAIN = re.compile(rf"(?:pre)?tr(?:ai)?n(?:val)?{_END}")
_HELD_OUT = re.compile(
    rf"(?:test|tst|val|valid|validation|validate|validating|dev|devel|eval|evaluate|evaluation"
    rf"|development|holdout|heldout|withheld){_END}"
)
_OTHER = re.compile(rf"(?:un|non)?label(?:l)?ed{_END}|unsupervised|(?:split|subset|shard)\d*")
_FOLD = re.compile(r"k?(?:fold|split|subset|shard)s?\d+")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
# Images in one folder, what is said of them in another.
_BESIDE = re.compile(
    r"(?:jpeg|jpg|png|raw|color|rgb)?(?:images?|imgs?|pics?|pictures?|photos?)"
    r"|(?:gt|ground_?truth|segmentation|bounding)?_?(?:labels?|annotations?|annots?|masks?|boxes|"
    r"bbox(?:es)?|targets?|captions?|xmls?|jsons?|class)"
)


class _Part(NamedTuple):
    kind: Literal["train", "held out", "other"]
    rest: tuple[str, ...]  # the other words of the name, without numbers


def are_parts(names: Collection[str]) -> bool:
    """Return whether folders of these names are parts of the data, not classes.

    So they are if all look like parts, or if two differ only in that one says "train" and the
    other "test" or the like; case, numbers and what else a name says do not count.
    """
    if not names:
        return False
    parts = [_part_of(name) for name in names]
    if all(parts):
        return True
    if len(names) > 1 and all(_BESIDE.fullmatch(_plain(name)) for name in names):
        return True
    training = {part.rest for part in parts if part and part.kind == "train"}
    return any(part and part.kind == "held out" and part.rest in training for part in parts)


def _plain(name: str) -> str:
    return re.sub(r"\W+", "_", name.casefold()).strip("_")


def _part_of(name: str) -> _Part | None:
    """Return which part a name means; None for a class."""
    words = [word.casefold() for word in _WORD.findall(_CAMEL.sub(" ", name))]
    if _FOLD.fullmatch("".join(words)):
        return _Part("other", ())
    words = [word for word in words if not word.isdecimal()]
    for place, word in enumerate(words):
        rest = (*words[:place], *words[place + 1 :])
        if _TRAIN.fullmatch(word):
            return _Part("train", rest)
        if _HELD_OUT.fullmatch(word):
            return _Part("held out", rest)
        if _OTHER.fullmatch(word) and not rest:
            return _Part("other", rest)
    return None
