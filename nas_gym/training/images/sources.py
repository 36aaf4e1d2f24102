"""The data sets, one function each, and ``load_dataset``, which finds them by name or path."""

import gzip
import importlib.util
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from nas_gym.errors import InvalidDataset, InvalidOption
from nas_gym.networks.isolation import isolated
from nas_gym.options import check
from nas_gym.options.counts import Pixels
from nas_gym.plugins import load
from nas_gym.training.images.dataset import (
    Dataset,
    check_class_count,
    split_dataset,
    with_test_part,
)
from nas_gym.training.places import images_at

__all__ = ["Dataset", "load_dataset", "split_dataset"]

DOWNLOAD_FOLDER = Path("~/.cache/nas-gym")
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")  # package dataset-fashion-mnist
FOLDER_IMAGE_SIZE = 32  # pixels; the size of a folder's images unless the user gives another


@isolated(threads=1)
def load_dataset(
    name_or_path: str | os.PathLike[str],
    *,
    folder: str | os.PathLike[str] | None = None,
    download: bool = False,
    image_size: int | None = None,
) -> Dataset:
    """Load the data set of a name, of a folder of images, or of an ``.npz`` file.

    Args:
        name_or_path: A name (``nas-gym list``), a folder with one folder of images per class, or a
            file with the arrays ``images`` and ``labels``.
        folder: Where a named data set lies or is downloaded to; its usual places by default.
        download: Whether a named data set may be downloaded when it is not there.
        image_size: Side in pixels of a folder's images, >= 1 (default 32); other data has its own.

    Raises:
        UnknownName: No such data set.
        InvalidDataset: The data is missing, broken or of the wrong shape.
        InvalidOption: ``image_size`` is no whole number above 0, or the data cannot be resized.
    """
    name = os.fsdecode(check("dataset", name_or_path, str | os.PathLike))
    folder = check("folder", folder, str | os.PathLike | None)
    image_size = check("image_size", image_size, Pixels | None)
    kind, path = images_at(name), Path(name).expanduser()
    if kind == "folder":
        return image_folder(path, FOLDER_IMAGE_SIZE if image_size is None else image_size)
    if image_size is not None:
        raise InvalidOption("image_size resizes a folder of images only: leave it out")
    if kind == "file":
        return npz_file(path)
    read: Callable[[Path | None, bool], Dataset] = load("dataset", name)
    return read(None if folder is None else Path(folder).expanduser(), download)


def digits(folder: Path | None = None, download: bool = False) -> Dataset:
    """Load handwritten digits, 1,797 grey images of 8 x 8 pixels, embedded in scikit-learn.

    Of each class 45 % train, 35 % validate and 20 % test: a large validation part makes the reward
    of a search less noisy (benchmarks/results/recipe_signal.md).
    """
    rows = _digits_rows()
    images = rows[:, :-1].astype(np.uint8).reshape(-1, 1, 8, 8)  # values 0 to 16
    return split_dataset("digits", images, rows[:, -1].astype(np.int64), shares=(0.35, 0.20))


def fashion_mnist(folder: Path | None = None, download: bool = False) -> Dataset:
    """Load Fashion-MNIST, grey 28 x 28: 54,000 / 6,000 of 60,000 training images, 10,000 test.

    ``folder`` holds torchvision's ``FashionMNIST/raw`` or the four original IDX files, gzipped or
    not. Without it, the usual download folder and Debian's package are tried.
    """
    names = [f"{part}-{kind}-ubyte" for part in ("train", "t10k")
             for kind in ("images-idx3", "labels-idx1")]  # fmt: skip
    root = DOWNLOAD_FOLDER.expanduser() if folder is None else folder
    if download and _idx_files(root, names) is None:
        from torchvision.datasets import FashionMNIST

        _download(lambda: FashionMNIST(str(root), download=True), "fashion-mnist", root)
    found = _idx_files(root, names)
    if found is None and folder is None:
        found = _idx_files(DEBIAN_FASHION_MNIST, names)
    if found is None:
        raise _not_there("fashion-mnist", root)
    images, labels, test_images, test_labels = (_read_idx(path) for path in found)
    return with_test_part("fashion-mnist", images[:, None], labels, test_images[:, None],
                           test_labels)  # fmt: skip


def cifar10(folder: Path | None = None, download: bool = False) -> Dataset:
    """Load CIFAR-10, colour 32 x 32: 45,000 / 5,000 of 50,000 training images, 10,000 test."""
    return _cifar("cifar10", "CIFAR10", folder, download)


def cifar100(folder: Path | None = None, download: bool = False) -> Dataset:
    """Load CIFAR-100, colour 32 x 32: 45,000 / 5,000 of 50,000 training images, 10,000 test."""
    return _cifar("cifar100", "CIFAR100", folder, download)


def image_folder(folder: Path, image_size: int = FOLDER_IMAGE_SIZE) -> Dataset:
    """Load a folder with one folder of images per class (torchvision's ``ImageFolder`` layout).

    Images become RGB, cut to a square about their centre and resized to ``image_size`` pixels. Of
    each class 80 % train, 10 % validate and 10 % test, by a hash of the path below ``folder``.
    """
    from PIL import ImageOps
    from torchvision.datasets import ImageFolder

    classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    if not classes:
        raise InvalidDataset(f"{folder} has no folders: put each class's images in a folder of it")
    if set(classes) <= {"train", "val", "valid", "validation", "test"}:
        raise InvalidDataset(
            f"{folder} holds parts, not classes ({', '.join(classes)}): give the folder that has "
            "one folder per class; nas-gym splits it itself"
        )
    check_class_count(len(classes), f"{folder}")
    try:
        listing = ImageFolder(str(folder))
    except FileNotFoundError as error:
        raise InvalidDataset(f"{folder}: {str(error).splitlines()[0]}") from None
    images = np.empty((len(listing.samples), 3, image_size, image_size), dtype=np.uint8)
    for index, (path, _) in enumerate(listing.samples):
        try:
            image = ImageOps.fit(listing.loader(path), (image_size, image_size))
        except (OSError, SyntaxError, ValueError) as error:
            raise InvalidDataset(
                f"{path} cannot be read as an image ({error}): repair it or take it away"
            ) from error
        images[index] = np.asarray(image).transpose(2, 0, 1)
    names = [Path(path).relative_to(folder).as_posix() for path, _ in listing.samples]
    labels = np.asarray([label for _, label in listing.samples])
    return split_dataset(folder.name, images, labels, names=names, class_names=classes)


def npz_file(path: Path) -> Dataset:
    """Load an ``.npz`` file with ``images`` and ``labels``.

    ``images`` are (N, height, width), (N, channels, height, width) or (N, height, width, channels)
    with 1, 3 or 4 channels, of any numeric type; ``labels`` are N whole numbers from 0. Of each
    class 80 % train, 10 % validate and 10 % test.
    """
    arrays = _read_npz(path)
    images, labels = arrays["images"], arrays["labels"]
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or 0 in images.shape:
        raise InvalidDataset(
            f"{path}: images has the shape {images.shape}: expected (N, height, width), "
            "(N, channels, height, width) or (N, height, width, channels)"
        )
    if images.shape[1] not in (1, 3, 4) and images.shape[3] in (1, 3, 4):
        images = images.transpose(0, 3, 1, 2)
    if images.shape[1] not in (1, 3, 4):
        raise InvalidDataset(f"{path}: images have {images.shape[1]} channels: expected 1, 3 or 4")
    if images.dtype != np.uint8:
        images = _as_float(images, path)
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise InvalidDataset(
            f"{path}: labels is {labels.dtype} {labels.shape}: expected {len(images)} whole "
            "numbers, one per image"
        )
    if int(labels.max()) >= len(labels):
        raise InvalidDataset(
            f"{path}: label {labels.max()} among {len(labels)} images: number classes from 0 "
            "without gaps"
        )
    return split_dataset(path.stem, np.ascontiguousarray(images), labels.astype(np.int64))


# ---------------------------------------------------------------- reading files


def _digits_rows() -> np.ndarray:
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


def _cifar(name: str, class_name: str, folder: Path | None, download: bool) -> Dataset:
    from torchvision import datasets

    root = DOWNLOAD_FOLDER.expanduser() if folder is None else folder
    make = getattr(datasets, class_name)
    if download:
        _download(lambda: make(str(root), download=True), name, root)
    try:
        train, test = (make(str(root), train=train) for train in (True, False))
    except (RuntimeError, OSError):  # torchvision's words are about its own arguments
        raise _not_there(name, root) from None
    pairs = ((part.data.transpose(0, 3, 1, 2), np.asarray(part.targets)) for part in (train, test))
    (images, labels), (test_images, test_labels) = pairs
    return with_test_part(name, images, labels, test_images, test_labels)


def _not_there(name: str, root: Path) -> InvalidDataset:
    return InvalidDataset(
        f"{name} is not in {root}, or its files are damaged: pass --download (download=True) to "
        "get it, or say where it lies with --folder (folder=...)"
    )


def _download(download: Callable[[], object], name: str, root: Path) -> None:
    try:
        download()
    except (OSError, RuntimeError) as error:
        raise InvalidDataset(
            f"{name} could not be downloaded to {root} ({error}): check the network, or bring its "
            "files and pass --folder"
        ) from error


def _idx_files(root: Path, names: Sequence[str]) -> list[Path] | None:
    """Find files by name, plain or gzipped, in ``root`` or where torchvision puts them."""
    for folder in (root / "FashionMNIST" / "raw", root):
        for suffix in ("", ".gz"):
            paths = [folder / f"{name}{suffix}" for name in names]
            if all(path.is_file() for path in paths):
                return paths
    return None


def _read_idx(path: Path) -> np.ndarray:
    """Read an IDX file of unsigned bytes: two zeros, type 8, rank, sizes (big-endian), values."""
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        if content[:3] != b"\0\0\x08":
            raise ValueError("it does not begin as an IDX file of bytes")
        rank = content[3]
        shape = np.frombuffer(content, ">u4", rank, offset=4).astype(int)
        return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)
    except (OSError, EOFError, ValueError, IndexError) as error:
        raise InvalidDataset(f"{path} is damaged ({error}): get it again") from error


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise InvalidDataset(f"{path} does not exist: give an .npz file with images and labels")
    if not zipfile.is_zipfile(path):
        raise InvalidDataset(f"{path} is not an .npz file: save it with numpy.savez")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("images", "labels") if name in file}
            names = list(file)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InvalidDataset(
            f"{path} cannot be read ({error}): save plain arrays, not objects, with numpy.savez"
        ) from error
    if len(arrays) < 2:
        raise InvalidDataset(
            f"{path} has the arrays {', '.join(names) or 'none'}: expected images and labels"
        )
    return arrays


def _as_float(images: np.ndarray, path: Path) -> np.ndarray:
    if images.dtype.kind not in "iufb":
        raise InvalidDataset(f"{path}: images is {images.dtype}: expected numbers")
    floats = images.astype(np.float32)
    if not np.isfinite(floats).all():
        raise InvalidDataset(f"{path}: images has values that are not finite: take them out")
    return floats
