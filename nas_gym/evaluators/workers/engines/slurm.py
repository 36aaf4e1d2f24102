"""Children as jobs of SLURM, by submitit; or of submitit's own on this machine."""

import os
import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar
from uuid import uuid4

from annotated_types import Ge, Gt

from nas_gym.errors import InvalidOption, NASGymError
from nas_gym.evaluators.workers.engines.engine import Engine, OpenEngine
from nas_gym.evaluators.workers.engines.jobs_of_slurm import Jobs, nodes_of
from nas_gym.evaluators.workers.engines.orphans import Pulse
from nas_gym.options.counts import SomeWorkers
from nas_gym.options.durations import seconds_of
from nas_gym.options.paths import user_path
from nas_gym.training.machine import cores

START = 60.0  # seconds of a job's time that its start and end may take


@dataclass(frozen=True)
class Slurm(Engine):
    """Children as jobs of SLURM, one each (``submitit``).

    A job starts Python and loads torch first, some ten seconds: for children of less than a minute
    a Ray or Dask cluster inside one allocation is better (see the page beside this package).

    Args:
        folder: Where jobs, their outcomes and logs lie, on a path that all nodes share; what a
            search puts there is removed when it ends.
        partition: Of the cluster; None for its default, as for the next three.
        account: That is charged.
        qos: Quality of service.
        constraint: Features that a node must have.
        time: Of a job: seconds or e.g. ``"90m"``; it must hold a child's ``timeout`` and a minute.
        memory: GiB of a job, > 0; it must hold a child's ``memory_limit`` and what torch needs.
            None for the partition's default.
        cpus: Of a job, >= 1. A child trains in one thread.
        gpus: Of a job, >= 0.
        jobs: At most in the queue at once, >= 1; the others wait here.
        options: Other options of ``sbatch``, e.g. ``{"nice": 100}``.
        setup: Lines of shell before Python starts, e.g. ``["module load cuda"]``.
        local: Run the jobs on this machine, without SLURM: to try things out. There are then as
            many at once as cores, or ``jobs``.

    Raises:
        InvalidOption: submitit or SLURM is not installed, or an option is out of range.
    """

    folder: str = "nas-gym-jobs"
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    time: Any = "2h"
    memory: Annotated[float, Gt(0)] | None = None
    cpus: SomeWorkers = 1
    gpus: Annotated[int, Ge(0)] = 0
    jobs: SomeWorkers | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    setup: tuple[str, ...] = ()
    local: bool = False

    extra: ClassVar[str] = "slurm"
    needs: ClassVar[tuple[str, ...]] = ("submitit",)

    def __post_init__(self) -> None:
        super().__post_init__()
        seconds_of("time of executor 'slurm'", self.time)

    @property
    def seconds(self) -> float:
        """Seconds of a job."""
        return float(seconds_of("time of executor 'slurm'", self.time) or 0.0)

    def check_here(self, timeout: float | None, memory_limit: float | None) -> None:
        """Raise InvalidOption without SLURM, or for limits of a child beyond its job's."""
        if not self.local and shutil.which("sbatch") is None:
            raise InvalidOption(
                "executor 'slurm' finds no sbatch here: start the command on a machine of the "
                "cluster that can submit jobs, or try it out with executor.local=true"
            )
        if timeout is not None and timeout + START > self.seconds:
            raise InvalidOption(
                f"timeout is {timeout:g} s and time of executor 'slurm' is {self.time!r}: a job "
                f"must have {START:g} s more than its child, so give "
                f"executor.time={timeout + START:.0f} or a smaller timeout"
            )
        if None not in (memory_limit, self.memory) and (memory_limit or 0) > (self.memory or 0):
            raise InvalidOption(
                f"memory_limit is {memory_limit} GiB and memory of executor 'slurm' is "
                f"{self.memory}: a job must have more than its child"
            )

    def open(self) -> OpenEngine:
        """Make a folder for the jobs.

        Raises:
            InvalidOption: It cannot be written.
        """
        self.check_here(None, None)
        folder = user_path(self.folder, "folder of executor 'slurm'").resolve() / uuid4().hex[:12]
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise InvalidOption(
                f"folder of executor 'slurm' cannot be written ({error}): name one that all nodes "
                "share with executor.folder=…"
            ) from error
        try:
            submitit = self._submitit(folder)
            return _OpenedSlurm(Jobs(submitit, self._most), folder, self, submitit)
        except NASGymError:
            raise
        except Exception as error:  # a wrong name among the options
            shutil.rmtree(folder, ignore_errors=True)
            raise InvalidOption(
                f"submitit refuses the options of executor 'slurm' ({error}): see its "
                "documentation, and `man sbatch`"
            ) from error

    @property
    def _most(self) -> int:
        return self.jobs or (cores() if self.local else 500)

    def _submitit(self, folder: Path) -> Any:
        import submitit

        minutes = max(1, int(-(-self.seconds // 60)))
        executor = submitit.AutoExecutor(str(folder), cluster="local" if self.local else "slurm")
        if self.local:
            executor.update_parameters(timeout_min=minutes, gpus_per_node=self.gpus)
            return executor
        others = {
            name: getattr(self, name) for name in ("partition", "account", "qos", "constraint")
        }
        given = {f"slurm_{name}": value for name, value in others.items() if value is not None}
        if self.memory is not None:
            given["mem_gb"] = self.memory
        if self.gpus:
            given["gpus_per_node"] = self.gpus
        if self.setup:
            given["slurm_setup"] = list(self.setup)
        executor.update_parameters(
            name="nas-gym", timeout_min=minutes, cpus_per_task=self.cpus,
            slurm_additional_parameters=self.others(), **given,
        )  # fmt: skip
        return executor

    def others(self, avoided: Sequence[str] = ()) -> dict[str, Any]:
        """Return the options of ``sbatch`` for which submitit has no word.

        Args:
            avoided: Nodes on which a job is not to run.
        """
        options = {"no-requeue": True, **self.options}
        exclude = [options["exclude"]] if "exclude" in options else []
        return options | ({"exclude": ",".join([*exclude, *avoided])} if avoided else {})


def this_node() -> str:
    """Return the name that SLURM has for the node of this job."""
    return os.environ.get("SLURMD_NODENAME") or platform.node()


class _InFile:
    """An evaluator in a file that all nodes read."""

    def __init__(self, file: str) -> None:
        self._file = file

    def __call__(self) -> bytes:
        return Path(self._file).read_bytes()


class _OpenedSlurm(OpenEngine):
    """Jobs, and the folder in which they are.

    Args:
        jobs: What submits them.
        folder: Theirs alone.
        engine: With the options.
        submitit: What makes the jobs.
    """

    def __init__(self, jobs: Jobs, folder: Path, engine: Slurm, submitit: Any) -> None:
        super().__init__(jobs)
        self._folder, self._pulse = folder, Pulse(folder)
        self._engine, self._submitit = engine, submitit
        self._avoided: list[str] = []  # nodes

    def room(self) -> int | None:
        """Return how many jobs run at once, if it is said; else that is SLURM's business."""
        return self._engine.jobs or (cores() if self._engine.local else None)

    @property
    def machine(self) -> Callable[[], str]:
        """What tells in a job which node it is on."""
        return this_node

    def avoid(self, machine: str) -> bool:
        """Let no more jobs run on a node; return whether the partition has another."""
        if self._engine.local:
            return False
        if machine not in self._avoided:
            self._avoided.append(machine)
        self._submitit.update_parameters(
            slurm_additional_parameters=self._engine.others(self._avoided)
        )
        nodes = nodes_of(self._engine.partition)
        return not nodes or not nodes <= set(self._avoided)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Have ``fn(*args)`` called in a job, which ends itself if this process is gone."""
        return self._executor.submit(self._pulse.watched, fn, *args, **kwargs)

    def share(self, key: str, parcel: bytes) -> Callable[[], bytes]:
        """Write the evaluator to a file."""
        file = self._folder / f"evaluator-{key}"
        part = file.with_suffix(".part")
        part.write_bytes(parcel)
        os.replace(part, file)
        return _InFile(str(file))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Cancel what is in the queue, and remove the folder."""
        self._executor.shutdown(wait)
        self._pulse.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
        with suppress(OSError):
            self._folder.parent.rmdir()  # if it is empty
