"""The memo of a run: what answers a repeat."""

import math
from typing import Any

from nas_gym.envs.recorder import Answer, Known
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.search_spaces.architecture import Architecture


class Memo:
    """What is known of architectures, by canonical key, and of how many epochs."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], Known] = {}
        self._failures: dict[str, Known] = {}

    def get(self, key: str, epochs: int) -> Known | None:
        """Return what answers a request; a child that failed is not trained further."""
        known = self._known.get((key, epochs))
        if known is None:
            failure = self._failures.get(key)
            known = failure if failure is not None and may_answer(failure, epochs) else None
        return known

    def keep(self, key: str, epochs: int, known: Known) -> None:
        """Keep the first answer."""
        self._known.setdefault((key, epochs), known)
        if known.failure is not None:
            self._failures.setdefault(key, known)


def may_answer(known: Known, epochs: int) -> bool:
    """Return whether it is of so many epochs (0: of all), or a failure of fewer."""
    if known.epochs == epochs:
        return True
    return known.failure is not None and 0 < known.epochs < (epochs or math.inf)


def known_of(answer: Answer) -> Known:
    """Return what is kept of an answer."""
    of = answer.evaluation
    return Known(of.metrics, of.seconds, of.failure, of.detail, answer.reward, of.epochs, of.curve)


def recalled(architecture: Architecture[Any], known: Known, source: str) -> Answer:
    """Return a known answer again, as that of an architecture with the same key."""
    metrics, seconds, failure, detail, reward, epochs, curve = known
    evaluation = Evaluation(architecture, metrics, seconds, source, failure, detail, epochs, curve)
    return Answer(evaluation, reward)
