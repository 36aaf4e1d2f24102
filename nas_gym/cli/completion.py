"""Shell completion: the commands with all their options, and the names that an option takes.

All modules of commands are imported for it, so nothing else asks for it.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import fields, make_dataclass
from itertools import pairwise
from typing import Annotated, Any, Optional, get_args, get_type_hints

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from nas_gym.plugins import names

_KINDS = {
    "space": ("space",),
    "agent": ("agent",),
    "evaluator": ("evaluator",),
    "reward": ("reward",),
    "executor": ("executor",),
    "dataset": ("dataset", "text"),
}
_POSITIONAL = get_args(tyro.conf.Positional[str])[1]


def for_completion(command: type) -> type:
    """Return the class of a command whose options know the names of our parts.

    It is for completions alone: a user's own parts it would refuse. What an option does is one line
    there, since a line is a word to choose from for a shell.
    """
    hints, said = get_type_hints(command, include_extras=True), dict(_docstrings(command))
    changed: list[Any] = []
    for each in fields(command):
        hint = hints[each.name]
        if each.name in _KINDS and _POSITIONAL not in getattr(hint, "__metadata__", ()):
            hint = Annotated[Optional[str], _one_of(each.name)]  # noqa: UP045
        if each.name in said:
            hint = Annotated[hint, tyro.conf.arg(help=said[each.name])]
        changed.append((each.name, hint, each))
    return make_dataclass(command.__name__, changed, bases=(command,), frozen=True)


def _one_of(option: str) -> Any:
    return PrimitiveConstructorSpec[Any](
        nargs=1,
        metavar="NAME",
        instance_from_str=lambda words: words[0],
        is_instance=lambda _: True,
        str_from_instance=lambda value: [str(value)],
        choices=tuple(name for kind in _KINDS[option] for name in names(kind)),
    )


def _docstrings(command: type) -> Iterator[tuple[str, str]]:
    """Yield what stands below the options of a class and its bases, in one line."""
    for each in reversed(command.__mro__[:-1]):
        body = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0].body  # type: ignore[attr-defined]
        for option, below in pairwise(body):
            if isinstance(option, ast.AnnAssign) and isinstance(below, ast.Expr):
                yield option.target.id, " ".join(below.value.value.split())  # type: ignore
