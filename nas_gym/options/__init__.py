"""The one place where options are checked: those of all parts, of recipes, tasks and functions.

An option is declared once, by its annotation, e.g. ``batch_size: Annotated[int, Ge(1)] = 8``. The
annotation says what is accepted, and so does the one sentence about anything else, which begins
with the option's name as the user wrote it, followed by the part if one was named::

    batch_size is 2.5: give a whole number of 1 or more                       # RandomSearch(...)
    batch_size of agent 'random' is 2.5: give a whole number of 1 or more     # --set, make(...)

Frozen dataclasses inherit from ``Options``; functions call ``check`` or, for a ``TypedDict`` of
options, ``check_all``. Only what JSON and numpy cannot say otherwise is converted: a list becomes a
tuple if the annotation is a tuple, and a number or scalar of another library Python's own. A truth
value is no number, 2.0 is no whole number, and NaN and the infinities are no numbers at all. Of
lists that stay lists and of mappings the items are not checked, and what the module does not know,
such as a ``Protocol`` or a ``Callable``, is left to the class.
"""

import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_type_hints, is_typeddict

from nas_gym.errors import InvalidOption, UnknownName, unknown_name
from nas_gym.options.kinds import EachOnce, Kind, OneOf, Refused, kind_of
from nas_gym.options.printable import shown

__all__ = ["EachOnce", "OneOf", "Options", "check", "check_all"]


class Options:
    """The base of dataclasses whose fields are checked against their annotations when made.

    A class with a rule across fields calls ``super().__post_init__()`` first, then states it.

    Raises:
        InvalidOption: A value that its field does not take; the first in the order of fields.
        UnknownName: A word that is not in the list of those known.
    """

    __slots__ = ()

    def __post_init__(self, *init_vars: object) -> None:
        own: Any = type(self)  # mypy takes it for no key of a cache
        for name, kind in _kinds(own).items():
            given = getattr(self, name)
            value = _checked(name, given, kind)
            if value is not given:
                object.__setattr__(self, name, value)  # the dataclass may be frozen


def check(what: str, value: object, annotation: Any) -> Any:
    """Return ``value``, normalised, if it is what ``annotation`` asks for.

    Args:
        what: Its name in the message, e.g. ``"workers"``.
        value: As the user gave it.
        annotation: e.g. ``Annotated[int, Ge(0)]``.

    Raises:
        InvalidOption: It is something else.
        UnknownName: A word that is not in the list of those known.
    """
    return _checked(what, value, kind_of(annotation))


def check_all(options: type, values: Mapping[str, object], of: str = "") -> dict[str, Any]:
    """Return the values, normalised, if all are options of a ``TypedDict`` or dataclass.

    Args:
        options: The class with the annotations.
        values: Some or all of them, by name.
        of: What has these options, e.g. ``"agent 'reinforce'"``; left out of the message if empty.

    Raises:
        InvalidOption: A value that the option does not take.
        UnknownName: No such option, or a word that is not in the list of those known.
    """
    kinds, whose = _kinds(options), f" of {of}" if of else ""
    for name in values:
        if name not in kinds:
            raise unknown_name(f"option{whose}", name, kinds)
    return {name: _checked(name + whose, value, kinds[name]) for name, value in values.items()}


def _checked(what: str, value: object, kind: Kind) -> Any:
    try:
        return kind.convert(value)
    except Refused as refused:
        error: InvalidOption | UnknownName
        if refused.known:
            error = unknown_name(refused.place + what, refused.word, refused.known)
        else:
            error = InvalidOption(f"{what} is {shown(value)}: give {kind.expected}")
    raise error


@cache
def _kinds(options: type) -> dict[str, Kind]:
    """Return the kind of each option of a dataclass or ``TypedDict``, by name."""
    if is_typeddict(options):
        hints = options.__annotations__
        return {n: kind_of(_resolved(hint, options.__module__)) for n, hint in hints.items()}
    known = {}
    for field in fields(options) if is_dataclass(options) else ():
        if field.init:
            # The names in a field's annotation are those of the module that declares the field.
            declaring = [c for c in options.__mro__ if _has(c, field)][-1]
            known[field.name] = kind_of(_resolved(field.type, declaring.__module__))
    return known


def _has(of: type, field: object) -> bool:
    return field in vars(of).get("__dataclass_fields__", {}).values()


def _resolved(annotation: Any, module: str) -> Any:
    """Return the annotation without strings; what is imported for type checkers only is Any."""
    holder = type("Holder", (), {"__annotations__": {"it": annotation}})
    names = getattr(sys.modules.get(module), "__dict__", {})
    unseen: dict[str, Any] = {}
    while True:
        try:
            return get_type_hints(holder, names, unseen, include_extras=True)["it"]
        except NameError as error:
            if error.name is None or error.name in unseen:
                return Any
            unseen[error.name] = Any
        except (AttributeError, SyntaxError, TypeError):  # e.g. np.ndarray, with np for checkers
            return Any
