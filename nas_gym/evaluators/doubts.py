"""Networks that are no better than a constant answer: said once, by whatever trains them.

``judged`` is asked wherever evaluations come from: by evaluators that train, and by the guard of
environments and searches. One evaluator says it once, to the log, or to whom ``told_to`` names.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import NormalDist
from typing import Any

from nas_gym.evaluators.evaluation import Evaluation, Evaluator
from nas_gym.registry import unwrapped

SURE = 0.95  # probability that luck stays below the limits here
HARDLY = 0.98  # times the perplexity of guessing: what is above is not learnt from the input
TRAINED, SHARED = "trained", "shared weights"  # sources of evaluations, by training
EARLY = 20  # answers of weights under training, all of which have to be so
_DOUBT = "a network "  # what the sentence begins with
_log = logging.getLogger("nas_gym")


def standard_error(accuracy: float, count: int) -> float:
    """Return the standard error of an accuracy: sqrt(p (1 - p) / n), of the binomial distribution.

    It is what other images would change. That another training of the same architecture comes out
    otherwise is not in it, and adds to it.

    Args:
        accuracy: p, a fraction in [0, 1].
        count: n, the number of images that it was measured on, >= 1.
    """
    return math.sqrt(max(0.0, accuracy * (1 - accuracy)) / count)


def interval(accuracy: float, count: int) -> tuple[float, float]:
    """Return Wilson's interval, in which the accuracy on other images is with probability 0.95.

    It is right on few images and near 0 and 1 too, where the standard error is 0 though nothing is
    sure (Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference"). Of
    a mean over several trainings no whole number of images is right, which is what ``scipy.stats``
    has it for.

    Args:
        accuracy: A fraction in [0, 1].
        count: The number of images that it was measured on, >= 1.

    Returns:
        The ends, fractions in [0, 1], with ``accuracy`` between them.
    """
    z = NormalDist().inv_cdf((1 + SURE) / 2)
    scale = 1 + z * z / count
    middle = (accuracy + z * z / (2 * count)) / scale
    half = z * math.hypot(standard_error(accuracy, count), z / (2 * count)) / scale
    return max(0.0, min(accuracy, middle - half)), min(1.0, max(accuracy, middle + half))


def interval_in_words(accuracy: float, count: int) -> str:
    """Return the interval for people."""
    low, high = interval(accuracy, count)
    return f"{low:.4f} to {high:.4f}"


def luck_of_the_best(children: int) -> float:
    """Return how many standard errors luck lifts the best of so many equal children, at most.

    The largest of n independent standard normals is below z with probability Phi(z)**n; this is
    the z for 0.95 (Sidak 1967, "Rectangular confidence regions"). Children that share their
    validation images err alike, so that luck lifts the best by less: the limit is a careful one.

    Args:
        children: n, >= 1.
    """
    return NormalDist().inv_cdf(SURE ** (1 / children))


def lifted(accuracy: float, count: int, children: int = 1) -> float:
    """Return the accuracy up to which luck lifts the best of so many children that have this one.

    Args:
        accuracy: Of each, a fraction in [0, 1].
        count: Images that they were measured on, >= 1.
        children: How many, >= 1.
    """
    return min(1.0, accuracy + luck_of_the_best(children) * standard_error(accuracy, count))


def learnt_nothing(data: Any, metrics: Mapping[str, float]) -> str | None:
    """Return the sentence that a trained network is hardly better than a constant answer, or None.

    Args:
        data: What the evaluator's ``data_summary`` said.
        metrics: Of the network, on the validation part.
    """
    given = data if isinstance(data, Mapping) else {}
    guessed = number_of(given.get("unigram_perplexity"))
    share = fraction_of(given.get("largest_share"))
    perplexity, accuracy = metrics.get("perplexity"), metrics.get("accuracy")
    if perplexity is not None:
        if guessed is None or perplexity < HARDLY * guessed:
            return None
        found, constant = f"perplexity, {perplexity:.2f}", f"guessing by frequency, {guessed:.2f}"
        hardly, noise = perplexity < guessed, ""
    else:
        count = validated(given)
        limit = share if share is None or not count else lifted(share, count)
        if share is None or limit is None or accuracy is None or accuracy > limit:
            return None
        found, constant = f"accuracy, {accuracy:.4f}", f"naming one class always, {share:.4f}"
        hardly, noise = accuracy > share, f" (within the noise of {count:,} images)"
    begins, word = ("may have", "hardly") if hardly else ("has", "no")
    return (
        f"{_DOUBT}{begins} learnt nothing: its {found}, is {word} better than {constant}"
        f"{noise if hardly else ''}; if others end alike, train longer or by another recipe"
    )


class SaidOnce:
    """Passes on what trainings say, one after the other; that nothing was learnt once, then counts.

    Args:
        say: Is told.
    """

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say, self._alike = say, 0

    def __call__(self, line: str) -> None:
        """Say a line."""
        doubt = line.removeprefix("warning: ").startswith(_DOUBT)
        self._alike += doubt
        if not doubt or self._alike == 1:
            self._say(line)

    def count(self, networks: int) -> None:
        """Say of how many networks it would have been said, if that is of more than one."""
        if self._alike > 1:
            self._say(
                f"warning: {self._alike} of {networks} networks learnt nothing, or hardly anything"
            )


class Doubts:
    """Says what is wrong with the first network of an evaluator of which something is."""

    def __init__(self) -> None:
        self._say: Callable[[str], object] = warn
        self._said, self._alike = False, 0
        self._data: list[Any] = []  # what ``data_summary`` said, once it was asked

    def __reduce__(self) -> Any:
        return Doubts, ()

    def hush(self) -> None:
        """Say nothing: whoever sent this evaluator here judges its answers himself."""
        self._said = True

    @contextmanager
    def told_to(self, say: Callable[[str], object] | None) -> Iterator[None]:
        """Begin anew, and tell ``say`` inside the block; None: the log."""
        self._say, self._said, self._alike = say or warn, False, 0
        try:
            yield
        finally:
            self._say = warn

    def judge(self, evaluator: Any, evaluation: Evaluation) -> None:
        """Judge an evaluation of a network that was trained to its end, or has shared weights."""
        if self._said or evaluation.epochs or evaluation.failure is not None:
            return
        if not self._data:
            summary = getattr(evaluator, "data_summary", None)
            self._data.append(summary() if callable(summary) else None)
        found = learnt_nothing(self._data[0], evaluation.metrics)
        self._alike = 0 if found is None else self._alike + 1
        early = evaluation.source == SHARED and evaluator.stateful  # trained on from turn to turn
        if found is not None and self._alike >= (EARLY if early else 1):
            self._said = True
            self._say(found)


def doubts_of(evaluator: Evaluator) -> Doubts:
    """Return what judges an evaluator's networks, wherever it runs."""
    try:
        doubts: Doubts = vars(unwrapped(evaluator)).setdefault("_doubts", Doubts())
    except TypeError:  # it has slots
        return Doubts()
    return doubts


def judged(evaluator: Evaluator, evaluation: Evaluation) -> Evaluation:
    """Return an evaluation, after it was judged if its network was trained."""
    if evaluation.source in (TRAINED, SHARED):
        doubts_of(evaluator).judge(unwrapped(evaluator), evaluation)
    return evaluation


def validated(data: Mapping[str, Any]) -> int:
    """Return how many images validate, by what was recorded of the data; 0 if it is not known."""
    parts = data.get("parts")
    count = parts.get("validation") if isinstance(parts, Mapping) else None
    return count if type(count) is int and count > 0 else 0


def number_of(value: Any) -> float | None:
    """Return a figure that was recorded; None if it is no finite number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:  # a whole number that no float can hold
        return None
    return number if math.isfinite(number) else None


def fraction_of(value: Any) -> float | None:
    """Return a fraction that was recorded; None if it is none."""
    number = number_of(value)
    return number if number is not None and 0 <= number <= 1 else None


def warn(said: str) -> None:
    """Tell the log."""
    _log.warning("%s", said)
