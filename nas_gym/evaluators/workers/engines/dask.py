"""Children on a Dask cluster, or on one of its own on this machine."""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.workers.engines.engine import Engine, OpenEngine, unreachable
from nas_gym.evaluators.workers.engines.far import end_session
from nas_gym.evaluators.workers.engines.reaching import check_answers
from nas_gym.options.counts import SomeWorkers
from nas_gym.options.paths import user_path
from nas_gym.training.machine import cores

PATIENCE = 60.0  # seconds until the first worker is there
# Of a cluster of ours: what becomes of children is told by their rows, and when it ends its workers
# log with a traceback that the scheduler does not answer their heartbeats any more.
SILENT = logging.CRITICAL


@dataclass(frozen=True)
class Dask(Engine):
    """Children as tasks of Dask (``distributed``).

    Each thread of a Dask worker has a process of nas-gym's beside it for its children. When a
    worker dies Dask gives its children to others, three times at most.

    Args:
        address: Of the scheduler, e.g. ``"tcp://host:8786"``; None for a new cluster on this
            machine, which ends with the search.
        scheduler_file: JSON file that ``dask scheduler --scheduler-file`` wrote, instead.
        workers: Of a new cluster, >= 1; one per core by default.
        resources: Amounts of the workers' resources that a child takes, e.g. ``{"GPU": 0.25}`` for
            workers that were started with ``--resources GPU=1``.

    Raises:
        InvalidOption: Dask is not installed, or options that exclude each other.
    """

    address: str | None = None
    scheduler_file: str | None = None
    workers: SomeWorkers | None = None
    resources: Mapping[str, float] = field(default_factory=dict)

    extra: ClassVar[str] = "dask"
    needs: ClassVar[tuple[str, ...]] = ("distributed",)

    def __post_init__(self) -> None:
        super().__post_init__()
        options = ("address", "scheduler_file", "workers")
        given = [name for name in options if getattr(self, name) is not None]
        if len(given) > 1:
            raise InvalidOption(
                f"{' and '.join(given)} of executor 'dask' are given: give one of the two"
            )

    def open(self) -> OpenEngine:
        """Join the cluster, or start one.

        Raises:
            InvalidOption: There is none, or it has no workers.
        """
        from distributed import Client, LocalCluster

        where = self.address or self.scheduler_file
        what = f"no Dask scheduler answers at {where!r}" if where else "no Dask cluster starts here"
        advice = "start one with `dask scheduler`, or leave the address out for one on this machine"
        cluster: Any = None
        if self.address is not None and "://" in self.address:
            scheme, _, address = self.address.partition("://")
            if scheme in ("tcp", "tls"):
                check_answers(address, what, advice)
        try:
            if self.scheduler_file is not None:
                file = user_path(self.scheduler_file, "scheduler_file")
                cluster_or_none, options = None, {"scheduler_file": str(file)}
            elif self.address is not None:
                cluster_or_none, options = None, {"address": self.address}
            else:
                cluster_or_none = LocalCluster(
                    n_workers=self.workers or cores(), threads_per_worker=1,
                    dashboard_address=":0", memory_limit=0, silence_logs=SILENT,
                )  # fmt: skip
                options = {"address": cluster_or_none}
            cluster = cluster_or_none
            client = Client(**options, timeout=10, set_as_default=False)
        except Exception as error:
            if cluster is not None:
                cluster.close()
            raise unreachable(what, error, advice) from error
        opened = _OpenedDask(client, cluster, self.resources)
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            opened.shutdown()
            raise unreachable(
                f"the Dask cluster has no workers after {PATIENCE:g} s", error,
                "start some with `dask worker`",
            ) from error  # fmt: skip
        return opened


def this_worker() -> str:
    """Return the address of the worker of Dask's in which this runs."""
    from distributed import get_worker

    address: str = get_worker().address
    return address


def _is_no_cancelled_call(record: logging.LogRecord) -> bool:
    """Return False for what Dask logs when a call is done that was cancelled meanwhile."""
    return not (record.exc_info and record.exc_info[0] is InvalidStateError)


_tornado = logging.getLogger("tornado.application")


class _OpenedDask(OpenEngine):
    """Dask, joined.

    Args:
        client: Of ``distributed``.
        cluster: If it is ours, and ends with us.
        resources: That each call takes.
    """

    tells_what_runs = False

    def __init__(self, client: Any, cluster: Any, resources: Mapping[str, float]) -> None:
        # pure: Dask would answer a call that it knows from the first time.
        _tornado.addFilter(_is_no_cancelled_call)
        wants = {"resources": dict(resources)} if resources else {}
        super().__init__(client.get_executor(pure=False, **wants))
        self._client, self._cluster = client, cluster
        self._resources = dict(resources)
        self._avoided: set[str] = set()  # addresses of workers

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Have ``fn(*args)`` called by some worker."""
        others = {"workers": self._others()} if self._avoided else {}
        return self._executor.submit(fn, *args, **others, **kwargs)

    @property
    def machine(self) -> Callable[[], str]:
        """What tells in a worker of Dask's which one it is."""
        return this_worker

    def avoid(self, machine: str) -> bool:
        """Send no more to a worker; return whether there is another."""
        self._avoided.add(machine)
        return bool(self._others())

    def _others(self) -> list[str]:
        return [worker for worker in self._client.nthreads() if worker not in self._avoided]

    def room(self) -> int:
        """Return the threads of the workers, or of how many children they have the resources."""
        known: dict[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        rooms = 0
        for worker in known.values():
            has = worker.get("resources") or {}
            most = [int(has.get(n, 0) / amount) for n, amount in self._resources.items() if amount]
            rooms += min([worker["nthreads"], *most])
        return rooms

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster; one of ours ends."""
        with suppress(Exception):  # the scheduler may be gone
            self._executor.shutdown(wait=False)
        with suppress(Exception):
            self._client.close()
        if self._cluster is not None:
            self._cluster.close()

    def end(self, session: str) -> None:
        """Kill what runs for a session: Dask cannot end a call that has begun."""
        with suppress(Exception):
            self._client.run(end_session, session)

    def gone(self) -> str | None:
        """Return that the scheduler is gone, if so."""
        if self._client.status == "running" and self._client.scheduler_comm is not None:
            return None
        return (
            "the Dask scheduler is gone: what was recorded is kept and `nas-gym resume` continues "
            "it when there is one again"
        )
