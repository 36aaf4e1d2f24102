"""The files that a drawing can be saved as; known before anything is drawn or imported."""

import os
from pathlib import Path

from nas_gym.errors import InvalidOption
from nas_gym.options.paths import user_path

SUFFIXES = (".png", ".svg", ".pdf")


def drawing_path(given: str | os.PathLike[str], what: str = "the drawing") -> Path:
    """Return the path of a drawing, ``~`` expanded.

    Args:
        given: As the user gave it.
        what: Its name in messages, e.g. ``"--draw"``.

    Raises:
        InvalidOption: It is no path, or ends in none of ``SUFFIXES``.
    """
    path = user_path(given, what)
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidOption(
            f"{what} cannot be saved as {path.name!r}: "
            f"give a file name that ends in {', '.join(SUFFIXES)}"
        )
    return path
