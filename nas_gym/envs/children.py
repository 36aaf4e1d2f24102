"""The children of a run: their seeds, and how far each has been trained."""

import hashlib
import math
from typing import NamedTuple

from nas_gym.evaluators.evaluation import Fidelity


class Child(NamedTuple):
    """One training of an architecture."""

    times: int  # trainings of the architecture before this one
    reached: float  # epochs that were asked for; infinity: all


class Children:
    """The children of one run, by architecture.

    Without noise an architecture has one child. Where a repeat is another training, the latest
    child goes on if it is asked to go further than it went, and else there is a new one.

    Args:
        seed: Of the run, from which those of the children follow.
        repeat: Whether a repeat is another training.
    """

    def __init__(self, seed: int, repeat: bool) -> None:
        self.seed = seed
        self.repeat = repeat
        self._latest: dict[str, Child] = {}

    def next(self, key: str, epochs: int) -> tuple[int, Fidelity]:
        """Return the seed of the child that is asked for, and the part of its training.

        Args:
            key: Canonical key of its architecture.
            epochs: How far it is to be trained; 0: to the end.
        """
        end = epochs or math.inf
        times, reached = self._latest.get(key, Child(-1, math.inf))
        begun = int(reached) if reached < end else 0
        if not self.repeat:  # asked for less than before, it is trained once more
            end = end if times < 0 else max(end, reached)
        times = (times if begun else times + 1) if self.repeat else 0
        self._latest[key] = Child(times, end)
        return child_seed(self.seed, key, times), Fidelity(epochs, begun)


def child_seed(run_seed: int, key: str, times: int) -> int:
    """Return the seed of the ``times``-th new training of an architecture, in [0, 2**31).

    It depends on nothing else, so results are the same for any number of workers.
    """
    digest = hashlib.blake2b(f"{run_seed}:{times}:{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 33
