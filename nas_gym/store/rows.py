"""Rows of the tables as plain values; every one is checked against its checksum."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import sqlalchemy as sa

from nas_gym.errors import StoreError
from nas_gym.evaluators.evaluation import Validation
from nas_gym.store.run_data import Row
from nas_gym.store.schema import EVALUATIONS, REQUESTS, VALIDATIONS, checksum, summed, to_text


def evaluation_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plain values of a row of ``evaluations``."""
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
    """Return a run's requests, in order, each with the evaluation that answered it.

    Raises:
        StoreError: A row is missing or not what was written.
    """
    rows = tuple(request_row(request, evaluations) for request in requests)
    if any(row.number != number for number, row in enumerate(rows)):
        raise damaged_row("requests")
    return rows


def request_row(
    request: Mapping[str, Any], evaluations: Mapping[tuple[int, int], dict[str, Any]]
) -> Row:
    """Return one request; raises StoreError as ``request_rows`` does."""
    check(REQUESTS, request)
    evaluation = evaluations.get((request["evaluation_run"], request["evaluation_serial"]))
    if evaluation is None:
        raise damaged_row("requests")
    tokens = tuple(json.loads(request["tokens"]))
    asked = {name: request[name] for name in ("source", "reward", "failure")}
    return row_of({**evaluation, **asked}, request["number"], tokens)


def row_of(
    evaluation: Mapping[str, Any],
    number: int,
    tokens: tuple[int, ...],
) -> Row:
    """Return the ``Row`` of a request that ``evaluation`` answered."""
    values: dict[str, Any] = {**evaluation, "number": number, "tokens": tokens}
    return Row(**{field.name: values[field.name] for field in fields(Row)})


def validation_row(run_id: int, serial: int, validation: Validation) -> dict[str, Any]:
    """Return the row in which a validation is written."""
    content = {"run_id": run_id, "serial": serial, "content": to_text(asdict(validation))}
    return summed(VALIDATIONS, content)


def read_validation(row: Mapping[str, Any]) -> Validation:
    """Read a validation from its row."""
    check(VALIDATIONS, row)
    content = json.loads(row["content"])
    return Validation(**{**content, "tokens": tuple(content["tokens"])})


def check(table: sa.Table, row: Mapping[str, Any]) -> None:
    """Raise StoreError if a row is not what was written."""
    try:
        unchanged = checksum(table, row) == row["checksum"]
    except (TypeError, ValueError):
        unchanged = False
    if not unchanged:
        raise damaged_row(table.name)


def damaged_row(table: str) -> StoreError:
    """Return the error for a row that is missing, or not what was written."""
    return StoreError(
        f"the results database is damaged: a row of its table {table!r} is not what was written; "
        "nothing was changed in it; restore a copy, or name another database with --store"
    )
