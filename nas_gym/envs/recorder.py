"""The contract of a recorder: it writes a run down, and says what was answered before."""

import enum
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from nas_gym.evaluators.evaluation import Evaluation, Job


class Answer(NamedTuple):
    """The answer to a request: the evaluation, and the reward that the agent sees."""

    evaluation: Evaluation
    reward: float


class Known(NamedTuple):
    """The part of an evaluation that is kept: all but its architecture, and its reward."""

    metrics: Mapping[str, float]
    seconds: float
    failure: str | None
    detail: str | None
    reward: float
    epochs: int = 0  # how far the child was trained; 0: to the end
    curve: tuple[float, ...] = ()


class Claim(enum.Enum):
    """The run that trains a job that nobody has trained yet."""

    OURS = "ours"
    THEIRS = "theirs"  # another live run has begun with it


class Recorder:
    """Writes a run down; this one keeps nothing. Override what you need."""

    def history(self) -> Sequence[tuple[tuple[int, ...], Known]]:
        """Return tokens and answer of each request made before the run was cut, in order."""
        return ()

    def claim(self, jobs: Sequence[Job]) -> Sequence[Evaluation | Claim]:
        """Return, for each job, its evaluation if anybody has trained it, else who trains it."""
        return [Claim.OURS] * len(jobs)

    def wait(self, job: Job, until: float = math.inf) -> Evaluation | Claim:
        """Return the evaluation of a job that was ``THEIRS``, or ``OURS`` if they gave up.

        ``THEIRS`` again if it is still not there at ``until``, of ``time.monotonic()``.
        """
        raise NotImplementedError(
            "a recorder whose `claim` never says THEIRS is never asked to wait"
        )

    def replayed(self, first: int, answers: Sequence[Answer]) -> None:
        """Take note that requests ``first``, ``first + 1``, … were answered from ``history``."""

    def evaluated(self, answer: Answer, seed: int) -> None:
        """Keep a child's evaluation, new: not from memo, ``history`` or another run."""

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """Keep the answers to requests ``first``, ``first + 1``, … in this order.

        When this returns they are durable, and so is every evaluation before them.
        """


class Watcher(Protocol):
    """Is told how a search goes on, after it is recorded."""

    def started(self) -> None:
        """Take note that all is made and the run recorded; the agent is about to ask."""

    def replayed(self, first: int, answers: Sequence[Answer]) -> None:
        """See ``Recorder.replayed``."""

    def evaluated(self, answer: Answer, seed: int) -> None:
        """See ``Recorder.evaluated``."""

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """See ``Recorder.requested``."""


class TeeRecorder(Recorder):
    """A recorder and a watcher as one; it also keeps the answers."""

    def __init__(self, record: Recorder | None, watcher: Watcher | None) -> None:
        self.record = Recorder() if record is None else record
        self.watchers = [] if watcher is None else [watcher]
        self.answers: list[Answer] = []

    def started(self) -> None:
        """Tell the watcher."""
        for watcher in self.watchers:
            watcher.started()

    def history(self) -> Sequence[tuple[tuple[int, ...], Known]]:
        """Return the recorder's."""
        return self.record.history()

    def claim(self, jobs: Sequence[Job]) -> Sequence[Evaluation | Claim]:
        """Ask the recorder."""
        return self.record.claim(jobs)

    def wait(self, job: Job, until: float = math.inf) -> Evaluation | Claim:
        """Ask the recorder."""
        return self.record.wait(job, until)

    def replayed(self, first: int, answers: Sequence[Answer]) -> None:
        """Keep the answers, and tell the watcher."""
        self.answers.extend(answers)
        for watcher in self.watchers:
            watcher.replayed(first, answers)

    def evaluated(self, answer: Answer, seed: int) -> None:
        """Tell the recorder, then the watcher."""
        self.record.evaluated(answer, seed)
        for watcher in self.watchers:
            watcher.evaluated(answer, seed)

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """Tell the recorder, then the watcher, and keep the answers."""
        self.record.requested(first, answers)
        for watcher in self.watchers:
            watcher.requested(first, answers)
        self.answers.extend(answers)
