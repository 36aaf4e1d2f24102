"""Pickles of plain data, read without trusting them: they may import nothing."""

import io
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

Globals = Mapping[tuple[str, str], Callable[..., Any]]


class _PlainUnpickler(pickle.Unpickler):
    def __init__(self, data: bytes, known: Globals) -> None:
        super().__init__(io.BytesIO(data))
        self.known = known

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a known global; raise UnpicklingError for all others."""
        if (module, name) not in self.known:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}: it is no plain table, and may be harmful"
            )
        return self.known[module, name]


def load_plain(data: bytes, *, numpy_numbers: bool = False) -> Any:
    """Return the built-in containers, numbers and texts that a pickle holds.

    Args:
        data: The pickle.
        numpy_numbers: Whether numpy's scalars are allowed as well; they become plain numbers,
            and numpy itself is not asked.

    Raises:
        Exception: Of any kind, if the data is broken; ``pickle.UnpicklingError`` if it asks for
            any other global.
    """
    return _PlainUnpickler(data, _NUMPY_NUMBERS if numpy_numbers else {}).load()


class _NumberType:
    """A stand-in for ``numpy.dtype``."""

    def __init__(self, code: str, *flags: object) -> None:
        self.code, self.order = code, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take the byte order, which is the second of numpy's eight values."""
        self.order = state[1]


def _number(kind: _NumberType, data: bytes) -> float:
    """Stand in for ``numpy.core.multiarray.scalar``."""
    number: float = struct.unpack(kind.order + _CODES[kind.code], data)[0]
    return number


_CODES = {"f8": "d", "f4": "f", "i8": "q", "i4": "i"}
_NUMPY_NUMBERS: Globals = {
    ("collections", "OrderedDict"): OrderedDict,
    ("numpy", "dtype"): _NumberType,
    ("numpy.core.multiarray", "scalar"): _number,
    ("numpy._core.multiarray", "scalar"): _number,
}
