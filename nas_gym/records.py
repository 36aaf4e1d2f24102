"""A run as plain rows, for whatever a user wants to do with them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the store is above this module: its runs offer these functions as methods
    from nas_gym.store import Row, RunData

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
