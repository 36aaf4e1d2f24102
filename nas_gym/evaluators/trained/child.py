"""The common part of evaluators that really train children, whatever the data."""

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from nas_gym.errors import InvalidDataset, InvalidOption, InvalidSpace, NASGymError
from nas_gym.evaluators.configured import Configured
from nas_gym.evaluators.doubts import TRAINED, judged
from nas_gym.evaluators.evaluation import WHOLE, Evaluation, Fidelity, Job, jobs_of
from nas_gym.evaluators.failures import ends_the_process, failed
from nas_gym.evaluators.metrics import LATENCY, PROCESSOR_SECONDS, leading_metric
from nas_gym.evaluators.trained.alone import check_can_wait, latency_alone
from nas_gym.evaluators.trained.on_device import OnDevice
from nas_gym.networks.task_kinds import TaskKind
from nas_gym.options.paths import recorded_path
from nas_gym.registry import spec_of
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.search_spaces.grammar import NetworkSpace
from nas_gym.training.devices import devices_of
from nas_gym.training.places import BUILT_IN, place_to_record, say_if_shadowed

if TYPE_CHECKING:  # torch is imported when the first child is trained, not by ``gym.make``
    from torch import nn

    from nas_gym.evaluators.trained.checkpoints import ChildCheckpoints
    from nas_gym.training.loop import Training


class ChildTraining(OnDevice, Configured, ABC):
    """An evaluator that builds each child's network under its seed and trains it in this process.

    A subclass is a frozen dataclass with at least those fields that are declared here without a
    value; ``dataset`` is a name or the data itself.
    """

    name: ClassVar[str]  # of the evaluator, and what its spaces have as ``usual_evaluator``
    space: NetworkSpace[Any]
    dataset: Any
    threads: int  # of torch while a child trains
    device: str | None  # that trains, or several; None: a GPU if there is one
    latency: bool  # whether it is measured, too
    search: str  # that this evaluator and its copies are in, once it is settled
    curve: bool  # whether evaluations have the leading metric after each epoch
    checkpoints: str | Path | None  # folder of children that are trained in part
    processor_time: bool  # whether it is measured, too
    task_kind: ClassVar[TaskKind]  # what its networks are built for
    recipe_class: ClassVar[type]  # of ``named_recipe``
    data_has: ClassVar[tuple[str, ...]]  # attributes that a data set given as an object has

    stateful = noise_free = False
    measures: ClassVar[tuple[str, ...]]  # the names of its metrics, of each child
    on_request: ClassVar[Mapping[str, str]] = {  # metrics beside these, and how to ask for them
        "latency": "--set evaluator.latency=true (in Python latency=True)",
        "processor_seconds": "--set evaluator.processor_time=true (in Python processor_time=True)",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(getattr(self.space, "build", None)):
            raise InvalidSpace(
                f"{type(self.space).__name__} cannot be trained: give it a method "
                "build(genotype, task) that returns the network"
            )
        if self.device is not None:
            object.__setattr__(self, "device", ",".join(devices_of(self.device)))
        if self.checkpoints is not None:
            folder = recorded_path(self.checkpoints, "checkpoints")
            object.__setattr__(self, "checkpoints", folder)
        if isinstance(self.dataset, os.PathLike):
            object.__setattr__(self, "dataset", os.fsdecode(self.dataset))
        given = self.dataset
        if not isinstance(given, str) and not all(hasattr(given, n) for n in self.data_has):
            raise InvalidOption(
                f"dataset is {' '.join(repr(given).split())[:80]}: give a name, a path or the data "
                f"set, which has {', '.join(self.data_has)}"
            )
        if isinstance(self.dataset, str):
            self.check_place()
            say_if_shadowed(self.dataset)
            object.__setattr__(self, "dataset", place_to_record(self.dataset))

    @abstractmethod
    def check_place(self) -> None:
        """Raise an error if a name or path means no data that can be; decodes and loads nothing."""

    @property
    @abstractmethod
    def named_recipe(self) -> Any:
        """The recipe itself."""

    @property
    def built_in_data(self) -> bool:
        """Whether its data comes with what is installed, so that no user can have broken it."""
        return isinstance(self.dataset, str) and self.dataset in BUILT_IN

    @property
    @abstractmethod
    def data(self) -> Any:
        """The data itself, loaded and checked at its first use, once per process."""

    @property
    @abstractmethod
    def train_count(self) -> int:
        """The images, words or characters that a child is trained on: of the recipe's share."""

    @abstractmethod
    def data_summary(self) -> dict[str, Any] | None:
        """Return what a report is to know of the data, as JSON data; None if it does not say."""

    @property
    def gives(self) -> tuple[str, ...]:
        """The names of its metrics."""
        asked = {LATENCY: self.latency, PROCESSOR_SECONDS: self.processor_time}
        return (*self.measures, *(metric.name for metric, on in asked.items() if on))

    @abstractmethod
    def task_of(self, genotype: Any) -> Any:
        """Return what the network of a child is built for."""

    @abstractmethod
    def build(self, genotype: Any) -> "nn.Module":
        """Build the network of a child; torch's global generator draws its initial weights."""

    @abstractmethod
    def train(self, network: "nn.Module", seed: int) -> Any:
        """Train ``network`` in place; the result says its ``failure``, or None."""

    @property
    @abstractmethod
    def most_epochs(self) -> int:
        """The epochs of a whole training."""

    @abstractmethod
    def begin(self, network: "nn.Module", seed: int) -> "Training[Any]":
        """Return the training of a network at its beginning."""

    @abstractmethod
    def result(self, figures: "Sequence[Any] | None", seconds: float) -> Any:
        """Return what ``train`` would, from the figures of the epochs that count."""

    @abstractmethod
    def metrics(self, network: "nn.Module", result: Any) -> dict[str, float]:
        """Return the metrics of a trained network, given what ``train`` returned."""

    @property
    def protocol(self) -> dict[str, Any]:
        """All that the metrics depend on, as JSON data: results of one protocol are comparable."""
        self.settle()
        return {
            "evaluator": self.name,
            "dataset": self.data.name,
            "fingerprint": self.data.fingerprint,
            **self._details(),
            "device": self.device_kind,  # a GPU has another precision
            "threads": self.threads,
            **({"latency": self.measured_on} if self.latency else {}),
            **({"curve": True} if self.curve else {}),
            **({"processor_time": True} if self.processor_time else {}),
        }

    def settle(self) -> None:
        """Load the data; pickles and copies of this evaluator then find the same, or refuse.

        Raises:
            InvalidOption: There is no such device, or nowhere to wait for a measurement.
            InvalidDataset: The data cannot be read, or is not what it was when the run began. That
                is no fault of a child.
        """
        from nas_gym.networks.isolation import isolated

        self.check_device()
        if self.latency:
            check_can_wait()
        try:
            with isolated(1):  # several threads hang after a fork
                data = self.data
        except NASGymError:
            raise
        except Exception as error:
            raise InvalidDataset(
                f"the data set {self._dataset_name} cannot be read ({type(error).__name__}: "
                f"{error}): repair it, or give it more memory"
            ) from error
        vars(self).setdefault("search", uuid4().hex)
        begun_with = vars(self).setdefault("begun_with", data.fingerprint)
        if data.fingerprint != begun_with:
            raise InvalidDataset(
                f"the data set {data.name!r} has changed since the run began (fingerprint "
                f"{data.fingerprint[:12]}…, then {begun_with[:12]}…): bring the old data back and "
                "go on with `nas-gym resume`, or start a new run"
            )

    def __getstate__(self) -> dict[str, Any]:
        """Return the options, and, once settled, fingerprint and search, and what data is lent."""
        known = {n: vars(self)[n] for n in ("begun_with", "search", "lent") if n in vars(self)}
        return super().__getstate__() | known

    @cached_property
    def kept(self) -> "ChildCheckpoints":
        """The children that are trained in part."""
        from nas_gym.evaluators.trained.checkpoints import ChildCheckpoints
        from nas_gym.plugins import foreign_module

        space = spec_of("space", self.space)
        # Nobody knows whether the user's code builds the same another time.
        foreign = foreign_module("space", space["name"]) is not None
        of = {"space": space, **self.protocol}
        of |= {name: version(name) for name in ("nas-gym", "torch")}
        return ChildCheckpoints(self.checkpoints, of | ({"of": self.search} if foreign else {}))

    def discard(self) -> None:
        """Forget the children that were trained in part: no search goes on with them."""
        self.kept.clear()

    @property
    def _dataset_name(self) -> str:
        return repr(self.dataset if isinstance(self.dataset, str) else self.dataset.name)

    @classmethod
    def recorded_task(
        cls, space: NetworkSpace[Any], genotype: Any, protocol: Mapping[str, Any]
    ) -> Any:
        """Return the task of a child as JSON data, from a recorded protocol; None if unknown."""
        del space, genotype
        return protocol.get("task")

    def evaluate(
        self,
        architectures: Sequence[Architecture[Any]],
        seeds: Sequence[int],
        fidelities: Sequence[Fidelity] | None = None,
    ) -> Iterator[Evaluation]:
        """Train one child after the other, in this process.

        Raises:
            InvalidDataset: The data cannot be read; that is no fault of a child.
            InvalidOption: A child that was trained in part cannot be kept, with the next child.
        """
        self.settle()
        for job in jobs_of(architectures, seeds, fidelities):
            found = self._evaluate(job)
            yield judged(self, found) if job.fidelity == WHOLE else found

    def close(self) -> None:
        """Release nothing: nothing is held."""

    @abstractmethod
    def _details(self) -> dict[str, Any]:
        """Return what the protocol says of the recipe, and of how the data is read."""

    def _evaluate(self, job: Job) -> Evaluation:
        import torch

        from nas_gym.networks.isolation import isolated
        from nas_gym.training.loop import seeded

        if self._unkept:  # the child of before was recorded all the same
            raise self._unkept.pop()
        architecture, seed, fidelity = job
        start, worked = time.perf_counter(), time.process_time()
        curve: tuple[float, ...] = ()
        with isolated(self.threads, seed):
            try:
                with seeded(seed, torch.device("cpu")):
                    network = self.build(architecture.genotype)
                if fidelity == WHOLE and not self.curve:
                    result = self.train(network, seed)
                else:
                    result, curve = self._train_part(network, job)
                worked = time.process_time() - worked
                metrics = self.metrics(network, result) if result.failure is None else {}
                if self.processor_time and result.failure is None:
                    metrics = {**metrics, PROCESSOR_SECONDS.name: worked}
                if self.latency and result.failure is None:
                    latency = latency_alone(network, self.task_of(architecture.genotype))
                    metrics = {**metrics, LATENCY.name: latency}
            except (Exception, SystemExit) as error:  # whatever a child does wrong is its result
                if ends_the_process(error):
                    raise
                return failed(architecture, error, time.perf_counter() - start)
        seconds = time.perf_counter() - start
        return Evaluation(architecture, metrics, seconds, TRAINED, result.failure, curve=curve)

    def _train_part(self, network: "nn.Module", job: Job) -> tuple[Any, tuple[float, ...]]:
        """Train a network as far as is asked for; return the result, and the curve."""
        from nas_gym.evaluators.trained.parts import PartialTraining

        start = time.perf_counter()
        training = self.begin(network, job.seed)
        part = PartialTraining(
            None if job.fidelity == WHOLE else self.kept, job.architecture.key, job.seed
        )
        figures = part.train(training, job.fidelity)
        if part.unkept is not None:
            self._unkept.append(part.unkept)
        counting = None if figures is None else figures[-training.counted :]
        result = self.result(counting, time.perf_counter() - start)
        name = leading_metric(self).name
        asked = figures if self.curve and figures is not None else ()
        return result, tuple(float(getattr(each, name)) for each in asked)

    @cached_property
    def _unkept(self) -> "list[InvalidOption]":
        """Why the last child that was trained in part could not be kept."""
        return []
