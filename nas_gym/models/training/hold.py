"""One training in a folder at a time: two would take each other's checkpoints away."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nas_gym.errors import InvalidModel
from nas_gym.models.folder import TRAINING
from nas_gym.options.printable import printable

try:
    import fcntl
except ImportError:  # not on Windows, where nobody is stopped
    fcntl = None  # type: ignore[assignment]


@contextmanager
def held(place: Path) -> Iterator[None]:
    """Hold the training that is on record in a folder, if one is, until the block ends.

    The lock is the process's own: it ends with it, however that ends, and processes that read data
    for it do not have it. Nobody may read the record within the block, which would let it go.

    Raises:
        InvalidModel: Another process has it.
    """
    try:
        file = (place / TRAINING).open("rb+") if fcntl is not None else None
    except OSError:  # there is none yet, or it cannot be written: that is said elsewhere
        file = None
    try:
        if file is not None:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError) as error:
                raise InvalidModel(
                    f"another process trains in {printable(place)} now: let it end, or give "
                    "another folder with to=…"
                ) from error
            except OSError:  # a file system without locks
                pass
        yield
    finally:
        if file is not None:
            file.close()
