"""What a user's own code raised, in one sentence: a space, evaluator, agent or reward of hers."""

import re
import sys
import traceback
from collections.abc import Sequence

from nas_gym.cli.trusted import trusted_one_by_one
from nas_gym.plugins import raised_in

# Of an argument: the module of module:attribute, also in --set and in JSON.
_MODULE = re.compile(r"(?:^|[=\"', ])([^\W\d][\w.]*)(?=:[^\W\d])")


def own_code_raised(error: Exception, arguments: Sequence[str]) -> str | None:
    """Return the sentence about an exception of the user's own code; None if it is none.

    In Python's development mode its traceback is printed before.

    Args:
        error: What ended the command.
        arguments: Of the command: a module that they name is the user's, also if it is installed.
    """
    line = raised_in(error, named_modules(arguments))
    if line is None:
        return None
    if sys.flags.dev_mode:
        traceback.print_exception(error)
    try:
        message = f"{type(error).__name__}: {error}".removesuffix(": ")
    except Exception:  # its __str__ can raise, too
        message = type(error).__name__
    here = f" at {line.ours}" if line.ours else ""
    return "; ".join(
        [
            f"your own code {line.name} raised {message}{here} ({line.where})",
            *getattr(error, "__notes__", ["mend it and try again"]),
            *([] if sys.flags.dev_mode else ["PYTHONDEVMODE=1 shows the traceback"]),
        ]
    )


def named_modules(arguments: Sequence[str]) -> list[str]:
    """Return the modules that arguments name as the user's own."""
    named = [name for each in arguments for name in _MODULE.findall(each)]
    before = ""
    for each in trusted_one_by_one(arguments):
        flag, equals, value = each.partition("=")
        if flag == "--trust" and equals:
            named.append(value)
        elif before == "--trust":
            named.append(each)
        before = each
    return named
