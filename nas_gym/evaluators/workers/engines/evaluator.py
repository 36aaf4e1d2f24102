"""An evaluator whose children run wherever an engine has room."""

import pickle
import types
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Annotated, Any

from annotated_types import Gt

from nas_gym.errors import InvalidOption, NASGymError
from nas_gym.evaluators.configured import Configured
from nas_gym.evaluators.workers.engines.engine import Engine
from nas_gym.evaluators.workers.engines.sending import Sender
from nas_gym.evaluators.workers.executor import ExecutorEvaluator
from nas_gym.registry import unwrapped


@dataclass(frozen=True)
class EngineEvaluator(Configured, ExecutorEvaluator):
    """An evaluator that gives each child to another one, on a machine of an engine's.

    Results are those of the inner evaluator, wherever they come from. Each child has a process of
    its own there, as with ``ParallelEvaluator``, so that limits end it and its crash is a row. A
    child whose machine fails is sent again, twice at most, and then is a row as well.

    The engine is opened at the first child, and closed with all that it started at ``close``.

    Args:
        inner: Any evaluator that can be pickled and whose classes are in modules that the machines
            can import.
        executor: The engine.
        timeout: Seconds that a child may take, > 0, from when it begins; None for no limit.
        memory_limit: GiB of main memory that a child may allocate, > 0, as of
            ``ParallelEvaluator``; None for no limit.

    Raises:
        InvalidOption: An option out of range, or a stateful evaluator.
    """

    timeout: Annotated[float, Gt(0)] | None = None
    memory_limit: Annotated[float, Gt(0)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        ExecutorEvaluator.__post_init__(self)
        if not isinstance(self.executor, Engine):
            raise InvalidOption(
                f"executor is {self.executor!r}: give an engine, or ExecutorEvaluator a live "
                "executor"
            )
        self.executor.check_here(self.timeout, self.memory_limit)
        inner = unwrapped(self.inner)
        device = getattr(inner, "device", None)
        if isinstance(device, str) and "," in device:
            raise InvalidOption(
                f"device is {device!r}, and there is an executor, each child of which has one: "
                "give cuda, and the option gpus of the executor"
            )
        on_gpu = getattr(self.executor, "gpus", 0) > 0 if device is None else device != "cpu"
        if on_gpu and hasattr(inner, "train_elsewhere"):  # where this runs there may be none
            inner.train_elsewhere("cuda")

    def close(self) -> None:
        """End what runs, and close the engine; safe to call twice."""
        self._cancel()  # first: an engine that is shut down would train what waits in it
        while self._senders:
            self._senders.pop().close()
        self.executor.shutdown(cancel_futures=True)
        super().close()

    def _submit(self, pickled: bytes, job: bytes) -> "Future[bytes]":
        try:
            return self._sender(pickled).send(job)
        except NASGymError:
            raise
        except Exception as error:  # of no child
            raise NASGymError(
                f"the executor cannot take a job ({type(error).__name__}: {error}): what was "
                "recorded is kept and `nas-gym resume` continues it when the cluster answers"
            ) from error

    def _sender(self, pickled: bytes) -> Sender:
        if self._senders and self._senders[0].is_for(pickled):
            return self._senders[0]
        _check_importable(self.inner)
        while self._senders:
            self._senders.pop().close()
        engine: Any = self.executor
        device = self._device()
        self._senders.append(
            Sender(engine.opened, pickled, self.timeout, self.memory_limit, device)
        )
        return self._senders[0]

    def _device(self) -> str | None:
        """Return the kind of device that trains, as it is recorded; None if there is no such thing.

        Raises:
            InvalidOption: Children would be given GPUs that they do not use.
        """
        protocol = getattr(unwrapped(self.inner), "protocol", None)
        device = protocol.get("device") if isinstance(protocol, Mapping) else None
        gpus = getattr(self.executor, "gpus", 0)
        if device == "cpu" and gpus > 0:
            raise InvalidOption(
                f"gpus of the executor is {gpus:g}, and the evaluator trains on CPUs: give the "
                "device cuda or none, or leave gpus out"
            )
        return device

    @cached_property
    def _senders(self) -> list[Sender]:
        """What sends the children, if one was sent."""
        return []


class _Importable(pickle.Pickler):
    """Finds classes and functions that no other machine can import."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type | types.FunctionType) and obj.__module__ == "__main__":
            raise InvalidOption(
                f"the evaluator uses {obj.__qualname__!r}, which the main script defines, and the "
                "machines of an executor import no main script: put it into a module"
            )
        return NotImplemented


def _check_importable(evaluator: Any) -> None:
    """Raise InvalidOption if something of an evaluator is in the main script."""
    _Importable(BytesIO()).dump(evaluator)
