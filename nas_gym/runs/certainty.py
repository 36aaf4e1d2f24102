"""How far the figures of a run can be trusted: part sizes, intervals, trivial baselines.

It reads what the run recorded of its data. Runs of older versions, of tables and of landscapes have
recorded none; nothing is said of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Self

from nas_gym.evaluators.doubts import (
    HARDLY,
    fraction_of,
    interval,
    interval_in_words,
    lifted,
    number_of,
)
from nas_gym.store.reading import LARGEST

PARTS = ("train", "validation", "test")
IMBALANCED = 1.5  # times chance: where the largest class has more, accuracy alone says little


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
            fraction_of(given.get("chance")),
            fraction_of(given.get("largest_share")),
            str(given.get("largest_class", "")),
            number_of(given.get("unigram_perplexity")),
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
    def measured(self) -> dict[str, float]:
        """Accuracies of the best architecture by part, for those parts of which it has one."""
        if self.chance is None or not self.values:
            return {}
        measured = {"validation": self.values[0]}
        if self.tested is not None and self.parts.get("test", 0) > 0:
            measured["test"] = self.tested
        return measured

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

    @property
    def no_better(self) -> int:
        """How many architectures are not better than a constant answer by more than luck may be."""
        guessed, limit = self.unigram_perplexity, self.baseline_limit
        if guessed is not None:
            return sum(value >= HARDLY * guessed for value in self.values)
        return 0 if limit is None else sum(value <= limit for value in self.values)

    def _lifted(self, accuracy: float) -> float:
        return lifted(accuracy, self.parts["validation"], len(self.values))

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
        guessed, nothing = self.unigram_perplexity, self.no_better
        if count / 2 <= nothing < count:
            said.append(f"{self._nothing_in_words()}: train longer or by another recipe")
        elif nothing and guessed is not None:
            hardly = "no" if self.values[0] >= guessed else "hardly"
            said.append(
                f"the best perplexity, {self.values[0]:.2f}, is {hardly} better than that of "
                f"guessing by frequency, {guessed:.2f}"
            )
        return said

    def facts(self) -> dict[str, str]:
        """Return what is known beside the figures, for people, by name."""
        verbs = {"train": "to train", "validation": "to validate", "test": "to test"}
        sizes = ", ".join(f"{count:,} {verbs[name]}" for name, count in self.parts.items())
        facts = {self.unit: sizes}
        for name, accuracy in self.measured.items():
            sure = interval_in_words(accuracy, self.parts[name])
            facts[f"95 % interval of the best architecture's {name} accuracy"] = (
                f"{accuracy:.4f}: {sure}"
            )
        if self.chance is not None:
            facts["accuracy by chance"] = f"{self.chance:.4f}"
        if self.largest_share is not None:
            named = f" ({self.largest_class})" if self.largest_class else ""
            facts["accuracy of always naming the largest class"] = (
                f"{self.largest_share:.4f}{named}"
            )
        if self.unigram_perplexity is not None:
            facts["perplexity of guessing by frequency"] = f"{self.unigram_perplexity:.2f}"
        if self.no_better:
            facts["hardly or no better than a constant answer"] = self._nothing_in_words()
        return facts

    def _nothing_in_words(self) -> str:
        constant = "naming one class" if self.unigram_perplexity is None else "frequencies"
        return (
            f"{self.no_better:,} of {len(self.values):,} architectures learnt nothing sure beyond "
            f"{constant}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON data."""
        baseline = {"accuracy": self.largest_share, "class": self.largest_class}
        return {
            "parts": dict(self.parts),
            "unit": self.unit,
            "chance": self.chance,
            "baseline": None if self.largest_share is None else baseline,
            "unigram_perplexity": self.unigram_perplexity,
            "interval": {n: list(interval(a, self.parts[n])) for n, a in self.measured.items()},
            "within_noise_up_to": {"others": self.others_limit, "baseline": self.baseline_limit},
            "imbalanced": self.imbalanced,
            "warnings": self.warnings,
        }


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < LARGEST
