"""``NATSBench``: the user's own download of NATS-Bench (Dong et al. 2021, arXiv 2009.00437).

It is a folder of the "simple" files: one compressed pickle per architecture with the results of all
its trainings, and one that lists the architectures. A file is read when its architecture is asked
for.
"""

import bz2
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from annotated_types import Ge

from nas_gym.errors import InvalidOption, InvalidTable, NASGymError, unknown_name
from nas_gym.evaluators.configured import Configured
from nas_gym.evaluators.tables.columns import read_file
from nas_gym.evaluators.tables.nasbench201 import benchmark_task
from nas_gym.evaluators.tables.plain_pickle import load_plain
from nas_gym.evaluators.tables.tabular import Entry, Missing, NotInTable, Seeds, TabularEvaluator
from nas_gym.networks.task import Task
from nas_gym.options import OneOf, check
from nas_gym.options.paths import recorded_path
from nas_gym.search_spaces.grammar import SearchSpace, decode_valid
from nas_gym.search_spaces.nasbench201.size_space import NATSSize
from nas_gym.search_spaces.nasbench201.space import NASBench201

# Epochs of the trainings that the files hold, longest last.
SCHEDULES: dict[type[Any], tuple[str, ...]] = {
    NASBench201: ("12", "200"),
    NATSSize: ("01", "12", "90"),
}
SUFFIX = ".pickle.pbz2"
LARGEST = 2**26  # bytes of an unpacked file; the genuine ones have 1.4 million at most
REMEMBERED = 256  # architectures whose figures are kept; about 1 kB each


class _Names(NamedTuple):
    """The names of the trainings and of the images of a data set in the files."""

    trained: str  # with a validation part that was kept aside
    validation: str
    tested: str  # the trainings of the test figures
    test: str


_DATASETS = {
    # For the test figures CIFAR-10's networks were trained again on all training images.
    "cifar10": _Names("cifar10-valid", "x-valid", "cifar10", "ori-test"),
    "cifar10-valid": _Names("cifar10-valid", "x-valid", "cifar10-valid", "ori-test"),
    "cifar100": _Names("cifar100", "x-valid", "cifar100", "x-test"),
    "imagenet16-120": _Names("ImageNet16-120", "x-valid", "ImageNet16-120", "x-test"),
}


@dataclass(frozen=True)
class NATSBench(Configured, TabularEvaluator):
    """Validation accuracy from the files of NATS-Bench, after any of their epochs.

    Metrics: ``accuracy`` (a fraction in [0, 1]), ``parameters``, ``multiply_adds`` (of one image),
    ``latency`` (seconds per batch). ``seconds`` are those of the epochs and of one validation. If
    there are several trainings, ``seeds`` says which one counts; ``seeds=0`` is the lowest seed.

    The files have the accuracy after every epoch, so that it can be asked for a part of a training;
    only of the schedule of 200 epochs they have that of CIFAR-10 alone. The learning rate follows
    the schedule: an epoch of a longer one is not the end of a shorter one.

    Args:
        space: ``NASBench201`` (the topology space) or ``NATSSize``.
        folder: ``NATS-tss-v1_0-3ffb9-simple`` or ``NATS-sss-v1_0-50262-simple``, unpacked.
        dataset: ``"cifar10"``, ``"cifar100"`` or ``"imagenet16-120"``. On CIFAR-10 the networks
            validated were trained on half of the training images, and those tested on all;
            ``"cifar10-valid"`` has the test figure of the former.
        hp: Epochs of the schedule: 12 or 200 in the topology space, 1, 12 or 90 in the size
            space; the longest by default. Searches in the papers see 12.
        epoch: After how many epochs of the schedule, from 1; after all by default.
        seeds: ``"mean"``, ``"random"`` or the number of one training: see ``TabularEvaluator``.
        missing: ``"error"`` if an architecture has no file; ``"failure"`` lets its evaluation
            fail, for a folder that holds only some.

    Raises:
        InvalidOption: Another space, an epoch that the schedule does not have, other seeds.
        UnknownName: No such data set or schedule.
    """

    space: SearchSpace[Any]
    folder: str | Path
    dataset: str = "cifar10"
    hp: str | int | None = None
    epoch: Annotated[int, Ge(1)] | None = None
    seeds: Seeds = "mean"
    missing: Missing = "error"

    def __post_init__(self) -> None:
        super().__post_init__()
        schedules = SCHEDULES.get(type(self.space))
        if schedules is None:
            raise InvalidOption(
                "NATS-Bench knows the spaces NASBench201 ('nasbench201') and NATSSize "
                f"('nats-size'), not {type(self.space).__name__}: give one of them"
            )
        dataset = check("dataset", self.dataset.lower(), Annotated[str, OneOf(tuple(_DATASETS))])
        hp = schedules[-1] if self.hp is None else f"{self.hp:0>2}"
        if hp not in schedules:
            raise unknown_name("schedule (hp) of the space", hp, schedules)
        if self.epoch is not None and self.epoch > int(hp):
            raise InvalidOption(f"epoch is {self.epoch}: give a whole number from 1 to {int(hp)}")
        for name, value in (
            ("folder", recorded_path(self.folder, "folder")),
            ("dataset", dataset),
            ("hp", hp),
        ):
            object.__setattr__(self, name, value)

    @property
    def most_epochs(self) -> int | None:
        """The epochs of the schedule up to ``epoch``; None if the files have no curves of it."""
        on_cifar10 = _DATASETS[self.dataset].trained == "cifar10-valid"
        return self._epoch if on_cifar10 or self.hp != "200" else None

    @property
    def whole_epochs(self) -> int:
        """The epochs of the schedule up to ``epoch``, whether there are curves of them or not."""
        return self._epoch

    @property
    def networks_task(self) -> Task:
        """What the networks of the files were built for."""
        return benchmark_task(self.dataset)

    @property
    def protocol(self) -> dict[str, Any]:
        """All that the accuracies depend on, as JSON data."""
        return {
            "evaluator": "nats-bench",
            "fingerprint": self._fingerprint,
            "dataset": self.dataset,
            "hp": self.hp,
            "epoch": self._epoch,
            "seeds": self.seeds,
        }

    def entry(self, tokens: tuple[int, ...]) -> Entry:
        """Return what the files know of an architecture.

        Raises:
            NotInTable: It has no file, and ``missing`` is ``"failure"``.
            InvalidTable: It has no file, or one that cannot be read.
        """
        return self._figures(tokens).entry

    def test_accuracy(self, tokens: tuple[int, ...]) -> float | None:
        """Return the mean test accuracy at the end of the schedule; raise as ``entry`` does."""
        return self._figures(tokens).test_accuracy

    def index_of(self, tokens: tuple[int, ...]) -> int:
        """Return the architecture's official index, by which its file is named."""
        text = str(decode_valid(self.space, tokens))
        try:
            return self._indices[text]
        except KeyError:
            raise InvalidTable(
                f"{self._path('meta')} does not list {text}: give the folder of "
                f"{'the size' if isinstance(self.space, NATSSize) else 'the topology'} space, or "
                "the other space"
            ) from None

    @property
    def _epoch(self) -> int:
        return int(str(self.hp)) if self.epoch is None else self.epoch

    @cached_property
    def _indices(self) -> dict[str, int]:
        path = self._path("meta")
        listed = _load(path)
        try:
            return {str(text): index for index, text in enumerate(listed["meta_archs"])}
        except (KeyError, TypeError) as error:
            raise _broken(path, error) from error

    @cached_property
    def _fingerprint(self) -> str:
        """The SHA-256 of the list of architectures and, if it is there, of the first one's file."""
        digest = hashlib.sha256()
        for path in (self._path("meta"), self._path(f"{0:06d}")):
            digest.update(_bytes(path) if path.name.startswith("meta") or path.exists() else b"")
        return digest.hexdigest()

    @cached_property
    def _figures(self) -> "Callable[[tuple[int, ...]], _Figures]":
        return lru_cache(REMEMBERED)(self._read)

    def _path(self, name: str) -> Path:
        return Path(self.folder) / f"{name}{SUFFIX}"

    def _read(self, tokens: tuple[int, ...]) -> "_Figures":
        index = self.index_of(tokens)
        path = self._path(f"{index:06d}")
        if not path.exists():
            if self.missing == "failure":
                raise NotInTable(f"{self.folder} has no file of this architecture")
            raise InvalidTable(
                f"there is no file {path} of architecture {index}: unpack the whole download, or "
                "give missing='failure' (--set evaluator.missing=failure) to let the evaluations "
                "of what is not there fail"
            )
        schedules = _load(path)
        try:
            found = schedules[self.hp]
            if found["arch_str"] != str(decode_valid(self.space, tokens)):
                raise InvalidTable(
                    f"{path} is of {found['arch_str']}, not of architecture {index}: restore it "
                    "from the download"
                )
            results = found["all_results"]
            names = _DATASETS[self.dataset]
            trainings = _trainings(results, names.trained)
            entry = _entry(trainings, names.validation, self._epoch, path)
            last = f"{names.test}@{int(str(self.hp)) - 1}"
            tests = [run["eval_acc1es"][last] / 100 for run in _trainings(results, names.tested)]
        except NASGymError:
            raise
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise _broken(path, error) from error
        return _Figures(entry, sum(tests) / len(tests))


class _Figures(NamedTuple):
    """The figures that are kept of a file."""

    entry: Entry
    test_accuracy: float


def _trainings(results: Mapping[tuple[str, int], Any], name: str) -> list[Any]:
    """Return the trainings on one data set, lowest seed first; at least one."""
    seeds = sorted(seed for dataset, seed in results if dataset == name)
    if not seeds:
        raise KeyError(name)
    return [results[name, seed] for seed in seeds]


def _entry(trainings: list[Any], validation: str, epoch: int, path: Path) -> Entry:
    """Return the accuracies after ``epoch`` epochs; seconds are the mean over the trainings."""
    key = f"{validation}@{epoch - 1}"
    if any(key not in run["eval_acc1es"] for run in trainings):
        known = sorted(
            int(name.partition("@")[2]) + 1
            for name in trainings[0]["eval_acc1es"]
            if name.startswith(f"{validation}@")
        )
        raise InvalidOption(
            f"{path} has no validation accuracy after epoch {epoch}, only after "
            f"{', '.join(map(str, known[:3]))}{' …' if len(known) > 3 else ''}: leave epoch out, "
            "or give another"
        )
    seconds = [
        sum(run["train_times"][e] for e in range(epoch)) + run["eval_times"][key]
        for run in trainings
    ]
    latencies = [float(latency) for run in trainings for latency in run["latency"]]
    metrics: dict[str, float] = {
        "parameters": round(trainings[0]["params"] * 1e6),
        "multiply_adds": round(trainings[0]["flop"] * 1e6),
    }
    if latencies:
        metrics["latency"] = sum(latencies) / len(latencies)
    accuracies = tuple(run["eval_acc1es"][key] / 100 for run in trainings)
    curves = _curves(trainings, [f"{validation}@{e}" for e in range(epoch)])
    for numbers in (accuracies, *curves):
        if not all(0 <= accuracy <= 1 for accuracy in numbers):
            raise ValueError(f"accuracies {numbers} are no fractions")
    return Entry(accuracies, sum(seconds) / len(seconds), metrics, curves)


def _curves(trainings: list[Any], keys: list[str]) -> tuple[tuple[float, ...], ...]:
    """Return the accuracy after each epoch of each training; nothing if one is not known."""
    if any(key not in run["eval_acc1es"] for run in trainings for key in keys):
        return ()
    return tuple(tuple(run["eval_acc1es"][key] / 100 for key in keys) for run in trainings)


def _load(path: Path) -> Any:
    packed = _bytes(path)
    try:
        unpacker = bz2.BZ2Decompressor()
        data = unpacker.decompress(packed, LARGEST)
        if not unpacker.eof:
            raise ValueError("it ends early, or holds more than a file of NATS-Bench does")
        return load_plain(data, numpy_numbers=True)
    except Exception as error:  # a broken pickle raises anything
        raise _broken(path, error) from error


def _bytes(path: Path) -> bytes:
    try:
        return read_file(path, LARGEST)
    except OSError as error:
        raise InvalidTable(
            f"{path} cannot be read ({error.strerror or error}): give as folder the unpacked "
            "NATS-tss-…-simple (space nasbench201) or NATS-sss-…-simple (space nats-size)"
        ) from error


def _broken(path: Path, error: Exception) -> InvalidTable:
    return InvalidTable(
        f"{path} is no file of NATS-Bench ({type(error).__name__}: {error}): restore it from the "
        "download"
    )
