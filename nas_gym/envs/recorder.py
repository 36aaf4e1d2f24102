"""The contract of a recorder, which writes a run down and says what was answered before.

And that of watchers, who are told how a search goes on.
"""

import enum
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

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
    """Is told how a search goes on, after it is recorded.

    It may have some of these as well, and is then told more:

    - ``begun(parts, config)``, first of all: space, evaluator, agent and reward by kind, and what
      runs the search again as JSON data (``RunData.config``).
    - ``flying(number)``, before ``started``: how many children are in flight, if the search is
      asynchronous.
    - ``preparing(what, done, total)``: what happens before an answer, and how much of it is done;
      see ``nas_gym.training.preparation``.
    - ``phase(training, elsewhere)``: of how many children the training has begun and is awaited,
      here and in other runs, whenever that changes; twice 0 while the agent chooses.
    - ``doubted(said)``, once: that a network which was trained to its end is no better than a
      constant answer, in a sentence that goes to the log of others.
    """

    def started(self) -> None:
        """Take note that all is made and the run recorded; the agent is about to ask."""

    def replayed(self, first: int, answers: Sequence[Answer]) -> None:
        """See ``Recorder.replayed``."""

    def evaluated(self, answer: Answer, seed: int) -> None:
        """See ``Recorder.evaluated``."""

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """See ``Recorder.requested``."""


Watching = Watcher | Sequence[Watcher] | None  # who watches a search: one, several or nobody


class Watchers(Recorder):
    """Several watchers as one, in their order.

    Args:
        given: One, several or none.
    """

    def __init__(self, given: Watching = None) -> None:
        several = given if isinstance(given, Sequence) else () if given is None else (given,)
        self.watchers: tuple[Watcher, ...] = tuple(several)

    def hearing(self, what: str) -> Callable[..., None] | None:
        """Return what tells those that have a method of this name; None if nobody has it."""
        methods = [getattr(each, what, None) for each in self.watchers]
        heard = [method for method in methods if callable(method)]  # a user's own field may be it

        def tell(*said: Any) -> None:
            for listener in heard:
                listener(*said)

        return tell if heard else None

    def started(self) -> None:
        """Tell them."""
        for watcher in self.watchers:
            watcher.started()

    def replayed(self, first: int, answers: Sequence[Answer]) -> None:
        """Tell them."""
        for watcher in self.watchers:
            watcher.replayed(first, answers)

    def evaluated(self, answer: Answer, seed: int) -> None:
        """Tell them."""
        for watcher in self.watchers:
            watcher.evaluated(answer, seed)

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """Tell them."""
        for watcher in self.watchers:
            watcher.requested(first, answers)


class TeeRecorder(Recorder):
    """A recorder and watchers as one; it also keeps the answers."""

    def __init__(self, record: Recorder | None, watchers: Watchers) -> None:
        self.record = Recorder() if record is None else record
        self.watchers = watchers
        self.answers: list[Answer] = []
        self._phase = watchers.hearing("phase") or (lambda training, elsewhere: None)
        self._training = self._elsewhere = 0  # children that are awaited

    def started(self) -> None:
        """Tell the watchers."""
        self.watchers.started()

    def history(self) -> Sequence[tuple[tuple[int, ...], Known]]:
        """Return the recorder's."""
        return self.record.history()

    def claim(self, jobs: Sequence[Job]) -> Sequence[Evaluation | Claim]:
        """Ask the recorder, and tell the watchers what begins."""
        found = self.record.claim(jobs)
        self._changed(found.count(Claim.OURS), found.count(Claim.THEIRS))
        return found

    def wait(self, job: Job, until: float = math.inf) -> Evaluation | Claim:
        """Ask the recorder, and tell the watchers what it is waited for."""
        found = self.record.wait(job, until)
        if found is not Claim.THEIRS:
            self._changed(found is Claim.OURS, -1)
        return found

    def replayed(self, first: int, answers: Sequence[Answer]) -> None:
        """Keep the answers, and tell the watchers."""
        self.answers.extend(answers)
        self.watchers.replayed(first, answers)

    def evaluated(self, answer: Answer, seed: int) -> None:
        """Tell the recorder, then the watchers."""
        self.record.evaluated(answer, seed)
        self.watchers.evaluated(answer, seed)
        self._changed(-1, 0)

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """Tell the recorder, then the watchers, and keep the answers."""
        self.record.requested(first, answers)
        self.watchers.requested(first, answers)
        self.answers.extend(answers)

    def _changed(self, training: int, elsewhere: int) -> None:
        """Tell the watchers by how much what is awaited has changed."""
        if training or elsewhere:
            self._training += training
            self._elsewhere += elsewhere
            self._phase(self._training, self._elsewhere)
