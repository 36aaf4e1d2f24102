"""Images that one process has decoded, in a file that its worker processes map.

It only saves time and memory: a process that does not find the file decodes the images itself. It
lies among the system's temporary files while its evaluator is in use; what a process that was
killed has left there is removed by the next one that lends images.
"""

import logging
import os
import warnings
import weakref
from contextlib import suppress
from dataclasses import dataclass, fields
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.trained.checkpoints import default_folder
from nas_gym.options.printable import printable
from nas_gym.training.images.summary import PARTS

if TYPE_CHECKING:
    from filelock import FileLock

    from nas_gym.training.images.dataset import Dataset

SUFFIX = ".images"
_log = logging.getLogger("nas_gym")


@dataclass(frozen=True)
class LentImages:
    """A data set whose images lie in a file; it travels without them.

    Args:
        place: The file: the images of all parts, one after the other.
        shapes: (N, channels, height, width) of each part.
        kind: numpy's name of their type.
        others: The other fields of the ``Dataset``.
    """

    place: str
    shapes: tuple[tuple[int, ...], ...]
    kind: str
    others: dict[str, Any]

    def dataset(self) -> "Dataset | None":
        """Return the data set, whose images are pages of the file; None if it is not there."""
        import torch

        from nas_gym.training.images.dataset import Dataset

        ends = np.cumsum([prod(shape) for shape in self.shapes]).tolist()
        try:
            pixels: Any = np.memmap(self.place, self.kind, mode="r", shape=(ends[-1],))
        except (OSError, ValueError):  # it is gone, or shorter than it was
            return None
        parts, values = np.split(pixels, ends[:-1]), dict(self.others)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that nobody may write to them is what is wanted
            for part, each, shape in zip(PARTS, parts, self.shapes, strict=True):
                values[f"{part}_images"] = torch.from_numpy(np.asarray(each).reshape(shape))
        return Dataset(**values)


class Loan:
    """The file of lent images, which lasts as long as this object, at most as its process.

    Args:
        data: To be lent.

    Raises:
        OSError: There is no room for it, or no place.
        InvalidOption: The folder is another user's.
    """

    def __init__(self, data: "Dataset") -> None:
        folder = default_folder("images", "decoded images")
        _remove_abandoned(folder)
        place = folder / f"{uuid4().hex}{SUFFIX}"
        lock = _lock_of(place)
        lock.acquire(timeout=0)  # before there is a file, which is abandoned without it
        self._end = weakref.finalize(self, _remove, place, lock, os.getpid())
        images = [getattr(data, f"{part}_images").numpy(force=True) for part in PARTS]
        try:
            with open(place, "xb") as file:  # not mapped: what has no room is an error here
                for array in images:
                    for first in range(0, len(array), 1000):
                        file.write(np.ascontiguousarray(array[first : first + 1000]).data)
        except BaseException:
            self.close()
            raise
        named = {f"{part}_images" for part in PARTS}
        others = {f.name: getattr(data, f.name) for f in fields(data) if f.name not in named}
        shapes = tuple(array.shape for array in images)
        self.images = LentImages(str(place), shapes, images[0].dtype.name, others)

    def close(self) -> None:
        """Remove the file; who has mapped it keeps what it has."""
        self._end()


def lend(data: "Dataset", name: str) -> Loan | None:
    """Return the loan of a data set; None, and a line in the log, if there is no room for it.

    Args:
        data: To be lent.
        name: Of it, for people.
    """
    try:
        return Loan(data)
    except (OSError, NotImplementedError, InvalidOption) as error:  # the second: no locks there
        reason = getattr(error, "strerror", None) or error
        _log.warning(
            "the images of %s cannot be lent to the workers, so that each reads the folder itself "
            "(%s): make room in the folder for temporary files, or name another one in TMPDIR",
            printable(name), reason,
        )  # fmt: skip
        return None


def _lock_of(place: Path) -> "FileLock":
    """Return the lock of who lends a file; it ends with its process, however that ends."""
    from filelock import FileLock

    return FileLock(place.with_suffix(".lock"), thread_local=False)


def _remove_abandoned(folder: Path) -> None:
    """Remove the files of processes that are no more."""
    from filelock import Timeout

    for place in folder.glob(f"*{SUFFIX}"):
        lock = _lock_of(place)
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError, NotImplementedError):  # it is lent
            continue
        _remove(place, lock, os.getpid())


def _remove(place: Path, lock: "FileLock", owner: int) -> None:
    if os.getpid() != owner:  # a fork, which holds it as little as it has made it
        return
    for path in (place, place.with_suffix(".lock")):
        with suppress(OSError):  # others may have mapped it, where that forbids it
            path.unlink(missing_ok=True)
    lock.release()
