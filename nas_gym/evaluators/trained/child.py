"""What evaluators that really train children share, whatever the children are trained on."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nas_gym.errors import InvalidSpace
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.failures import failed
from nas_gym.networks.task_kinds import TaskKind
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.search_spaces.grammar import NetworkSpace
from nas_gym.training.recipes import check_integer

if TYPE_CHECKING:  # torch is imported when the first child is trained, not by ``gym.make``
    from torch import nn


class Trained(NamedTuple):
    """What a training came to."""

    metrics: dict[str, float]  # empty after a failure
    failure: str | None


class ChildTraining(ABC):
    """Builds each architecture's network under its seed and trains it, in this process.

    A subclass is a frozen dataclass with at least the fields ``space`` and ``threads``. It loads
    its data once a process, and is pickled and copied without it.
    """

    space: NetworkSpace[Any]
    threads: int  # of torch while a child trains

    stateful = False

    task_kind: TaskKind  # what its networks are built for

    @classmethod
    def recorded_task(
        cls, space: NetworkSpace[Any], genotype: Any, protocol: Mapping[str, Any]
    ) -> Any:
        """Return the task of a child as JSON data, from a recorded protocol; None if unknown."""
        del space, genotype
        return protocol.get("task")

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        """Train one child after the other, in this process.

        Raises:
            InvalidDataset: The data cannot be read; that is no fault of a child.
        """
        self.prepare()
        for architecture, seed in zip(architectures, seeds, strict=True):
            yield self._evaluate(architecture, seed)

    def close(self) -> None:  # noqa: B027
        """Nothing to let go of."""

    @abstractmethod
    def prepare(self) -> None:
        """Load and check the data, unless that is done."""

    @abstractmethod
    def build(self, genotype: Any) -> "nn.Module":
        """The network of a child; its initial weights come from torch's global generator."""

    @abstractmethod
    def train(self, network: "nn.Module", seed: int) -> Trained:
        """Train ``network`` in place and measure it."""

    def __getstate__(self) -> dict[str, Any]:
        """The configuration alone: each process loads the data itself."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}  # type: ignore[attr-defined]

    def _check_space(self, wanted: str) -> None:
        """Raise InvalidSpace where ``space`` builds no networks; ``wanted`` says for what."""
        if not callable(getattr(self.space, "build", None)):
            raise InvalidSpace(
                f"{type(self.space).__name__} cannot be trained: give it a method "
                f"build(genotype, task) that returns {wanted}"
            )
        check_integer("threads", self.threads, 1)

    def _evaluate(self, architecture: Architecture[Any], seed: int) -> Evaluation:
        import torch

        start = time.perf_counter()
        threads = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                network = self.build(architecture.genotype)
            metrics, failure = self.train(network, seed)
        except Exception as error:  # whatever a child does wrong is its result
            return failed(architecture, error, time.perf_counter() - start)
        finally:
            torch.set_num_threads(threads)
        seconds = time.perf_counter() - start
        return Evaluation(architecture, metrics, seconds, "trained", failure)


def computes_on() -> str:
    """What children are trained on here; a GPU computes in another precision."""
    from nas_gym.training.loop import training_device

    return training_device().type
