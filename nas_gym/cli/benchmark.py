"""``nas-gym benchmark``."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nas_gym.cli.interrupts import during
from nas_gym.cli.shared import (
    AsJson,
    OptionalCount,
    OptionalPath,
    Words,
    Workers,
    at_least_one,
    dashed,
    optional_path,
    print_json,
)
from nas_gym.errors import Interrupted, InvalidOption
from nas_gym.training.machine import cores

RESULTS = Path("runs") / "benchmarks"
# Options that only some benchmarks have.
OF_SUITES = ("agents", "seeds", "budget")
OF_SIGNALS = ("cells", "proxies", "shared_weights")


@dataclass(frozen=True)
class Benchmark:
    """Compare agents, or cheap signals, on tabular benchmarks: tables, figures, and a verdict."""

    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")]
    """Benchmark to run (`nas-gym list`): rl-vs-evolution and others compare agents; proxies
    compares what is cheaper than a training with the truth of tables."""
    agents: Words = ()
    """Only these agents, and your own: labels, names (`nas-gym list`), module:Class, or JSON such
    as '{"name": "reinforce", "batch_size": 4}'; separated by blanks or, except JSON, commas."""
    datasets: Words = ()
    """Only these data sets, and your own tables, as JSON:
    '{"label": "mine", "space": {"name": …}, "evaluator": {"name": …}}'."""
    seeds: OptionalCount = None
    """Searches per agent and data set."""
    budget: OptionalCount = None
    """Evaluations per search."""
    cells: OptionalCount = None
    """Of the benchmark proxies: random cells; 1000 by default."""
    proxies: Words = ()
    """Of the benchmark proxies: only these, separated by blanks or commas, beside the size of the
    network."""
    shared_weights: bool = False
    """Of the benchmark proxies: train a supernet on digits, some minutes, and ask it as well."""
    workers: Workers = None
    out: OptionalPath = None
    """Folder of the results; by default runs/benchmarks/NAME, or NAME-part for a part of it. What
    is there already is not run again."""
    json: AsJson = False

    def __call__(self) -> int:
        """Run what is missing, write and print the report; return 0 when all of it was done."""
        workers = cores() if self.workers is None else self.workers
        at_least_one(workers=workers)
        given = optional_path("--out", self.out)
        from nas_gym.benchmark.suite import SIGNALS

        signals = self.name == SIGNALS
        self._check_options(signals)
        return self._compare_signals(given, workers) if signals else self._suite(given, workers)

    def _check_options(self, signals: bool) -> None:
        """Raise InvalidOption for an option that the benchmark does not have."""
        for option in OF_SUITES if signals else OF_SIGNALS:
            value = getattr(self, option)
            if value not in (None, ()) and value is not False:
                raise InvalidOption(
                    f"the benchmark {self.name!r} has no --{dashed(option)}: leave it out"
                )

    def _suite(self, given: Path | None, workers: int) -> int:
        """Compare agents."""
        from nas_gym.benchmark.suite import narrowed, suite_named

        suite = narrowed(
            suite_named(self.name),
            agents=_separated(self.agents),
            datasets=_separated(self.datasets),
            seeds=self.seeds,
            budget=self.budget,
        )
        out = _folder(suite.name, suite == suite_named(self.name), given)
        from nas_gym.benchmark.chunks import units
        from nas_gym.benchmark.outcomes import write_outcomes
        from nas_gym.benchmark.report import pages, report_data, write_report
        from nas_gym.benchmark.results import read_results
        from nas_gym.benchmark.runner import run_units

        parts = units(suite, out / "raw")
        print(
            f"{suite.name}: {len(suite.entries)} agents x {len(suite.datasets)} data sets x "
            f"{suite.seeds} seeds x {suite.budget} evaluations; kept in {out}",
            file=sys.stderr,
        )
        with _resumable():
            failures = run_units(parts, workers)
        for failure in failures:
            print(f"nas-gym: left out: {failure}", file=sys.stderr)
        if len({failure.partition(" on ")[0] for failure in failures}) == len(suite.entries):
            return 1
        write_outcomes(suite, parts, out)
        results = read_results(out)
        files = write_report(results, out)
        self._present(pages(results), report_data(results), files, out)
        return 1 if failures else 0

    def _compare_signals(self, given: Path | None, workers: int) -> int:
        """Compare cheap signals with the truth."""
        from nas_gym.benchmark.study import Study, run_study

        options = {
            "cells": self.cells,
            "proxies": tuple(_separated(self.proxies)) or None,
            "datasets": tuple(_separated(self.datasets)) or None,
        }
        chosen = {name: value for name, value in options.items() if value is not None}
        study = Study(shared_weights=self.shared_weights, **chosen)  # type: ignore[arg-type]
        out = _folder(self.name, not chosen, given)
        print(
            f"{self.name}: {study.cells:,} cells, {len(study.computed)} proxies"
            f"{', shared weights' if study.shared_weights else ''}; kept in {out}",
            file=sys.stderr,
        )
        with _resumable():
            worth = run_study(study, out / "raw", workers)
        from nas_gym.benchmark.signal_pages import worth_pages, write_worth

        files = write_worth(worth, out)
        self._present(worth_pages(worth), worth.to_json(), files, out)
        return 0

    def _present(
        self, texts: Mapping[str, str], data: object, files: Sequence[Path], out: Path
    ) -> None:
        """Print the pages or the data, and where the files are."""
        if self.json:
            print_json(data)
        else:
            print("\n".join(texts.values()), end="")
        print(f"written to {out}: {', '.join(file.name for file in files)}", file=sys.stderr)


def _folder(name: str, whole: bool, given: Path | None) -> Path:
    """Return the folder of the results."""
    return given or RESULTS / (name if whole else f"{name}-part")


def _separated(given: Words) -> list[str]:
    """Split what is separated by commas, except JSON."""
    return [
        part
        for text in given
        for part in ([text] if text.lstrip().startswith("{") else text.split(","))
        if part
    ]


@contextmanager
def _resumable() -> Iterator[None]:
    """End Ctrl-C and SIGTERM with the sentence that says how to go on."""
    try:
        with during("interrupted", lambda: True):
            yield
    except (KeyboardInterrupt, SystemExit) as error:
        raise Interrupted(
            "interrupted: what was done is kept; go on with the same command",
            130 if isinstance(error, KeyboardInterrupt) else int(error.code or 0),
        ) from None
