"""The rows of a table that is being made: from its file, from the store, from new trainings."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nas_gym.errors import InvalidTable, NASGymError
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.metrics import ACCURACY, PROCESSOR_SECONDS
from nas_gym.evaluators.tables.columns import read_columns, read_file
from nas_gym.evaluators.tables.note import FORMAT, note_of
from nas_gym.evaluators.tables.writing import column_names, write_table
from nas_gym.search_spaces.architecture import Architecture, architecture_of, genotype_to_json
from nas_gym.search_spaces.grammar import SearchSpace, tokens_of

SAVED_EVERY = 300.0  # seconds
METRICS = ("parameters", "multiply_adds")  # that an architecture has whatever its seed


class SeedResult(NamedTuple):
    """One training of an architecture."""

    accuracy: float  # NaN after a failure
    seconds: float
    curve: tuple[float, ...]  # accuracy after each epoch; empty if there is none
    failure: str  # why there is no accuracy; empty if there is one


@dataclass
class SheetRow:
    """A row: an architecture and its trainings, by the number of the seed."""

    metrics: dict[str, float] = field(default_factory=dict)
    trained: dict[int, SeedResult] = field(default_factory=dict)


class Sheet:
    """A table under construction.

    Args:
        path: The file.
        space: Whose architectures they are.
        architectures: Those of the table, in its order.
        seeds: Trainings of each.
        making: What it is made with: tables of another making do not go on with each other.
        said: What the note has beside that.
    """

    def __init__(
        self,
        path: Path,
        space: SearchSpace[Any],
        architectures: Sequence[Architecture[Any]],
        seeds: int,
        making: Mapping[str, Any],
        said: Mapping[str, Any],
    ) -> None:
        self.path, self.space, self.architectures = path, space, list(architectures)
        self.seeds, self.making, self.said = seeds, dict(making), dict(said)
        self.lines: dict[str, SheetRow] = {}
        self._keys = {architecture.key for architecture in architectures}
        self._form, self._texts = _texts(space, architectures)
        self.trained = self.failed = 0  # trainings that it has, and those of them that failed
        self.recorded = 0  # trainings that were in the store when their run began, or went on
        self._saved = time.monotonic()
        self._changed = False

    def lacking(self, number: int) -> list[Architecture[Any]]:
        """Return the architectures without a training of this number, in the table's order."""
        return [each for each in self.architectures if not self.has(each.key, number)]

    def has(self, key: str, number: int) -> bool:
        """Return whether an architecture has a training of this number."""
        return key in self.lines and number in self.lines[key].trained

    @property
    def complete(self) -> bool:
        """Whether every architecture has all its trainings."""
        return not any(self.lacking(number) for number in range(self.seeds))

    def add(self, number: int, evaluation: Evaluation) -> None:
        """Keep a training, the first if there are several of one number."""
        key = evaluation.architecture.key
        if self.has(key, number):
            return
        if key not in self._keys:  # of a run of this name that has trained more
            (text,) = _texts(self.space, [evaluation.architecture])[1]
            self._append(evaluation.architecture, text)
        line = self.lines.setdefault(key, SheetRow())
        metrics, failure = evaluation.metrics, evaluation.failure or ""
        line.metrics |= {n: float(metrics[n]) for n in METRICS if n in metrics}
        accuracy = math.nan if failure else float(metrics[ACCURACY.name])
        seconds = float(metrics.get(PROCESSOR_SECONDS.name, evaluation.seconds))
        self._keep(line, number, SeedResult(accuracy, seconds, evaluation.curve, failure))
        self._changed = True

    def save(self) -> None:
        """Write the file, if there is something new and at least one row."""
        if self._changed and self.lines:
            write_table(self.path, self._columns(), self._note())
        self._saved, self._changed = time.monotonic(), False

    def save_sometimes(self) -> None:
        """Write the file if that was some minutes ago."""
        if time.monotonic() - self._saved >= SAVED_EVERY:
            self.save()

    def read(self) -> None:
        """Take the rows of the file, if it is there.

        Raises:
            InvalidTable: It is no table of this making.
        """
        if not self.path.exists():
            return
        try:
            data = read_file(self.path)
        except OSError as error:
            raise InvalidTable(
                f"the table {self.path} cannot be read ({error.strerror or error}): name another"
            ) from error
        note = note_of(self.path, data)
        if note is None:
            raise InvalidTable(
                f"{self.path} is there already and was not made by `nas-gym tabulate`: name "
                "another file"
            )
        made = note.get("making")
        if made != self.making:
            raise InvalidTable(
                f"{self.path} was made otherwise ({_differing(made, self.making)}): name another "
                "file, or give the options that it was made with"
            )
        self.said["versions"] = _joined(note.get("versions"), self.said.get("versions"))
        try:
            self._take(data, note["layout"])
        except NASGymError:
            raise
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise InvalidTable(
                f"{self.path} is damaged ({type(error).__name__}: {error}): restore it, or name "
                "another file"
            ) from error
        self._changed = False

    def _take(self, data: bytes, layout: Mapping[str, Any]) -> None:
        """Take the rows of a file's content."""
        seeds = int(layout["seeds"])
        self.seeds = max(self.seeds, seeds)
        per_seed = ("accuracy", "seconds", "failure", *(["curves"] if layout["curves"] else []))
        names = {name: column_names(self.path, name, seeds) for name in per_seed}
        wanted = ["architecture", *(n for of in names.values() for n in of), *layout["metrics"]]
        columns = read_columns(self.path, data, wanted)
        known = dict(zip(self._texts, self.architectures, strict=True))
        for row, text in enumerate(columns["architecture"]):
            architecture = known.get(text) or self._architecture(text)
            line = self.lines.setdefault(architecture.key, SheetRow())
            if architecture.key not in self._keys:  # of a larger sample
                self._append(architecture, text)
            for name in layout["metrics"]:
                line.metrics[name] = float(columns[name][row])
            for number in range(seeds):
                trained = self._training(
                    *(_of_seed(columns, names.get(name, []), row, number) for name in _FIELDS)
                )
                if trained is not None:
                    self._keep(line, number, trained)

    def _keep(self, line: SheetRow, number: int, trained: SeedResult) -> None:
        line.trained[number] = trained
        self.trained += 1
        self.failed += bool(trained.failure)

    def _training(self, accuracy: Any, seconds: Any, curve: Any, failure: Any) -> SeedResult | None:
        """Return one training of a row; None if it was not trained with this seed."""
        value = math.nan if accuracy in (None, "") else float(accuracy)
        failure = str(failure or "")
        if math.isnan(value) and not failure:
            return None
        values = curve.split() if isinstance(curve, str) else curve or ()
        numbers = tuple(float(number) for number in values)
        return SeedResult(
            value,
            float(seconds),
            () if failure else tuple(n for n in numbers if not math.isnan(n)),
            failure,
        )

    def _architecture(self, text: Any) -> Architecture[Any]:
        """Return the architecture of a row."""
        if self._form == "tokens":
            return architecture_of(self.space, [int(token) for token in str(text).split(",")])
        read: Any = self.space
        return architecture_of(self.space, tokens_of(self.space, read.genotype_from_json(text)))

    def _append(self, architecture: Architecture[Any], text: str) -> None:
        self._keys.add(architecture.key)
        self.architectures.append(architecture)
        self._texts.append(text)

    def _columns(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return what the file has: the architectures with a training at least."""
        rows = [
            (text, self.lines[architecture.key])
            for text, architecture in zip(self._texts, self.architectures, strict=True)
            if architecture.key in self.lines
        ]
        none = SeedResult(math.nan, math.nan, (), "")
        trained = [[line.trained.get(n, none) for n in range(self.seeds)] for _, line in rows]
        columns: dict[str, np.ndarray[Any, Any]] = {
            "architecture": np.array([text for text, _ in rows]),
            "accuracy": np.array([[t.accuracy for t in each] for each in trained]),
            "seconds": np.array([[round(t.seconds, 4) for t in each] for each in trained]),
            "failure": np.array([[t.failure for t in each] for each in trained]),
        }
        epochs = self._epochs
        if epochs:
            columns["curves"] = np.array(
                [[(*t.curve, *[math.nan] * (epochs - len(t.curve))) for t in e] for e in trained]
            )
        for name in self._metrics:
            values = [line.metrics.get(name, math.nan) for _, line in rows]
            whole = all(value.is_integer() for value in values)
            columns[name] = np.array(values, np.int64 if whole else np.float64)
        return columns

    @property
    def _epochs(self) -> int:
        curves = (t.curve for line in self.lines.values() for t in line.trained.values())
        return max(map(len, curves), default=0)

    @property
    def _metrics(self) -> list[str]:
        """The metrics that all rows with an accuracy have."""
        lines = [
            line for line in self.lines.values()
            if not all(trained.failure for trained in line.trained.values())
        ]  # fmt: skip
        return [name for name in METRICS if lines and all(name in line.metrics for line in lines)]

    def _note(self) -> dict[str, Any]:
        layout = {
            "unit": "fraction",
            "form": self._form,
            "seeds": self.seeds,
            "curves": bool(self._epochs),
            "metrics": self._metrics,
        }
        return {
            "nas_gym_table": FORMAT,
            "making": self.making,
            "layout": layout,
            **self.said,
            "architectures": len(self.architectures),
            "complete": self.complete,
            "failed": self.failed,
        }


_FIELDS = ("accuracy", "seconds", "curves", "failure")


def _of_seed(columns: Any, names: Sequence[str], row: int, number: int) -> Any:
    """Return what a row has of one seed; None if there is no such column."""
    if not names:
        return None
    if len(names) > 1:
        return columns[names[number]][row]
    value = columns[names[0]][row]
    return value[number] if isinstance(value, list) else value


def _texts(
    space: SearchSpace[Any], architectures: Sequence[Architecture[Any]]
) -> tuple[str, list[str]]:
    """Return the form of architectures in the file, and each of them in it."""
    if hasattr(space, "genotype_from_json"):
        written = [genotype_to_json(each.genotype) for each in architectures]
        if all(isinstance(each, str) for each in written):
            return "string", written
    return "tokens", [",".join(map(str, each.tokens)) for each in architectures]


def _differing(one: Any, other: Mapping[str, Any]) -> str:
    """Return what differs between two makings, in words."""
    if not isinstance(one, Mapping):
        return "its note does not say how"
    return "; ".join(_differences(one, other))[:400]


def _differences(one: Mapping[str, Any], other: Mapping[str, Any], of: str = "") -> Iterator[str]:
    for name in sorted(one.keys() | other.keys()):
        there, here = one.get(name), other.get(name)
        if isinstance(there, Mapping) and isinstance(here, Mapping):
            yield from _differences(there, here, f"{of}{name}.")
        elif there != here:
            yield f"{of}{name} is {there!r} there and {here!r} here"


def _joined(before: Any, now: Any) -> list[Any]:
    """Return the versions of all sessions, each once."""
    joined = [*before] if isinstance(before, list) else []
    return joined + [each for each in now or [] if each not in joined]
