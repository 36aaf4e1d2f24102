"""The kind of an option: for its annotation, a function that normalises and words for messages.

``nas_gym.options`` is what others import. The constraints of ``annotated_types`` that count are
``Ge``, ``Gt``, ``Le``, ``Lt`` and ``Interval`` of numbers and ``MinLen`` of lists; other metadata
than these and the markers below says nothing here.
"""

import math
import operator
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, is_typeddict

from nas_gym.options.scalars import python_number, python_value


@dataclass(frozen=True)
class OneOf:
    """A marker for words from a list that the program holds: ``Annotated[str, OneOf(STEMS)]``.

    Another word raises ``UnknownName``, which names the nearest; so does one that is not in a
    ``Literal`` of words.
    """

    names: tuple[str, ...]


class EachOnce:
    """A marker for lists with no item twice: ``Annotated[tuple[str, ...], EachOnce]``."""


class Kind(NamedTuple):
    """A check of values, and the words for what it accepts."""

    expected: str  # in words, to be read after "give"
    convert: Callable[[Any], Any]  # returns the value, normalised, or raises Refused


class Refused(Exception):
    """A value is not of a kind; ``known`` are the words that it should have been one of."""

    def __init__(self, word: str = "", known: Sequence[str] = (), place: str = "") -> None:
        self.word, self.known, self.place = word, known, place


def kind_of(annotation: Any, marks: tuple[Any, ...] = ()) -> Kind:
    """Return what ``annotation`` accepts, under the constraints and markers around it."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind_of(inner[0], (*inner[1:], *marks))
    if origin in (Union, UnionType):
        return _either([kind_of(each, marks) for each in inner])
    if origin is Literal:
        return _choice(inner)
    if annotation in (int, float):
        return _number(annotation, marks)
    if annotation is str:
        return _word(marks)
    if (origin or annotation) is tuple:
        return _items(inner, marks)
    if (origin or annotation) in _BY_CLASS:
        return _BY_CLASS[origin or annotation]
    return _class(annotation)


def _class(annotation: Any) -> Kind:
    """Return the kind of a class's instances, or ``_ANYTHING`` for what is no plain class."""
    unchecked = annotation is Any or is_typeddict(annotation)
    if unchecked or not isinstance(annotation, type) or getattr(annotation, "_is_protocol", False):
        return _ANYTHING
    if issubclass(annotation, os.PathLike):
        return _instance(annotation, "a path")
    article = "an" if annotation.__name__[0] in "AEIOUaeiou" else "a"
    return _instance(annotation, f"{article} {annotation.__name__}")


def _instance(of: type, expected: str) -> Kind:
    def convert(value: Any) -> Any:
        plain = python_value(value) if of is bool else value
        if not isinstance(plain, of):
            raise Refused
        return plain

    return Kind(expected, convert)


_ANYTHING = Kind("", lambda value: value)
_NULL = _instance(NoneType, "null")
_BY_CLASS: dict[Any, Kind] = {
    None: _NULL,
    NoneType: _NULL,
    bool: _instance(bool, "true or false"),
    list: _instance(list, "a list"),
    Sequence: _instance(Sequence, "a list"),
    dict: _instance(dict, "a mapping"),
    Mapping: _instance(Mapping, "a mapping"),
}


def _plain_number(value: Any, of: type) -> int | float:
    """Return a number of any library as Python's own; raise Refused if it is none."""
    number = python_number(value)
    if number is None or (of is int and not isinstance(number, int)):
        raise Refused
    return number


def _either(kinds: Sequence[Kind]) -> Kind:
    others = [kind for kind in kinds if kind is not _NULL]
    ordered = sorted(kinds, key=lambda kind: kind is _ANYTHING)
    # Words, or a list of such: known are the same words, which are listed once.
    first = f"each item {others[0].expected}"
    these = first if not others[0].expected.startswith("one of ") else "each item one of these"
    alike = all(kind is others[0] or first in kind.expected for kind in others)

    def convert(value: Any) -> Any:
        refusals = []
        for kind in ordered:
            try:
                return kind.convert(value)
            except Refused as refused:
                refusals.append(refused)
        known = [refused for refused in refusals if refused.known]
        raise known[0] if known and alike else Refused

    words = " or ".join(kind.expected.replace(first, these) for kind in others)
    words += ", or leave it out" if _NULL in kinds else ""
    return Kind("" if _ANYTHING in kinds else words, convert)


def _choice(known: Sequence[Any]) -> Kind:
    """Return the kind of a few values."""

    def convert(value: Any) -> Any:
        plain = python_value(value)
        for choice in known:
            if type(plain) is type(choice) and plain == choice:  # True == 1 == 1.0
                return choice
        if isinstance(plain, str) and all(isinstance(each, str) for each in known):
            raise Refused(plain, known)
        raise Refused

    return Kind(f"{'one of ' if len(known) > 1 else ''}{', '.join(map(repr, known))}", convert)


def _word(marks: tuple[Any, ...]) -> Kind:
    for mark in marks:
        if isinstance(mark, OneOf):
            return _choice(mark.names)

    def convert(value: Any) -> Any:
        word = python_value(value)
        if not isinstance(word, str):
            raise Refused
        return word

    return Kind("a word", convert)


# ---------------------------------------------------------------- numbers

_HOLDS: dict[str, Callable[[Any, Any], bool]] = {
    "ge": operator.ge,
    "gt": operator.gt,
    "le": operator.le,
    "lt": operator.lt,
}


def _limits(marks: tuple[Any, ...], *names: str) -> list[tuple[str, Any]]:
    """Return the constraints of annotated_types with these names, e.g. ``("ge", 1)``."""
    found = [(name, getattr(mark, name, None)) for mark in marks for name in names]
    return [(name, limit) for name, limit in found if limit is not None]


def _number(of: type, marks: tuple[Any, ...]) -> Kind:
    limits = _limits(marks, *_HOLDS)

    def convert(value: Any) -> Any:
        number = _plain_number(value, of)
        if of is float and not _is_finite(number):
            raise Refused
        if not all(_HOLDS[name](number, limit) for name, limit in limits):
            raise Refused
        return number

    ends = {name for name, _ in limits}
    bounded = ends & {"ge", "gt"} and ends & {"le", "lt"}
    noun = "whole number" if of is int else "number" if bounded else "finite number"
    return Kind(f"a {noun}{_range(dict(limits))}", convert)


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number that no float can hold
        return False


def _range(ends: Mapping[str, Any]) -> str:
    """Return the limits of a number in words, e.g. `` of 1 or more``."""
    shown = {name: repr(limit).removesuffix(".0") for name, limit in ends.items()}
    if {"ge", "le"} <= shown.keys():
        return f" from {shown['ge']} to {shown['le']}"
    forms = {
        "ge": "of {} or more",
        "gt": "above {}",
        "lt": "below {}",
        "le": "up to {}" if "gt" in shown else "of {} or less",
    }
    said = [form.format(shown[name]) for name, form in forms.items() if name in shown]
    return " " + " and ".join(said) if said else ""


# ---------------------------------------------------------------- lists


def _items(inner: tuple[Any, ...], marks: tuple[Any, ...]) -> Kind:
    """Return the kind of a list, which becomes a tuple; ``tuple[X, Y]`` has a kind per place."""
    kinds = [kind_of(each) for each in inner if each is not Ellipsis] or [_ANYTHING]
    by_place = bool(inner) and inner[-1] is not Ellipsis
    least = len(kinds) if by_place else max([n for _, n in _limits(marks, "min_length")], default=0)
    once = EachOnce in marks

    def convert(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, Sequence) or isinstance(value, str | bytes | bytearray):
            raise Refused
        if len(value) < least or (by_place and len(value) > least):
            raise Refused
        kind_each = kinds if by_place else kinds * len(value)
        try:
            items = tuple([k.convert(item) for k, item in zip(kind_each, value, strict=True)])
        except Refused as refused:
            raise Refused(refused.word, refused.known, "item of ") from None
        if once and any(item in items[:i] for i, item in enumerate(items)):
            raise Refused
        return items

    size = f" of {least}{'' if by_place else ' or more'}" if least else ""
    texts = [kind.expected for kind in kinds]
    each = f", each item {texts[0]}" if texts[0] else ""
    each = f": {', '.join(texts)}" if len(set(texts)) > 1 else each
    return Kind(f"a list{size}{', each once' if once else ''}{each}", convert)
