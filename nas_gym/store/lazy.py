"""Sequences whose items are made when they are asked for."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar, overload

T_co = TypeVar("T_co", covariant=True)


class LazySequence(Sequence[T_co]):
    """A sequence that knows how to make one of its items, and a sequence of some of them."""

    @overload
    def __getitem__(self, position: int) -> T_co: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[T_co]: ...
    def __getitem__(self, position: int | slice) -> T_co | Sequence[T_co]:
        """Return one item, or some."""
        return self._some(position) if isinstance(position, slice) else self._one(position)

    @abstractmethod
    def _one(self, position: int) -> T_co:
        """Make the item at a position, which may be negative; raises IndexError."""

    @abstractmethod
    def _some(self, positions: slice) -> Sequence[T_co]:
        """Return the items at these positions."""
