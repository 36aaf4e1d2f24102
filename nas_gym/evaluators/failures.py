"""Exceptions that a child raised, turned into failed evaluations."""

import traceback
from typing import Any

from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.search_spaces.architecture import Architecture

LINES = 5  # of a traceback that are kept
OUT_OF_MEMORY = (
    "out of memory",  # CUDA, in torch.OutOfMemoryError and in other errors
    "DefaultCPUAllocator",  # torch on the CPU: can't allocate memory
    "not enough memory",
    "Cannot allocate memory",  # the C library's word for it
    "bad_alloc",
    "ALLOC_FAILED",  # cuBLAS, cuDNN
)


def failed(architecture: Architecture[Any], error: BaseException, seconds: float) -> Evaluation:
    """Return the evaluation of a child that raised ``error`` after ``seconds``.

    The last lines of the traceback become its ``detail``. What the traceback's frames held is
    released, so that after an error about memory there is memory again.
    """
    lines = "".join(traceback.format_exception(error)).rstrip().splitlines()
    traceback.clear_frames(error.__traceback__)
    told = [line for line in lines if line.strip(" ^~")]  # not those that point at columns
    detail = "\n".join(told[-LINES:])
    return Evaluation(architecture, seconds=seconds, failure=failure_of(error), detail=detail)


def failure_of(error: BaseException) -> str:
    """Return ``"out of memory"``, or ``"error: …"`` with the error's type and message.

    Python's MemoryError (numpy's is one) is easy to recognise. Torch says the same in a
    RuntimeError of its own or in a plain one, which only its message tells apart.
    """
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, RuntimeError | OSError) and any(m in str(error) for m in OUT_OF_MEMORY):
        return "out of memory"
    return f"error: {type(error).__name__}: {error}"
