"""Files of arrays: ``.npz``, the IDX format of MNIST, and scikit-learn's digits.

A file's own words about its size are checked before memory is asked for; nothing is unpickled.
"""

import gzip
import importlib.util
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nas_gym.errors import InvalidDataset
from nas_gym.options.printable import printable
from nas_gym.training.images.array_names import ArrayNames, layout_of
from nas_gym.training.images.splitting import check_labels
from nas_gym.training.memory import check_memory

_CHANNELS = (1, 3, 4)
_BRIGHT = 16  # a pixel of 0 to 1 never comes to it, one of 0 to 255 does somewhere
_COPIES = 3  # of an array in memory at once, while it is split


class Arrays(NamedTuple):
    """The images of a file, part after part, the training part first."""

    images: np.ndarray  # (N, channels, height, width), uint8 or float32
    labels: np.ndarray  # (N,), as they are
    parts: np.ndarray | None  # (N,) "train", "validation" or "test"; None: to be split
    others: list[str]  # names of arrays that are left out


def read_npz(path: Path) -> Arrays:
    """Read the images and labels of an ``.npz`` file, and those of its own parts if it has some.

    They are ``images`` and ``labels``, or ``train_images`` and ``train_labels``, or ``x_train`` and
    ``y_train``; a test or validation part is called alike (``test_images``, ``val_labels``, …).

    Raises:
        InvalidDataset: The file is missing, damaged, too large, or has other arrays; or its parts
            do not fit each other.
    """
    where, layout = printable(path), check_npz(path)
    with _readable(where), np.load(path, allow_pickle=False) as file:
        read = [tuple(np.asarray(file[name]) for name in pair) for pair in layout.parts.values()]
    images, labels = [], []
    for names, (pixels, classes) in zip(layout.parts.values(), read, strict=True):
        checked = _checked(pixels, classes, names[0], where)
        images.append(checked[0])
        labels.append(checked[1])
    if len(read) == 1:
        return Arrays(images[0], labels[0], None, layout.others)
    _check_alike(layout, images, labels, where)
    _check_ranges(layout, images, where)
    parts = np.repeat(list(layout.parts), [len(each) for each in images])
    return Arrays(np.concatenate(images), np.concatenate(labels), parts, layout.others)


def _checked(
    images: np.ndarray, labels: np.ndarray, what: str, where: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return images as networks take them, and whole labels as int64.

    Args:
        images: As they were read.
        labels: As they were read.
        what: The name of the images.
        where: The name of the file.
    """
    if images.dtype.kind not in "iufb" or images.dtype.names:
        raise InvalidDataset(f"{where}: {what} is {images.dtype}: expected numbers")
    grey = images.ndim == 3
    if grey:
        images = images[:, None]
    if images.ndim != 4 or 0 in images.shape:
        raise InvalidDataset(
            f"{where}: {what} has the shape {images.shape}: expected (N, height, width), "
            "(N, channels, height, width) or (N, height, width, channels)"
        )
    if not grey and _channels_are_last(images.shape, where):
        images = images.transpose(0, 3, 1, 2)
    if images.shape[1] not in _CHANNELS:
        raise InvalidDataset(f"{where}: {what} have {images.shape[1]} channels: expected 1, 3 or 4")
    if images.dtype != np.uint8:
        with np.errstate(all="ignore"):  # what does not fit becomes infinite, and is refused
            images = images.astype(np.float32)
    if labels.dtype.kind in "iu":
        if labels.dtype == np.uint64:
            labels = np.minimum(labels, np.iinfo(np.int64).max)
        labels = labels.astype(np.int64)
    return np.ascontiguousarray(images), labels


def _check_alike(
    layout: ArrayNames, images: Sequence[np.ndarray], labels: Sequence[np.ndarray], where: str
) -> None:
    """Raise InvalidDataset unless the parts fit each other; the training part comes first."""
    trained, known = layout.parts["train"], np.unique(labels[0])
    for names, pixels, classes in zip(layout.parts.values(), images, labels, strict=True):
        check_labels(where, classes, len(pixels), names[1])
        for what, one, other in (
            ("the shape", images[0].shape[1:], pixels.shape[1:]),
            ("the type", images[0].dtype, pixels.dtype),
        ):
            if one != other:
                raise InvalidDataset(
                    f"{where}: {trained[0]} have {what} {one} and {names[0]} {other}: save all "
                    "alike"
                )
        if strange := sorted(set(np.unique(classes).tolist()) - set(known.tolist())):
            raise InvalidDataset(
                f"{where}: {names[1]} has the label {strange[0]}, and {trained[1]} has none such: "
                "give each part the same classes"
            )
    if known[-1] >= len(known):
        raise InvalidDataset(
            f"{where}: {trained[1]} has {len(known)} different labels up to {known[-1]}: number "
            "classes from 0 without gaps"
        )


def _check_ranges(layout: ArrayNames, images: Sequence[np.ndarray], where: str) -> None:
    """Raise InvalidDataset if pixels are from 0 to 1 in one part, and from 0 to 255 in another."""
    peaks = {
        names[0]: float(np.abs(pixels).max(initial=0))
        for names, pixels in zip(layout.parts.values(), images, strict=True)
        if pixels.dtype != np.uint8 and pixels.size
    }
    if peaks and min(peaks.values()) <= 1 and _BRIGHT <= max(peaks.values()) < np.inf:
        low, high = min(peaks, key=peaks.__getitem__), max(peaks, key=peaks.__getitem__)
        raise InvalidDataset(
            f"{where}: {low} have values up to {peaks[low]:g} and {high} up to {peaks[high]:g}: "
            "save all in the same range"
        )


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


def check_npz(path: Path) -> ArrayNames:
    """Return what the arrays of an ``.npz`` file are; read none of them.

    Raises:
        InvalidDataset: As ``read_npz``, as far as names and headers tell.
    """
    where = printable(path)
    if not path.is_file():
        raise InvalidDataset(f"{where} does not exist: give an .npz file with images and labels")
    with _readable(where):
        if not zipfile.is_zipfile(path):
            raise InvalidDataset(f"{where} is not an .npz file: save it with numpy.savez")
        with zipfile.ZipFile(path) as archive:
            entries = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            layout = layout_of(list(entries), where)
            for pair in layout.parts.values():
                for name in pair:
                    _check_header(archive, entries[name], f"{name} of {where}")
    return layout


@contextmanager
def _readable(where: str) -> Iterator[None]:
    """Say in one sentence what is wrong with a file that cannot be read in the block."""
    try:
        yield
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
