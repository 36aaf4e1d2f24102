"""``TableFile``: the user's own table of trained architectures of any search space."""

from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, MinLen

from nas_gym.errors import InvalidOption, InvalidTable, NASGymError
from nas_gym.evaluators.configured import Configured
from nas_gym.evaluators.metrics import is_test_figure
from nas_gym.evaluators.tables.layout import FORMS, UNITS, layout_of
from nas_gym.evaluators.tables.reading import Table, read_table, shown
from nas_gym.evaluators.tables.tabular import Entry, Missing, NotInTable, Seeds, TabularEvaluator
from nas_gym.networks.task import LanguageTask, Task, task_from_json
from nas_gym.options import EachOnce, OneOf
from nas_gym.options.paths import recorded_path
from nas_gym.search_spaces.architecture import key_of, up_to_isomorphism
from nas_gym.search_spaces.grammar import SearchSpace, Tokens, decode_valid
from nas_gym.search_spaces.moves import enumerate_tokens, space_size

CHECKED_AT_MOST = 100_000  # architectures of a space that are looked for in the table


_Names = str | Annotated[tuple[str, ...], EachOnce]
_SomeNames = str | Annotated[tuple[str, ...], MinLen(1), EachOnce]
# Options that follow from a table's own note where the user gives none.
_NOTED = (
    *("unit", "architecture", "form", "accuracy", "seconds", "metrics"),
    *("curves", "counted", "isomorphic", "exact"),
)


@dataclass(frozen=True)
class TableFile(Configured, TabularEvaluator):
    """Accuracies from a CSV, ``.npz`` or Parquet file with one row per architecture.

    Metrics: ``accuracy`` and whatever ``metrics`` names. The file is read when the evaluator is
    made, and an error in it is reported with its row. A file that ``nas-gym tabulate`` made has a
    note of what its columns mean, which answers for all options below that are left out.

    Args:
        space: Whose architectures they are.
        file: Path of the table. CSV is UTF-8 with commas and a header. In an ``.npz`` file an
            array is a column; tokens and accuracies may have one row per architecture. Parquet
            needs pyarrow.
        unit: What accuracies are written in, ``"percent"`` or ``"fraction"``. Needed without a
            note.
        architecture: Name of the column of architectures; ``"architecture"`` by default.
        form: How they are written: ``"string"`` (what the space's ``genotype_from_json`` reads, as
            NAS-Bench-201's own strings; the default), ``"json"`` (the same, as JSON text) or
            ``"tokens"`` (``1,0,3``, ``1 0 3`` or ``[1, 0, 3]``).
        accuracy: Name of the column of validation accuracies, or of several, one per seed; of
            several all but one may be empty. ``"accuracy"`` by default.
        seconds: Name of the column of seconds that one training took, >= 0; all 0 without it.
        metrics: Names of columns with other numbers, which rewards see under the same names.
        test: Name or names of columns that ``test_accuracy()`` gives to reports. No search sees
            them, and no column of ``accuracy`` and ``metrics`` may have the name of a test figure.
        seeds: ``"mean"``, ``"random"`` or the number of one accuracy column: ``TabularEvaluator``.
        missing: ``"error"``: every architecture must be in the table, which is checked in spaces
            of up to 100,000. With ``"failure"``, and in larger spaces, the evaluation of a missing
            one fails.
        curves: Name of the column of accuracies after each epoch, or of one column per seed: lists
            of numbers, in CSV text with blanks between them, all of the same length. The table can
            then be asked for a part of a training.
        counted: How many of the last epochs the accuracy is the best of, >= 1; 1 by default.
        isomorphic: Whether a row answers for all architectures with its canonical key. Its
            ``metrics`` are then those of the architecture that was trained.
        exact: Whether another training would come to the same accuracies, as those of a function
            do: a single one is then no noisy observation.

    Raises:
        InvalidTable: The file cannot be read, a row of it is wrong, or its note is of another
            space.
        UnknownName: No such column, unit or form.
        InvalidOption: A value that an option cannot take, or no unit.
        InvalidSpace: The space cannot turn what the rows hold into tokens.
    """

    space: SearchSpace[Any]
    file: str | Path
    unit: Annotated[str, OneOf(tuple(UNITS))] | None = None
    architecture: str | None = None
    form: Annotated[str, OneOf(FORMS)] | None = None
    accuracy: _SomeNames | None = None
    seconds: str | None = None
    metrics: _Names | None = None
    test: _Names = ()
    seeds: Seeds = "mean"
    missing: Missing = "error"
    curves: _SomeNames | None = None
    counted: Annotated[int, Ge(1)] | None = None
    isomorphic: bool | None = None
    exact: bool | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "file", recorded_path(self.file, "file"))
        for option in ("accuracy", "metrics", "test", "curves"):
            if isinstance(given := getattr(self, option), str):
                object.__setattr__(self, option, (given,))
        self._check_columns()
        seeds = self._table.accuracies.shape[1]
        if isinstance(self.seeds, int) and self.seeds >= seeds:
            raise InvalidOption(
                f"seeds is {self.seeds}, but the table has {seeds} accuracies per architecture: "
                f"give a number below {seeds}, 'mean' or 'random'"
            )
        if self.missing == "error":
            self._check_complete()

    @classmethod
    def from_file(cls, path: str | Path, *, space: SearchSpace[Any], **options: Any) -> "TableFile":
        """Make ``TableFile(space, path, **options)``."""
        return cls(space, path, **options)

    @property
    def protocol(self) -> dict[str, Any]:
        """All that the accuracies depend on, as JSON data: the file by SHA-256, not by its path."""
        of = self._table.layout
        parts = {"curves": list(of.curves), "counted": of.counted} if of.curves else {}
        return {
            "evaluator": "table",
            "fingerprint": self._table.fingerprint,
            "architecture": of.architecture,
            "form": of.form,
            "accuracy": list(of.accuracy),
            "unit": of.unit,
            "seconds": of.seconds[0] if of.seconds else None,
            "metrics": list(of.metrics),
            "seeds": self.seeds,
            **parts,
            **({"isomorphic": True} if of.isomorphic else {}),
        }

    @property
    def gives(self) -> tuple[str, ...]:
        """The names of its metrics."""
        return ("accuracy", *self._table.layout.metrics)

    @property
    def noise_free(self) -> bool:
        """Whether its accuracies are exact, or means of several trainings."""
        several = self._table.accuracies.shape[1] > 1
        return self._table.layout.exact or (several and super().noise_free)

    @property
    def networks_task(self) -> Task | LanguageTask | None:
        """What the networks of the table were built for; None if it has no note that says it."""
        try:
            return task_from_json(self._table.layout.task)
        except NASGymError:
            return None

    @property
    def most_epochs(self) -> int | None:
        """The epochs of the curves; None if there are none."""
        return None if self._table.curves is None else self._table.curves.shape[2]

    @property
    def last_counted(self) -> int:
        """How many of the last epochs the accuracy is the best of."""
        return self._table.layout.counted

    def entry(self, tokens: Tokens) -> Entry:
        """Return what the table knows of an architecture.

        Raises:
            NotInTable: It has no row, or none of its trainings went well.
        """
        table, row = self._table, self._row(tokens)
        accuracies = table.accuracies[row]
        trained = ~np.isnan(accuracies)
        if not trained.any():
            raise NotInTable(f"it failed when the table was made: {table.failures[row]}")
        metrics = dict(zip(table.layout.metrics, table.metrics[row].tolist(), strict=True))
        curves = () if table.curves is None else table.curves[row][trained].tolist()
        return Entry(
            tuple(accuracies[trained].tolist()),
            float(table.seconds[row]),
            metrics,
            tuple(map(tuple, curves)),
        )

    def test_accuracy(self, tokens: Tokens) -> float | None:
        """Return the mean of the test columns, in [0, 1], or None if the table has none."""
        figures = self._table.test[self._row(tokens)]
        known = figures[~np.isnan(figures)]
        return float(known.mean()) if len(known) else None

    @cached_property
    def _table(self) -> Table:
        path = Path(self.file)
        given = {name: getattr(self, name) for name in _NOTED if getattr(self, name) is not None}
        if self.seconds is not None:
            given["seconds"] = (self.seconds,)
        return read_table(
            self.space, path, lambda note: layout_of(self.space, path, note, given, self.test)
        )

    @cached_property
    def _keyed(self) -> SearchSpace[Any]:
        """The space whose keys say which architectures are isomorphic."""
        return up_to_isomorphism(self.space)

    def _row(self, tokens: Tokens) -> int:
        row = self._found(tokens)
        if row is None:
            raise NotInTable(f"{self.file} has no row for this architecture")
        return row

    def _found(self, tokens: Tokens) -> int | None:
        """Return the row that answers for an architecture, or None."""
        table = self._table
        row = table.rows.get(tokens)
        if row is None and table.layout.isomorphic:
            key = key_of(self._keyed, decode_valid(self.space, tokens), tokens)
            row = table.keys.get(key)
            if row is not None:
                table.rows[tokens] = row  # the next time it is found at once
        return row

    def _check_columns(self) -> None:
        if "accuracy" in (self.metrics or ()):
            raise InvalidOption("metrics names 'accuracy', which is there already: leave it out")
        for option in ("accuracy", "metrics", "curves"):
            for column in getattr(self, option) or ():
                if column in self.test or is_test_figure(column):
                    raise InvalidOption(
                        f"{option} names the column {column!r}, which is a test figure by its name "
                        "or by the option test: a search must not see one; give it as test, or "
                        "rename the column if it holds none"
                    )

    def _check_complete(self) -> None:
        """Raise InvalidTable if an architecture of a space of moderate size has no row."""
        architectures = _all_tokens(self.space)
        lacking = [tokens for tokens in architectures if self._found(tokens) is None]
        if lacking:
            part = "" if self._table.layout.complete else ", which is not finished or a sample,"
            raise InvalidTable(
                f"{self.file}{part} has no row for {len(lacking):,} of the {len(architectures):,} "
                f"architectures of {type(self.space).__name__}; the first has the tokens "
                f"{shown(lacking[0])}: add the rows, or give missing='failure' "
                "(--set evaluator.missing=failure) to let their evaluations fail"
            )


Tabular = TableFile  # its first name, which users' scripts may import


def _all_tokens(space: SearchSpace[Any]) -> list[Tokens]:
    """List all architectures of a space of up to ``CHECKED_AT_MOST``; of a larger one, none."""
    declared = getattr(space, "static", False) or isinstance(getattr(space, "size", None), int)
    if declared and space_size(space) > CHECKED_AT_MOST:
        return []
    architectures = list(islice(enumerate_tokens(space), CHECKED_AT_MOST + 1))
    return architectures if len(architectures) <= CHECKED_AT_MOST else []
