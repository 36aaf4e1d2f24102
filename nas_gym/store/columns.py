"""What concerns all rows of a long run, as compact columns.

The requests are checked as every row is. Of the evaluations behind them only what is asked for is
read, and its types and ranges are checked; a checksum needs the whole row.
"""

import json
import math
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeVar
from zlib import crc32

import sqlalchemy as sa

from nas_gym.evaluators.guard import LONGEST
from nas_gym.store import reading
from nas_gym.store.database import Database
from nas_gym.store.rows import damaged_row
from nas_gym.store.run_data import Ref
from nas_gym.store.schema import EVALUATIONS, REQUESTS, RUNS

PAGE = 20_000  # rows that are read together
_MISSING = object()
T = TypeVar("T")
Values = Sequence[Any]  # a page of a column, as the driver has it


class _Requests(NamedTuple):
    """What the requests of a run say, in order."""

    reward: "array[float]"
    failure: list[str | None]
    source: list[str]
    owner: "array[int]"  # run_id of the evaluation
    serial: "array[int]"  # and its serial


class RunReader:
    """Reads what a run has; a fault of a row is told with the run's name.

    Args:
        database: Has the run; it connects again when it is read after it was closed.
        run_id: The run.
    """

    def __init__(self, database: Database, run_id: int) -> None:
        self._database = database
        self.run_id = run_id
        self.close = database.close

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Return what ``work`` does, as ``Database.read``."""
        try:
            return self._database.read(work)
        except reading.BadRecord:
            name = sa.select(RUNS.c.name).where(RUNS.c.id == self.run_id)
            found = self._database.read(lambda connection: connection.execute(name).scalar_one())
            with reading.of_run(found, self._database.shown):
                raise


class RunColumns:
    """The columns of one long run; each is read when it is first asked for.

    Args:
        run: Reads them.
        count: Of its requests, by now; others may follow.
    """

    def __init__(self, run: RunReader, count: int) -> None:
        self._run = run
        self._count = count

    def named(self, name: str) -> Sequence[Any]:
        """Return one value per request, by the name of a field with a number or a short text."""
        if name in _Requests._fields:
            values: Sequence[Any] = getattr(self._requests, name)
            return values
        return self._seconds if name == "seconds" else self._joined(name, _READERS[name])

    def metric(self, name: str) -> "array[float]":
        """Return a metric of the evaluation behind each request; NaN where it has none."""
        return array("d", self._joined("metrics", partial(_metrics, name)))

    @cached_property
    def key_hashes(self) -> "array[int]":
        """The hash of each request's key: the keys themselves may be a gigabyte."""
        return array("q", self._joined("key", _hashes))

    def ref(self, number: int) -> Ref:
        """Return which evaluation answered a request."""
        return self._requests.owner[number], self._requests.serial[number]

    @cached_property
    def _seconds(self) -> "array[float]":
        return array("d", self._joined("seconds", _READERS["seconds"]))

    @cached_property
    def _requests(self) -> _Requests:
        """Read and check all requests."""
        query = sa.select(REQUESTS).where(REQUESTS.c.run_id == self._run.run_id)

        def work(connection: sa.Connection) -> _Requests:
            columns = _Requests(array("d"), [], [], array("q"), array("q"))
            for page in _pages(connection, query, self._count):
                first = len(columns.reward)
                sums = [crc32(repr(list(row[:-1])).encode()) for row in page]
                numbers = [row[1] for row in page]
                if sums != [row[-1] for row in page] or numbers != [
                    *range(first, first + len(page))
                ]:
                    raise damaged_row("requests")
                _, _, owner, serial, _, source, reward, failure, _ = zip(*page, strict=True)
                columns.owner.extend(_wholes("evaluation's run", owner))
                columns.serial.extend(_wholes("evaluation", serial))
                columns.source.extend(_texts("source", source))
                columns.reward.extend(_numbers("reward", reward))
                columns.failure.extend(_texts("failure", failure, or_none=True))
            if len(columns.reward) != self._count:
                raise damaged_row("requests")
            return columns

        return self._run.read(work)

    def _joined(self, name: str, read: Callable[[Values], Sequence[T]]) -> list[T]:
        """Read a column of the evaluations behind all requests, pages of it by ``read``."""
        owners = sorted(set(self._requests.owner))
        values = {owner: self._of_run(owner, EVALUATIONS.c[name], read) for owner in owners}
        refs = zip(self._requests.owner, self._requests.serial, strict=True)
        try:
            return [values[owner][serial] for owner, serial in refs]
        except KeyError:
            raise damaged_row("evaluations") from None

    def _of_run(
        self, owner: int, column: "sa.Column[Any]", read: Callable[[Values], Sequence[T]]
    ) -> dict[int, T]:
        """Read a column of the evaluations that a run paid for: in their order, the fastest."""
        query = sa.select(EVALUATIONS.c.serial, column).where(EVALUATIONS.c.run_id == owner)

        def work(connection: sa.Connection) -> dict[int, T]:
            found: dict[int, T] = {}
            cursor: Any = connection.execute(query).cursor
            while page := cursor.fetchmany(PAGE):
                serials, values = zip(*page, strict=True)
                found.update(zip(serials, read(values), strict=True))
            cursor.close()
            return found

        return self._run.read(work)


def _pages(connection: sa.Connection, query: "sa.Select[Any]", count: int) -> Iterator[list[Any]]:
    """Yield the rows of the first ``count`` requests as the driver has them, some at once.

    SQLAlchemy's own rows take as long again, and drivers of servers hold whole results.
    """
    for first in range(0, count, PAGE):
        end = min(first + PAGE, count)
        page = query.where(REQUESTS.c.number >= first, REQUESTS.c.number < end)
        cursor: Any = connection.execute(page.order_by(REQUESTS.c.number)).cursor
        yield cursor.fetchall()
        cursor.close()


# Each of these takes a page of a column at once, and goes value by value only to say what is wrong.


def _wholes(what: str, values: Values, *, below: int = reading.LARGEST) -> Values:
    if set(map(type, values)) == {int} and 0 <= min(values) <= max(values) < below:
        return values
    return [reading.whole(what, value, below=below) for value in values]


def _numbers(what: str, values: Values, **limits: float) -> Values:
    if set(map(type, values)) == {float} and all(map(math.isfinite, values)):
        least, most = limits.get("least", -math.inf), limits.get("most", math.inf)
        if least <= min(values) <= max(values) <= most:
            return values
    return [reading.number(what, value, **limits) for value in values]


def _texts(what: str, values: Values, *, or_none: bool = False) -> Values:
    known: dict[Any, Any] = {None: None} if or_none else {}  # one object for all that are equal
    known |= {v: sys.intern(reading.text(what, v)) for v in set(values) - known.keys()}
    return [known[value] for value in values]


def _hashes(values: Values) -> list[int]:
    return [hash(reading.text("key", value)) for value in values]


def _metrics(name: str, texts: Values) -> list[float]:
    figures: list[Any] = []
    with suppress(AttributeError, OverflowError, RecursionError, TypeError, ValueError):
        found = [each.get(name, _MISSING) for each in json.loads(f"[{','.join(texts)}]")]
        if all(math.isfinite(figure) for figure in found if figure is not _MISSING):
            figures = found
    if len(figures) != len(texts):
        figures = [reading.metrics("metric", text).get(name, _MISSING) for text in texts]
    return [math.nan if figure is _MISSING else figure for figure in figures]


_READERS: dict[str, Callable[[Values], Sequence[Any]]] = {  # of the columns of ``EVALUATIONS``
    "seconds": partial(_numbers, "time", least=0, most=LONGEST),
    "detail": partial(_texts, "detail", or_none=True),
    "seed": partial(_wholes, "seed", below=2**63),
    "key": partial(_texts, "key"),
    "epochs": partial(_wholes, "number of epochs"),
}
