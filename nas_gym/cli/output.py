"""The output of a run's commands: results on stdout, progress and the places of files on stderr."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nas_gym.cli.interrupts import during
from nas_gym.cli.shared import print_json
from nas_gym.errors import Interrupted, NASGymError, TimeUp
from nas_gym.options.printable import printable
from nas_gym.runs.console import PlainConsole
from nas_gym.runs.export import DRAWN, folder_of, prepared, write_files
from nas_gym.runs.findings import Findings, summary
from nas_gym.runs.html import PAGE, write_page
from nas_gym.runs.preparing import PreparationProgress
from nas_gym.runs.progress import SearchProgress
from nas_gym.runs.report import print_summary
from nas_gym.store import RunData, folder_beside
from nas_gym.store.location import store_option
from nas_gym.store.long_runs import column
from nas_gym.training.preparation import told_to


def present(found: Findings, store: str | Path, out: Path | None, top: int, as_json: bool) -> None:
    """Print findings on stdout, write their files, say on stderr where these are."""
    again = f"nas-gym report {found.run}{store_option(store)}"
    recorded = f"the run is recorded, see it with `{again}`"
    with during(f"interrupted: {recorded}"), _noting(recorded):
        if as_json:
            print_json(summary(found, top))
        else:
            print_summary(found, PlainConsole(soft_wrap=False), top)
        if found.evaluated:
            folder = folder_of(store, found.run) if out is None else out
            files = write_files(found, folder)
            drawn = {
                rank: file.read_text(encoding="utf-8")
                for rank in range(1, DRAWN + 1)
                if (file := folder / f"best-{rank}.svg") in files
            }
            files.append(write_page([found], store, folder / PAGE, drawn))
            names = ", ".join(file.name for file in files)
            print(f"written to {printable(folder)}: {names}", file=sys.stderr)
        say_untrusted(found)


@contextmanager
def _noting(recorded: str) -> Iterator[None]:
    """Add to what a user's own code raises in the block, as a drawing, what is not lost by it."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, NASGymError):
            error.add_note(recorded)
        raise


def write_html(runs: Sequence[Findings], store: str | Path, out: Path | None) -> Path:
    """Write the page of a run, or of several side by side, and return its path."""
    if out is None:
        out = folder_of(store, runs[0].run) if len(runs) == 1 else folder_beside(store)
    name = PAGE if len(runs) == 1 else f"report-{'-'.join(found.run for found in runs)[:100]}.html"
    page = write_page(runs, store, prepared(out) / name)
    for found in runs:
        say_untrusted(found)
    return page


def say_untrusted(found: Findings) -> None:
    """Say on stderr what is missing because a module of the user's was not imported."""
    module = found.untrusted
    if module is not None:
        print(
            f"no drawings: the search space {found.name_of('space')!r} is no part of nas-gym; "
            f"--trust {module} imports it",
            file=sys.stderr,
        )


def say_what_is_read(run: RunData) -> None:
    """Say on stderr which files a run's record makes this process read: it may be a stranger's."""
    spec = run.config.get("evaluator", {})
    places = [f"{n} {spec[n]}" for n in ("file", "folder") if isinstance(spec.get(n), str)]
    if _is_path(spec.get("dataset")):
        places.append(f"data set {spec['dataset']}")
    if places:
        more = ", and may download what is not there" if spec.get("download") is True else ""
        print(f"as recorded, this reads {printable(', '.join(places))}{more}", file=sys.stderr)


def _is_path(dataset: Any) -> bool:
    return isinstance(dataset, str) and (len(Path(dataset).parts) > 1 or Path(dataset).exists())


@contextmanager
def preparation_shown(title: str = "before the first child") -> Iterator[None]:
    """Show how far the reading of a data set, or an epoch, in the block is, if it takes a while."""
    with PreparationProgress(title=title) as progress, told_to(progress.show):
        yield


@contextmanager
def watched(progress: SearchProgress, again: str) -> Iterator[None]:
    """Show progress; end what cuts the run with the sentence that says how to go on.

    Args:
        progress: Of the run.
        again: The command that goes on with it.
    """
    # An exception is raised only where there is a record to finish.
    with progress, during("interrupted before the run began", lambda: progress.running):
        try:
            yield
        except (KeyboardInterrupt, SystemExit) as error:
            status = 130 if isinstance(error, KeyboardInterrupt) else int(error.code or 0)
            if not progress.running:
                raise Interrupted("interrupted before the run began", status) from None
            raise Interrupted(
                f"interrupted: what was evaluated is recorded; go on with `{again}`", status
            ) from None
        except NASGymError as error:
            if any(again in note for note in getattr(error, "__notes__", ())):  # it can be gone on
                raise NASGymError(
                    f"{error}; what was evaluated is recorded: go on with `{again}`"
                ) from error
            raise
        except Exception as error:  # a user's own code
            if progress.running and not getattr(error, "__notes__", ()):
                error.add_note(f"what was evaluated is recorded: go on with `{again}`")
            raise


def say_time_up(time_up: TimeUp | None, again: str) -> None:
    """Say that the time is over, and how to go on."""
    if time_up is not None:
        print(f"{time_up}; go on with `{again}`", file=sys.stderr)


def status_of(found: Findings, nothing: str = "the agent asked nothing") -> int:
    """Return the exit status: 0 if a child was evaluated until budget or time ran out, else 1.

    Args:
        found: Of the run.
        nothing: What is said if nothing was asked.
    """
    # Also those of a batch that was cut: they are paid for, and answer it when the run goes on.
    if any(failure is None for failure in column(found.evaluated, "failure")):
        return 0 if found.status in ("finished", "out of time") else 1
    reason = nothing
    if found.evaluated:
        reason = "every child failed, for the reasons above"
    elif found.status == "out of time":
        reason = "the time was over before a child was evaluated"
    print(f"nas-gym: {reason}", file=sys.stderr)
    return 1
