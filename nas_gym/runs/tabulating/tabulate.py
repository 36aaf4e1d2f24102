"""``tabulate``: train the architectures of a space, and write the table."""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Interval

from nas_gym.errors import InvalidOption, TimeUp
from nas_gym.evaluators.evaluation import keeps_state, noise_free
from nas_gym.evaluators.metrics import ACCURACY, leading_metric
from nas_gym.evaluators.tables.writing import check_writable
from nas_gym.options import check
from nas_gym.options.counts import Seed
from nas_gym.options.durations import seconds_of
from nas_gym.options.paths import user_path
from nas_gym.registry import Part, make, spec_of, unwrapped, usual
from nas_gym.runs.options import checked_options
from nas_gym.runs.provenance import session
from nas_gym.runs.search import search
from nas_gym.runs.tabulating.architectures import BATCH, InOrder, architectures_of
from nas_gym.runs.tabulating.sheet import Sheet
from nas_gym.runs.tabulating.watching import SheetWatcher
from nas_gym.search_spaces.architecture import up_to_isomorphism
from nas_gym.search_spaces.grammar import Tokens
from nas_gym.store import DEFAULT_STORE
from nas_gym.store.location import check_store, checked_run_name, file_of

Seeds = Annotated[int, Interval(ge=1, le=1000)]
MACHINES = 16  # taken to be behind an executor, which may have any number
Sample = Annotated[int, Interval(ge=1, le=10**6)]


@dataclass(frozen=True)
class Tabulation:
    """A table that was made, or a part of one."""

    file: Path
    architectures: int  # that it is to have
    seeds: int  # trainings of each
    trained: int  # trainings that it has
    failed: int  # of these
    recorded: int = 0  # of these, that were in the store, but not yet in the file
    time_up: TimeUp | None = None  # if a time limit ended it

    @property
    def complete(self) -> bool:
        """Whether nothing is left to train."""
        return self.trained >= self.architectures * self.seeds


def tabulate(
    space: Part,
    to: str | Path,
    evaluator: Part | None = None,
    *,
    sample: int | None = None,
    seeds: int = 2,
    seed: int = 0,
    run: str | None = None,
    workers: int = 0,
    timeout: float | None = None,
    memory_limit: float | None = None,
    executor: Part | None = None,
    store: str | Path = DEFAULT_STORE,
    progress: Callable[[Tabulation], None] | None = None,
    time_limit: float | str | None = None,
) -> Tabulation:
    """Train every architecture of a space, and write a table that the evaluator ``table`` reads.

    Of architectures with the same canonical key one is trained. All trainings are recorded, each
    seed as a run of ``store``; after a cut the same call goes on. A file that is there, of the
    same making, is gone on with as well: what it has is not trained again, whatever the store has.
    It is written every five minutes and at the end, whole or not at all.

    Columns: ``architecture``, and for each seed ``accuracy`` (validation), ``curves`` (accuracy
    after each epoch), ``seconds`` (processor time of the training, on a GPU wall time) and
    ``failure`` (empty, or why there is no accuracy); ``parameters`` and ``multiply_adds``. The test
    part of the data is never opened.

    Args:
        space: WHAT may be built, as for ``search``.
        to: The file: ``.npz``, ``.csv`` or ``.parquet``.
        evaluator: What trains; by default what is usual for the space. One that keeps learning
            curves is asked for them; there are none if its leading metric is not the accuracy.
        sample: How many random architectures that differ, >= 1; None: all. A larger sample goes on
            with a smaller one.
        seeds: Trainings of each architecture, >= 1; more go on with fewer.
        seed: Of the order, and of the first training; the next ones have those that follow.
        run: Name under which the trainings are recorded, with ``-seed0``, ``-seed1``, … after it;
            the file's name by default.
        workers: As for ``search``.
        timeout: As for ``search``.
        memory_limit: As for ``search``.
        executor: As for ``search``.
        store: The results database, as for ``search``.
        progress: Called with what the table has, before the first training and after each.
        time_limit: Wall-clock time, as for ``search``, of all seeds together.

    Returns:
        What the table has now.

    Raises:
        NASGymError: Any part, name or number that cannot be used, before anything is trained.
        InvalidTable: The file cannot be written, or is a table of another making.
        StoreError: The store failed; what was recorded is kept.
    """
    path = user_path(to, "to")
    check_writable(path)
    sample, seeds = check("sample", sample, Sample | None), check("seeds", seeds, Seeds)
    seed = check("seed", seed, Seed)
    limits = checked_options(
        workers=workers,
        timeout=timeout,
        memory_limit=memory_limit,
        time_limit=seconds_of("time_limit", time_limit),
    )
    name = checked_run_name(f"{run_name(path) if run is None else run}-seed{seeds}")
    name = name.removesuffix(f"-seed{seeds}")
    check_store(store)
    made_space = up_to_isomorphism(make("space", space))
    named = usual("evaluator", made_space) if evaluator is None else evaluator
    trainer = _keeping_curves(make("evaluator", named, space=made_space))
    if keeps_state(unwrapped(trainer)):
        raise InvalidOption(
            f"the evaluator {type(unwrapped(trainer)).__name__} gives another answer each time: "
            "give one that depends on the architecture and the seed alone"
        )
    if (getattr(unwrapped(trainer), "protocol", None) or {}).get("alone"):
        raise InvalidOption(
            f"the evaluator {type(unwrapped(trainer)).__name__} measures architectures that were "
            "not trained for themselves, and a table is one of trainings: leave it out, or give "
            f"another, such as {usual('evaluator', made_space)!r}"
        )
    if ACCURACY.name not in getattr(trainer, "gives", (ACCURACY.name,)):
        raise InvalidOption(
            f"the evaluator {type(unwrapped(trainer)).__name__} gives no accuracy, as a table "
            f"has: leave it out, or give another, such as {usual('evaluator', made_space)!r}"
        )
    architectures = architectures_of(made_space, sample, seed)
    versions = session()["versions"]
    sheet = Sheet(
        path,
        made_space,
        architectures,
        seeds,
        _making(made_space, trainer, seed),
        {
            "isomorphic": True,
            "exact": noise_free(trainer) is True,
            "counted": _counted(trainer),
            "sample": None if sample is None else sample,
            "versions": [versions],
        },
    )
    sheet.read()
    say = partial(_say, sheet, progress)
    say()
    end = None if limits["time_limit"] is None else time.monotonic() + limits["time_limit"]
    time_up, watcher = None, SheetWatcher(sheet, say)
    try:
        for number in range(sheet.seeds):
            order = _order(sheet, number, f"{name}-seed{number}", store)
            watcher.number = number
            left = None if end is None else max(end - time.monotonic(), 1e-3)
            if not order:
                continue
            time_up = search(
                made_space,
                trainer,
                InOrder(order, BATCH * (max(1, workers) if executor is None else MACHINES)),
                budget=len(order),
                seed=seed,
                child_seed=seed + number,
                reward="accuracy",
                run=f"{name}-seed{number}",
                resume=True,
                store=store,
                watcher=watcher,
                executor=executor,
                **{**limits, "time_limit": left},
            ).time_up
            if time_up is not None:
                break
    finally:
        sheet.save()
    return _has_now(sheet, time_up)


def run_name(path: Path) -> str:
    """Return the name of the runs of a table, from its file's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._") or "table"


def _has_now(sheet: Sheet, time_up: TimeUp | None = None) -> Tabulation:
    architectures = len(sheet.architectures)
    counts = sheet.seeds, sheet.trained, sheet.failed, sheet.recorded
    return Tabulation(sheet.path, architectures, *counts, time_up)


def _say(sheet: Sheet, progress: Callable[[Tabulation], None] | None) -> None:
    if progress is not None:
        progress(_has_now(sheet))


def _order(sheet: Sheet, number: int, run: str, store: str | Path) -> list[Tokens]:
    """Return what a run asks for: what it has asked for already, then what is lacking.

    Empty if nothing is lacking.
    """
    lacking = sheet.lacking(number)
    asked = _asked(run, store) if lacking else []
    known = set(asked)
    return asked + [each.tokens for each in lacking if each.tokens not in known] if lacking else []


def _asked(run: str, store: str | Path) -> list[Tokens]:
    """Return the tokens that a run has asked for, in order; none if there is no such run."""
    from nas_gym.store import Store

    file = file_of(store)
    if file is not None and not file.exists():
        return []
    with Store(store) as opened:  # an empty file, too: the one who made it was killed
        if not opened.has_run(run):
            return []
        return [row.tokens for row in opened.load_run(run).rows]


def _keeping_curves(evaluator: Any) -> Any:
    """Return the evaluator with learning curves and processor times, if it has such options."""
    if not is_dataclass(evaluator) or isinstance(evaluator, type):
        return evaluator
    known = {field.name for field in fields(evaluator)}
    kept = {"curve": leading_metric(evaluator) == ACCURACY, "processor_time": True}
    return replace(evaluator, **{name: on for name, on in kept.items() if name in known})


def _counted(evaluator: Any) -> int:
    """Return the number of the last epochs of which the best accuracy counts."""
    recipe = getattr(evaluator, "named_recipe", None)
    return int(getattr(recipe, "measured", 1))


def _making(space: Any, evaluator: Any, seed: int) -> dict[str, Any]:
    """Return what the numbers of a table depend on, as JSON data."""
    of = unwrapped(evaluator)
    protocol = getattr(of, "protocol", None)
    making: Mapping[str, Any] = {
        "space": spec_of("space", space),
        "evaluator": spec_of("evaluator", of)["name"],
        "protocol": protocol if isinstance(protocol, Mapping) else None,
        "seed": seed,
    }
    made: dict[str, Any] = json.loads(json.dumps(making))
    return made
