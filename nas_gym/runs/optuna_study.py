"""A recorded run as a study of Optuna's, so that its dashboard and its plots show it."""

import json
import math
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from nas_gym.envs.objectives import REWARD, Objective, Objectives
from nas_gym.errors import InvalidOption, StoreError, not_installed
from nas_gym.evaluators.evaluation import rank
from nas_gym.options import check
from nas_gym.options.printable import shortened
from nas_gym.registry import check_trusted
from nas_gym.runs.config import PARTS, name_with_preset, recorded_parts
from nas_gym.runs.findings import Findings
from nas_gym.runs.fronts import objectives_of_agent
from nas_gym.search_spaces.grammar import trace
from nas_gym.store import Row, RunData
from nas_gym.store.location import shown_store

Option = str | float | bool | None  # what Optuna's storages hold


def write_optuna(run: RunData, storage: str, trust: Collection[str] = ()) -> str:
    """Write a recorded run as a study of Optuna's, a trial for each request, in order.

    - Its parameters are the choices by name, with all options as a categorical distribution. Of a
      choice whose options depend on others the distribution has all that were open in this run.
    - Its values are those of the agent's objectives, if it has several, else the reward.
    - A child that failed is a trial that failed. One that was trained in part, where others went
      further, is a pruned one: figures of different epochs do not compare.
    - A learning curve that was kept gives the intermediate values, by epoch, from 1.
    - All metrics, the tokens, seconds, seed and source are attributes of the trial.
    - A record says how long a child was trained, and not when: the trials follow each other from
      the run's start, those that the memo answered without taking time.

    Args:
        run: From ``load_run``.
        storage: URL of a database, such as ``sqlite:///study.db``, as Optuna takes it.
        trust: Modules of the user's own search space; see ``nas_gym.resume``.

    Returns:
        The study's name, which is the run's.

    Raises:
        InvalidOption: Optuna is not installed, or the database cannot be opened.
        StoreError: It has a study of this name already, or the run is empty.
        UntrustedModule: The run's space is from a module that ``trust`` does not name.
    """
    check("run", run, RunData)
    storage = check("storage", storage, str)
    if not run.rows:
        raise StoreError(f"run {run.name!r} has no evaluations yet: nothing to write")
    check_trusted(f"run {run.name!r}", recorded_parts(run, ("space",)), trust)
    try:
        import optuna
    except ImportError as error:
        raise InvalidOption(not_installed("a study", error.name, "optuna")) from error
    found = Findings.of(run, trust)
    objectives = objectives_of_agent(found) or (Objective(REWARD),)
    trials = list(_trials(found, objectives))
    with _quiet(optuna):
        try:
            study = optuna.create_study(
                study_name=run.name,
                storage=storage,
                directions=["maximize" if each.sign > 0 else "minimize" for each in objectives],
            )
        except optuna.exceptions.DuplicatedStudyError as error:
            raise StoreError(
                f"there is a study {run.name!r} in {_shown(storage)} already: name another "
                f"database, or delete it with `optuna delete-study --study-name "
                f"{shlex.quote(run.name)} --storage {shlex.quote(_shown(storage))}`"
            ) from error
        except Exception as error:  # of SQLAlchemy, of a driver, of Optuna
            raise InvalidOption(
                f"the database {_shown(storage)!r} cannot be opened ({_reason(error)}): give a "
                "URL that Optuna takes, such as sqlite:///study.db"
            ) from error
        try:
            for name, value in _attributes(run).items():
                study.set_user_attr(name, value)
            study.set_metric_names([each.name for each in objectives])
            study.add_trials(trials)
        except BaseException:
            optuna.delete_study(study_name=run.name, storage=storage)
            raise
    return run.name


def _trials(found: Findings, objectives: Objectives) -> Iterator[Any]:
    """Yield the trials, finished."""
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import FrozenTrial, TrialState

    picked = [_picked(found.space, row) for row in found.rows]
    distributions = {
        name: CategoricalDistribution(options) for name, options in _options(picked).items()
    }
    furthest = min(rank(row.epochs, 0.0) for row in found.rows)
    # Optuna's times have no zone, and are those of the clock on the wall.
    begins = datetime.fromisoformat(found.started).astimezone().replace(tzinfo=None)
    for row, choices in zip(found.rows, picked, strict=True):
        values = _values(row, objectives)
        in_part = rank(row.epochs, 0.0) != furthest
        state = TrialState.FAIL if values is None else TrialState.COMPLETE
        ends = begins + timedelta(seconds=0 if row.source == "memo" else row.seconds)
        yield FrozenTrial(
            number=row.number,
            trial_id=-1,  # the storage gives one
            state=TrialState.PRUNED if values is not None and in_part else state,
            value=None,
            values=values,
            datetime_start=begins,
            datetime_complete=ends,
            params={
                name: _as_option(options[token], distributions[name].choices)
                for name, (options, token) in choices.items()
            },
            distributions={name: distributions[name] for name in choices},
            user_attrs=_of_trial(row),
            system_attrs={},
            intermediate_values=dict(enumerate(map(float, row.curve), start=1)),
        )
        begins = ends


def _picked(space: Any, row: Row) -> dict[str, tuple[Sequence[Any], int]]:
    """Return options and token of each choice by its name."""
    choices = trace(space, row.tokens)[1]
    return {
        choice.name: (choice.options, choice.folded(token))
        for choice, token in zip(choices, row.tokens, strict=True)
    }


def _options(
    picked: Sequence[Mapping[str, tuple[Sequence[Any], int]]],
) -> dict[str, tuple[Option, ...]]:
    """Return all options of each choice, in the order in which they were open first."""
    open_: dict[str, dict[Any, None]] = {}
    seen: set[tuple[str, int]] = set()
    for choices in picked:
        for name, (options, _) in choices.items():
            if (name, id(options)) not in seen:  # most spaces give the same tuple each time
                seen.add((name, id(options)))
                known = open_.setdefault(name, {})
                known |= dict.fromkeys(map(_Hashed, options))
    return {name: _plain([each.value for each in known]) for name, known in open_.items()}


class _Hashed:
    """An option as a key: 1, 1.0 and True are three options, and so are lists."""

    def __init__(self, value: Any) -> None:
        self.value, self._key = value, (type(value), repr(value))

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hashed) and self._key == other._key


def _plain(options: Sequence[Any]) -> tuple[Option, ...]:
    """Return numbers as they are, and anything else as texts."""
    if all(type(option) in (int, float) and math.isfinite(option) for option in options):
        return tuple(options)
    return tuple(dict.fromkeys(map(str, options)))


def _as_option(option: Any, choices: Sequence[Option]) -> Option:
    """Return an option as ``_plain`` has it."""
    return str(option) if isinstance(choices[0], str) else option


def _values(row: Row, objectives: Objectives) -> list[float] | None:
    """Return the values of a trial; None if it failed or one of them was not measured."""
    if row.failure is not None:
        return None
    values = [
        row.reward if each.name == REWARD else row.metrics.get(each.name, math.nan)
        for each in objectives
    ]
    return None if any(map(math.isnan, values)) else [float(value) for value in values]


def _of_trial(row: Row) -> dict[str, Any]:
    failed = {"failure": row.failure, "detail": row.detail}
    return {
        "tokens": ",".join(map(str, row.tokens)),  # as `nas-gym describe` takes them
        **{name: value for name, value in row.metrics.items() if math.isfinite(value)},
        "reward": row.reward,
        "seconds": row.seconds,
        "epochs": row.epochs or "all",
        "source": row.source,
        "seed": row.seed,
        **{name: value for name, value in failed.items() if value is not None},
    }


def _attributes(run: RunData) -> dict[str, Any]:
    """Return what was searched, and how, for a study's page."""
    parts = {kind: name_with_preset(run.config, kind) for kind in PARTS}
    return {"nas-gym": "run", **parts, "config": json.dumps(run.config), "status": run.status}


def _shown(storage: str) -> str:
    """Return a storage as messages may show it: without a password."""
    return shown_store(storage) if "@" in storage else storage


def _reason(error: Exception) -> str:
    """Return the first line of an error, without SQLAlchemy's link."""
    first = str(error).strip().partition("\n")[0].partition(" (Background on")[0]
    return shortened(first or type(error).__name__, 200)


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Let Optuna log warnings only: it says on stderr what it makes, and that names are new."""
    import warnings

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)
