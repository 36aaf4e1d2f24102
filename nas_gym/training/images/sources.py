"""The data sets, one function each, and ``load_dataset``, which finds them by name or path."""

import inspect
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nas_gym.errors import InvalidDataset, InvalidOption
from nas_gym.networks.isolation import isolated
from nas_gym.options import check
from nas_gym.options.counts import Pixels, Share, check_left_to_train
from nas_gym.options.paths import user_path
from nas_gym.options.printable import printable
from nas_gym.plugins import load
from nas_gym.training.images.arrays import check_npz, read_digits, read_idx, read_npz
from nas_gym.training.images.dataset import Dataset, split_dataset, with_parts, with_test_part
from nas_gym.training.images.decoding import readable
from nas_gym.training.images.folders import (
    check_own_parts,
    folder_name,
    has_own_part,
    list_images,
    path_below,
)
from nas_gym.training.images.pictures import read_pictures
from nas_gym.training.images.splitting import Shares, check_images, usual_shares
from nas_gym.training.images.summary import Reading
from nas_gym.training.places import DOWNLOAD_FOLDER, check_takes_folder, images_at, not_there

__all__ = ["Dataset", "load_dataset", "split_dataset"]

DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")  # package dataset-fashion-mnist
FOLDER_IMAGE_SIZE = 32  # pixels; the size of a folder's images unless the user gives another


@isolated(threads=1)
def load_dataset(
    name_or_path: str | os.PathLike[str],
    *,
    folder: str | os.PathLike[str] | None = None,
    download: bool = False,
    image_size: int | None = None,
    validation: float | None = None,
    test: float | None = None,
) -> Dataset:
    """Load the data set of a name, of a folder of images, or of an ``.npz`` file.

    Args:
        name_or_path: A name (``nas-gym list``), a folder with one folder of images per class (or
            with ``train``, ``val`` and ``test``, each with such folders), or a file with the arrays
            ``images`` and ``labels`` (and ``test_images`` and ``test_labels``).
        folder: Where a named data set lies or is downloaded to; its usual places by default.
        download: Whether a named data set may be downloaded when it is not there.
        image_size: Side in pixels of a folder's images, >= 1 (default 32); other data has its own.
        validation: The share of each class's images that validate, in (0, 1); None: as is usual for
            the data. Data with a validation part of its own takes none.
        test: The same of the test part.

    Raises:
        UnknownName: No such data set.
        InvalidDataset: The data is missing, broken or of the wrong shape.
        InvalidOption: ``image_size`` is no whole number above 0, or the data cannot be resized; the
            shares are none, or leave nothing to train.
    """
    name = os.fsdecode(check("dataset", name_or_path, str | os.PathLike))
    folder = check("folder", folder, str | os.PathLike | None)
    image_size = check("image_size", image_size, Pixels | None)
    shares = checked_shares(validation, test)
    kind = images_at(name)
    if folder is not None:
        check_takes_folder(name, folder)
    path = user_path(name, "dataset")
    if kind == "folder":
        return image_folder(path, FOLDER_IMAGE_SIZE if image_size is None else image_size, shares)
    if image_size is not None:
        raise InvalidOption("image_size resizes a folder of images only: leave it out")
    if kind == "file":
        return npz_file(path, shares)
    read: Callable[..., Dataset] = load("dataset", name)
    return read(
        None if folder is None else user_path(folder, "folder"),
        download,
        **_taken(name, read, shares),
    )


def checked_shares(validation: float | None, test: float | None) -> Shares:
    """Return the shares of validation and test, or raise InvalidOption."""
    shares = check("validation", validation, Share), check("test", test, Share)
    check_left_to_train(validation, test)
    return shares


def _taken(name: str, read: Callable[..., Dataset], shares: Shares) -> dict[str, float]:
    """Return the shares that were given, if the data set takes them."""
    known = inspect.signature(read).parameters
    given = {n: s for n, s in zip(("validation", "test"), shares, strict=True) if s is not None}
    for part in given:
        if part not in known:
            raise has_own_part(name, part)
    return given


def digits(
    folder: Path | None = None, download: bool = False, *, validation: float | None = None,
    test: float | None = None,
) -> Dataset:  # fmt: skip
    """Load handwritten digits, 1,797 grey images of 8 x 8 pixels, embedded in scikit-learn.

    Of each class 45 % train, 35 % validate and 20 % test: a large validation part makes the reward
    of a search less noisy (benchmarks/results/recipe_signal.md).
    """
    rows = read_digits()
    images = rows[:, :-1].astype(np.uint8).reshape(-1, 1, 8, 8)  # values 0 to 16
    shares = (0.35 if validation is None else validation, 0.20 if test is None else test)
    labels = rows[:, -1].astype(np.int64)
    return split_dataset("digits", images, labels, shares=shares, white=16.0)


def fashion_mnist(
    folder: Path | None = None, download: bool = False, *, validation: float | None = None
) -> Dataset:
    """Load Fashion-MNIST, grey 28 x 28: 54,000 / 6,000 of 60,000 training images, 10,000 test.

    ``folder`` holds torchvision's ``FashionMNIST/raw`` or the four original IDX files, gzipped or
    not. Without it, the usual download folder and Debian's package are tried.
    """
    names = [f"{part}-{kind}-ubyte" for part in ("train", "t10k")
             for kind in ("images-idx3", "labels-idx1")]  # fmt: skip
    root = _usual_folder(download) if folder is None else folder
    if download and _idx_files(root, names) is None:
        from torchvision.datasets import FashionMNIST

        _download(lambda: FashionMNIST(str(root), download=True), "fashion-mnist", root)
    found = _idx_files(root, names)
    if found is None and folder is None:
        found = _idx_files(DEBIAN_FASHION_MNIST, names)
    if found is None:
        raise not_there("fashion-mnist", root)
    arrays = [read_idx(path) for path in found]
    for path, array, rank in zip(found, arrays, (3, 1, 3, 1), strict=True):
        if array.ndim != rank or array.shape[1:] != arrays[0].shape[1:] * (rank == 3):
            raise InvalidDataset(
                f"{printable(path)} is damaged (shape {array.shape}): get it again"
            )
    images, labels, test_images, test_labels = arrays
    return with_test_part("fashion-mnist", images[:, None], labels, test_images[:, None],
                           test_labels, validation)  # fmt: skip


def cifar10(
    folder: Path | None = None, download: bool = False, *, validation: float | None = None
) -> Dataset:
    """Load CIFAR-10, colour 32 x 32: 45,000 / 5,000 of 50,000 training images, 10,000 test."""
    return _cifar("cifar10", "CIFAR10", folder, download, validation)


def cifar100(
    folder: Path | None = None, download: bool = False, *, validation: float | None = None
) -> Dataset:
    """Load CIFAR-100, colour 32 x 32: 45,000 / 5,000 of 50,000 training images, 10,000 test."""
    return _cifar("cifar100", "CIFAR100", folder, download, validation)


def image_folder(
    folder: Path, image_size: int = FOLDER_IMAGE_SIZE, shares: Shares = (None, None)
) -> Dataset:
    """Load a folder of images, of one of the layouts in ``nas_gym.training.images.folders``.

    Images become RGB as ``nas_gym.training.images.decoding`` tells, cut to a square about their
    centre and resized to ``image_size`` pixels. Each class is split by a hash of the path below
    ``folder``, as ``usual_shares`` says, unless the folder has parts of its own.
    """
    listing = list_images(folder, readable()[0])
    check_own_parts(folder, listing.parts or (), shares)
    images, reading = read_pictures(folder, listing, image_size)
    name = folder_name(folder)
    names = [path_below(path, folder) for path in listing.paths]
    labels, classes = np.asarray(listing.labels), listing.classes
    if listing.parts is not None:
        parts = np.asarray(listing.parts)
        return with_parts(name, images, labels, parts, shares, names=names, class_names=classes,
                           reading=reading)  # fmt: skip
    return split_dataset(
        name, images, labels, shares=usual_shares(shares, len(labels)), names=names,
        class_names=classes, reading=reading,
    )  # fmt: skip


def npz_file(path: Path, shares: Shares = (None, None)) -> Dataset:
    """Load an ``.npz`` file with ``images`` and ``labels``.

    ``images`` are (N, height, width), (N, channels, height, width) or (N, height, width, channels)
    with 1, 3 or 4 channels, of any numeric type; ``labels`` are N whole numbers from 0. Each class
    is split as ``usual_shares`` says, unless the file has parts of its own (``test_images`` and
    ``test_labels``; see ``read_npz``); other arrays are left out.
    """
    check_own_parts(path, check_npz(path).own, shares)
    images, labels, parts, others = read_npz(path)
    reading = Reading(
        left_out={"other arrays": (len(others), printable(others[0]))} if others else {}
    )
    if parts is None:
        shares = usual_shares(shares, len(images))
        return split_dataset(path.stem, images, labels, shares=shares, reading=reading)
    check_images(path.stem, images, labels)
    names = [str(number) for number in range(len(labels))]
    return with_parts(
        path.stem, images, labels, parts, shares, names=names, class_names=None, reading=reading
    )


# ---------------------------------------------------------------- reading files


def _cifar(
    name: str, class_name: str, folder: Path | None, download: bool, validation: float | None
) -> Dataset:
    root = _usual_folder(download) if folder is None else folder
    from torchvision import datasets

    make: Any = getattr(datasets, class_name)
    if download:
        _download(lambda: make(str(root), download=True), name, root)
    try:  # the files are unpickled only after their checksums were found to be the published ones
        train, test = (make(str(root), train=train) for train in (True, False))
    except Exception:  # torchvision's words are about its own arguments
        raise not_there(name, root) from None
    pairs = ((part.data.transpose(0, 3, 1, 2), np.asarray(part.targets)) for part in (train, test))
    (images, labels), (test_images, test_labels) = pairs
    return with_test_part(name, images, labels, test_images, test_labels, validation)


def _usual_folder(download: bool) -> Path:
    """Return where named data sets lie; a folder named ``~`` is not made for want of a home."""
    try:
        return user_path(DOWNLOAD_FOLDER)
    except InvalidOption as error:
        if download:
            raise InvalidDataset(
                "this user has no home folder to download to (HOME is not set): say where the data "
                "set lies with --folder (folder=...)"
            ) from error
        return Path(DOWNLOAD_FOLDER)


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
