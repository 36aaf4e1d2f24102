"""Queries for all that a run has: its requests, joined with the evaluations that answered them."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from nas_gym.evaluators.evaluation import Validation
from nas_gym.store.claims import CHUNK
from nas_gym.store.rows import (
    evaluation_row,
    read_validation,
    request_refs,
    request_rows,
    row_of,
)
from nas_gym.store.run_data import Earlier, Row
from nas_gym.store.schema import EVALUATIONS, REQUESTS, RUNS, VALIDATIONS


def run_named(name: str) -> "sa.Select[Any]":
    """Return the query for the id of a run."""
    return sa.select(RUNS.c.id).where(RUNS.c.name == name)


def all_runs() -> "sa.Select[Any]":
    """Return the query for all runs with their counts, oldest first.

    ``best_reward`` is that of a request; before the first one is answered, of an evaluation.
    """
    count = sa.select(sa.func.count()).where(REQUESTS.c.run_id == RUNS.c.id)
    paid = sa.select(sa.func.count()).where(EVALUATIONS.c.run_id == RUNS.c.id)
    used = sa.select(sa.func.count(sa.distinct(REQUESTS.c.evaluation_serial))).where(
        REQUESTS.c.run_id == RUNS.c.id, REQUESTS.c.evaluation_run == RUNS.c.id
    )
    best = sa.select(sa.func.max(REQUESTS.c.reward)).where(
        REQUESTS.c.run_id == RUNS.c.id, REQUESTS.c.failure.is_(None)
    )
    before_any = sa.select(sa.func.max(EVALUATIONS.c.reward)).where(
        EVALUATIONS.c.run_id == RUNS.c.id, EVALUATIONS.c.failure.is_(None)
    )
    return sa.select(
        RUNS,
        count.scalar_subquery().label("requests"),
        (paid.scalar_subquery() - used.scalar_subquery()).label("unanswered"),
        sa.func.coalesce(best.scalar_subquery(), before_any.scalar_subquery()).label("best_reward"),
    ).order_by(RUNS.c.id)


def earlier_of(connection: sa.Connection, run_id: int) -> Earlier:
    """Read all that a run has, its requests joined with the evaluations that answered them."""
    requests = _all(connection, REQUESTS, REQUESTS.c.run_id == run_id, REQUESTS.c.number)
    own = _all(connection, EVALUATIONS, EVALUATIONS.c.run_id == run_id, EVALUATIONS.c.serial)
    evaluations = {(row["run_id"], row["serial"]): evaluation_row(row) for row in own}
    refs = request_refs(requests)
    evaluations |= _others(connection, set(refs) - evaluations.keys())
    answered = set(refs)
    unanswered = tuple(
        ((run_id, row["serial"]), _unanswered(row, len(requests)))
        for row in evaluations.values()
        if row["run_id"] == run_id and (run_id, row["serial"]) not in answered
    )
    serials = 1 + max((row["serial"] for row in own), default=-1)
    return Earlier(request_rows(requests, evaluations), refs, unanswered, serials)


def _unanswered(row: Mapping[str, Any], number: int) -> Row:
    return row_of(row, number, row["tokens"])


def _others(
    connection: sa.Connection, refs: set[tuple[int, int]]
) -> dict[tuple[int, int], dict[str, Any]]:
    """Read evaluations that other runs paid for."""
    found = {}
    for owner in sorted({run_id for run_id, _ in refs}):
        serials = sorted(serial for run_id, serial in refs if run_id == owner)
        for first in range(0, len(serials), CHUNK):
            chosen = EVALUATIONS.c.serial.in_(serials[first : first + CHUNK])
            where = sa.and_(EVALUATIONS.c.run_id == owner, chosen)
            for row in _all(connection, EVALUATIONS, where, EVALUATIONS.c.serial):
                found[owner, row["serial"]] = evaluation_row(row)
    return found


def validations_of(connection: sa.Connection, run_id: int) -> tuple[Validation, ...]:
    """Read the final trainings of a run, in the order in which they were done."""
    where = VALIDATIONS.c.run_id == run_id
    return tuple(
        read_validation(row) for row in _all(connection, VALIDATIONS, where, VALIDATIONS.c.serial)
    )


def _all(
    connection: sa.Connection,
    table: sa.Table,
    where: "sa.ColumnElement[bool]",
    order: "sa.Column[Any]",
) -> list[dict[str, Any]]:
    query = sa.select(table).where(where).order_by(order)
    return [row._asdict() for row in connection.execute(query)]
