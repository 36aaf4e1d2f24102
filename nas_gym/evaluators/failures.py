"""Exceptions that a child raised, turned into failed evaluations."""

import traceback
from typing import Any

from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.options.printable import shortened
from nas_gym.search_spaces.architecture import Architecture

LINES = 5  # of a traceback that are kept
FAILURE_MOST = 500  # characters: some libraries print tensors and whole logs in their messages
DETAIL_MOST = 4000
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
    try:
        lines = "".join(traceback.format_exception(error)).rstrip().splitlines()
    except Exception:  # the exception's own attributes can raise, too
        lines = []
    traceback.clear_frames(error.__traceback__)
    told = [line for line in lines if line.strip(" ^~")]  # not those that point at columns
    detail = "\n".join(cut(line, DETAIL_MOST // LINES - 1) for line in told[-LINES:])
    return Evaluation(
        architecture, seconds=seconds, failure=failure_of(error), detail=detail or None
    )


def failure_of(error: BaseException) -> str:
    """Return ``"out of memory"``, or ``"error: …"`` with the error's type and message."""
    if lacks_memory(error):
        return "out of memory"
    return cut(f"error: {type(error).__name__}: {_message_of(error)}", FAILURE_MOST)


def lacks_memory(error: BaseException) -> bool:
    """Return whether an exception says that memory was lacking.

    Python's MemoryError (numpy's is one) is easy to recognise. Torch says the same in a
    RuntimeError of its own or in a plain one, which only its message tells apart.
    """
    if isinstance(error, MemoryError):
        return True
    message = _message_of(error)
    return isinstance(error, RuntimeError | OSError) and any(m in message for m in OUT_OF_MEMORY)


def _message_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as raised:
        return f"its __str__ raises {type(raised).__name__}"


def ends_the_process(error: BaseException) -> bool:
    """Return whether an exception is the answer to a signal, and no child's own.

    Such a SystemExit has the status that shells give: 128 and the signal's number. Any other, as
    ``sys.exit(0)`` raises it, comes from a child's code.
    """
    return isinstance(error, SystemExit) and isinstance(error.code, int) and error.code > 128


def cut(text: str, most: int) -> str:
    """Return a text as every store takes it, with its middle left out beyond ``most`` characters.

    Databases take no NUL, and UTF-8 has no lone surrogates: both become escapes.
    """
    text = shortened(text, most)
    if "\0" in text or not text.isascii():
        text = text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
    return text
