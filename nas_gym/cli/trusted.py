"""The modules behind ``--trust``: several parted by commas or blanks, or the option given again."""

import os
import re
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import pairwise

_TRUST = "--trust"
_MODULES = re.compile(r",|,?[^\W\d][\w.]*(?:,[^\W\d][\w.]*)*,?")


def trusted_one_by_one(arguments: Sequence[str]) -> list[str]:
    """Write ``--trust a,b``, ``--trust a b`` and ``--trust=a,b`` as ``--trust a --trust b``.

    A word after the first one is a module, too, if it can be imported and is no file and no folder
    but a package; but the last one is what the command is about if that stands nowhere before, as
    in ``report --trust a RUN``.
    """
    words: list[str] = []
    left = list(arguments)
    while left:
        word = left.pop(0)
        flag, equals, value = word.partition("=")
        if flag != _TRUST or not (equals or (left and not left[0].startswith("-"))):
            words.append(word)
            continue
        named = _names_a_run(words)
        first = value if equals else left.pop(0)
        words += _each(first) or [_TRUST, first]
        while left and _is_module(left[0]) and (named or _more(left)):
            words += _each(left.pop(0))
    return words


def _each(text: str) -> list[str]:
    return [word for name in re.findall(r"[^\s,]+", text) for word in (_TRUST, name)]


def _is_module(word: str) -> bool:
    if _MODULES.fullmatch(word) is None or os.path.isfile(word):
        return False
    if any(find_spec(name.partition(".")[0]) is None for name in re.findall(r"[^,]+", word)):
        return False
    return not os.path.isdir(word) or os.path.exists(os.path.join(word, "__init__.py"))


def _names_a_run(words: Sequence[str]) -> bool:
    """Return whether one of the words is no option, and not the value of one."""
    return any(not w.startswith("-") and not b.startswith("-") for b, w in pairwise(["", *words]))


def _more(left: Sequence[str]) -> bool:
    return len(left) > 1 and not left[1].startswith("-")
