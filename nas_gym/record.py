"""The contract of a record: where a run is written down, and what it can answer again."""

import enum
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nas_gym.architecture import Architecture
from nas_gym.evaluation import Evaluation


class Answer(NamedTuple):
    """What a request got: the evaluation, and the reward that the agent sees."""

    evaluation: Evaluation
    reward: float


class Job(NamedTuple):
    """A training that is needed: of which architecture, under which child seed."""

    architecture: Architecture[Any]
    seed: int


class Known(NamedTuple):
    """What is kept of an evaluation: all but its architecture, and its reward."""

    metrics: Mapping[str, float]
    seconds: float
    failure: str | None
    detail: str | None
    reward: float


class Claim(enum.Enum):
    """Who trains a job that nobody has trained yet."""

    OURS = "ours"
    THEIRS = "theirs"  # another live run has begun with it


class Record:
    """Where a run is written down; this one keeps nothing. Override what you need."""

    def history(self) -> Sequence[tuple[tuple[int, ...], Known]]:
        """Tokens and answer of each request that the run made before it was cut, in order."""
        return ()

    def claim(self, jobs: Sequence[Job]) -> Sequence[Evaluation | Claim]:
        """An evaluation for each job that was trained before, by whom ever; else who trains it."""
        return [Claim.OURS] * len(jobs)

    def wait(self, job: Job) -> Evaluation | Claim:
        """The evaluation of a job that was ``THEIRS``, or ``OURS`` where they gave up."""
        raise NotImplementedError("a record whose `claim` never says THEIRS is never asked to wait")

    def replayed(self, first: int, answers: Sequence[Answer]) -> None:
        """Requests ``first``, ``first + 1``, … were answered from ``history``."""

    def evaluated(self, answer: Answer, seed: int) -> None:
        """A child has just been evaluated (not: answered from memo, record or another run)."""

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """Requests ``first``, ``first + 1``, … were answered, in this order.

        When this returns they are durable, and so is every evaluation before them.
        """
