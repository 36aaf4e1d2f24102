"""Files of arrays: ``.npz``, the IDX format of MNIST, and scikit-learn's digits.

A file's own words about its size are checked before memory is asked for; nothing is unpickled.
"""

import gzip
import importlib.util
import zipfile
import zlib
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from nas_gym.errors import InvalidDataset
from nas_gym.options.printable import printable
from nas_gym.training.memory import check_memory

_CHANNELS = (1, 3, 4)
_COPIES = 3  # of an array in memory at once, while it is split


def read_npz(path: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Read ``images`` and ``labels`` of an ``.npz`` file.

    Returns:
        Images (N, channels, height, width), uint8 or float32; the labels as they are; and the names
        of the arrays that are left out.

    Raises:
        InvalidDataset: The file is missing, damaged, too large, or has other arrays.
    """
    where = printable(path)
    if not path.is_file():
        raise InvalidDataset(f"{where} does not exist: give an .npz file with images and labels")
    images, labels, others = _arrays(path, where)
    if images.dtype.kind not in "iufb" or images.dtype.names:
        raise InvalidDataset(f"{where}: images is {images.dtype}: expected numbers")
    grey = images.ndim == 3
    if grey:
        images = images[:, None]
    if images.ndim != 4 or 0 in images.shape:
        raise InvalidDataset(
            f"{where}: images has the shape {images.shape}: expected (N, height, width), "
            "(N, channels, height, width) or (N, height, width, channels)"
        )
    if not grey and _channels_are_last(images.shape, where):
        images = images.transpose(0, 3, 1, 2)
    if images.shape[1] not in _CHANNELS:
        raise InvalidDataset(f"{where}: images have {images.shape[1]} channels: expected 1, 3 or 4")
    if images.dtype != np.uint8:
        with np.errstate(all="ignore"):  # what does not fit becomes infinite, and is refused
            images = images.astype(np.float32)
    if labels.dtype.kind in "iu":
        if labels.dtype == np.uint64:
            labels = np.minimum(labels, np.iinfo(np.int64).max)
        labels = labels.astype(np.int64)
    return np.ascontiguousarray(images), labels, others


def _channels_are_last(shape: tuple[int, ...], where: str) -> bool:
    """Return how four axes are meant; where both ways are possible, the images are square."""
    _, second, third, fourth = shape
    first, last = second in _CHANNELS, fourth in _CHANNELS
    if not (first and last):
        return last
    if (third == fourth) == (second == third):
        raise InvalidDataset(
            f"{where}: images has the shape {shape}, which may be (N, channels, height, width) as "
            "well as (N, height, width, channels): pad the images to 5 pixels or more a side, or "
            "give grey ones as (N, height, width)"
        )
    return second == third


def _arrays(path: Path, where: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return ``images``, ``labels``, and the names of the others."""
    try:
        if not zipfile.is_zipfile(path):
            raise InvalidDataset(f"{where} is not an .npz file: save it with numpy.savez")
        with zipfile.ZipFile(path) as archive:
            names = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if not {"images", "labels"} <= set(names):
                raise InvalidDataset(
                    f"{where} has the arrays {', '.join(map(printable, names)) or 'none'}: "
                    "expected images and labels"
                )
            for name in ("images", "labels"):
                _check_header(archive, names[name], f"{name} of {where}")
        with np.load(path, allow_pickle=False) as file:
            images, labels = (np.asarray(file[name]) for name in ("images", "labels"))
        return images, labels, sorted(names.keys() - {"images", "labels"})
    except InvalidDataset:
        raise
    except Exception as error:  # zipfile, zlib and numpy each have their own
        reason = printable(" ".join(str(error).split()))[:200] or type(error).__name__
        raise InvalidDataset(
            f"{where} cannot be read ({reason}): save plain arrays, not objects, with numpy.savez"
        ) from error


def _check_header(archive: zipfile.ZipFile, info: zipfile.ZipInfo, what: str) -> None:
    """Raise an error unless the array's shape is that of as many bytes as there are."""
    formats: Any = np.lib.format
    with archive.open(info) as file:
        version = formats.read_magic(file)
        read = formats.read_array_header_1_0 if version == (1, 0) else formats.read_array_header_2_0
        shape, _, dtype = read(file)
        if dtype.hasobject:
            raise ValueError("Object arrays cannot be loaded")
        needed = prod(shape) * dtype.itemsize
        check_memory(needed * _COPIES, what)
        if file.tell() + needed != info.file_size:
            raise ValueError(f"its header says {needed} bytes, it has {info.file_size}")


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file of unsigned bytes: two zeros, type 8, rank, sizes (big-endian), values.

    Raises:
        InvalidDataset: It is damaged, or too large.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            start = file.read(4)
            if start[:3] != b"\0\0\x08":
                raise ValueError("it does not begin as an IDX file of bytes")
            sizes = file.read(4 * start[3])
            shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4", start[3]))
            check_memory(prod(shape) * _COPIES, printable(path))
            content = file.read(prod(shape) + 1)
        if len(content) != prod(shape):
            raise ValueError(f"its header says {prod(shape)} bytes, it has others")
        return np.frombuffer(content, np.uint8).reshape(shape)
    except (OSError, EOFError, ValueError, IndexError, zlib.error, MemoryError) as error:
        raise InvalidDataset(f"{printable(path)} is damaged ({error}): get it again") from error


def read_digits() -> np.ndarray:
    """Return (1797, 65): the pixels of each digit, and what it is.

    The file is read without importing scikit-learn, which takes a second in every worker.
    """
    found = importlib.util.find_spec("sklearn")
    if found is not None and found.origin is not None:
        file = Path(found.origin).parent / "datasets" / "data" / "digits.csv.gz"
        if file.is_file():
            return np.loadtxt(file, dtype=np.uint8, delimiter=",")
    from sklearn.datasets import load_digits

    data = load_digits()
    return np.column_stack([data.data, data.target])
