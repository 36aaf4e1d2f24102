"""A run as it was recorded: its rows, its sessions, its validations, as plain data or a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nas_gym.evaluators.evaluation import Validation

Ref = tuple[int, int]  # (run_id, serial) of an evaluation

# Columns of every run; its other metrics stand between them.
FIRST = ("number", "tokens", "key", "reward", "accuracy")
LAST = ("seconds", "source", "failure", "detail", "seed")
IN_PART = "epochs"  # a column more if children were trained in part; 0 is a whole training


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
    source: str  # "memo" if another request or another run paid for the training
    reward: float
    failure: str | None
    detail: str | None  # of the failure
    epochs: int = 0  # that the child was trained; 0: all
    curve: tuple[float, ...] = ()  # the leading metric after each epoch, if it was kept

    @property
    def accuracy(self) -> float | None:
        """Validation accuracy, a fraction in [0, 1]; None after a failure."""
        return self.metrics.get("accuracy")


@dataclass(frozen=True)
class RunData:
    """A run, as the store has it."""

    name: str
    started: str  # ISO 8601, UTC
    status: str  # running, cut, finished, interrupted, failed, unfinished, out of time
    config: dict[str, Any]  # parts by name, seeds, budget: what `nas-gym resume` runs again
    env_spec: str | None  # JSON for gymnasium.envs.registration.EnvSpec.from_json
    sessions: tuple[dict[str, Any], ...]  # one per start: when, versions, git state, machine
    rows: Sequence[Row]  # requests in the agent's order; those of a long run are read as needed
    unanswered: tuple[Row, ...] = ()  # evaluated when the run was cut, before the agent saw it
    validations: tuple[Validation, ...] = ()  # final trainings, with test figures

    def __repr__(self) -> str:
        """Say in short what the run is: ``records`` has its rows, ``config`` its options."""
        # Of a long run no rows are made for it.
        column = getattr(self.rows, "column", lambda name: [getattr(r, name) for r in self.rows])
        answers = [*zip(column("reward"), column("failure"), strict=True)]
        answers += [(row.reward, row.failure) for row in self.unanswered]
        rewards = [reward for reward, failure in answers if failure is None]
        best = f"best reward {max(rewards):.6g}" if rewards else "none without a failure"
        count = len(answers)
        said = f"{self.status}, {count:,} evaluation{'s'[: count != 1]}, {best}"
        return f"<RunData {self.name!r}: {said}>"

    def records(self) -> list[dict[str, Any]]:
        """Return one flat dict per request, in the agent's order, all with the same keys in order.

        ``number`` (from 0), ``tokens`` (tuple of int), ``key``, ``reward``, ``accuracy``
        (validation, a fraction in [0, 1]), every other metric of the run by its name, ``seconds``
        (of the training that answered, wall time), ``source``, ``failure``, ``detail``, ``seed``
        (of the child), and, if some were trained in part, ``epochs`` (0 of a whole training). The
        value is None if a request has none.
        """
        metrics, last = self._other_metrics(), self._last()
        return [_as_dict(row, metrics, last) for row in self.rows]

    def dataframe(self) -> Any:
        """Return the records as a ``pandas.DataFrame``, one line per request.

        Raises:
            ModuleNotFoundError: pandas is not installed; ``records`` needs nothing.
        """
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "a data frame needs pandas, which is not installed: `pip install pandas`, or take "
                "plain rows with records()",
                name="pandas",
            ) from error
        columns = [*FIRST, *self._other_metrics(), *self._last()]
        return pandas.DataFrame(self.records(), columns=columns)

    def _last(self) -> tuple[str, ...]:
        in_part = any(row.epochs for row in self.rows)
        return (*LAST, IN_PART) if in_part else LAST

    def _other_metrics(self) -> list[str]:
        """Return the names of metrics that are no columns of every run, as they appear."""
        known = {*FIRST, *LAST}
        return list(dict.fromkeys(n for row in self.rows for n in row.metrics if n not in known))


@dataclass(frozen=True)
class Earlier:
    """The part of a run that goes on which the store has already."""

    rows: Sequence[Row] = ()
    refs: tuple[Ref, ...] = ()  # of the evaluation behind each row; none for a long run
    unanswered: Sequence[tuple[Ref, Row]] = ()
    serials: int = 0  # evaluations that this run paid for


def _as_dict(row: Row, metrics: list[str], last: tuple[str, ...]) -> dict[str, Any]:
    values = {name: row.metrics.get(name) for name in metrics}
    before, after = ({n: getattr(row, n) for n in names} for names in (FIRST, last))
    return {**before, **values, **after}
