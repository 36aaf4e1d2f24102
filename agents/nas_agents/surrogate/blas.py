"""Threads of the linear algebra library (BLAS) behind NumPy."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import RLock

from threadpoolctl import ThreadpoolController

_one_at_a_time = RLock()  # whoever left first would give the threads back to those still inside


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep NumPy's linear algebra to one thread inside the block.

    By itself the library wakes a thread on every core; for the matrices of a surrogate, of hundreds
    of rows, these spend many times the processor time of one, and want cores that train children;
    with more rows they were no faster either. The number of threads belongs to the
    process: nothing may train children inside the block. Blocks nest, and other threads wait.
    """
    with _one_at_a_time, _libraries().limit(limits=1):
        yield


@cache
def _libraries() -> ThreadpoolController:
    """Return those that are loaded, NumPy's among them; finding them takes milliseconds."""
    return ThreadpoolController().select(user_api="blas")
