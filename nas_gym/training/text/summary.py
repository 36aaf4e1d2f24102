"""What a text is, in words: shown before a search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LONG = 20  # characters of a line that is hardly written twice by chance
MANY = 0.5  # of the long lines of a part, or of its words: more than that is worth a warning


@dataclass(frozen=True)
class TextSummary:
    """The parts and the vocabulary of a text, and what is worth a warning.

    Args:
        name: Of the text, without control characters.
        unit: ``"words"`` or ``"characters"``.
        parts: How many of them train, validate and test.
        vocabulary: The entries of the vocabulary, ``<unk>`` among them.
        unknown: The share of each part that is ``<unk>``, in [0, 1].
        guessing: The validation perplexity of guessing by frequency.
        warnings: One sentence each.
    """

    name: str
    unit: str
    parts: Mapping[str, int]
    vocabulary: int
    unknown: Mapping[str, float]
    guessing: float
    warnings: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return what people should see before they search, one fact a line."""
        train, validation, test = self.parts.values()
        said = [
            f"text {self.name}: {train:,} {self.unit} train, {validation:,} validate, {test:,} "
            f"test; a vocabulary of {self.vocabulary:,}",
            f"  <unk> stands for {self.unknown['validation']:.1%} of the validation part; guessing "
            f"by frequency has perplexity {self.guessing:,.1f} there",
        ]
        strange = [part for part, share in self.unknown.items() if share > MANY]
        odd = [
            f"{self.unknown[part]:.0%} of the {self.unit} of the {part} part are <unk>: its "
            "figures say little; give parts of one text, or a larger vocabulary"
            for part in strange
        ]
        return said + [f"  warning: {w}" for w in (*self.warnings, *odd)]


def repetitions(parts: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return a warning for each part most of whose lines are in a part before it.

    Args:
        parts: The texts; the first trains.
        names: Of the parts.
    """
    seen: set[str] = set()
    said = []
    for part, name in zip(parts, names, strict=True):
        lines = [line for line in part.split("\n") if len(line) >= LONG]
        again = sum(line in seen for line in lines)
        if again > MANY * len(lines):
            said.append(
                f"{again:,} of {len(lines):,} long lines of the {name} part are lines of a part "
                "before it: its figures are better than they should be; take the copies away"
            )
        seen.update(lines)
    return tuple(said)
