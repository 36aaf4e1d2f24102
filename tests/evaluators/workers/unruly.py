"""An evaluator that misbehaves by order, in a module that worker processes can import."""

import ctypes
import os
import signal
import sys
import time
from dataclasses import dataclass

from nas_gym.errors import InvalidDataset
from nas_gym.evaluators.evaluation import Evaluation

stays = []


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
            if order == "exit 0":
                sys.exit(0)
            if order == "stuck":  # in a C call that lets no thread of Python run
                ctypes.PyDLL(None).pause()
            if order == "gpu lost":
                raise RuntimeError("CUDA error: device-side assert triggered")
            if isinstance(order, int):  # bytes for torch to allocate
                import torch

                torch.zeros(order, dtype=torch.uint8)
            if order == "pieces":  # 384 MiB, of which the last stays where it is
                import torch

                pieces = [torch.zeros(2**24, dtype=torch.uint8) for _ in range(24)]
                stays.append(bytearray(2**22))
                del pieces
            if order == "wrong answer":
                yield 0.5
                continue
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


class Counter:
    """Answers how often it was asked, in hundredths."""

    stateful = True

    def __init__(self, dies_at=0):
        self.asked, self.dies_at = 0, dies_at

    def evaluate(self, architectures, seeds):
        for architecture in architectures:
            self.asked += 1
            if self.asked == self.dies_at:
                os._exit(3)
            yield Evaluation(architecture, {"accuracy": self.asked / 100})

    def close(self):
        pass
