"""An evaluator that misbehaves by order, in a module that worker processes can import."""

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from nas_gym.errors import InvalidDataset
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.workers.number import worker_number

stays = []


class NoReturn:
    """Can be pickled but not read back."""

    def __reduce__(self):
        return (os.getenv, ())  # os.getenv() without a name raises


class Odd(BaseException):
    """No Exception, and without a text."""

    def __str__(self):
        raise ValueError("no text")


class OddError(InvalidDataset):
    """Can be pickled but not read back."""

    def __init__(self, what, why):
        super().__init__(f"{what} {why}")


def end_what_it_starts():
    """Terminate and await a fork and another program, as pools and data loaders do."""
    fork = multiprocessing.get_context("fork").Process(target=time.sleep, args=(1000,))
    fork.start()
    fork.terminate()
    fork.join()
    program = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(1000)"])
    program.terminate()
    program.wait()


def wait_once(file):
    """Write the number of this process into a file and wait, unless the file is there."""
    if not file.exists():
        part = file.with_name(f"{file.name}.part")
        part.write_text(str(os.getpid()))
        part.rename(file)
        time.sleep(1000)


def wait_until(file):
    """Wait until there is a file; write beside it that this is done."""
    file.with_name(f"{file.name}.waits").touch()
    for _ in range(20_000):
        if file.exists():
            return
        time.sleep(0.01)
    raise TimeoutError(f"there is no {file}")


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
            if order == "number":
                yield Evaluation(
                    architecture, {"accuracy": worker_number() / 100, "pid": os.getpid()}
                )
                continue
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
            if str(order).startswith("once "):  # its first process waits to be killed
                wait_once(Path(order.removeprefix("once ")))
            if str(order).startswith("until "):
                wait_until(Path(order.removeprefix("until ")))
            if order == "no data":
                raise InvalidDataset("the data is gone")
            if order == "odd":
                raise Odd
            if order == "odd error":
                raise OddError("the data", "is not there")
            if order == "ends its own":
                end_what_it_starts()
            metrics = {"accuracy": seed / 1000, "pid": os.getpid()}
            if order == "no number":
                metrics = {"accuracy": NoReturn()}
            if order == "another's":
                architecture = replace(architecture, tokens=(-1,))
            yield Evaluation(architecture, metrics, source=str(order))
            if order == "twice":
                yield Evaluation(architecture, metrics, source=str(order))

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
