"""``nas-gym benchmark``."""

import sys
from collections.abc import Iterator
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
    optional_path,
    print_json,
)
from nas_gym.errors import Interrupted
from nas_gym.training.machine import cores

RESULTS = Path("runs") / "benchmarks"


@dataclass(frozen=True)
class Benchmark:
    """Compare agents on tabular benchmarks: tables, figures, and a verdict with its statistics."""

    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")]
    """Benchmark to run, for example rl-vs-evolution (`nas-gym list`)."""
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
        from nas_gym.benchmark.suite import narrowed, suite_named

        suite = narrowed(
            suite_named(self.name),
            agents=_separated(self.agents),
            datasets=_separated(self.datasets),
            seeds=self.seeds,
            budget=self.budget,
        )
        whole = suite == suite_named(self.name)
        out = RESULTS / (suite.name if whole else f"{suite.name}-part")
        out = out if given is None else given
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
        if self.json:
            print_json(report_data(results))
        else:
            print("\n".join(pages(results).values()), end="")
        print(f"written to {out}: {', '.join(file.name for file in files)}", file=sys.stderr)
        return 1 if failures else 0


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
