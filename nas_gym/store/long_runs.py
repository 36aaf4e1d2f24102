"""The rows of a long run: read from the store, and checked, as they are asked for.

A million rows are gigabytes as Python objects, and minutes of reading. What concerns all of them
(rewards, failures, seconds) is read as compact columns.
"""

import math
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from nas_gym.store.columns import RunColumns, RunReader
from nas_gym.store.database import Database
from nas_gym.store.lazy import LazySequence
from nas_gym.store.rows import damaged_row, evaluation_row, plain, request_row
from nas_gym.store.run_data import Ref, Row
from nas_gym.store.schema import EVALUATIONS, PROTOCOLS, REQUESTS

LONG = 20_000  # requests; shorter runs are read at once
BLOCK = 1_000  # rows that are read together
CHUNK = 500  # keys in one query


class LazyRows(LazySequence[Row]):
    """The rows of one long run.

    Args:
        database: Has them; it connects again when it is read after it was closed.
        run_id: The run.
        count: Of its requests, by now; others may follow.
    """

    def __init__(self, database: Database, run_id: int, count: int) -> None:
        self._run = RunReader(database, run_id)
        self._count = count
        self._block: tuple[int, list[Row]] = 0, []  # the last one read, and where it begins
        weakref.finalize(self, self._run.close)

    def __len__(self) -> int:
        """Return the number of requests."""
        return self._count

    def _one(self, position: int) -> Row:
        number = range(self._count)[position]
        first, block = self._block
        if not first <= number < first + len(block):
            first = number - number % BLOCK
            block = self._between(first, first + BLOCK)
            self._block = first, block
        return block[number - first]

    def _some(self, positions: slice) -> Sequence[Row]:
        return ChosenRows(self, range(self._count)[positions])

    def __iter__(self) -> Iterator[Row]:
        """Read block after block."""
        for first in range(0, self._count, BLOCK):
            yield from self._between(first, first + BLOCK)

    def at(self, numbers: Sequence[int]) -> list[Row]:
        """Read some rows, in this order."""
        wanted = sorted(set(numbers))
        rows: dict[int, Row] = {}
        for first in range(0, len(wanted), CHUNK):
            chosen = REQUESTS.c.number.in_(wanted[first : first + CHUNK])
            rows |= {row.number: row for row in self._read(chosen)}
        if len(rows) < len(wanted):
            raise damaged_row("requests")
        return [rows[number] for number in numbers]

    def column(self, name: str) -> Sequence[Any]:
        """Return one value per row, by the name of a field with a number or a short text."""
        return self.columns.named(name)

    @cached_property
    def columns(self) -> RunColumns:
        """What concerns all rows, read without making them."""
        return RunColumns(self._run, self._count)

    def with_key(self, key: str) -> "ChosenRows":
        """Return the requests that asked for an architecture."""
        of = sa.select(EVALUATIONS.c.run_id, EVALUATIONS.c.serial).where(
            EVALUATIONS.c.protocol_id.in_(sa.select(PROTOCOLS.c.id)),  # for the index
            EVALUATIONS.c.key == key,
        )

        def work(connection: sa.Connection) -> list[int]:
            numbers: list[int] = []
            for owner, serial in connection.execute(of).all():
                asked = sa.select(REQUESTS.c.number).where(
                    REQUESTS.c.run_id == self._run.run_id,
                    REQUESTS.c.evaluation_serial == serial,
                    REQUESTS.c.evaluation_run == owner,
                )
                numbers += connection.execute(asked).scalars()
            return sorted(number for number in numbers if number < self._count)

        return ChosenRows(self, self._run.read(work))

    def ref_of(self, key: str, epochs: int) -> Ref:
        """Return the evaluation of the first request for an architecture and so many epochs."""
        (row,) = self.at([self._first_with[hash(key)]])
        if (row.key, row.epochs) != (key, epochs):
            row = next(row for row in self.with_key(key) if row.epochs == epochs)
        return self.columns.ref(row.number)

    @cached_property
    def _first_with(self) -> dict[int, int]:
        """Requests by the hash of their key."""
        found: dict[int, int] = {}
        for number, hashed in enumerate(self.columns.key_hashes):
            found.setdefault(hashed, number)
        return found

    def _between(self, first: int, end: int) -> list[Row]:
        end = min(end, self._count)
        rows = self._read(sa.and_(REQUESTS.c.number >= first, REQUESTS.c.number < end))
        if [row.number for row in rows] != list(range(first, end)):
            raise damaged_row("requests")
        return rows

    def _read(self, where: "sa.ColumnElement[bool]") -> list[Row]:
        query = sa.select(REQUESTS).where(REQUESTS.c.run_id == self._run.run_id, where)
        query = query.order_by(REQUESTS.c.number)

        def work(connection: sa.Connection) -> list[Row]:
            requests = plain(connection, query)
            refs = {(row["evaluation_run"], row["evaluation_serial"]) for row in requests}
            found = evaluations_of(connection, refs)
            return [request_row(row, found) for row in requests]

        return self._run.read(work)


class ChosenRows(LazySequence[Row]):
    """Some rows of a long run, in any order.

    Args:
        rows: Of the run.
        numbers: Those that are chosen; ``len(rows)`` and more are those of ``more``.
        more: Rows that follow the run's own.
    """

    def __init__(self, rows: LazyRows, numbers: Sequence[int], more: Sequence[Row] = ()) -> None:
        self.rows = rows
        self.numbers = numbers
        self.more = more

    def __len__(self) -> int:
        """Return how many they are."""
        return len(self.numbers)

    def _one(self, position: int) -> Row:
        return self._at([self.numbers[position]])[0]

    def _some(self, positions: slice) -> Sequence[Row]:
        return ChosenRows(self.rows, self.numbers[positions], self.more)

    def __iter__(self) -> Iterator[Row]:
        """Read block after block."""
        for first in range(0, len(self.numbers), BLOCK):
            yield from self._at(self.numbers[first : first + BLOCK])

    def column(self, name: str) -> Sequence[Any]:
        """Return one value per row."""
        return self._chosen(self.rows.column(name), [getattr(row, name) for row in self.more])

    def metric(self, name: str) -> Sequence[float]:
        """Return a metric of each row; NaN where it has none."""
        return self._chosen(self.rows.columns.metric(name), _metrics(self.more, name))

    @property
    def key_hashes(self) -> Sequence[int]:
        """The hash of each row's key."""
        return self._chosen(self.rows.columns.key_hashes, _hashes(self.more))

    def _chosen(self, own: Sequence[Any], more: list[Any]) -> Sequence[Any]:
        if self.numbers == range(len(self.rows)):
            return own
        whole = [*own, *more] if more else own
        return [whole[number] for number in self.numbers]

    def _at(self, numbers: Sequence[int]) -> list[Row]:
        count = len(self.rows)
        own = iter(self.rows.at([number for number in numbers if number < count]))
        return [next(own) if number < count else self.more[number - count] for number in numbers]


def column(rows: Sequence[Row], name: str) -> Sequence[Any]:
    """Return a field of each row, without making rows where a long run need not."""
    if isinstance(rows, LazyRows | ChosenRows):
        return rows.column(name)
    return [getattr(row, name) for row in rows]


def metric(rows: Sequence[Row], name: str) -> Sequence[float]:
    """Return a metric of each row, NaN where it has none, as ``column`` does."""
    return rows.metric(name) if isinstance(rows, ChosenRows) else _metrics(rows, name)


def key_hashes(rows: Sequence[Row]) -> Sequence[int]:
    """Return the hash of each row's key, as ``column`` does."""
    return rows.key_hashes if isinstance(rows, ChosenRows) else _hashes(rows)


def _metrics(rows: Sequence[Row], name: str) -> list[float]:
    return [row.metrics.get(name, math.nan) for row in rows]


def _hashes(rows: Sequence[Row]) -> list[int]:
    return [hash(row.key) for row in rows]


def with_key(rows: Sequence[Row], key: str) -> Sequence[Row]:
    """Return the requests of a run that asked for an architecture."""
    if isinstance(rows, LazyRows):
        return rows.with_key(key)
    return [row for row in rows if row.key == key]


def choose(rows: Sequence[Row], numbers: Iterable[int], more: Sequence[Row] = ()) -> Sequence[Row]:
    """Return the rows at these positions, and then ``more``."""
    if isinstance(rows, LazyRows):
        own = len(rows)
        if isinstance(numbers, range) and not more:
            return ChosenRows(rows, numbers)
        return ChosenRows(rows, array("q", [*numbers, *range(own, own + len(more))]), more)
    if isinstance(rows, ChosenRows) and not more:
        chosen = array("q", [rows.numbers[number] for number in numbers])
        return ChosenRows(rows.rows, chosen, rows.more)
    return (*(rows[number] for number in numbers), *more)


def evaluations_of(
    connection: sa.Connection, refs: set[tuple[int, int]]
) -> dict[tuple[int, int], dict[str, Any]]:
    """Read evaluations by run and serial, and check them."""
    found = {}
    for owner in sorted({run_id for run_id, _ in refs}):
        serials = sorted(serial for run_id, serial in refs if run_id == owner)
        for first in range(0, len(serials), CHUNK):
            chosen = EVALUATIONS.c.serial.in_(serials[first : first + CHUNK])
            query = sa.select(EVALUATIONS).where(EVALUATIONS.c.run_id == owner, chosen)
            for row in plain(connection, query):
                found[owner, row["serial"]] = evaluation_row(row)
    return found
