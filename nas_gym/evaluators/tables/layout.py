"""What the columns of a table mean: by options, and by the table's own note."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nas_gym.errors import InvalidOption, InvalidTable
from nas_gym.evaluators.tables.writing import column_names
from nas_gym.registry import spec_of
from nas_gym.search_spaces.architecture import up_to_isomorphism
from nas_gym.search_spaces.grammar import SearchSpace

FORMS = ("string", "tokens", "json")
UNITS = {"percent": 100.0, "fraction": 1.0}  # what an accuracy of 1 is written as


class Layout(NamedTuple):
    """A file of a table: its columns by name, and how they are written."""

    path: str
    unit: str  # of accuracies, one of UNITS
    architecture: str
    form: str  # of architectures, one of FORMS
    accuracy: tuple[str, ...]  # at least one
    seconds: tuple[str, ...] = ()
    seconds_per_seed: bool = False  # whether there are several numbers, perhaps with gaps
    metrics: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    curves: tuple[str, ...] = ()
    failure: tuple[str, ...] = ()  # that say why a row may be without an accuracy
    counted: int = 1  # how many of a curve's last epochs the accuracy is the best of
    isomorphic: bool = False  # whether a row answers for all architectures with its canonical key
    exact: bool = False  # whether another training would come to the same accuracies
    complete: bool = True  # as far as its note says
    task: Any = None  # JSON data of its note: what the networks were built for

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns."""
        return (
            self.architecture, *self.accuracy, *self.seconds, *self.metrics, *self.test,
            *self.curves, *self.failure,
        )  # fmt: skip


def layout_of(
    space: SearchSpace[Any],
    path: Path,
    note: Mapping[str, Any] | None,
    given: Mapping[str, Any],
    test: Sequence[str],
) -> Layout:
    """Return what the columns of a file mean.

    Args:
        space: Whose architectures they are to be.
        path: The file.
        note: Its note, if it has one.
        given: The options of ``TableFile`` that the user gave.
        test: Columns of test figures.

    Raises:
        InvalidTable: The note says that it is a table of another space.
        InvalidOption: Neither a note nor the user says in what accuracies are written.
    """
    own: dict[str, Any] = {"architecture": "architecture", "form": "string"}
    own["accuracy"] = ("accuracy",)
    if note is not None:
        own |= _noted(space, path, note)
        if "accuracy" in given:  # the user takes another column: the note does not speak of it
            own = {
                k: v for k, v in own.items() if k not in ("curves", "failure", "counted", "exact")
            }
    elif "unit" not in given:
        raise InvalidOption(
            f"{path} does not say itself in what its accuracies are written: give unit, 'percent' "
            "or 'fraction' (--set evaluator.unit=…; of nas-gym benchmark --table "
            '\'{"file": …, "unit": …}\')'
        )
    if "seconds" in given:
        own["seconds_per_seed"] = False
    return Layout(**{"path": str(path), **own, **given, "test": tuple(test)})


def _noted(space: SearchSpace[Any], path: Path, note: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a note says of the columns."""
    try:
        made, layout = note["making"]["space"], note["layout"]
        seeds, metrics = int(layout["seeds"]), [str(name) for name in layout["metrics"]]
        unit, form = str(layout["unit"]), str(layout["form"])
        counted, curves = int(note["counted"]), bool(layout["curves"])
        complete, isomorphic = bool(note["complete"]), bool(note["isomorphic"])
        protocol = note["making"].get("protocol")
        if unit not in UNITS or form not in FORMS or seeds < 1 or counted < 1:
            raise ValueError("a value out of range")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidTable(
            f"the note of {path} is broken ({type(error).__name__}: {error}): make the table again "
            "with `nas-gym tabulate`"
        ) from error
    here = spec_of("space", up_to_isomorphism(space))
    if made != here:
        raise InvalidTable(
            f"{path} is a table of the space {_shown(made)}, not of {_shown(here)}: give that "
            "space, or the table of this one"
        )
    return {
        "unit": unit,
        "form": form,
        "accuracy": tuple(column_names(path, "accuracy", seeds)),
        "seconds": tuple(column_names(path, "seconds", seeds)),
        "seconds_per_seed": True,
        "metrics": tuple(metrics),
        "curves": tuple(column_names(path, "curves", seeds)) if curves else (),
        "failure": tuple(column_names(path, "failure", seeds)),
        "counted": counted,
        "isomorphic": isomorphic,
        "exact": note.get("exact") is True,
        "complete": complete,
        "task": protocol.get("task") if isinstance(protocol, Mapping) else None,
    }


def _shown(space: Any) -> str:
    options = {k: v for k, v in dict(space).items() if k not in ("name", "isomorphic")}
    name = str(dict(space).get("name"))
    return f"{name!r} with {options}" if options else repr(name)
