"""Data that several trainings of one command share: it is loaded for the first of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

# What was loaded, by what was asked for.
_KEPT: ContextVar[dict[Any, Any] | None] = ContextVar("nas_gym_loaded", default=None)


@contextmanager
def loaded_once() -> Iterator[None]:
    """Let ``once`` load the same only once inside the block, in this thread."""
    token = _KEPT.set({})
    try:
        yield
    finally:
        _KEPT.reset(token)


def once(load: Callable[..., T], name: str, **options: Any) -> T:
    """Return ``load(name, **options)``, or what it returned before in the same block.

    Args:
        load: Reads data that nobody changes.
        name: Of the data.
        options: Of ``load``; they can be hashed.
    """
    kept = _KEPT.get()
    if kept is None:
        return load(name, **options)
    key = (load.__qualname__, name, *sorted(options.items()))
    if key not in kept:
        kept[key] = load(name, **options)
    found: T = kept[key]
    return found
