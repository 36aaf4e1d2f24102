"""A data set of images that stay in their files: for folders that are larger than memory.

``nas_gym.training.images.stream_feed`` makes batches of it.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nas_gym.errors import InvalidDataset
from nas_gym.networks.isolation import isolated
from nas_gym.options import check
from nas_gym.options.counts import Pixels, Share, Workers, check_left_to_train
from nas_gym.options.paths import user_path
from nas_gym.options.printable import printable
from nas_gym.training.images.crops import read_square
from nas_gym.training.images.dataset import mean_and_deviation, summary_of
from nas_gym.training.images.decoding import opened, readable
from nas_gym.training.images.folders import (
    Listing,
    check_own_parts,
    folder_name,
    list_images,
    path_below,
)
from nas_gym.training.images.pictures import FolderFindings
from nas_gym.training.images.recipe import Recipe
from nas_gym.training.images.splitting import (
    Shares,
    fill_parts,
    hash_order,
    split_by_hash,
    usual_shares,
)
from nas_gym.training.images.stream_feed import StreamFeed
from nas_gym.training.images.summary import NOTHING_READ, PARTS, DataSummary, Reading
from nas_gym.training.machine import cores
from nas_gym.training.processes import ALONE, Processes

OPENED = 20_000  # images at most whose headers are all read at first: seconds
LOOKED_AT = 1000  # training images at most, for mean and deviation
MOST_WORKERS = 8  # data workers, unless the user gives another number


@dataclass(frozen=True, eq=False)
class StreamedDataset:
    """Paths and labels of one classification task, with the attributes of a ``Dataset``.

    Images are RGB of 8 bits; only those that are needed are read. That copies of an image are in
    two parts is therefore not found.
    """

    name: str
    image_size: int  # side in pixels of what the networks see
    paths: Mapping[str, Sequence[str]]  # of each part's images
    train_labels: Tensor  # (N,) int64
    validation_labels: Tensor
    test_labels: Tensor
    classes: int  # >= 2
    mean: Tensor  # (1, 3, 1, 1), of some images of the training part
    deviation: Tensor  # (1, 3, 1, 1), of the same images, > 0
    # sha256 of paths below the folder, sizes of files, labels, and who is in which part
    fingerprint: str
    class_names: tuple[str, ...]  # by label
    reading: Reading = NOTHING_READ  # what was found in the same images
    workers: int = 0  # processes that read; 0: the one that trains does
    white: float = field(default=255.0, init=False)  # value of a white pixel

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return 3, self.image_size, self.image_size

    @cached_property
    def summary(self) -> DataSummary:
        """What it is, for people and records."""
        return summary_of(self)

    def normalise(self, images: Tensor) -> Tensor:
        """Return float32 images; over the training part each channel has mean 0, deviation 1."""
        mean, deviation = self.mean.to(images.device), self.deviation.to(images.device)
        return images.to(torch.float32).sub(mean).div_(deviation)

    def feed(
        self, recipe: Recipe, seed: int, device: torch.device, processes: Processes = ALONE
    ) -> StreamFeed:
        """Return its batches.

        Args:
            recipe: Says how many images are a batch, and how they are varied.
            seed: Of shuffling and augmentation.
            device: Where the network is.
            processes: Those that train together.

        Raises:
            InvalidOption: The processes cannot share a batch equally.
        """
        return StreamFeed(self, recipe, seed, device, processes)

    def __deepcopy__(self, memo: dict[int, Any]) -> "StreamedDataset":
        """Return itself: nothing changes a data set, and its paths may be many."""
        return self


@isolated(threads=1)
def stream_folder(
    folder: str | os.PathLike[str],
    image_size: int,
    *,
    validation: float | None = None,
    test: float | None = None,
    workers: int | None = None,
) -> StreamedDataset:
    """Make a data set of a folder of images without reading it all.

    Layouts, classes, parts and refusals are those of a folder that ``load_dataset`` reads whole;
    so are the images, but that a JPEG may be decoded at a part of its size. Mean and deviation are
    those of up to 1,000 training images, chosen by a hash of their paths. What only reading all
    could tell is not told: copies of one image may be in two parts, and a file that is damaged
    behind its header (of more than 20,000 images: any) ends the training when it is its turn. The
    fingerprint is that of paths, labels and sizes of
    files, not of what is in them.

    Args:
        folder: With one folder of images per class, or with ``train``, ``val`` and ``test``, each
            with such folders.
        image_size: Side in pixels that images are resized to, >= 1.
        validation: The share of each class's images that validate, in (0, 1); None: as is usual.
        test: The same of the test part.
        workers: Processes that read; 0: the one that trains does. By default one for each core that
            a process that ``torchrun`` started has to itself, 1 to 8.

    Raises:
        InvalidDataset: The folder is missing or of another layout; a class has too few images; one
            of those that are read is damaged.
        InvalidOption: An option is out of its range, or a part is there already.
    """
    root = user_path(check("folder", folder, str | os.PathLike), "folder")
    side = check("image_size", image_size, Pixels)
    shares = check("validation", validation, Share), check("test", test, Share)
    check_left_to_train(validation, test)
    count = check("workers", workers, Workers | None)
    listing = list_images(root, readable()[0])
    if len(listing.paths) <= OPENED:
        for path in listing.paths:  # what is no image at all is found now, not after hours
            with opened(path):
                pass
    check_own_parts(root, listing.parts or (), shares)
    name = folder_name(root)
    below = [path_below(path, root) for path in listing.paths]
    labels = np.asarray(listing.labels, dtype=np.int64)
    chosen = _parts(name, labels, listing, shares, below)
    paths = {
        part: [listing.paths[int(index)] for index in indices]
        for part, indices in zip(PARTS, chosen, strict=True)
    }
    mean, deviation, reading = _looked_at(root, side, listing, chosen[0], below)
    train_labels, validation_labels, test_labels = (torch.from_numpy(labels[of]) for of in chosen)
    return StreamedDataset(
        name=printable(name),
        image_size=side,
        paths=paths,
        train_labels=train_labels,
        validation_labels=validation_labels,
        test_labels=test_labels,
        classes=len(listing.classes),
        mean=mean,
        deviation=deviation,
        fingerprint=_fingerprint(listing, below, chosen),
        class_names=tuple(map(printable, listing.classes)),
        reading=reading,
        workers=_usual_workers() if count is None else count,
    )


def _usual_workers() -> int:
    text = os.environ.get("LOCAL_WORLD_SIZE", "1")
    processes = int(text) if text.isdecimal() and int(text) else 1
    return max(1, min(MOST_WORKERS, cores() // processes))


def _parts(
    name: str, labels: np.ndarray, listing: Listing, shares: Shares, below: Sequence[str]
) -> Sequence[np.ndarray]:
    """Return the indices of the images of each part."""
    if listing.parts is None:
        wanted = usual_shares(shares, len(labels))
        return split_by_hash(name, labels, (), wanted, below, listing.classes)
    parts = np.asarray(listing.parts)
    return fill_parts(name, labels, parts, shares, lambda _: (), below, listing.classes)


def _looked_at(
    root: Path, side: int, listing: Listing, train: np.ndarray, below: Sequence[str]
) -> tuple[Tensor, Tensor, Reading]:
    """Return mean and deviation of some training images, and what was found in them."""
    order = hash_order([below[int(index)] for index in train])[:LOOKED_AT]
    found, sums = FolderFindings(), torch.zeros(2, 3, dtype=torch.float64)
    for place in sorted(order.tolist()):
        path = listing.paths[int(train[place])]
        square = read_square(path, side)
        found.add(path, square.size, square.notes)
        values = torch.from_numpy(np.array(square.image)).to(torch.float64)
        sums += torch.stack([values.sum((0, 1)), values.square().sum((0, 1))])
    total = len(listing.paths)
    warnings = [
        f"image sizes and what was done to images are told of {len(order):,} of {total:,} images, "
        "which were read; the others are read when they are needed"
    ]  # fmt: skip
    mean, deviation = mean_and_deviation(sums[0], sums[1], len(order) * side**2)
    return mean, deviation, found.reading(root, listing, warnings)


def _fingerprint(listing: Listing, below: Sequence[str], chosen: Sequence[np.ndarray]) -> str:
    whole = hashlib.sha256(b"streamed")
    for part, indices in zip(PARTS, chosen, strict=True):
        for index in indices.tolist():
            try:
                size = os.stat(listing.paths[index]).st_size
            except OSError as error:
                raise InvalidDataset(
                    f"{printable(listing.paths[index])} cannot be read "
                    f"({error.strerror or error}): bring it back, or start again without it"
                ) from error
            line = f"{part}\0{listing.labels[index]}\0{size}\0"
            whole.update(line.encode() + os.fsencode(below[index]) + b"\0")
    return whole.hexdigest()
