"""The one way in which a path that a user gave is read, for every option that takes one."""

import errno
import os
from pathlib import Path

from nas_gym.errors import InvalidOption
from nas_gym.options.printable import printable, shown

AnyPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]


def user_path(given: AnyPath, what: str = "path") -> Path:
    """Return the path that a user means: ``~`` and ``~name`` are homes, all else is as it stands.

    A shell expands ``~`` only at the beginning of a word, not in ``--store=~/s.sqlite``. A
    ``~name`` of nobody is a file of that name. Relative paths stay relative.

    Args:
        given: As the user gave it; bytes are decoded as the system's file names are.
        what: Its name in messages, e.g. ``"--out"``.

    Raises:
        InvalidOption: It is empty, no path, too long, has a NUL character or one that no file name
            can have, or begins with ``~`` where this user has no home folder.
    """
    try:
        text = os.fsdecode(given)
    except TypeError:
        raise InvalidOption(f"{what} is {given!r}: give a path") from None
    if not text.strip():
        raise InvalidOption(f"{what} is {text!r}: give a path")
    if "\0" in text:
        raise InvalidOption(f"{what} is {text!r}: no path has a NUL character, leave it out")
    expanded = os.path.expanduser(text)
    own_home = text.split(os.sep, 1)[0] == "~"
    if own_home and (expanded == text or os.environ.get("HOME") == ""):
        raise InvalidOption(
            f"{what} is {text!r}, and this user has no home folder (HOME is not set): write the "
            "path without ~"
        )
    try:
        os.lstat(expanded)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InvalidOption(
                f"{what} is {shown(text)}, longer than a path can be: give a shorter one"
            ) from None
    except UnicodeEncodeError:
        raise InvalidOption(
            f"{what} is {printable(text)}, which no file can be named here: give another path"
        ) from None
    return Path(expanded)


def recorded_path(given: AnyPath, what: str = "path") -> str:
    """Return ``user_path`` as an absolute path: a record is read from other folders as well.

    Raises:
        InvalidOption: As ``user_path`` does.
    """
    path = user_path(given, what)
    try:
        return str(path.absolute())  # not resolved: links may change
    except OSError as error:  # the current folder was removed
        raise InvalidOption(
            f"{what} is {str(path)!r}, and the current folder cannot be told "
            f"({error.strerror or error}): go to one that exists"
        ) from error
