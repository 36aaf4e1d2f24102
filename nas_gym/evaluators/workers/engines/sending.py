"""Children on their way to an engine: what is sent, what is sent again, what comes back."""

import hashlib
import pickle
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from uuid import uuid4

from nas_gym.errors import NASGymError
from nas_gym.evaluators.workers.engines.engine import OpenEngine
from nas_gym.evaluators.workers.engines.far import MachineUnfit, Order, make_parcel, run_order
from nas_gym.evaluators.workers.engines.faults import fault_of, row_of
from nas_gym.evaluators.workers.jobs import UNSENT, dump_outcome

TRIES = 3  # of a child that its machine failed


class Sent(Future[bytes]):
    """The outcome of a child to come; to cancel it ends the child, where the engine can."""

    inner: "Future[bytes | None] | None" = None  # the engine's own, of the latest try
    told: bool = True  # whether that says when it runs

    def running(self) -> bool:
        """Return whether it may have begun."""
        if self.inner is None or self.done():
            return False
        return self.inner.running() or not (self.told or self.inner.done())

    def cancel(self) -> bool:
        """Give the child up."""
        if not super().cancel():
            return False
        if self.inner is not None:
            self.inner.cancel()
        return True


class Sender:
    """Sends the children of one evaluator.

    Args:
        opened: To which they are sent.
        pickled: The evaluator. It travels once: to a place that all machines reach, or else to each
            process of the engine with the first child there.
        timeout: Seconds that a child may take; None for no limit.
        memory_limit: GiB that a child may allocate; None for no limit.
        device: Kind of device that trains; None if the evaluator names none.
    """

    def __init__(
        self,
        opened: OpenEngine,
        pickled: bytes,
        timeout: float | None,
        memory_limit: float | None,
        device: str | None = None,
    ) -> None:
        self._opened = opened
        self._pickled, self._parcel = pickled, make_parcel(pickled, device)
        self._session = uuid4().hex
        self._key = hashlib.blake2b(self._parcel, digest_size=16).hexdigest()
        self._shared = opened.share(self._key, self._parcel)
        self._limits = (timeout, memory_limit)
        self._answered = False  # whether some machine has trained a child
        self._again = ThreadPoolExecutor(1, "nas-gym-again")  # starts its thread when it must

    def is_for(self, pickled: bytes) -> bool:
        """Return whether it sends the children of this evaluator."""
        return pickled == self._pickled

    def send(self, job: bytes) -> Sent:
        """Send a child; its outcome is what ``read_outcome`` reads, or an error of ``faults``."""
        sent = Sent()
        self._give(sent, job, None, 1)
        return sent

    def close(self) -> None:
        """Kill what still runs."""
        self._opened.end(self._session)
        self._again.shutdown(wait=False, cancel_futures=True)

    def _give(self, sent: Sent, job: bytes, parcel: bytes | None, tries: int) -> None:
        order = Order(
            self._session, self._key, parcel or self._shared, job, *self._limits,
            machine=self._opened.machine,
        )  # fmt: skip
        sent.told = self._opened.tells_what_runs
        inner = sent.inner = self._opened.submit(run_order, order)
        if sent.cancelled():
            inner.cancel()
        inner.add_done_callback(lambda done: self._came_back(sent, job, done, tries))

    def _came_back(self, sent: Sent, job: bytes, done: "Future[bytes | None]", tries: int) -> None:
        if sent.cancelled():
            return
        try:
            outcome = _checked(done.result())
        except MachineUnfit as error:
            self._later(sent, partial(self._on_unfit, sent, job, error, tries))
        except BaseException as error:
            fault, gone = fault_of(error), self._opened.gone()
            if gone is not None:
                _settle(sent, NASGymError(gone))
            elif fault is not None and fault.machine and tries < TRIES:
                self._later(sent, lambda: self._give(sent, job, None, tries + 1))
            else:
                _settle(sent, error)
        else:
            if outcome is None:
                self._later(sent, lambda: self._give(sent, job, self._parcel, tries))
            else:
                self._answered = True
                _settle(sent, outcome)

    def _on_unfit(self, sent: Sent, job: bytes, error: MachineUnfit, tries: int) -> None:
        """Try another machine; if some do train, the child is a row in the end."""
        elsewhere = self._opened.avoid(error.machine)
        if elsewhere and tries < TRIES:
            self._give(sent, job, None, tries + 1)
            return
        row = row_of(error, UNSENT)
        if elsewhere and self._answered and row is not None:
            _settle(sent, dump_outcome(row))
        else:
            _settle(sent, error)

    def _later(self, sent: Sent, act: Callable[[], None]) -> None:
        """Go on in a thread of ours: this one may be the engine's, which must not wait for it."""

        def go_on() -> None:
            try:
                act()
            except BaseException as error:
                _settle(sent, error)

        with suppress(RuntimeError):  # it was closed meanwhile, and nobody waits
            self._again.submit(go_on)


def _checked(outcome: bytes | None) -> bytes | None:
    """Return what came back; raise MachineUnfit if it is that."""
    found = None if outcome is None else pickle.loads(outcome)
    if isinstance(found, MachineUnfit):
        raise found
    return outcome


def _settle(sent: Sent, outcome: bytes | BaseException) -> None:
    with suppress(InvalidStateError):  # it was cancelled meanwhile
        if isinstance(outcome, bytes):
            sent.set_result(outcome)
        else:
            sent.set_exception(outcome)
