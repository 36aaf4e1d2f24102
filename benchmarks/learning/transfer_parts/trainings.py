"""Data, trainings and records of ``transfer.py``."""

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.learning.transfer_parts.networks import Network
from benchmarks.learning.transfer_parts.setting import FULL, QUICK
from benchmarks.measure import machine
from nas_gym.errors import InvalidDataset, StoreError
from nas_gym.training.images.dataset import Dataset, split_dataset
from nas_gym.training.images.recipe import Recipe
from nas_gym.training.images.sources import load_dataset
from nas_gym.training.images.summary import PARTS

Record = dict[str, Any]
SETTINGS = {setting.name: setting for setting in (FULL, QUICK)}


# ---------------------------------------------------------------- data


@cache
def whole(name: str, folder: str | None) -> Dataset:
    """Return all of a data set.

    Raises:
        InvalidDataset: It is nowhere.
    """
    try:
        return load_dataset(name, folder=folder)
    except InvalidDataset as error:
        raise InvalidDataset(
            f"{error}; Debian has Fashion-MNIST in its package dataset-fashion-mnist"
        ) from error


@cache
def part(name: str, folder: str | None, count: int) -> Dataset:
    """Return what the search sees: some of the training images, half of which validate.

    The same share of each class is drawn, always the same images; none of the validation and test
    images of the whole are among them.
    """
    data = whole(name, folder)
    labels = data.train_labels.numpy()
    order = np.random.default_rng(0).permutation(len(labels))
    each = count // data.classes
    by_class = [order[labels[order] == label][:each] for label in range(data.classes)]
    chosen = np.sort(np.concatenate(by_class))
    images = data.train_images.numpy()[chosen]
    return split_dataset(f"{name}, {count} images", images, labels[chosen], shares=(0.5, 0.0))


# ---------------------------------------------------------------- records


@dataclass(frozen=True)
class Job:
    """One training to come.

    Args:
        what: ``"check"``, on the part, or ``"final"``, on the whole with a test at the end.
        name: For people.
        network: Which network.
        seed: Of its weights and of its training.
        setting: Name of the sizes.
        folder: Where the data lies; None: in its usual places.
    """

    what: str
    name: str
    network: Network
    seed: int
    setting: str
    folder: str | None

    @property
    def data(self) -> Dataset:
        """What it is trained on."""
        setting = SETTINGS[self.setting]
        if self.what == "check":
            return part(setting.dataset, self.folder, setting.part)
        return whole(setting.dataset, self.folder)

    @property
    def recipe(self) -> Recipe:
        """How it is trained."""
        setting = SETTINGS[self.setting]
        return setting.check if self.what == "check" else setting.final

    def described(self) -> Record:
        """Return all that the outcome depends on, but torch and the machine, and the name."""
        cost = self.network.cost(self.recipe, self.data.image_shape, self.data.classes)
        matters = {
            "what": self.what,
            "network": asdict(self.network) | {"tokens": list(self.network.tokens)},
            "parameters": cost.parameters,
            "multiply_adds": cost.multiply_adds,
            "seed": self.seed,
            "data": self.data.fingerprint,
            "recipe": self.recipe.to_json(),
        }
        images = [len(getattr(self.data, f"{part}_labels")) for part in PARTS]
        return {"key": key_of(matters), "name": self.name, **matters, "images": images}


def key_of(matters: Record) -> str:
    """Return a short text that differs if anything of this JSON data does."""
    text = json.dumps(matters, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Records:
    """A JSON file with one record per line; it is replaced as a whole, so no kill leaves half."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.by_key: dict[str, Record] = {}
        if not file.exists():
            return
        try:
            self.by_key = {record["key"]: record for record in json.loads(file.read_text("utf-8"))}
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StoreError(
                f"{file} has no records that can be read ({type(error).__name__}): repair it, or "
                "move it away and train anew"
            ) from error

    def add(self, record: Record) -> None:
        """Keep a record, on the disk as well when this returns."""
        self.by_key[record["key"]] = record
        lines = ",\n".join(json.dumps(each) for each in self.by_key.values())
        self.file.parent.mkdir(parents=True, exist_ok=True)
        new = self.file.with_suffix(".new")
        with new.open("w", encoding="utf-8") as stream:
            stream.write(f"[\n{lines}\n]\n")
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(self.file)

    def of(self, keys: Iterable[str]) -> list[Record]:
        """Return the records that are there of some keys."""
        return [self.by_key[key] for key in keys if key in self.by_key]


def missing(jobs: Sequence[tuple[Job, Record]], records: Records) -> list[tuple[Job, Record]]:
    """Return the jobs that have no record yet."""
    return [pair for pair in jobs if pair[1]["key"] not in records.by_key]


# ---------------------------------------------------------------- in a worker process


def begin() -> None:
    """Compute with one thread, and end with the process that asked for the work, even if killed."""
    import torch

    torch.set_num_threads(1)
    parent = parent_process()
    if parent is not None:

        def watch() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()


def done(job: Job, described: Record) -> Record:
    """Train one network and return its record; the test part is measured once, at the end."""
    import torch

    from nas_gym.training.images.train import measure_test_accuracy, train
    from nas_gym.training.loop import seeded

    start, cpu = time.perf_counter(), torch.device("cpu")
    with seeded(job.seed, cpu):
        network = job.network.build(job.recipe, job.data.image_shape, job.data.classes)
    result = train(network, job.data, job.recipe, job.seed, device=cpu)
    test, failure = None, result.failure
    if job.what == "final" and failure is None:
        test = measure_test_accuracy(network, job.data, device=cpu)
        failure = "diverged" if test is None else None
    return described | {
        "validation": result.accuracy,
        "test": test,
        "failure": failure,
        "seconds": round(time.perf_counter() - start, 1),
        "machine": machine(),
    }
