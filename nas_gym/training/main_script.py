"""Whether this process can start others that import its main script, as they do unless forked."""

import multiprocessing
import os
import sys

from nas_gym.errors import InvalidOption

NO_MAIN_GUARD = 73  # exit status of a process that was about to run the main script again


def check_main_process(daemonic: str, importing: str, otherwise: str) -> None:
    """Raise InvalidOption if this process cannot start others.

    Args:
        daemonic: What a daemonic process cannot start, and what to do: the end of that sentence.
        importing: The processes that would be started, in the plural.
        otherwise: What can be done without them.
    """
    process = multiprocessing.current_process()
    if getattr(process, "_inheriting", False):
        os._exit(NO_MAIN_GUARD)  # silently: the parent says what is wrong
    if process.daemon:
        raise InvalidOption(f"a daemonic process cannot start {daemonic}")
    script = getattr(sys.modules["__main__"], "__file__", None)
    if script is not None and not os.path.exists(script):
        raise InvalidOption(
            f"{importing} import the main script, and there is no file {script}: save it as a "
            f"file, or {otherwise}"
        )
