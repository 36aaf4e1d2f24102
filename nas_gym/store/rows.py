"""Rows of the tables as plain values; every one is checked against its checksum."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from nas_gym.errors import StoreError
from nas_gym.evaluators.evaluation import Validation
from nas_gym.evaluators.guard import LONGEST, SOURCE_MOST
from nas_gym.store import reading
from nas_gym.store.run_data import Ref, Row
from nas_gym.store.schema import EVALUATIONS, REQUESTS, VALIDATIONS, checksum, summed, to_text

_OF_EVALUATION = itemgetter(*[field.name for field in fields(Row)[2:]])  # after number and tokens


def plain(connection: sa.Connection, query: "sa.Select[Any]") -> list[dict[str, Any]]:
    """Return the rows of a query as the driver has them: SQLAlchemy's own take as long again."""
    result: Any = connection.execute(query)
    names = list(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result.cursor.fetchall()]


def evaluation_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plain values of a row of ``evaluations``."""
    check(EVALUATIONS, row)
    try:
        reading.whole("serial number", row["serial"])
        reading.whole("run", row["run_id"])
        reading.whole("seed", row["seed"], below=2**63)
        reading.whole("number of epochs", row["epochs"])
        reading.text("key", row["key"])
        reading.text_or_none("detail", row["detail"])
        reading.number("time", row["seconds"], least=0, most=LONGEST)
        check_outcome(row)
        return {
            **row,
            "tokens": reading.tokens("list of tokens", row["tokens"]),
            "genotype": reading.json_value("genotype", row["genotype"]),
            "metrics": reading.metrics("metric", row["metrics"]),
            "curve": reading.curve("learning curve", row["curve"]),
        }
    except reading.BadRecord as error:
        raise reading.BadRecord(f"evaluation {row['serial']!r:.20}: {error}") from error


def request_refs(requests: Sequence[Mapping[str, Any]]) -> tuple[Ref, ...]:
    """Return which evaluation answered each request; raise StoreError for a row with none."""
    return tuple(
        (
            reading.whole("evaluation's run", request["evaluation_run"]),
            reading.whole("evaluation's serial number", request["evaluation_serial"]),
        )
        for request in requests
    )


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
    try:
        number = reading.whole("number", request["number"])
        tokens = reading.tokens("list of tokens", request["tokens"])
        check_outcome(request)
    except reading.BadRecord as error:
        raise reading.BadRecord(f"request {request['number']!r:.20}: {error}") from error
    asked = {name: request[name] for name in ("source", "reward", "failure")}
    return row_of({**evaluation, **asked}, number, tokens)


def check_outcome(row: Mapping[str, Any]) -> None:
    """Raise BadRecord if a reward, a source or a failure is not what nas-gym writes."""
    reading.number("reward", row["reward"])
    reading.text("source", row["source"], most=SOURCE_MOST)
    reading.text_or_none("failure", row["failure"])


def row_of(
    evaluation: Mapping[str, Any],
    number: int,
    tokens: tuple[int, ...],
) -> Row:
    """Return the ``Row`` of a request that ``evaluation`` answered."""
    return Row(number, tokens, *_OF_EVALUATION(evaluation))


def validation_row(run_id: int, serial: int, validation: Validation) -> dict[str, Any]:
    """Return the row in which a validation is written."""
    content = {"run_id": run_id, "serial": serial, "content": to_text(asdict(validation))}
    return summed(VALIDATIONS, content)


def read_validation(row: Mapping[str, Any]) -> Validation:
    """Read a validation from its row."""
    check(VALIDATIONS, row)
    return reading.validation_of(row["content"])


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
        "nothing was changed in it; restore a copy, or name another database with store=…"
    )
