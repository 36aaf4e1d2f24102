"""Children on a Ray cluster, or on one of its own on this machine."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Gt

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.workers.engines.engine import Engine, OpenEngine, unreachable
from nas_gym.evaluators.workers.engines.reaching import check_answers
from nas_gym.options.printable import shown

GIB = 2**30  # bytes
NODE = "ray.io/node-id"  # Ray's own label of each node


@dataclass(frozen=True)
class Ray(Engine):
    """Children as tasks of Ray.

    A worker process of Ray's keeps what it has loaded for the next child. Ray cannot end a child
    that uses too much memory or time; nas-gym's own worker process beside it can.

    Args:
        address: Of the cluster: ``"auto"``, ``"host:6379"``; None as Ray finds it (``RAY_ADDRESS``,
            one that runs on this machine) or else a new one on this machine, which ends with the
            search.
        cpus: CPUs that a child takes, >= 0: the more, the fewer at once. It trains in one thread.
        gpus: GPUs that a child takes, >= 0; 0.25 puts four on each, which share its memory. Ray
            hides the GPUs from children that take none.
        memory: GiB of main memory by which Ray decides how many children a node has room for, > 0;
            ``memory_limit`` is what ends a child.
        resources: Amounts of the cluster's own resources that a child takes, e.g. ``{"a100": 1}``.

    Raises:
        InvalidOption: Ray is not installed, or an option is out of range.
    """

    address: str | None = None
    cpus: Annotated[float, Ge(0)] = 1.0
    gpus: Annotated[float, Ge(0)] = 0.0
    memory: Annotated[float, Gt(0)] | None = None
    resources: Mapping[str, float] = field(default_factory=dict)

    extra: ClassVar[str] = "ray"
    needs: ClassVar[tuple[str, ...]] = ("ray",)

    def open(self) -> OpenEngine:
        """Join the cluster, or start one.

        Raises:
            InvalidOption: There is none, or no node has room for a child.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # the import reads it
        import ray

        started = not ray.is_initialized()
        if started:
            self._join()
        try:
            self._check_room(ray.nodes())
        except BaseException:
            if started:
                ray.shutdown()
            raise
        return _OpenedRay(_Tasks(self._wants), started, self._wanted)

    def _join(self) -> None:
        import ray

        what = f"no Ray cluster answers at {self.address!r}"
        advice = (
            "start one with `ray start --head`, give the address of its head node, or leave the "
            "address out for one on this machine"
        )
        if self.address not in (None, "auto", "local"):
            check_answers(str(self.address).rpartition("//")[2], what, advice)
        try:
            ray.init(
                self.address, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
            )
        except Exception as error:  # ConnectionError, RuntimeError, its own
            raise unreachable(
                what if self.address else "no Ray cluster can be started here", error, advice
            ) from error

    @property
    def _wants(self) -> dict[str, Any]:
        wants: dict[str, Any] = {"num_cpus": self.cpus, "num_gpus": self.gpus}
        if self.memory is not None:
            wants["memory"] = int(self.memory * GIB)
        return wants | ({"resources": dict(self.resources)} if self.resources else {})

    @property
    def _wanted(self) -> dict[str, float]:
        """The resources of a child, by the names that nodes give them."""
        wanted = {"CPU": self.cpus, "GPU": self.gpus, **self.resources}
        return wanted | ({} if self.memory is None else {"memory": self.memory * GIB})

    def _check_room(self, nodes: list[dict[str, Any]]) -> None:
        """Raise InvalidOption if no node could ever have a child: Ray would wait without a word."""
        wanted = self._wanted
        alive = [node["Resources"] for node in nodes if node["Alive"]]
        if any(all(node.get(n, 0) >= most for n, most in wanted.items()) for node in alive):
            return
        for name, amount in wanted.items():
            most = max((node.get(name, 0) for node in alive), default=0)
            if amount > most:
                option = {"CPU": "cpus", "GPU": "gpus", "memory": "memory"}.get(name, "resources")
                unit = GIB if name == "memory" else 1
                raise InvalidOption(
                    f"{option} of executor 'ray' is {shown(getattr(self, option))}, and no node of "
                    f"the cluster has more than {most / unit:g} of {name}: give less, or add a node"
                )
        raise InvalidOption(
            f"no node of the Ray cluster has {', '.join(f'{a:g} {n}' for n, a in wanted.items())} "
            "together: give less, or add a node"
        )


def this_node() -> str:
    """Return the id of the node of this process, which is one of Ray's."""
    import ray

    node: str = ray.get_runtime_context().get_node_id()
    return node


class _TaskFuture(Future[Any]):
    """What a task of Ray's will give; to cancel it kills the process that runs it."""

    ref: Any = None  # ray.ObjectRef

    def running(self) -> bool:
        """Return whether it may run: Ray does not tell."""
        return not self.done()

    def cancel(self) -> bool:
        """Kill the task."""
        if not super().cancel():
            return False
        if self.ref is not None:
            import ray

            if ray.is_initialized():  # it would begin another cluster
                with suppress(Exception):  # the cluster is gone, and the task with it
                    ray.cancel(self.ref, force=True)
        return True


class _Tasks(Executor):
    """An executor of calls as Ray's tasks: Ray has none.

    Args:
        wants: The resources of each.
    """

    def __init__(self, wants: Mapping[str, Any]) -> None:
        self._wants = dict(wants)
        self._tasks: dict[Any, Any] = {}
        self._avoided: set[str] = set()  # nodes

    def avoid(self, node: str) -> set[str]:
        """Give no more calls to a node; return all to which none are given."""
        self._avoided.add(node)
        self._tasks.clear()
        return self._avoided

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Run a call as a task, once: who asked decides whether it is tried again."""
        import ray

        task = self._tasks.get(fn)
        if task is None:
            nodes = f"!in({','.join(sorted(self._avoided))})"
            others = {"label_selector": {NODE: nodes}} if self._avoided else {}
            # max_calls: a process that used a GPU would be ended after each child.
            task = ray.remote(max_retries=0, max_calls=0, **self._wants, **others)(fn)
            self._tasks[fn] = task
        future = _TaskFuture()
        future.ref = task.remote(*args, **kwargs)
        future.ref.future().add_done_callback(lambda done: _copy(done, future))
        return future


def _copy(done: "Future[Any]", future: _TaskFuture) -> None:
    with suppress(InvalidStateError):  # it was cancelled
        error = done.exception()
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(done.result())
    future.ref = None  # the outcome leaves Ray's memory


class _InStore:
    """An evaluator in Ray's object store: a node fetches it once."""

    def __init__(self, ref: Any) -> None:
        self._ref = ref

    def __call__(self) -> bytes:
        import ray

        parcel: bytes = ray.get(self._ref)
        return parcel


class _OpenedRay(OpenEngine):
    """Ray, joined.

    Args:
        tasks: What runs the calls.
        started: Whether we joined it: otherwise the user's script did, and it stays.
        wanted: Resources of a child, by the names that nodes give them.
    """

    def __init__(self, tasks: _Tasks, started: bool, wanted: Mapping[str, float]) -> None:
        super().__init__(tasks)
        self._tasks, self._started, self._wanted = tasks, started, wanted

    @property
    def machine(self) -> Callable[[], str]:
        """What tells in a process of Ray's on which node it is."""
        return this_node

    def avoid(self, machine: str) -> bool:
        """Send no more to a node; return whether there is another that has room for a child."""
        avoided = self._tasks.avoid(machine)
        return any(most > 0 for node, most in self._rooms().items() if node not in avoided)

    def room(self) -> int | None:
        """Return how many children the nodes have room for; None if a child takes nothing."""
        if not any(self._wanted.values()):
            return None
        return sum(self._rooms().values())

    def _rooms(self) -> dict[str, int]:
        """Return how many children each living node has room for, by its id."""
        import ray

        wanted = {name: amount for name, amount in self._wanted.items() if amount > 0}
        return {
            node["NodeID"]: min(
                (int(node["Resources"].get(n, 0) / most) for n, most in wanted.items()), default=1
            )
            for node in ray.nodes()
            if node["Alive"]
        }

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster: what it still runs for us is killed; one of ours ends."""
        import ray

        if self._started:
            ray.shutdown()

    def share(self, key: str, parcel: bytes) -> Callable[[], bytes]:
        """Put the evaluator into the object store."""
        import ray

        return _InStore(ray.put(parcel))

    def gone(self) -> str | None:
        """Return that we are no longer part of a cluster, if so."""
        import ray

        if ray.is_initialized():
            return None
        return (
            "the Ray cluster is gone: what was recorded is kept and `nas-gym resume` continues it "
            "when there is one again"
        )
