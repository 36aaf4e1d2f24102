"""matplotlib as it comes: no setting of the user's or of the environment changes a drawing.

``MPLBACKEND`` may name a notebook's backend that is not installed here, a ``matplotlibrc`` may ask
for LaTeX or be broken, and there may be no home folder for its cache. None of it is needed.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from nas_gym.errors import NASGymError

_drawing: ContextVar[bool] = ContextVar("drawing", default=False)


@contextmanager
def plain_style() -> Iterator[None]:
    """Draw under matplotlib's own defaults, and take no text for formulas; a decorator as well.

    Raises:
        NASGymError: matplotlib cannot be imported.
    """
    if _drawing.get():
        yield
        return
    matplotlib = _matplotlib()
    token = _drawing.set(True)
    try:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            # A user's word may have a $ in it.
            matplotlib.rcParams["text.parse_math"] = False
            matplotlib.rcParams["svg.hashsalt"] = "nas-gym"
            yield
    finally:
        _drawing.reset(token)


def _matplotlib() -> Any:
    if "matplotlib" in sys.modules:
        return sys.modules["matplotlib"]
    set_for_now = {"MPLBACKEND": "agg"}  # none is used: figures have a canvas of their own
    if "MPLCONFIGDIR" not in os.environ and os.path.expanduser("~") == "~":
        set_for_now["MPLCONFIGDIR"] = tempfile.gettempdir()  # else it looks for a home, and fails
    before = {name: os.environ.get(name) for name in set_for_now}
    os.environ.update(set_for_now)
    try:
        import matplotlib
    except Exception as error:  # a damaged installation or matplotlibrc
        raise NASGymError(
            f"matplotlib, which draws the pictures, cannot be imported ({type(error).__name__}: "
            f"{error}): mend its installation or its settings file"
        ) from error
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return matplotlib
