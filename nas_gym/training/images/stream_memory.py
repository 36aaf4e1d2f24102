"""Memory of batches that goes back to the system when a batch is no more needed.

glibc takes memory of up to 32 MiB from its heap, and before version 2.38 it seldom gives a place of
the heap to a second tensor of the same size (its bug 14581): with small objects between them, as
data workers' messages are, the heap grows by a batch with every batch, without end. What is made in
the block below is mapped by itself instead.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_… of malloc.h
_LARGE = 2**18  # bytes, from which on memory is mapped in the block
# Elsewhere, as glibc itself has it as soon as something of that size was given back: mapped from
# here on, and kept up to the double of it.
_USUAL = 2**25
_OWN = ("MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")  # by which users say what they want


@contextmanager
def mapped() -> Iterator[None]:
    """Let large tensors that are made in the block have memory of their own.

    Where that cannot be said, nothing happens.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    libc.mallopt(_MMAP_THRESHOLD, _LARGE)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_THRESHOLD, _USUAL)


@cache
def _glibc() -> Any:
    if not sys.platform.startswith("linux") or any(name in os.environ for name in _OWN):
        return None
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return None
    libc.mallopt(_TRIM_THRESHOLD, 2 * _USUAL)
    return libc
