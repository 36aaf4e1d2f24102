"""What comes before an answer, told to whoever watches.

A folder of images that is decoded, a pool of networks that is scored, a supernet that is trained:
minutes without an evaluation.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
Listener = Callable[[str, int, int], None]  # what is done, how many of it, of how many

_LISTENER: ContextVar[Listener | None] = ContextVar("nas_gym_preparation", default=None)


@contextmanager
def told_to(listener: Listener | None) -> Iterator[None]:
    """Let ``tell`` call ``listener`` inside the block, in this thread; None: as outside it."""
    token = _LISTENER.set(listener or _LISTENER.get())
    try:
        yield
    finally:
        _LISTENER.reset(token)


def tell(what: str, done: int, total: int) -> None:
    """Say how much of a preparation is done.

    Args:
        what: Is counted, in words: ``"steps of the supernet"``.
        done: How many of them are over, >= 0.
        total: How many there are, >= 1.
    """
    listener = _LISTENER.get()
    if listener is not None:
        listener(what, done, total)


def telling(items: Sequence[T], what: str) -> Iterator[T]:
    """Yield ``items``, and tell after each how many of them are done."""
    for done, item in enumerate(items, 1):
        yield item
        tell(what, done, len(items))
