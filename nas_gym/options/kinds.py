"""What an annotation of an option accepts: a function that normalises, and words for messages.

``nas_gym.options`` is what others import. Constraints are those of ``annotated_types``, and the
markers below; other metadata says nothing here.
"""

import math
import operator
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NamedTuple,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    is_typeddict,
)

from annotated_types import BaseMetadata, GroupedMetadata


@dataclass(frozen=True)
class OneOf:
    """A marker for words from a list that the program holds: ``Annotated[str, OneOf(STEMS)]``.

    Another word raises ``UnknownName``, which says the nearest; so does one that is not in a
    ``Literal`` of words.
    """

    names: tuple[str, ...]


class AllowInf:
    """A marker for numbers that may be infinite: ``Annotated[float, Gt(0), AllowInf]``."""


class EachOnce:
    """A marker for lists with no item twice: ``Annotated[tuple[str, ...], EachOnce]``."""


class Kind(NamedTuple):
    """What an annotation accepts."""

    expected: str  # in words, to be read after "give"
    convert: Callable[[Any], Any]  # gives the value, normalised, or raises Refused


class Refused(Exception):
    """A value is not of a kind; ``known`` are the words that it should have been one of."""

    def __init__(self, word: str = "", known: Sequence[str] = (), place: str = "") -> None:
        self.word, self.known, self.place = word, known, place


def kind_of(annotation: Any, marks: tuple[Any, ...] = ()) -> Kind:
    """Return what ``annotation`` accepts, under the constraints and markers around it."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind_of(inner[0], (*inner[1:], *marks))
    if origin in (Required, NotRequired, Final):
        return kind_of(inner[0], marks)
    if origin in (Union, UnionType):
        return _either([kind_of(each, marks) for each in inner])
    if origin is Literal:
        return _choice([(each, each) for each in inner])
    container = origin or annotation
    if container in (tuple, list, Sequence):
        return _items(container, inner, marks)
    if container in (Mapping, dict):
        return _mapping(container, inner, marks)
    if annotation in (int, float):
        return _number(annotation, marks)
    if annotation is str:
        return _word(marks)
    if annotation is bool:
        return _instance(bool, "true or false")
    return _NULL if annotation in (None, NoneType) else _class(annotation)


def _class(annotation: Any) -> Kind:
    """Return the kind of a class's instances, or ``_ANYTHING`` for what is no plain class."""
    unchecked = annotation is Any or is_typeddict(annotation)
    if unchecked or not isinstance(annotation, type) or getattr(annotation, "_is_protocol", False):
        return _ANYTHING
    if issubclass(annotation, Enum):
        return _choice([(member.value, member) for member in annotation])
    if issubclass(annotation, os.PathLike):
        return _instance(annotation, "a path")
    article = "an" if annotation.__name__[0] in "AEIOUaeiou" else "a"
    return _instance(annotation, f"{article} {annotation.__name__}")


# ---------------------------------------------------------------- kinds


def _instance(of: type, expected: str) -> Kind:
    def convert(value: Any) -> Any:
        value = _plain(value) if of is bool else value
        if not isinstance(value, of):
            raise Refused
        return value

    return Kind(expected, convert)


_ANYTHING = Kind("", lambda value: value)
_NULL = _instance(NoneType, "null")


def _plain(value: Any) -> Any:
    """Return the Python value in a scalar of numpy or torch; other values as they are."""
    is_scalar = hasattr(value, "dtype") and getattr(value, "shape", None) == ()
    return value.item() if is_scalar else value


def _limits(marks: tuple[Any, ...], *names: str) -> list[tuple[str, Any]]:
    """Return the constraints of annotated_types with these names, e.g. ``("ge", 1)``."""
    known = [mark for mark in marks if isinstance(mark, BaseMetadata | GroupedMetadata)]
    found = [(name, getattr(mark, name, None)) for mark in known for name in names]
    return [(name, limit) for name, limit in found if limit is not None]


_HOLDS: dict[str, Callable[[Any, Any], bool]] = {
    "ge": operator.ge,
    "gt": operator.gt,
    "le": operator.le,
    "lt": operator.lt,
    "multiple_of": lambda number, unit: number % unit == 0,
    "min_length": lambda items, least: len(items) >= least,
    "max_length": lambda items, most: len(items) <= most,
}


def _holds(value: Any, limits: Sequence[tuple[str, Any]]) -> bool:
    return all(_HOLDS[name](value, limit) for name, limit in limits)


def _number(of: type, marks: tuple[Any, ...]) -> Kind:
    limits = _limits(marks, "ge", "gt", "le", "lt", "multiple_of")
    infinite = AllowInf in marks

    def convert(value: Any) -> Any:
        number = _plain(value)
        if isinstance(number, bool) or not isinstance(number, int if of is int else int | float):
            raise Refused
        if of is float and not _is_finite(number) and not (infinite and abs(number) == math.inf):
            raise Refused
        if not _holds(number, limits):
            raise Refused
        return number

    ends = {name for name, _ in limits}
    bounded = infinite or (ends & {"ge", "gt"} and ends & {"le", "lt"})
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
        shown["from"] = f"{shown.pop('ge')} to {shown.pop('le')}"
    forms = {
        "from": "from {}",
        "ge": "of {} or more",
        "gt": "above {}",
        "lt": "below {}",
        "le": "up to {}" if "gt" in shown else "of {} or less",
        "multiple_of": "that is a multiple of {}",
    }
    said = [form.format(shown[name]) for name, form in forms.items() if name in shown]
    return " " + " and ".join(said) if said else ""


def _size(limits: Sequence[tuple[str, Any]]) -> str:
    """Return the length that is asked for in words, e.g. `` of 2 or more``."""
    low, high = dict(limits).get("min_length", 0), dict(limits).get("max_length")
    if high is None:
        return f" of {low} or more" if low else ""
    return f" of {low}" if low == high else f" of {low} to {high}"


def _word(marks: tuple[Any, ...]) -> Kind:
    for mark in marks:
        if isinstance(mark, OneOf):
            return _choice([(name, name) for name in mark.names])
    limits = _limits(marks, "min_length", "max_length")

    def convert(value: Any) -> Any:
        word = _plain(value)
        if not isinstance(word, str) or not _holds(word, limits):
            raise Refused
        return word

    return Kind(f"a word{_size(limits)} letters" if _size(limits) else "a word", convert)


def _choice(choices: Sequence[tuple[Any, Any]]) -> Kind:
    """Return the kind of a few values, each with what it becomes."""
    known = [choice for choice, _ in choices]

    def convert(value: Any) -> Any:
        plain = _plain(value)
        for choice, result in choices:
            # True == 1 == 1.0, and an array compared with a word is an array.
            alike = isinstance(plain, bool) == isinstance(choice, bool)
            if value is result or (alike and isinstance(plain, type(choice)) and plain == choice):
                return result
        if isinstance(plain, str) and all(isinstance(each, str) for each in known):
            raise Refused(plain, known)
        raise Refused

    said = {None: "null", True: "true", False: "false"}
    words = [said[e] if e is None or isinstance(e, bool) else repr(e) for e in known]
    return Kind(f"{'one of ' if len(known) > 1 else ''}{', '.join(words)}", convert)


def _either(kinds: Sequence[Kind]) -> Kind:
    others = [kind for kind in kinds if kind is not _NULL]
    ordered = sorted(kinds, key=lambda kind: kind is _ANYTHING)

    def convert(value: Any) -> Any:
        refusals = []
        for kind in ordered:
            try:
                return kind.convert(value)
            except Refused as refused:
                refusals.append(refused)
        known = [refused for refused in refusals if refused.known]
        raise known[0] if known and len(others) == 1 else Refused

    words = " or ".join(kind.expected for kind in others)
    words += ", or null" if _NULL in kinds else ""
    return Kind("" if _ANYTHING in kinds else words, convert)


def _items(container: Any, inner: tuple[Any, ...], marks: tuple[Any, ...]) -> Kind:
    """Return the kind of a list; ``tuple[X, Y]`` has one kind for each place."""
    kinds = [kind_of(each) for each in inner if each is not Ellipsis] or [_ANYTHING]
    limits = _limits(marks, "min_length", "max_length")
    by_place = container is tuple and inner and inner[-1] is not Ellipsis
    if by_place:
        limits += [("min_length", len(kinds)), ("max_length", len(kinds))]
    once = EachOnce in marks

    def convert(value: Any) -> Any:
        listed = isinstance(value, Sequence if container is tuple else container)
        if not listed or isinstance(value, str | bytes | bytearray) or not _holds(value, limits):
            raise Refused
        items = _inside(kinds if by_place else kinds * len(value), value)
        if once and any(item in items[:i] for i, item in enumerate(items)):
            raise Refused
        if container is tuple or isinstance(value, tuple):
            return value if isinstance(value, tuple) and _same(items, value) else tuple(items)
        return value if _same(items, value) else items

    texts = [kind.expected for kind in kinds]
    each = f", each item {texts[0]}" if texts[0] else ""
    each = f": {', '.join(texts)}" if len(set(texts)) > 1 else each
    return Kind(f"a list{_size(limits)}{', each once' if once else ''}{each}", convert)


def _mapping(container: Any, inner: tuple[Any, ...], marks: tuple[Any, ...]) -> Kind:
    key, item = [kind_of(each) for each in inner] or (_ANYTHING, _ANYTHING)
    limits = _limits(marks, "min_length", "max_length")

    def convert(value: Any) -> Any:
        if not isinstance(value, container) or not _holds(value, limits):
            raise Refused
        old = [*value.keys(), *value.values()]
        new = _inside([key] * len(value) + [item] * len(value), old)
        return value if _same(old, new) else dict(zip(new, new[len(value) :], strict=False))

    texts = [("key", key.expected), ("value", item.expected)]
    each = "".join(f", each {part} {text}" for part, text in texts if text)
    return Kind(f"a mapping{_size(limits)}{each}", convert)


def _same(items: Iterable[Any], others: Iterable[Any]) -> bool:
    return all(map(operator.is_, items, others))


def _inside(kinds: Sequence[Kind], items: Iterable[Any]) -> list[Any]:
    """Return the items, each of its kind; a word that is not known is called an item's."""
    try:
        return [kind.convert(item) for kind, item in zip(kinds, items, strict=True)]
    except Refused as refused:
        raise Refused(refused.word, refused.known, "item of ") from None
