"""An evaluator that misbehaves by order, in a module that worker processes can import."""

import os
import signal
import time
from dataclasses import dataclass

from nas_gym.errors import InvalidDataset
from nas_gym.evaluation import Evaluation


class NoReturn:
    """Can be pickled but not read back."""

    def __reduce__(self):
        return (os.getenv, ())  # os.getenv() without a name raises


@dataclass(frozen=True)
class UnrulyEvaluator:
    """Does with each child what the first genotype value asks for."""

    seconds: float = 0.0
    stateful = False

    def evaluate(self, architectures, seeds):
        for architecture, seed in zip(architectures, seeds, strict=True):
            time.sleep(self.seconds)
            order = architecture.genotype
            if order == "raise":
                raise RuntimeError("on purpose")
            if order == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if order == "exit":
                os._exit(3)
            if order == "hang":
                time.sleep(1000)
            if order == "no data":
                raise InvalidDataset("the data is gone")
            metrics = {"accuracy": seed / 1000, "pid": os.getpid()}
            if order == "unreadable":
                metrics = {"accuracy": NoReturn()}
            yield Evaluation(architecture, metrics, source=order)

    def close(self):
        pass
