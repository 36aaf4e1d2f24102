"""``RunRecorder``: the writer of one run, which shares trainings with all runs of the store."""

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from nas_gym.envs.recorder import Answer, Claim, Known, Recorder
from nas_gym.errors import StoreError
from nas_gym.evaluators.evaluation import ChildKey, Evaluation, Job
from nas_gym.search_spaces.architecture import Architecture, genotype_to_json
from nas_gym.search_spaces.grammar import Tokens
from nas_gym.store.claims import Claims
from nas_gym.store.database import Database
from nas_gym.store.history import StoredHistory
from nas_gym.store.locks import RunLock, RunLocks
from nas_gym.store.long_runs import LazyRows
from nas_gym.store.queries import told_of
from nas_gym.store.rows import evaluation_row
from nas_gym.store.run_data import Earlier, Ref, Row
from nas_gym.store.schema import (
    CLAIMS,
    EVALUATIONS,
    REQUESTS,
    RUNS,
    summed,
    to_text,
    tokens_to_text,
)

_KEPT = ("metrics", "seconds", "failure", "detail", "epochs", "curve")  # of an evaluation
COMMIT_SECONDS = 0.001  # results that come faster than this are committed together
POLL_SECONDS = (0.02, 0.5)  # between looks at what another run is training: at first, at most
WARN_SECONDS = 10.0  # of waiting for another run, before that is said
_log = logging.getLogger("nas_gym")


class RunRecorder(Recorder):
    """Writes one run of a store.

    Every evaluation is on disk before ``evaluated`` returns, unless results come faster than one
    per millisecond (a table, a synthetic landscape): those are committed together, at the latest
    with the requests that they answer.

    Args:
        database: Where to; closed by ``close``.
        locks: Say which runs of the store are alive; closed by ``close``.
        run_id: The run's row.
        name: The run's name.
        protocol_id: What its evaluations depend on beside architecture and seed.
        shared: Whether its evaluations may answer other runs, and theirs this one.
        lock: Held while the run is written.
        earlier: What a resumed run has already.
        before: The row of a resumed run as it was.
        again: The command that goes on with the run.
    """

    def __init__(
        self,
        database: Database,
        locks: RunLocks,
        run_id: int,
        name: str,
        *,
        protocol_id: int,
        shared: bool,
        lock: RunLock,
        earlier: Earlier,
        before: dict[str, Any] | None = None,
        again: str,
    ) -> None:
        self.database = database
        self.again = again
        self.locks = locks
        self.run_id = run_id
        self.name = name
        self.protocol_id = protocol_id
        self.earlier = earlier
        self._lock = lock
        self._before = before
        self._serial = earlier.serials
        # Evaluations that no request used yet, by tokens and epochs.
        self._fresh: dict[tuple[Tokens, int], list[Ref]] = {}
        self._known: dict[tuple[str, int], Ref] = {}  # (key, epochs) -> what answers repeats
        self._paid: dict[ChildKey, tuple[Ref, Row]] = {}  # not yet answered
        self._waiting: list[dict[str, Any]] = []  # rows of evaluations, not yet written
        self._began = time.perf_counter()
        self._evaluated = 0  # since then
        self._insert_evaluations = database.prepared_insert(EVALUATIONS)
        self._insert_requests = database.prepared_insert(REQUESTS)
        self._claims = Claims(database, locks, run_id, protocol_id) if shared else None
        self._mark: int | None = None  # checksum of the run's row, which changes when it goes on
        for ref, row in zip(earlier.refs, earlier.rows, strict=False):  # a long run has no refs
            self._known.setdefault((row.key, row.epochs), ref)
        for ref, row in earlier.unanswered:
            self._paid[row.key, row.seed, row.epochs] = ref, row

    def history(self) -> Sequence[tuple[tuple[int, ...], Known]]:
        """Return the requests that were answered before the run was cut."""
        return StoredHistory(self.earlier.rows)

    def claim(self, jobs: Sequence[Job]) -> Sequence[Evaluation | Claim]:
        """Find what this run or another has trained; tell the others what we train now."""
        found: dict[ChildKey, Evaluation | Claim] = {}
        for job in jobs:
            if job.child in self._paid:
                ref, row = self._paid.pop(job.child)
                found[job.child] = self._own(job.architecture, ref, row)
        new = [job for job in jobs if job.child not in found]
        if new and self._claims is not None:
            with self._advice():
                taken = self._claims.take(new)
            for job, whose in zip(new, taken, strict=True):
                found[job.child] = self._shared(job.architecture, whose)
        answers = [found.get(job.child, Claim.OURS) for job in jobs]
        self._began, self._evaluated = time.perf_counter(), 0
        return answers

    def wait(self, job: Job, until: float = math.inf) -> Evaluation | Claim:
        """Wait until the other run has written its evaluation, or gave up or died."""
        assert self._claims is not None  # only then is a job somebody else's
        self._flush()
        pause, longest = POLL_SECONDS
        warn_at = time.monotonic() + WARN_SECONDS
        while True:
            with self._advice():
                (whose,) = self._claims.take([job])
                if whose is Claim.THEIRS and self._claims.take_over(job):
                    whose = Claim.OURS
            if whose is not Claim.THEIRS or time.monotonic() >= until:
                return self._shared(job.architecture, whose)
            if time.monotonic() > warn_at:
                _log.warning("waiting for another run, which is training what this one needs next")
                warn_at = math.inf
            time.sleep(pause)
            pause = min(2 * pause, longest)

    def evaluated(self, answer: Answer, seed: int) -> None:
        """Keep a new evaluation; see the class for when it is written."""
        evaluation = answer.evaluation
        architecture = evaluation.architecture
        metrics = evaluation.metrics.items()
        row = {
            "run_id": self.run_id,
            "serial": self._serial,
            "protocol_id": self.protocol_id,
            "key": architecture.key,
            "seed": seed,
            "epochs": evaluation.epochs,
            "tokens": tokens_to_text(architecture.tokens),
            "genotype": to_text(genotype_to_json(architecture.genotype)),
            "metrics": to_text({n: v if isinstance(v, int) else float(v) for n, v in metrics}),
            "curve": to_text(list(evaluation.curve)) if evaluation.curve else None,
            "seconds": _stored(evaluation.seconds),
            "source": evaluation.source,
            "failure": _storable(evaluation.failure),
            "detail": _storable(evaluation.detail),
            "reward": _stored(answer.reward),
        }
        self._waiting.append(summed(EVALUATIONS, row))
        ref = self.run_id, self._serial
        self._note(evaluation, ref)
        self._serial += 1
        self._evaluated += 1
        now = time.perf_counter()
        if now - self._began > COMMIT_SECONDS * self._evaluated:
            self._flush()
            self._began += time.perf_counter() - now  # the disk's time is not the children's

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """Write a batch of requests, in order, and what they still wait for."""
        self._flush(
            [self._request(number, *answer) for number, answer in enumerate(answers, first)]
        )

    def finish(self, status: str, told: Mapping[str, Any] | None = None) -> None:
        """Write how the run ended, one of ``STATUSES``, and what its last session has to tell."""

        def work(connection: sa.Connection) -> None:
            self._check_owner(connection)
            mine = CLAIMS.c.run_id == self.run_id
            connection.execute(CLAIMS.delete().where(mine))
            row = told_of(connection, self.run_id, told) if told else {}
            own = RUNS.c.id == self.run_id
            connection.execute(RUNS.update().where(own).values(**row | {"status": status}))
            self._mark = None  # on a second try, which a server may need, it may be the new one

        self._flush()
        with self._advice():
            self.database.write(work)

    def undo(self) -> None:
        """Leave the store as it was found by a run that has written nothing: a new one is gone."""
        before, own = self._before, RUNS.c.id == self.run_id
        change = RUNS.delete() if before is None else RUNS.update().values(**before)
        self.database.write(lambda c: c.execute(change.where(own)))

    def close(self) -> None:
        """Release the run, and close the store."""
        self.locks.close()
        self.database.close()

    def _request(self, number: int, evaluation: Evaluation, reward: float) -> dict[str, Any]:
        run_id, serial = self._ref(evaluation)
        row = {
            "run_id": self.run_id,
            "number": number,
            "evaluation_run": run_id,
            "evaluation_serial": serial,
            "tokens": tokens_to_text(evaluation.architecture.tokens),
            "source": evaluation.source,
            "reward": _stored(reward),
            "failure": _storable(evaluation.failure),
        }
        return summed(REQUESTS, row)

    def _ref(self, evaluation: Evaluation) -> Ref:
        fresh = self._fresh.get((evaluation.architecture.tokens, evaluation.epochs))
        if evaluation.source != "memo" and fresh:
            return fresh.pop(0)
        of = evaluation.architecture.key, evaluation.epochs
        if of not in self._known and isinstance(self.earlier.rows, LazyRows):
            self._known[of] = self.earlier.rows.ref_of(*of)
        return self._known[of]

    def _flush(self, requests: Sequence[dict[str, Any]] = ()) -> None:
        """Write the waiting evaluations and these requests in one transaction."""
        evaluations = self._waiting
        if not evaluations and not requests:
            return

        def work(connection: sa.Connection) -> None:
            self._check_owner(connection)
            if evaluations:
                self._insert_evaluations.execute(connection, evaluations)
                if self._claims is not None:
                    self._claims.release(connection, evaluations)
            if requests:
                self._insert_requests.execute(connection, requests)

        with self._advice():
            self._check_lock()
            self.database.write(work)
        self._waiting = []

    def _shared(
        self, architecture: Architecture[Any], found: dict[str, Any] | Claim
    ) -> Evaluation | Claim:
        """Return the evaluation of what another run has trained."""
        if isinstance(found, Claim):
            return found
        self._known[architecture.key, found["epochs"]] = found["run_id"], found["serial"]
        return _evaluation(architecture, evaluation_row(found), "memo")

    def _own(self, architecture: Architecture[Any], ref: Ref, row: Row) -> Evaluation:
        """Return what this run had trained when it was cut, before its agent saw it."""
        evaluation = _evaluation(architecture, vars(row), row.source)
        self._note(evaluation, ref)
        return evaluation

    def _note(self, evaluation: Evaluation, ref: Ref) -> None:
        of, epochs = evaluation.architecture, evaluation.epochs
        self._fresh.setdefault((of.tokens, epochs), []).append(ref)
        self._known[of.key, epochs] = ref

    def _check_lock(self) -> None:
        if not self._lock.is_held():
            raise self._taken_over()

    def _check_owner(self, connection: sa.Connection) -> None:
        """Raise StoreError if another process went on with the run while its lock was lost.

        A server's lock ends with its connection; whoever goes on changes the run's row.
        """
        if self.database.is_file:
            return
        query = sa.select(RUNS.c.checksum).where(RUNS.c.id == self.run_id)
        mark = connection.execute(query).scalar()
        self._mark = mark if self._mark is None else self._mark
        if mark != self._mark:
            raise self._taken_over()

    def _taken_over(self) -> StoreError:
        return StoreError(
            f"run {self.name!r} was taken over by another process after the connection to "
            f"{self.database.shown} was lost: let that process go on"
        )

    @contextmanager
    def _advice(self) -> Iterator[None]:
        """Add to every write error how to resume the run."""
        try:
            yield
        except StoreError as error:
            kept = f"what was recorded is kept: go on with `{self.again}`"
            raise StoreError(f"{error}; {kept}") from error


def _stored(number: float) -> float:
    """Return the number as it comes back: SQLite has no negative zero."""
    return float(number) + 0.0


def _storable(text: str | None) -> str | None:
    """Return the text without what databases refuse: half characters, a server's end of a text."""
    if text is None:
        return None
    return text.encode("utf-8", "replace").decode().replace("\0", "?")


def _evaluation(
    architecture: Architecture[Any], values: Mapping[str, Any], source: str
) -> Evaluation:
    metrics, seconds, *failure = (values[name] for name in _KEPT)
    return Evaluation(architecture, metrics, seconds, source, *failure)
