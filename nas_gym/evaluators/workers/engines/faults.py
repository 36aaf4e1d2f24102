"""What the errors of engines mean for a child: one table, by the names of their classes.

By name, so that no engine has to be imported to know its errors.
"""

from typing import Any, NamedTuple

from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.failures import DETAIL_MOST, cut
from nas_gym.search_spaces.architecture import Architecture


class Fault(NamedTuple):
    """What became of a child whose job an engine gave up."""

    failure: str
    machine: bool = True  # whether it was the machine's fault: it is worth another try


FAULTS = {
    # Ray (ray.exceptions)
    "WorkerCrashedError": Fault("crashed"),
    "NodeDiedError": Fault("crashed"),
    "ActorDiedError": Fault("crashed"),
    "ActorUnavailableError": Fault("crashed"),
    "ObjectLostError": Fault("crashed"),  # the base of several
    "ObjectFetchTimedOutError": Fault("crashed"),
    "LocalRayletDiedError": Fault("crashed"),
    "RaySystemError": Fault("crashed"),
    "TaskCancelledError": Fault("crashed"),  # by somebody else
    "OutOfMemoryError": Fault("out of memory"),  # Ray's, of the whole node; torch has one as well
    # Dask (distributed): it has tried again itself, on other workers
    "KilledWorker": Fault("crashed", machine=False),
    "FutureCancelledError": Fault("crashed"),  # what it needed was lost with a worker
    "CommClosedError": Fault("crashed"),
    # SLURM (see ``slurm``), and submitit
    "NodeLost": Fault("crashed"),
    "JobOutOfMemory": Fault("out of memory", machine=False),
    "JobTimedOut": Fault("timeout", machine=False),
    "UncompletedJobError": Fault("crashed"),
    # nas-gym, of a machine where no child can be trained (see ``far``)
    "MachineUnfit": Fault("crashed"),
    # any executor, loky's
    "CancelledError": Fault("crashed"),  # by the engine: what we cancel nobody waits for
    "TerminatedWorkerError": Fault("crashed"),
}


def fault_of(error: BaseException) -> Fault | None:
    """Return what an engine's error means, by its class or the next of its bases in the table."""
    return next((FAULTS[c.__name__] for c in type(error).__mro__ if c.__name__ in FAULTS), None)


def row_of(error: BaseException, architecture: Architecture[Any]) -> Evaluation | None:
    """Return the failed evaluation for an engine's error; None if it is not one in the table."""
    fault = fault_of(error)
    if fault is None:
        return None
    detail = cut(f"{type(error).__name__}: {error}", DETAIL_MOST)
    return Evaluation(architecture, failure=fault.failure, detail=detail)
