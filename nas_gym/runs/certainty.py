"""How far the figures of a run can be trusted: part sizes, standard errors, trivial baselines.

It reads what the run recorded of its data. Runs of older versions, of tables and of landscapes have
recorded none; nothing is said of them.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, median
from typing import Any, Self

from nas_gym.store.reading import LARGEST

PARTS = ("train", "validation", "test")
SURE = 0.95  # probability that luck stays below the limits here
IMBALANCED = 1.5  # times chance: where the largest class has more, accuracy alone says little


def standard_error(accuracy: float, count: int) -> float:
    """Return the standard error of an accuracy: sqrt(p (1 - p) / n), of the binomial distribution.

    It is what other images would change. That another training of the same architecture comes out
    otherwise is not in it, and adds to it.

    Args:
        accuracy: p, a fraction in [0, 1].
        count: n, the number of images that it was measured on, >= 1.
    """
    return math.sqrt(max(0.0, accuracy * (1 - accuracy)) / count)


def luck_of_the_best(children: int) -> float:
    """Return how many standard errors luck lifts the best of so many equal children, at most.

    The largest of n independent standard normals is below z with probability Phi(z)**n; this is
    the z for 0.95 (Sidak 1967, "Rectangular confidence regions"). Children that share their
    validation images err alike, so that luck lifts the best by less: the limit is a careful one.

    Args:
        children: n, >= 1.
    """
    return NormalDist().inv_cdf(SURE ** (1 / children))


@dataclass(frozen=True)
class Certainty:
    """What is to be known beside the accuracies, or the perplexities, of a run.

    Args:
        parts: Sizes of the parts, by name, in images or in words or characters.
        unit: What is counted there.
        chance: Accuracy of a guess, 1 / classes; None for text.
        largest_share: Share of the validation part that its largest class has; None for text.
        largest_class: Its name.
        unigram_perplexity: Perplexity of a guess by frequency; None for images.
        values: The leading figure of the different architectures that did not fail, best first.
        tested: Mean test accuracy of the best architecture that was validated, if one was.
    """

    parts: Mapping[str, int]
    unit: str
    chance: float | None
    largest_share: float | None
    largest_class: str
    unigram_perplexity: float | None
    values: tuple[float, ...]
    tested: float | None

    @classmethod
    def of(cls, data: Any, values: Iterable[float], tested: Sequence[float]) -> Self | None:
        """Return what a run recorded of its data with its figures; None if it is not known.

        Args:
            data: What the evaluator's ``data_summary`` said, from the record.
            values: See the class; not read if nothing was recorded of the data.
            tested: Test accuracies of the best architecture that was validated; may be empty.
        """
        given = data if isinstance(data, Mapping) else {}
        sizes = given.get("parts")
        sizes = sizes if isinstance(sizes, Mapping) else {}
        parts = {name: sizes[name] for name in PARTS if _is_size(sizes.get(name))}
        if parts.get("validation", 0) < 1:
            return None
        return cls(
            parts,
            str(given.get("unit", "images")),
            _fraction(given.get("chance")),
            _fraction(given.get("largest_share")),
            str(given.get("largest_class", "")),
            _number(given.get("unigram_perplexity")),
            tuple(values),
            sum(tested) / len(tested) if tested else None,
        )

    @property
    def imbalanced(self) -> bool:
        """Whether one class has so much of the validation part that accuracy alone says little."""
        if self.chance is None or self.largest_share is None:
            return False
        return self.largest_share > IMBALANCED * self.chance

    @property
    def errors(self) -> dict[str, float]:
        """Standard errors of an accuracy by part, at the best accuracy; none for text."""
        if self.chance is None or not self.values:
            return {}
        errors = {"validation": standard_error(self.values[0], self.parts["validation"])}
        if self.parts.get("test", 0) > 0:
            at = self.values[0] if self.tested is None else self.tested
            errors["test"] = standard_error(at, self.parts["test"])
        return errors

    @property
    def others_limit(self) -> float | None:
        """The accuracy up to which luck lifts the best of children that are all like the median."""
        if self.chance is None or len(self.values) < 2:
            return None
        return self._lifted(median(self.values))

    @property
    def baseline_limit(self) -> float | None:
        """The accuracy up to which luck lifts the best of children that name one class always."""
        if self.largest_share is None or not self.values:
            return None
        return self._lifted(self.largest_share)

    def _lifted(self, accuracy: float) -> float:
        error = standard_error(accuracy, self.parts["validation"])
        return min(1.0, accuracy + luck_of_the_best(len(self.values)) * error)

    @property
    def warnings(self) -> list[str]:
        """One sentence for each reason to doubt that the best architecture is good."""
        said = []
        count, images = len(self.values), f"{self.parts['validation']:,} validation {self.unit}"
        best = f"the best accuracy, {self.values[0]:.4f}," if self.values else ""
        if self.others_limit is not None and self.values[0] <= self.others_limit:
            said.append(
                f"{best} is within noise of the others: on {images} luck alone lifts the best of "
                f"{count} equal children up to {self.others_limit:.4f}, so their order says little"
            )
        if self.baseline_limit is not None and self.values[0] <= self.baseline_limit:
            always = f"of naming {self.largest_class or 'one class'} always"
            what = always if self.imbalanced else "of chance"
            said.append(f"{best} is within noise {what}, {self.largest_share:.4f}")
        guessed = self.unigram_perplexity
        if guessed is not None and self.values and self.values[0] >= guessed:
            said.append(
                f"the best perplexity, {self.values[0]:.2f}, is no better than that of guessing by "
                f"frequency, {guessed:.2f}"
            )
        return said

    def facts(self) -> dict[str, str]:
        """Return what is known beside the figures, for people, by name."""
        verbs = {"train": "to train", "validation": "to validate", "test": "to test"}
        sizes = ", ".join(f"{count:,} {verbs[name]}" for name, count in self.parts.items())
        facts = {self.unit: sizes}
        if self.errors:
            shown = [f"{error:.4f} ({name} part)" for name, error in self.errors.items()]
            facts["standard error of an accuracy"] = ", ".join(shown)
        if self.chance is not None:
            facts["accuracy by chance"] = f"{self.chance:.4f}"
        if self.largest_share is not None:
            named = f" ({self.largest_class})" if self.largest_class else ""
            facts["accuracy of always naming the largest class"] = (
                f"{self.largest_share:.4f}{named}"
            )
        if self.unigram_perplexity is not None:
            facts["perplexity of guessing by frequency"] = f"{self.unigram_perplexity:.2f}"
        return facts

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON data."""
        baseline = {"accuracy": self.largest_share, "class": self.largest_class}
        return {
            "parts": dict(self.parts),
            "unit": self.unit,
            "chance": self.chance,
            "baseline": None if self.largest_share is None else baseline,
            "unigram_perplexity": self.unigram_perplexity,
            "standard_error": self.errors,
            "within_noise_up_to": {"others": self.others_limit, "baseline": self.baseline_limit},
            "imbalanced": self.imbalanced,
            "warnings": self.warnings,
        }


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < LARGEST


def _number(value: Any) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:  # a whole number that no float can hold
        return None
    return number if math.isfinite(number) else None


def _fraction(value: Any) -> float | None:
    number = _number(value)
    return number if number is not None and 0 <= number <= 1 else None
