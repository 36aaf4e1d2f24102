"""``nas-gym benchmark``."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from nas_gym.cli.entries import check_entries, make_entries
from nas_gym.cli.interrupts import during
from nas_gym.cli.shared import (
    SPACE,
    AsJson,
    OptionalCount,
    OptionalPath,
    OptionalText,
    Several,
    Trust,
    Words,
    Workers,
    at_least_one,
    optional_path,
    print_json,
)
from nas_gym.cli.typed import dashed, in_typed_words
from nas_gym.drawing.formats import SUFFIXES
from nas_gym.errors import Interrupted, InvalidOption, unknown_name
from nas_gym.options import check
from nas_gym.options.counts import SomeWorkers
from nas_gym.training.machine import cores

if TYPE_CHECKING:
    from nas_gym.benchmark.chunks import Unit
    from nas_gym.benchmark.suite import Suite

FORMATS = tuple(suffix.removeprefix(".") for suffix in SUFFIXES if suffix != ".png")
RESULTS = Path("runs") / "benchmarks"
# What each benchmark, or word about a leaderboard, takes beside --workers and --json.
TAKES = {
    "proxies": ("datasets", "cells", "proxies", "shared_weights", "out"),
    "entry": ("files", "agents", "out"),
    "check": ("files", "seeds", "trust"),
}
OF_SUITES = (
    *("agents", "families", "datasets", "table", "space", "evaluator", "seeds", "budget"),
    *("formats", "out"),
)


@dataclass(frozen=True)
class Benchmark:
    """Compare agents, or cheap signals, on tabular benchmarks: tables, figures, and a verdict."""

    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")]
    """Benchmark to run (`nas-gym list`): rl-vs-evolution and others compare agents; proxies
    compares what is cheaper than a training with the truth of tables. For a leaderboard: `entry`
    makes an entry for each agent of a folder of results, `check` searches again with some of the
    seeds of an entry, and compares."""
    files: Annotated[tyro.conf.Positional[Words], tyro.conf.arg(metavar="[FILE ...]")] = ()
    """Of entry: a folder of results. Of check: entries."""
    agents: Annotated[Several, tyro.conf.arg(aliases=("--agent",))] = ()
    """Only these agents, and your own: labels, `all` for the benchmark's, names (`nas-gym list`),
    module:Class, or JSON such as '{"name": "reinforce", "batch_size": 4}'; separated by blanks or,
    except JSON, commas. Those that were run before in the same folder are not run again."""
    families: Several = ()
    """Families of your own agents whose classes do not say it, e.g. MyPPO=rl: rl, evolution or
    other."""
    datasets: Several = ()
    """Only these data sets, and your own tables, as JSON:
    '{"label": "mine", "space": {"name": …}, "evaluator": {"name": …}}'."""
    table: OptionalText = None
    """Your own complete table of --space instead: .npz, .csv or .parquet, or JSON such as
    '{"file": "mine.csv", "unit": "percent"}'."""
    space: Annotated[OptionalText, tyro.conf.arg(help=SPACE)] = None
    evaluator: OptionalText = None
    """Who says instead how good an architecture of --space is, e.g. landscape, module:Class, or
    JSON such as '{"name": "training", "dataset": "digits"}'; rewards are shown then, and --seeds
    and --budget are needed."""
    seeds: OptionalCount = None
    """Searches per agent and data set; of check: seeds that are searched again, 2 by default."""
    budget: OptionalCount = None
    """Evaluations per search."""
    cells: OptionalCount = None
    """Of the benchmark proxies: random cells; 1000 by default."""
    proxies: Several = ()
    """Of the benchmark proxies: only these, separated by blanks or commas, beside the size of the
    network."""
    shared_weights: bool = False
    """Of the benchmark proxies: train a supernet on digits, some minutes, and ask it as well."""
    workers: Workers = None
    formats: Several = ()
    """Formats of the figures beside PNG: svg, pdf."""
    out: OptionalPath = None
    """Folder of the results; by default runs/benchmarks/NAME, or NAME-part for a part of it. What
    is there already is not run again; results of another selection are not replaced. Of entry:
    benchmarks/leaderboard."""
    trust: Trust = ()
    json: AsJson = False

    def __call__(self) -> int:
        """Run what is missing, write and print the report; return 0 when all of it was done."""
        workers = cores() if self.workers is None else self.workers
        at_least_one(workers=workers)
        check("workers", workers, SomeWorkers)
        given = optional_path("--out", self.out)
        self._check_options()
        if self.name == "entry":
            return make_entries(self.files, _separated(self.agents), given, self.json)
        if self.name == "check":
            at_least_one(seeds=self.seeds)
            with _resumable():
                return check_entries(self.files, self.seeds, workers, self.trust, self.json)
        from nas_gym.benchmark.suite import SIGNALS

        signals = self.name == SIGNALS
        return self._compare_signals(given, workers) if signals else self._suite(given, workers)

    def _check_options(self) -> None:
        """Raise InvalidOption for an option that the benchmark does not have."""
        taken = TAKES.get(self.name, OF_SUITES)
        for option in sorted({*OF_SUITES, *(each for of in TAKES.values() for each in of)}):
            value = getattr(self, option)
            if option in taken or value in (None, ()) or value is False:
                continue
            if option == "files":
                raise InvalidOption(f"the benchmark {self.name!r} takes no {value[0]!r} after it")
            raise InvalidOption(
                f"the benchmark {self.name!r} has no --{dashed(option)}: leave it out"
            )

    def _suite(self, given: Path | None, workers: int) -> int:
        """Compare agents."""
        from nas_gym.benchmark.narrowing import families_of, narrowed, own_data_set
        from nas_gym.benchmark.suite import suite_named

        formats = _checked_formats(_separated(self.formats))
        own = own_data_set(self.table, self.space, self.evaluator)
        suite = narrowed(
            suite_named(self.name),
            agents=_separated(self.agents),
            families=families_of(_separated(self.families)),
            datasets=[*_separated(self.datasets), *([] if own is None else [own])],
            seeds=self.seeds,
            budget=self.budget,
        )
        out = _folder(suite.name, suite == suite_named(self.name), given)
        from nas_gym.benchmark.rewards import with_rewards

        suite = with_rewards(suite, self.seeds, self.budget)
        from nas_gym.benchmark.chunks import units
        from nas_gym.benchmark.kept import check_kept
        from nas_gym.benchmark.outcomes import write_outcomes
        from nas_gym.benchmark.report import pages, report_data, write_report
        from nas_gym.benchmark.results import read_results
        from nas_gym.benchmark.runner import run_units

        check_kept(out, suite)
        parts = units(suite, out / "raw")
        print(
            f"{suite.name}: {len(suite.entries)} agents x {len(suite.datasets)} data sets x "
            f"{suite.seeds} seeds x {suite.budget} evaluations; kept in {out}",
            file=sys.stderr,
        )
        if suite.rewards:
            _say_what_it_costs(suite, parts, workers)
        with _resumable():
            failures = run_units(parts, workers)
        for failure in failures:
            print(f"nas-gym: left out: {in_typed_words(failure, self)}", file=sys.stderr)
        if failures:
            print(
                "an agent that is left out stands in no table; its other searches are kept, and "
                "the same command tries those that failed again",
                file=sys.stderr,
            )
        if len(failures) == len(suite.entries):
            return 1
        write_outcomes(suite, parts, out)
        results = read_results(out)
        files = write_report(results, out, formats)
        self._present(pages(results), report_data(results), files, out)
        return 1 if failures else 0

    def _compare_signals(self, given: Path | None, workers: int) -> int:
        """Compare cheap signals with the truth."""
        from nas_gym.benchmark.kept import check_kept
        from nas_gym.benchmark.study import Study, run_study

        options = {
            "cells": self.cells,
            "proxies": tuple(_separated(self.proxies)) or None,
            "datasets": tuple(_separated(self.datasets)) or None,
        }
        chosen = {name: value for name, value in options.items() if value is not None}
        study = Study(shared_weights=self.shared_weights, **chosen)  # type: ignore[arg-type]
        out = _folder(self.name, not chosen, given)
        check_kept(out, study)
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
            from nas_gym.cli.pages import print_page
            from nas_gym.runs.console import PlainConsole

            for text in texts.values():
                print_page(text, PlainConsole())
        print(f"written to {out}: {', '.join(file.name for file in files)}", file=sys.stderr)


def _checked_formats(given: Sequence[str]) -> list[str]:
    """Raise UnknownName for a format that no figure is written in."""
    for each in given:
        if each not in FORMATS:
            raise unknown_name("format of figures", each, FORMATS)
    return list(given)


def _say_what_it_costs(suite: "Suite", parts: "Sequence[Unit]", workers: int) -> None:
    """Say on stderr how many searches are to be done, and how long that takes."""
    from nas_gym.benchmark.rewards import time_needed

    missing = Counter[str]()
    for part in parts:
        missing[part.dataset.label] += 0 if part.done() else len(part.chunk.seeds)
    if missing.total():
        print(
            f"{missing.total()} searches x {suite.budget} evaluations to do, "
            f"{time_needed(suite, missing, workers)}",
            file=sys.stderr,
        )


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
