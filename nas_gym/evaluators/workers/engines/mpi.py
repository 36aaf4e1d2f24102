"""Children on the processes of an MPI job."""

import sys
from dataclasses import dataclass
from typing import Any, ClassVar

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.workers.engines.engine import Engine, OpenEngine
from nas_gym.options.counts import SomeWorkers


@dataclass(frozen=True)
class MPI(Engine):
    """Children on the processes that ``mpiexec`` started, by ``mpi4py.futures``.

    The command is then ``mpiexec -n N python -m mpi4py.futures -m nas_gym search …``: the first
    process searches, N - 1 train. A child that crashes ends none of them; if one of them is killed
    MPI ends them all, and ``nas-gym resume`` continues.

    Args:
        workers: Processes that train, >= 1; by default all but the first.

    Raises:
        InvalidOption: mpi4py is not installed.
    """

    workers: SomeWorkers | None = None

    extra: ClassVar[str] = "mpi"
    needs: ClassVar[tuple[str, ...]] = ("mpi4py",)

    def check_here(self, timeout: float | None, memory_limit: float | None) -> None:
        """Raise InvalidOption unless this is the first process of ``mpi4py.futures``.

        Without it each process of ``mpiexec`` would search for itself.
        """
        core = sys.modules.get("mpi4py.futures._core")
        if getattr(core, "SharedPool", None) is None:
            raise InvalidOption(
                "executor 'mpi' has no processes: start the command with `mpiexec -n N python -m "
                "mpi4py.futures -m nas_gym …`, or a script with `… -m mpi4py.futures script.py`, N "
                "being 2 or more"
            )

    def open(self) -> OpenEngine:
        """Take the processes of the MPI job.

        Raises:
            InvalidOption: There are fewer than two.
        """
        from mpi4py.futures import MPIPoolExecutor

        self.check_here(None, None)
        return _OpenedMPI(MPIPoolExecutor(self.workers))


class _OpenedMPI(OpenEngine):
    """The processes of an MPI job, which take what they are given one after the other."""

    def room(self) -> int:
        """Return how many processes train."""
        executor: Any = self._executor
        return int(executor.num_workers)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Give the processes back; what runs is ended by its own limit, or with the MPI job."""
        self._executor.shutdown(wait=False, cancel_futures=True)
