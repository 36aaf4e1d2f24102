"""What a data set is, in words and as JSON: shown before a search, and kept with its run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PARTS = ("train", "validation", "test")
_SHOWN = 12  # classes, sizes or kinds that are listed; the others are counted


@dataclass(frozen=True)
class Reading:
    """What reading the files of a data set found, beside the images themselves."""

    sizes: Mapping[tuple[int, int], int] = field(default_factory=dict)  # (width, height) -> images
    left_out: Mapping[str, tuple[int, str]] = field(default_factory=dict)  # kind -> how many, one
    converted: Mapping[str, int] = field(default_factory=dict)  # what was done -> to how many
    warnings: tuple[str, ...] = ()


NOTHING_READ = Reading()


@dataclass(frozen=True)
class DataSummary:
    """The classes and parts of a data set, what was read, and what is worth a warning.

    Names have no control characters.

    Args:
        name: Of the data set.
        counts: For each class, by name, the images that train, validate and test.
        image_shape: (channels, height, width) of what the network sees.
        reading: What reading the files found.
        warnings: Of the images themselves, such as copies in two parts; one sentence each.
    """

    name: str
    counts: Mapping[str, tuple[int, int, int]]
    image_shape: tuple[int, int, int]
    reading: Reading
    warnings: tuple[str, ...] = ()

    @property
    def parts(self) -> dict[str, int]:
        """The images of each part."""
        columns = zip(*self.counts.values(), strict=True)
        return dict(zip(PARTS, map(sum, columns), strict=True))

    @property
    def chance(self) -> float:
        """The accuracy of guessing among the classes, in (0, 1/2]."""
        return 1 / len(self.counts)

    @property
    def largest_class(self) -> str:
        """The class with the most images of the validation part."""
        return max(self.counts, key=lambda name: self.counts[name][1])

    @property
    def largest_share(self) -> float:
        """The accuracy on the validation part of always saying ``largest_class``; 0 if empty."""
        return self.counts[self.largest_class][1] / (self.parts["validation"] or 1)

    def to_json(self) -> dict[str, Any]:
        """Return the summary as JSON data."""
        common = sorted(self.reading.sizes.items(), key=lambda item: (-item[1], item[0]))
        originals = {f"{w} x {h}": count for (w, h), count in common[:_SHOWN]}
        if others := sum(count for _, count in common[_SHOWN:]):
            originals["others"] = others
        return {
            "name": self.name,
            "classes": {n: dict(zip(PARTS, c, strict=True)) for n, c in self.counts.items()},
            "parts": self.parts,
            "chance": self.chance,
            "largest_share": self.largest_share,
            "largest_class": self.largest_class,
            "sizes": {"originals": originals, "become": list(self.image_shape)},
            "left_out": {
                kind: {"count": count, "example": example}
                for kind, (count, example) in self.reading.left_out.items()
            },
            "converted": dict(self.reading.converted),
            "warnings": [*self.reading.warnings, *self.warnings],
        }

    def lines(self) -> list[str]:
        """Return what people should see before they search, one fact a line."""
        parts = self.parts
        said = [
            f"data set {self.name}: {_count(sum(parts.values()), 'image')} of {len(self.counts)} "
            f"classes; {parts['train']:,} train, {parts['validation']:,} validate, "
            f"{parts['test']:,} test",
            f"  classes: {_listed([f'{n}: {sum(c):,}' for n, c in self.counts.items()])}",
            f"  image sizes: {self._sizes()}",
        ]
        for done, count in self.reading.converted.items():
            said.append(f"  {_count(count, 'image')} {done}")
        if left_out := self.reading.left_out:
            kinds = [f"{count:,} {k} (such as {one})" for k, (count, one) in left_out.items()]
            total = sum(count for count, _ in left_out.values())
            said.append(f"  left out {total:,}: {_listed(kinds)}")
        said.append(
            f"  always saying {self.largest_class} is right for {self.largest_share:.1%} of the "
            f"validation part, guessing for {self.chance:.1%}"
        )
        return said + [f"  warning: {w}" for w in (*self.reading.warnings, *self.warnings)]

    def _sizes(self) -> str:
        channels, height, width = self.image_shape
        become = f"{width} x {height} pixels of {_count(channels, 'channel')}"
        sizes = self.reading.sizes
        if not sizes:
            return become
        if len(sizes) == 1:
            ((wide, high),) = sizes
            was = f"{wide} x {high}"
        else:
            widths, heights = ({size[axis] for size in sizes} for axis in (0, 1))
            was = (
                f"{len(sizes)} sizes, {min(widths)} to {max(widths)} wide and {min(heights)} to "
                f"{max(heights)} high"
            )
        cut = ", cut to the square in their middle" if any(w != h for w, h in sizes) else ""
        return f"{was}{cut}; the networks see {become}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"


def _listed(words: list[str]) -> str:
    rest = len(words) - _SHOWN
    return ", ".join(words[:_SHOWN]) + (f" and {rest:,} more" if rest > 0 else "")
