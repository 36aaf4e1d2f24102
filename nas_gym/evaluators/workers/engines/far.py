"""The far side of an engine: one child, on whatever machine the engine chose for it.

The processes of an engine (workers of Ray's, Dask's or MPI's, a job of SLURM's) train nothing
themselves. Each hands its child to a worker process of nas-gym's own pool, as the command does on
one machine. So a limit of time or memory ends a child for certain, whatever the engine can do; a
child that crashes takes no process of the engine along; and what a child started ends with it.
"""

import multiprocessing
import os
import pickle
import platform
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any, NamedTuple

from nas_gym.errors import InvalidDataset, NASGymError
from nas_gym.evaluators.evaluation import Evaluation, Evaluator
from nas_gym.evaluators.failures import FAILURE_MOST, cut
from nas_gym.evaluators.workers.jobs import UNSENT, dump_outcome
from nas_gym.evaluators.workers.pool import WorkerPool
from nas_gym.evaluators.workers.process import Lost

KEPT = 2  # evaluators that a process of an engine keeps, as they came
IDLE = 60.0  # seconds after which a worker process that nobody needs ends
VISIBLE = "CUDA_VISIBLE_DEVICES"  # by which an engine says which GPUs a child may use


class MachineUnfit(NASGymError):
    """A machine that can train no child; on another one it may go well."""

    def __init__(self, message: str, machine: str = "") -> None:
        self.machine = machine  # as the engine tells it from the others
        super().__init__(message)

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Rebuild with both; the default keeps only the message."""
        return type(self), (str(self), self.machine)


class Order(NamedTuple):
    """What is sent for a child."""

    session: str  # the evaluator that asks; what runs for it can be ended by this name
    key: str  # of the evaluator
    parcel: bytes | Callable[[], bytes] | None  # it, or how to get it; None if it was sent before
    job: bytes
    timeout: float | None  # seconds
    memory_limit: float | None  # GiB
    machine: Callable[[], str]  # tells which one this is


def make_parcel(pickled: bytes, device: str | None = None) -> bytes:
    """Return an evaluator with what another process needs to be where it is meant for.

    Args:
        pickled: The evaluator.
        device: Kind of device that trains by its protocol: ``"cpu"`` or ``"cuda"``; None if it
            names none.
    """
    paths = [os.path.abspath(path) for path in sys.path]
    try:
        folder: str | None = os.getcwd()
    except OSError:  # it was removed
        folder = None
    return pickle.dumps((paths, folder, device, pickled))


def run_order(order: Order) -> bytes | None:
    """Evaluate a child in a process of the engine.

    Returns:
        The outcome, pickled; None if the evaluator has to be sent first.
    """
    try:
        parcel = _parcel(order)
        return None if parcel is None else _run(order, parcel)
    except NASGymError as error:  # of this machine: no process could be started, or was ended
        return dump_outcome(MachineUnfit(f"{_where()}: {error}", order.machine()))


def _parcel(order: Order) -> bytes | None:
    try:
        return _shelf.parcel(order)
    except OSError as error:
        raise NASGymError(
            f"the file of the evaluator cannot be read ({type(error).__name__}: {error}), which "
            "has to be on a path that all machines share"
        ) from error


def _run(order: Order, parcel: bytes) -> bytes:
    kind = _Kind(order.key, order.memory_limit, os.environ.get(VISIBLE))
    pool = _shelf.take(kind, parcel, order.session)
    try:
        with closing(pool.run([order.job], order.timeout)) as outcomes:
            _, outcome = next(outcomes)
    except BaseException:
        _shelf.drop(pool)
        raise
    if isinstance(outcome, Lost):
        _shelf.put_back(kind, pool)
        return dump_outcome(_lost(outcome))
    found = pickle.loads(outcome)
    # Whoever searches has read the data: if it cannot be read here, that is about this machine.
    if isinstance(found, MachineUnfit | InvalidDataset):
        _shelf.drop(pool)  # it may go well when the disk is there again
        what = str(found) if isinstance(found, MachineUnfit) else f"{_where()}: {found}"
        return dump_outcome(MachineUnfit(what, order.machine()))
    _shelf.put_back(kind, pool)
    return outcome


def _where() -> str:
    return f"machine {platform.node()} cannot train children"


def end_session(session: str) -> None:
    """Kill what runs in this process for an evaluator, and all that waits for more."""
    _shelf.end(session)


def _lost(lost: Lost) -> Evaluation:
    return Evaluation(UNSENT, failure=lost.failure, seconds=lost.seconds, detail=lost.detail)


def place(parcel: bytes, visible: str | None) -> Evaluator:
    """Load an evaluator in its worker process, with the paths, folder and GPUs meant for it.

    A folder that is not on this machine is passed over: the evaluator's own message about a file
    that it does not find says more.
    """
    paths, folder, device, pickled = pickle.loads(parcel)
    _extend_path(paths)
    if folder is not None:
        with suppress(OSError):
            os.chdir(folder)
    if device == "cpu":  # on a GPU results differ: none is there, even if the machine has one
        visible = ""
    if visible is None:
        os.environ.pop(VISIBLE, None)
    else:
        os.environ[VISIBLE] = visible
    try:
        evaluator: Evaluator = pickle.loads(pickled)
        if device == "cuda":
            _check_gpu()
    except (ImportError, AttributeError, MemoryError, OSError) as error:
        reason = cut(f"{type(error).__name__}: {error}", FAILURE_MOST)
        raise MachineUnfit(
            f"{_where()}: the evaluator cannot be loaded there ({reason}); all machines need the "
            "same modules and versions, and free memory"
        ) from error
    return evaluator


def _check_gpu() -> None:
    import torch

    if not torch.cuda.is_available():
        raise MachineUnfit(
            f"{_where()}: the search trains on GPUs, and a child there has none; give each one "
            "with the option gpus of the executor, or machines that have one"
        )


def _extend_path(paths: list[str]) -> None:
    sys.path += [path for path in paths if path not in sys.path and os.path.exists(path)]


class _Kind(NamedTuple):
    """What a worker process can be used for again."""

    key: str
    memory_limit: float | None
    visible: str | None


class _Placed:
    """An evaluator as a worker process is to load it."""

    def __init__(self, parcel: bytes, visible: str | None) -> None:
        self._loads = (parcel, visible)

    def __reduce__(self) -> tuple[Any, tuple[bytes, str | None]]:
        return place, self._loads


class _Shelf:
    """The evaluators and the worker processes that a process of an engine holds."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._parcels: dict[str, bytes] = {}
        self._idle: list[tuple[_Kind, WorkerPool, float]] = []  # the last: when it became so
        self._busy: dict[WorkerPool, str] = {}  # the session that each works for
        self._sweeping = False

    def parcel(self, order: Order) -> bytes | None:
        """Return the evaluator that an order is about; None if it never came."""
        with self._lock:
            parcel = self._parcels.pop(order.key, None)
            if parcel is None and order.parcel is not None:
                parcel = order.parcel if isinstance(order.parcel, bytes) else order.parcel()
                _extend_path(pickle.loads(parcel)[0])  # for the server that forks the workers
            if parcel is not None:
                self._parcels[order.key] = parcel  # the last used is the last
                for old in list(self._parcels)[:-KEPT]:
                    del self._parcels[old]
            return parcel

    def take(self, kind: _Kind, parcel: bytes, session: str) -> WorkerPool:
        """Return a worker process that nobody uses, started if there is none of this kind.

        Raises:
            NASGymError: It cannot be started.
        """
        with self._lock:
            for held in self._idle:
                if held[0] == kind:
                    self._idle.remove(held)
                    pool = held[1]
                    break
            else:
                _may_have_children()
                pool = WorkerPool(1, pickle.dumps(_Placed(parcel, kind.visible)), kind.memory_limit)
            self._busy[pool] = session
            return pool

    def put_back(self, kind: _Kind, pool: WorkerPool) -> None:
        """Keep a worker process for the next child, for a while."""
        with self._lock:
            if self._busy.pop(pool, None) is None:  # its session was ended
                return
            self._idle.append((kind, pool, time.monotonic()))
            if not self._sweeping:
                self._sweeping = True
                threading.Thread(target=self._sweep, name="nas-gym-idle", daemon=True).start()

    def drop(self, pool: WorkerPool) -> None:
        """End a worker process that cannot be used again."""
        with self._lock:
            self._busy.pop(pool, None)
        pool.close()

    def end(self, session: str) -> None:
        """End what works for a session, and what is idle."""
        with self._lock:
            ended = [pool for pool, of in self._busy.items() if of == session]
            for pool in ended:
                del self._busy[pool]
            ended += [pool for _, pool, _ in self._idle]
            self._idle.clear()
        for pool in ended:
            with suppress(Exception):  # whoever waits for it buries it at the same time
                pool.close()

    def _sweep(self) -> None:
        """End worker processes that were idle for long; stop when none are left."""
        while True:
            time.sleep(IDLE / 4)
            with self._lock:
                old = [held for held in self._idle if held[2] < time.monotonic() - IDLE]
                self._idle = [held for held in self._idle if held not in old]
                if not self._idle and not self._busy:
                    self._sweeping = False
                stays = self._sweeping
            for _, pool, _ in old:
                pool.close()
            if not stays:
                return


def _may_have_children() -> None:
    """Let this process start others, though Dask makes its workers daemons, which may not.

    multiprocessing forbids it because a daemon that is terminated leaves its children behind; those
    of nas-gym end with it by themselves.
    """
    config = vars(multiprocessing.current_process()).get("_config")
    if config is not None and config.get("daemon"):
        config["daemon"] = False


_shelf = _Shelf()
