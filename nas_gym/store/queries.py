"""Queries for all that a run has: its requests, joined with the evaluations that answered them."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from nas_gym.evaluators.evaluation import Validation
from nas_gym.store import long_runs
from nas_gym.store.database import Database
from nas_gym.store.long_runs import evaluations_of
from nas_gym.store.reading import sessions_of
from nas_gym.store.rows import (
    evaluation_row,
    plain,
    read_validation,
    request_refs,
    request_rows,
    row_of,
)
from nas_gym.store.run_data import Earlier, Ref, Row
from nas_gym.store.schema import EVALUATIONS, REQUESTS, RUNS, VALIDATIONS, summed, to_text


def run_named(name: str) -> "sa.Select[Any]":
    """Return the query for the id of a run."""
    return sa.select(RUNS.c.id).where(RUNS.c.name == name)


def told_of(connection: sa.Connection, run_id: int, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of a run whose last session has ``told`` as well."""
    query = sa.select(RUNS).where(RUNS.c.id == run_id)
    row = dict(connection.execute(query).mappings().one())
    *before, last = sessions_of(row["sessions"])
    return summed(RUNS, row | {"sessions": to_text([*before, {**last, **told}])})


def all_runs() -> "sa.Select[Any]":
    """Return the query for all runs with their counts, oldest first.

    ``best_reward`` is the highest of the requests and of what no request used yet. Of evaluations
    little but their keys is read, except in runs that go on or were cut. (In a run that is
    finished, every evaluation has answered a request.)
    """
    fine = sa.case((REQUESTS.c.failure.is_(None), REQUESTS.c.reward))
    asked = _per_run(REQUESTS, sa.func.count().label("requests"), sa.func.max(fine).label("best"))
    paid = _per_run(EVALUATIONS, sa.func.count().label("paid"))
    serial = sa.func.count(sa.distinct(REQUESTS.c.evaluation_serial)).label("used")
    used = (
        sa.select(REQUESTS.c.run_id, serial)
        .join(RUNS, RUNS.c.id == REQUESTS.c.run_id)
        .where(REQUESTS.c.evaluation_run == REQUESTS.c.run_id, RUNS.c.status != "finished")
        .group_by(REQUESTS.c.run_id)
        .subquery()
    )
    own = (
        sa.select(EVALUATIONS.c.run_id, sa.func.max(EVALUATIONS.c.reward).label("best"))
        .join(RUNS, RUNS.c.id == EVALUATIONS.c.run_id)
        .where(EVALUATIONS.c.failure.is_(None), RUNS.c.status != "finished")
        .group_by(EVALUATIONS.c.run_id)
        .subquery()
    )
    known = sa.func.coalesce(asked.c.best, own.c.best)
    best = sa.case((own.c.best > known, own.c.best), else_=known)
    left = sa.func.coalesce(paid.c.paid, 0) - sa.func.coalesce(used.c.used, 0)
    of = {"isouter": True}
    return (
        sa.select(
            RUNS,
            sa.func.coalesce(asked.c.requests, 0).label("requests"),
            sa.case((RUNS.c.status == "finished", 0), else_=left).label("unanswered"),
            best.label("best_reward"),
        )
        .join(asked, asked.c.run_id == RUNS.c.id, **of)
        .join(paid, paid.c.run_id == RUNS.c.id, **of)
        .join(used, used.c.run_id == RUNS.c.id, **of)
        .join(own, own.c.run_id == RUNS.c.id, **of)
        .order_by(RUNS.c.id)
    )


def _per_run(table: sa.Table, *figures: "sa.ColumnElement[Any]") -> Any:
    return sa.select(table.c.run_id, *figures).group_by(table.c.run_id).subquery()


def requests_of(connection: sa.Connection, run_id: int) -> int:
    """Count the requests of a run."""
    query = sa.select(sa.func.count()).where(REQUESTS.c.run_id == run_id)
    return int(connection.execute(query).scalar_one())


def unanswered_of(connection: sa.Connection, run_id: int, number: int) -> list[tuple[Ref, Row]]:
    """Read what a run has paid for and no request used yet; ``number`` is of the next request.

    They are numbered on from there, as they were evaluated.
    """
    used = sa.select(REQUESTS.c.evaluation_serial).where(
        REQUESTS.c.run_id == run_id, REQUESTS.c.evaluation_run == run_id
    )
    paid = sa.select(EVALUATIONS.c.serial).where(EVALUATIONS.c.run_id == run_id)
    left = {(run_id, serial) for serial in connection.execute(paid.except_(used)).scalars()}
    found = evaluations_of(connection, left)
    return [(ref, _unanswered(found[ref], n)) for n, ref in enumerate(sorted(found), number)]


def earlier_of(
    database: Database, connection: sa.Connection, run_id: int, *, all_answered: bool = False
) -> Earlier:
    """Read all that a run has, its requests joined with the evaluations that answered them.

    The rows of a long run are read later. ``all_answered`` says that no evaluation is left over.
    """
    count = requests_of(connection, run_id)
    if count > long_runs.LONG:
        left = () if all_answered else unanswered_of(connection, run_id, count)
        last = sa.select(sa.func.max(EVALUATIONS.c.serial)).where(EVALUATIONS.c.run_id == run_id)
        serial = connection.execute(last).scalar()
        rows = long_runs.LazyRows(database, run_id, count)
        return Earlier(rows, (), left, 0 if serial is None else serial + 1)
    requests = _all(connection, REQUESTS, REQUESTS.c.run_id == run_id, REQUESTS.c.number)
    own = _all(connection, EVALUATIONS, EVALUATIONS.c.run_id == run_id, EVALUATIONS.c.serial)
    evaluations = {(row["run_id"], row["serial"]): evaluation_row(row) for row in own}
    refs = request_refs(requests)
    evaluations |= evaluations_of(connection, set(refs) - evaluations.keys())
    answered = set(refs)
    refs_left = [ref for row in own if (ref := (run_id, row["serial"])) not in answered]
    unanswered = tuple(
        (ref, _unanswered(evaluations[ref], n)) for n, ref in enumerate(refs_left, len(requests))
    )
    serials = 1 + max((row["serial"] for row in own), default=-1)
    return Earlier(request_rows(requests, evaluations), refs, unanswered, serials)


def _unanswered(row: Mapping[str, Any], number: int) -> Row:
    return row_of(row, number, row["tokens"])


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
    return plain(connection, sa.select(table).where(where).order_by(order))
