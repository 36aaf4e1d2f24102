"""``TableFile``: the user's own table of trained architectures of any search space."""

from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import MinLen

from nas_gym.errors import InvalidOption, InvalidTable
from nas_gym.evaluators.configured import Configured
from nas_gym.evaluators.metrics import is_test_figure
from nas_gym.evaluators.tables.reading import FORMS, UNITS, Layout, Table, read_table, shown
from nas_gym.evaluators.tables.tabular import Entry, Missing, NotInTable, Seeds, TabularEvaluator
from nas_gym.options import EachOnce, OneOf
from nas_gym.options.paths import recorded_path
from nas_gym.search_spaces.grammar import SearchSpace, Tokens
from nas_gym.search_spaces.moves import enumerate_tokens, space_size

CHECKED_AT_MOST = 100_000  # architectures of a space that are looked for in the table


@dataclass(frozen=True)
class TableFile(Configured, TabularEvaluator):
    """Accuracies from a CSV, ``.npz`` or Parquet file with one row per architecture.

    Metrics: ``accuracy`` and whatever ``metrics`` names. The file is read when the evaluator is
    made, and an error in it is reported with its row.

    Args:
        space: Whose architectures they are.
        file: Path of the table. CSV is UTF-8 with commas and a header. In an ``.npz`` file an
            array is a column; tokens and accuracies may have one row per architecture. Parquet
            needs pyarrow.
        unit: What accuracies are written in, ``"percent"`` or ``"fraction"``.
        architecture: Name of the column of architectures.
        form: How they are written: ``"string"`` (what the space's ``genotype_from_json`` reads, as
            NAS-Bench-201's own strings), ``"json"`` (the same, as JSON text) or ``"tokens"``
            (``1,0,3``, ``1 0 3`` or ``[1, 0, 3]``).
        accuracy: Name of the column of validation accuracies, or of several, one per seed; of
            several all but one may be empty.
        seconds: Name of the column of seconds that one training took, >= 0; all 0 without it.
        metrics: Names of columns with other numbers, which rewards see under the same names.
        test: Name or names of columns that ``test_accuracy()`` gives to reports. No search sees
            them, and no column of ``accuracy`` and ``metrics`` may have the name of a test figure.
        seeds: ``"mean"``, ``"random"`` or the number of one accuracy column: ``TabularEvaluator``.
        missing: ``"error"``: every architecture must be in the table, which is checked in spaces
            of up to 100,000. With ``"failure"``, and in larger spaces, the evaluation of a missing
            one fails.

    Raises:
        InvalidTable: The file cannot be read, or a row of it is wrong.
        UnknownName: No such column, unit or form.
        InvalidOption: A value that an option cannot take.
        InvalidSpace: The space cannot turn what the rows hold into tokens.
    """

    space: SearchSpace[Any]
    file: str | Path
    unit: Annotated[str, OneOf(tuple(UNITS))]
    architecture: str = "architecture"
    form: Annotated[str, OneOf(FORMS)] = "string"
    accuracy: str | Annotated[tuple[str, ...], MinLen(1), EachOnce] = ("accuracy",)
    seconds: str | None = None
    metrics: str | Annotated[tuple[str, ...], EachOnce] = ()
    test: str | Annotated[tuple[str, ...], EachOnce] = ()
    seeds: Seeds = "mean"
    missing: Missing = "error"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "file", recorded_path(self.file, "file"))
        for option in ("accuracy", "metrics", "test"):
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
        return {
            "evaluator": "table",
            "fingerprint": self._table.fingerprint,
            "architecture": self.architecture,
            "form": self.form,
            "accuracy": list(self.accuracy),
            "unit": self.unit,
            "seconds": self.seconds,
            "metrics": list(self.metrics),
            "seeds": self.seeds,
        }

    def entry(self, tokens: Tokens) -> Entry:
        """Return what the table knows of an architecture; raise NotInTable if it has no row."""
        table, row = self._table, self._row(tokens)
        accuracies = table.accuracies[row]
        metrics = dict(zip(self.metrics, table.metrics[row].tolist(), strict=True))
        trained = accuracies[~np.isnan(accuracies)]
        return Entry(tuple(trained.tolist()), float(table.seconds[row]), metrics)

    def test_accuracy(self, tokens: Tokens) -> float | None:
        """Return the mean of the test columns, in [0, 1], or None if the table has none."""
        figures = self._table.test[self._row(tokens)]
        known = figures[~np.isnan(figures)]
        return float(known.mean()) if len(known) else None

    @cached_property
    def _table(self) -> Table:
        layout = Layout(
            path=str(self.file),
            unit=self.unit,
            architecture=self.architecture,
            form=self.form,
            accuracy=tuple(self.accuracy),
            seconds=() if self.seconds is None else (self.seconds,),
            metrics=tuple(self.metrics),
            test=tuple(self.test),
        )
        return read_table(self.space, layout)

    def _row(self, tokens: Tokens) -> int:
        row = self._table.rows.get(tokens)
        if row is None:
            raise NotInTable(f"{self.file} has no row for this architecture")
        return row

    def _check_columns(self) -> None:
        if "accuracy" in self.metrics:
            raise InvalidOption("metrics names 'accuracy', which is there already: leave it out")
        for option in ("accuracy", "metrics"):
            for column in getattr(self, option):
                if column in self.test or is_test_figure(column):
                    raise InvalidOption(
                        f"{option} names the column {column!r}, which is a test figure by its name "
                        "or by the option test: a search must not see one; give it as test, or "
                        "rename the column if it holds none"
                    )

    def _check_complete(self) -> None:
        """Raise InvalidTable if an architecture of a space of moderate size has no row."""
        rows = self._table.rows
        architectures = _all_tokens(self.space)
        lacking = [tokens for tokens in architectures if tokens not in rows]
        if lacking:
            raise InvalidTable(
                f"{self.file} has no row for {len(lacking):,} of the {len(architectures):,} "
                f"architectures of {type(self.space).__name__}; the first has the tokens "
                f"{shown(lacking[0])}: add the rows, or give missing='failure' to let their "
                "evaluations fail"
            )


Tabular = TableFile  # its first name, which users' scripts may import


def _all_tokens(space: SearchSpace[Any]) -> list[Tokens]:
    """List all architectures of a space of up to ``CHECKED_AT_MOST``; of a larger one, none."""
    declared = getattr(space, "static", False) or isinstance(getattr(space, "size", None), int)
    if declared and space_size(space) > CHECKED_AT_MOST:
        return []
    architectures = list(islice(enumerate_tokens(space), CHECKED_AT_MOST + 1))
    return architectures if len(architectures) <= CHECKED_AT_MOST else []
