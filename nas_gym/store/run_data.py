"""A run as it was recorded: its rows, its sessions, what is shared with it."""

from dataclasses import dataclass
from typing import Any

from nas_gym.evaluators.evaluation import Validation


@dataclass(frozen=True)
class Row:
    """One request of a run, as the store has it."""

    number: int  # from 0
    tokens: tuple[int, ...]
    genotype: Any  # JSON data
    key: str  # canonical key
    seed: int  # of the child
    metrics: dict[str, float]
    seconds: float  # of the training that answered it
    source: str  # "memo" where another request or another run paid for the training
    reward: float
    failure: str | None
    detail: str | None  # of the failure

    @property
    def accuracy(self) -> float | None:
        """Validation accuracy, a fraction in [0, 1]; None after a failure."""
        return self.metrics.get("accuracy")


@dataclass(frozen=True)
class RunData:
    """A run, as the store has it."""

    name: str
    started: str  # ISO 8601, UTC
    status: str  # running, cut, finished, interrupted, failed or unfinished
    config: dict[str, Any]  # parts by name, seeds, budget: what `nas-gym resume` runs again
    env_spec: str | None  # JSON for gymnasium.envs.registration.EnvSpec.from_json
    sessions: tuple[dict[str, Any], ...]  # one a start: when, versions, git state, machine
    rows: tuple[Row, ...]  # requests in the agent's order
    unanswered: tuple[Row, ...] = ()  # evaluated when the run was cut, before the agent saw it
    validations: tuple[Validation, ...] = ()  # final trainings, with test figures

    def records(self) -> list[dict[str, Any]]:
        """One flat dict a request: see ``nas_gym.store.run_data.rows_as_dicts``."""
        return rows_as_dicts(self)

    def dataframe(self) -> Any:
        """The records as a ``pandas.DataFrame``; ModuleNotFoundError without pandas."""
        return to_dataframe(self)


Ref = tuple[int, int]  # (run_id, serial) of an evaluation


@dataclass(frozen=True)
class Earlier:
    """What a run that goes on has in the store already."""

    rows: tuple[Row, ...] = ()
    refs: tuple[Ref, ...] = ()  # of the evaluation behind each row
    unanswered: tuple[tuple[Ref, Row], ...] = ()
    serials: int = 0  # evaluations that this run paid for


FIRST = ("number", "tokens", "key", "reward", "accuracy")


LAST = ("seconds", "source", "failure", "detail", "seed")


def rows_as_dicts(run: "RunData") -> list[dict[str, Any]]:
    """One flat dict a request, in the agent's order; all have the same keys in the same order.

    ``number`` (from 0), ``tokens`` (tuple of int), ``key``, ``reward``, ``accuracy`` (validation, a
    fraction in [0, 1]), every other metric of the run by its name, ``seconds`` (of the training
    that answered, wall time), ``source``, ``failure``, ``detail``, ``seed`` (of the child). None
    where a request has no such value.
    """
    metrics = _other_metrics(run)
    return [_as_dict(row, metrics) for row in run.rows]


def to_dataframe(run: "RunData") -> Any:
    """The same as a ``pandas.DataFrame``, one line a request.

    Raises:
        ModuleNotFoundError: pandas is not installed; ``rows_as_dicts`` needs nothing.
    """
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "a data frame needs pandas, which is not installed: `pip install pandas`, or take "
            "plain rows with records()",
            name="pandas",
        ) from error
    columns = [*FIRST, *_other_metrics(run), *LAST]
    return pandas.DataFrame(rows_as_dicts(run), columns=columns)


def _other_metrics(run: "RunData") -> list[str]:
    """Names of all metrics that are not columns of every run, in order of appearance."""
    known = {*FIRST, *LAST}
    return list(dict.fromkeys(n for row in run.rows for n in row.metrics if n not in known))


def _as_dict(row: "Row", metrics: list[str]) -> dict[str, Any]:
    values = {name: row.metrics.get(name) for name in metrics}
    first, last = ({n: getattr(row, n) for n in names} for names in (FIRST, LAST))
    return {**first, **values, **last}
