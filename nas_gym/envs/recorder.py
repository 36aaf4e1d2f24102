"""The contract of a record: where a run is written down, and what it can answer again."""

import enum
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from nas_gym.evaluators.evaluation import Evaluation, Job


class Answer(NamedTuple):
    """What a request got: the evaluation, and the reward that the agent sees."""

    evaluation: Evaluation
    reward: float


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


class Recorder:
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


class Watcher(Protocol):
    """Is told how a search goes on, after it is recorded."""

    def started(self) -> None:
        """All parts are made and the run is recorded; the agent is about to ask."""

    def replayed(self, first: int, answers: Sequence[Answer]) -> None:
        """As ``Recorder.replayed``."""

    def evaluated(self, answer: Answer, seed: int) -> None:
        """As ``Recorder.evaluated``."""

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """As ``Recorder.requested``."""


class TeeRecorder(Recorder):
    """A record and a watcher as one; also keeps the answers."""

    def __init__(self, record: Recorder | None, watcher: Watcher | None) -> None:
        self.record = Recorder() if record is None else record
        self.watchers = [] if watcher is None else [watcher]
        self.answers: list[Answer] = []

    def started(self) -> None:
        """Pass it on."""
        for watcher in self.watchers:
            watcher.started()

    def history(self) -> Sequence[tuple[tuple[int, ...], Known]]:
        """The record's."""
        return self.record.history()

    def claim(self, jobs: Sequence[Job]) -> Sequence[Evaluation | Claim]:
        """The record's."""
        return self.record.claim(jobs)

    def wait(self, job: Job) -> Evaluation | Claim:
        """The record's."""
        return self.record.wait(job)

    def replayed(self, first: int, answers: Sequence[Answer]) -> None:
        """Pass it on, and keep it."""
        self.answers.extend(answers)
        for watcher in self.watchers:
            watcher.replayed(first, answers)

    def evaluated(self, answer: Answer, seed: int) -> None:
        """Pass it on."""
        self.record.evaluated(answer, seed)
        for watcher in self.watchers:
            watcher.evaluated(answer, seed)

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """Pass it on, and keep it."""
        self.record.requested(first, answers)
        for watcher in self.watchers:
            watcher.requested(first, answers)
        self.answers.extend(answers)
