"""What a store gives back: plain, frozen rows; every one is checked against its checksum."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import sqlalchemy as sa

from nas_gym.errors import StoreError
from nas_gym.evaluation import Validation
from nas_gym.records import rows_as_dicts, to_dataframe
from nas_gym.store.schema import EVALUATIONS, REQUESTS, VALIDATIONS, checksum, summed, to_text


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
        """One flat dict a request: see ``nas_gym.records.rows_as_dicts``."""
        return rows_as_dicts(self)

    def dataframe(self) -> Any:
        """The records as a ``pandas.DataFrame``; ModuleNotFoundError without pandas."""
        return to_dataframe(self)


def evaluation_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The plain values of a row of ``evaluations``."""
    check(EVALUATIONS, row)
    return {
        **row,
        "tokens": tuple(json.loads(row["tokens"])),
        "genotype": json.loads(row["genotype"]),
        "metrics": json.loads(row["metrics"]),
    }


def request_rows(
    requests: Sequence[Mapping[str, Any]], evaluations: Mapping[tuple[int, int], dict[str, Any]]
) -> tuple[Row, ...]:
    """A run's requests, in order, each with the evaluation that answered it.

    Raises:
        StoreError: A row is missing or not what was written.
    """
    rows = []
    for number, request in enumerate(requests):
        check(REQUESTS, request)
        evaluation = evaluations.get((request["evaluation_run"], request["evaluation_serial"]))
        if request["number"] != number or evaluation is None:
            raise StoreError(_damaged("requests"))
        tokens = tuple(json.loads(request["tokens"]))
        asked = {name: request[name] for name in ("source", "reward", "failure")}
        rows.append(row_of({**evaluation, **asked}, number, tokens))
    return tuple(rows)


def row_of(
    evaluation: Mapping[str, Any],
    number: int,
    tokens: tuple[int, ...],
) -> Row:
    """The ``Row`` of a request that ``evaluation`` answered."""
    values: dict[str, Any] = {**evaluation, "number": number, "tokens": tokens}
    return Row(**{field.name: values[field.name] for field in fields(Row)})


def validation_row(run_id: int, serial: int, validation: Validation) -> dict[str, Any]:
    """What is written of a validation."""
    content = {"run_id": run_id, "serial": serial, "content": to_text(asdict(validation))}
    return summed(VALIDATIONS, content)


def read_validation(row: Mapping[str, Any]) -> Validation:
    """A validation, from its row."""
    check(VALIDATIONS, row)
    content = json.loads(row["content"])
    return Validation(**{**content, "tokens": tuple(content["tokens"])})


def check(table: sa.Table, row: Mapping[str, Any]) -> None:
    """Raise StoreError where a row is not what was written."""
    try:
        unchanged = checksum(table, row) == row["checksum"]
    except (TypeError, ValueError):
        unchanged = False
    if not unchanged:
        raise StoreError(_damaged(table.name))


def _damaged(table: str) -> str:
    return (
        f"the results database is damaged: a row of its table {table!r} is not what was written; "
        "nothing was changed in it; restore a copy, or name another database with --store"
    )
