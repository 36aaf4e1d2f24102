"""The batches of images that are read from files while they are needed.

What a batch is depends on the seed, on the pass and on its place in it: not on the number of data
workers or of processes, nor on where a training was stopped and gone on with.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nas_gym.training.images.augmentation import (
    after_normalising,
    augment,
    check_pixels,
    mixing,
)
from nas_gym.training.images.feed import EVALUATION_BATCH, Batch, trained_on
from nas_gym.training.images.recipe import Recipe
from nas_gym.training.images.stream_memory import mapped
from nas_gym.training.images.stream_reading import (
    ImageReader,
    Request,
    own_random_state,
    set_seed,
)
from nas_gym.training.images.stream_workers import DataWorkers, Line
from nas_gym.training.processes import ALONE, Processes

if TYPE_CHECKING:
    from nas_gym.training.images.stream import StreamedDataset

_EVALUATION_BYTES = 2**24  # of the images of a batch that is measured, about


class StreamFeed:
    """The batches of a ``StreamedDataset``, read by data workers.

    They cut images out of their files, mirror them and change their colours, and hand them over as
    bytes; what comes after that is done to a whole batch on the device.

    Args:
        dataset: Whose images they are.
        recipe: Says how many are a batch, and how they are varied.
        seed: Of shuffling and augmentation.
        device: Where the network is.
        processes: Those that train together; each reads its own rows of a batch.

    Raises:
        InvalidOption: The processes cannot share a batch equally.
    """

    def __init__(
        self, dataset: "StreamedDataset", recipe: Recipe, seed: int, device: torch.device,
        processes: Processes = ALONE,
    ) -> None:  # fmt: skip
        self.dataset, self.recipe, self.seed = dataset, recipe, seed
        self.device, self.processes = device, processes
        self.paths, self.labels = dataset.paths["train"], dataset.train_labels
        trained = trained_on(self.labels, recipe)
        if trained is not None:
            self.paths = [self.paths[index] for index in trained.tolist()]
            self.labels = self.labels[trained]
        self.batch_size = min(recipe.batch_size, len(self.labels))
        self.batches = len(self.labels) // self.batch_size
        check_pixels(recipe, dataset.image_shape[0], dataset.white, True)
        own = processes.rows(self.batch_size)
        self.rows = torch.arange(own.start, own.stop)
        self.mix = mixing(recipe, dataset.classes)
        if self.mix is not None and processes.count > 1:
            # Each image is mixed with the one before it, which may be another process's.
            self.rows = torch.cat([(self.rows[:1] - 1) % self.batch_size, self.rows])
        self.after = after_normalising(recipe)
        self.later = replace(recipe, flip=False)  # the workers do that
        self.mean = self._of_each_pixel(dataset.mean)
        self.deviation = self._of_each_pixel(dataset.deviation)
        self.turn, self.position = 0, 0  # the pass that is under way, and images of it that are out
        self.line = self._line()
        self.workers = DataWorkers(
            ImageReader(dataset.image_size, recipe), dataset.workers, self.line
        )
        self._order: tuple[int, Tensor] | None = None  # the pass that it is of

    def next(self) -> Batch:
        """Return the next batch of the training part: this process's share of it."""
        turn, position = self.turn, self.position
        if position + self.batch_size > self.batches * self.batch_size:
            turn, position = turn + 1, 0
        if self._order is None or self._order[0] != turn:
            self._order = turn, _order(self.seed, turn, len(self.labels))
        chosen = self._order[1][position + self.rows]
        with mapped():
            pixels = self.workers.take(self.line).pixels
            self.turn, self.position = turn, position + self.batch_size  # it is out
            return self._varied(pixels, chosen, turn, position)

    def _varied(self, pixels: Tensor, chosen: Tensor, turn: int, position: int) -> Batch:
        """Return a batch: what the workers have not done to it is done."""
        images = self._normal(pixels)
        labels = self.labels[chosen].to(self.device)
        random = torch.Generator().manual_seed(_seed(self.seed, "batch", turn, position))
        images = augment(images, self.later, random, self.rows, self.batch_size)
        with own_random_state():
            if self.after:
                images = self._erased(images, turn, chosen.tolist())
            if self.mix is not None:
                set_seed(_seed(self.seed, "mix", turn, position))
                images, labels = self.mix(images, labels)
        extra = len(self.rows) - self.batch_size // self.processes.count
        images, labels = images[extra:], labels[extra:]
        return images.contiguous(memory_format=torch.channels_last), labels

    def part(self, name: str) -> Iterator[Batch]:
        """Yield a part (``"validation"``, ``"test"``), as it is: this process's share of it."""
        own = slice(self.processes.rank, None, self.processes.count)
        paths = self.dataset.paths[name][own]
        labels: Tensor = getattr(self.dataset, f"{name}_labels")[own]
        size = max(1, min(EVALUATION_BATCH, _EVALUATION_BYTES // (3 * self.dataset.image_size**2)))
        starts = range(0, len(paths), size)
        line = Line(Request(paths[first : first + size], None) for first in starts)
        try:
            for first in starts:
                with mapped():
                    images = self._normal(self.workers.take(line).pixels)
                yield images, labels[first : first + size].to(self.device)
        finally:
            self.workers.drop(line)

    def close(self) -> None:
        """End the workers."""
        self.workers.close()

    def state(self) -> dict[str, Tensor]:
        """Return where it is; the same for all processes, and whatever was read ahead."""
        return {"pass": torch.tensor(self.turn), "position": torch.tensor(self.position)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from there."""
        self.turn, self.position = int(state["pass"]), int(state["position"])
        before, self.line = self.line, self._line()
        self.workers.drop(before, self.line)

    def _line(self) -> Line:
        """Return the training part from here on."""
        return Line(_requests(self.paths, self.seed, self.rows, self.batch_size, self.batches,
                              self.turn, self.position))  # fmt: skip

    def _normal(self, pixels: Tensor) -> Tensor:
        """Return images as ``normalise`` does, in the order of memory that networks like best."""
        images = pixels.to(self.device).to(torch.float32)
        return images.sub_(self.mean).div_(self.deviation).permute(0, 3, 1, 2)

    def _of_each_pixel(self, values: Tensor) -> Tensor:
        """Return what is the same for all pixels as an image: the arithmetic is faster so."""
        side = self.dataset.image_size
        return values.view(3).expand(side, side, 3).contiguous().to(self.device)

    def _erased(self, images: Tensor, turn: int, chosen: list[int]) -> Tensor:
        changed = []
        for image, index in zip(images, chosen, strict=True):
            set_seed(_seed(self.seed, "erase", turn, index))
            for transform in self.after:
                image = transform(image)
            changed.append(image)
        return torch.stack(changed)


def _requests(
    paths: Sequence[str], seed: int, rows: Tensor, batch: int, batches: int, turn: int,
    position: int,
) -> Iterator[Request]:  # fmt: skip
    """Yield what a process needs of the training part from a place on, pass after pass.

    It is no method: whoever reads ahead holds it, and would hold the feed.
    """
    while True:
        order = _order(seed, turn, len(paths))
        for first in range(position, batches * batch, batch):
            chosen = order[first + rows].tolist()
            seeds = [_seed(seed, "image", turn, index) for index in chosen]
            yield Request([paths[index] for index in chosen], seeds)
        turn, position = turn + 1, 0


def _order(seed: int, turn: int, count: int) -> Tensor:
    """Return the order of the training part's images in a pass."""
    random = torch.Generator().manual_seed(_seed(seed, "order", turn, 0))
    return torch.randperm(count, generator=random)


def _seed(seed: int, use: str, turn: int, number: int) -> int:
    """Return the seed of something that is random; each has its own."""
    digest = hashlib.blake2b(f"{seed} {use} {turn} {number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
