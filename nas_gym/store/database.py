"""The database of the tables: a SQLite file, or one that SQLAlchemy reaches by its URL.

``connect`` gives a ``Database``, whose ``read`` and ``write`` run one transaction each and turn
whatever goes wrong into one sentence.
"""

import logging
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from nas_gym.errors import StoreError, not_installed
from nas_gym.store.location import file_of, url_of, without_secrets
from nas_gym.store.sqlite import engine_of_file, is_writable, use_wal

T = TypeVar("T")
RETRY_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # seconds between tries to reach a server again
# For libpq, unless the URL says otherwise: how soon, in seconds, it says that a server cannot be
# reached or went away without a word.
SERVER_OPTIONS: dict[str, int | str] = {
    "client_encoding": "utf8",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
FULL_BYTES = 64 * 2**10  # a disk with less room than this is full
# Larger files get SQLite's quick check, without their indexes, or none: every row that is read from
# them has its checksum.
WHOLE_CHECK_BYTES, QUICK_CHECK_BYTES = 256 * 2**20, 512 * 2**20
_log = logging.getLogger("nas_gym")


class Prepared:
    """A statement that is compiled once, for rows of plain values.

    SQLAlchemy would do more work at each execution than SQLite does for a row.

    Args:
        statement: With a parameter for each of ``names``.
        names: What a row has at least.
    """

    def __init__(self, statement: Any, dialect: sa.Dialect, names: Sequence[str]) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(names))
        self._text = compiled.string
        self._order: list[str] | None = compiled.positiontup  # None if parameters are named

    def execute(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run it for all rows; return how many it inserted, changed or deleted."""
        given: list[Any] = list(rows)
        if self._order is not None:
            given = [tuple(row[name] for name in self._order) for row in rows]
        return int(connection.exec_driver_sql(self._text, given).rowcount)


class Database:
    """A connected database.

    Args:
        engine: Reads; ``engine`` with the option ``nas_gym_write`` writes.
        shown: The database in messages: a path, or a URL without its password.
        read_only: Refuse to write.
    """

    def __init__(self, engine: sa.Engine, shown: str, *, read_only: bool = False) -> None:
        self.engine = engine
        self.shown = shown
        self.read_only = read_only
        self._reached = False  # a wrong host, port or password is no server that went away
        self._writer = engine.execution_options(nas_gym_write=True)
        self._hasty = engine.execution_options(nas_gym_write=True, nas_gym_hasty=True)

    @property
    def is_file(self) -> bool:
        """Whether it is a SQLite file, and not a server."""
        return self.engine.dialect.name == "sqlite"

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Return what ``work`` does, in one transaction that changes nothing."""
        return self._transact(self.engine, work)

    def write(self, work: Callable[[sa.Connection], T], *, durable: bool = True) -> T:
        """Return what ``work`` does; what it wrote is on disk when this returns.

        ``work`` may run again after a server went away, so it must not mind its own rows. Without
        ``durable`` a power failure (not: a kill) may lose it, which saves the wait for the disk.
        """
        self.check_writable()
        return self._transact(self._writer if durable else self._hasty, work)

    def check_writable(self) -> None:
        """Raise StoreError if only reading is possible."""
        if self.read_only:
            raise StoreError(f"the results database {self.shown} {_READ_ONLY}")

    def insert(self, table: sa.Table) -> Any:
        """Return an INSERT that leaves alone the rows which are there already."""
        dialect = sqlite if self.is_file else postgresql
        return dialect.insert(table).on_conflict_do_nothing()

    def prepared_insert(self, table: sa.Table) -> Prepared:
        """Prepare ``insert`` for rows with all columns."""
        return Prepared(self.insert(table), self.engine.dialect, [c.name for c in table.columns])

    def prepared_delete(self, table: sa.Table, names: Sequence[str]) -> Prepared:
        """Prepare a DELETE of what has the values of a row in the columns ``names``."""
        where = [table.c[name] == sa.bindparam(name) for name in names]
        return Prepared(table.delete().where(*where), self.engine.dialect, names)

    def close(self) -> None:
        """Close the file or the connections."""
        self.engine.dispose()

    def use_wal(self) -> None:
        """Let readers and a writer of a file work side by side; stays so in the file."""

        def work() -> None:
            connection = self.engine.raw_connection()
            try:
                use_wal(connection)
            finally:
                connection.close()

        self.reach(work)

    def reach(self, work: Callable[[], T]) -> T:
        """Return what ``work`` does; try again while a server that was there is away.

        Raises:
            StoreError: Whatever the database said, in one sentence.
        """
        pauses = RETRY_PAUSES if self._reached and not self.is_file else ()
        for pause in (*pauses, None):
            try:
                result = work()
            except (sa.exc.DBAPIError, OSError, sqlite3.Error) as error:
                lost = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
                if pause is None or not lost:
                    raise StoreError(self._sentence(error)) from error
                _log.warning(
                    "the results database %s cannot be reached: trying again in %g s",
                    self.shown, pause,
                )  # fmt: skip
                time.sleep(pause)
            except UnicodeDecodeError as error:  # a message of SQLite's, about a changed name
                raise damaged(self.shown) from error
            else:
                self._reached = True
                return result
        raise AssertionError  # the last pause is None

    def _transact(self, engine: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
        def once() -> T:
            with _uninterrupted(), engine.begin() as connection:
                return work(connection)

        return self.reach(once)

    def _sentence(self, error: Exception) -> str:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        if not self.is_file:
            return (
                f"the results database {self.shown} cannot be used ({reason}): "
                "check that the server runs and the URL is right"
            )
        for words, sentence in _SQLITE_SENTENCES.items():
            if words in reason:
                return f"the results database {self.shown} {sentence}"
        if "disk I/O error" in reason and _is_full(Path(self.shown)):
            return f"the results database {self.shown} {_FULL}"
        return (
            f"the results database {self.shown} cannot be used ({reason}): "
            "check the path and its permissions, or name another file with store=…"
        )


_DAMAGED = (
    "is damaged (its bytes are not what was written): nothing was changed in it; restore a copy, "
    "or save what can be read with `sqlite3 FILE .recover`, and name another file with store=…"
)
_MAGIC = b"SQLite format 3\0"
_FOREIGN = "is a file of something else: name another file with store=…"
_FULL = "cannot grow, the disk is full: make room"
_READ_ONLY = "is read-only: make it and its folder writable, or name another file with store=…"
_SQLITE_SENTENCES = {
    "file is not a database": _DAMAGED,  # it begins as one: see check_integrity
    "malformed": _DAMAGED,
    "string or blob too big": (
        "holds a value of more than 16 MiB, or is to hold one, which nas-gym writes nowhere: use a "
        "file that nas-gym wrote, or name another with store=…"
    ),
    "Could not decode": _DAMAGED,
    "no such table": _DAMAGED,
    "no such column": _DAMAGED,
    "disk is full": _FULL,
    "database is locked": (
        "has been locked by another program for too long: close that program and try again"
    ),
    "readonly database": _READ_ONLY,
}


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait for the end of a transaction.

    An exception in the middle of one would make SQLAlchemy drop a connection that SQLite still
    takes for a writer, and nobody could write the end of the run.
    """
    came: list[tuple[int, Any]] = []
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    ours = [s for s, handler in handlers.items() if callable(handler)]
    for number in ours:
        signal.signal(number, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, handlers[number])
        for sent, frame in came:
            handlers[signal.Signals(sent)](sent, frame)  # type: ignore[operator, misc]


def damaged(shown: str | Path) -> StoreError:
    """Return the error for a file whose bytes have changed."""
    return StoreError(f"the results database {shown} {_DAMAGED}")


def connect(store: str | Path, *, read_only: bool = False) -> Database:
    """Connect to the database that a path or a URL names.

    Args:
        store: A SQLite file, or a URL such as ``postgresql://host/name``.
        read_only: Open a file only for reading, so that a read-only disk will do. A file that
            this process may not write is always opened so.

    Raises:
        StoreError: The URL cannot be read, or its driver is not installed.
    """
    path = file_of(store)
    if path is not None:
        return _file_database(path, read_only)
    url = url_of(str(store))
    shown = without_secrets(url)
    if url.drivername not in ("postgresql", "postgresql+psycopg"):
        raise StoreError(
            f"the results database {shown} is of a kind that nas-gym does not know: give a SQLite "
            "file or a postgresql:// URL"
        )
    options = {name: value for name, value in SERVER_OPTIONS.items() if name not in url.query}
    try:
        engine = sa.create_engine(
            url.set(drivername="postgresql+psycopg"), pool_pre_ping=True, connect_args=options
        )
    except ImportError as error:
        raise StoreError(
            f"{not_installed(f'the results database {shown}', 'psycopg', 'postgres')} ({error})"
        ) from error
    sa.event.listen(engine, "begin", _begin_on_server)
    return Database(engine, shown)


def check_integrity(database: Database, path: Path) -> None:
    """Raise StoreError if a file is none of SQLite's, or its bytes have changed."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:  # SQLite takes a file of one byte for a new one
            raise StoreError(f"the results database {path} {_FOREIGN}")
    size = path.stat().st_size
    if size > QUICK_CHECK_BYTES:
        return
    pragma = "integrity_check(1)" if size <= WHOLE_CHECK_BYTES else "quick_check(1)"
    found = database.read(lambda c: c.exec_driver_sql(f"PRAGMA {pragma}").scalar())
    if found != "ok":
        raise damaged(path)


def _file_database(path: Path, read_only: bool) -> Database:
    if not path.name:
        raise StoreError(f"{str(path)!r} is not a file: name a file with store=…")
    read_only = read_only or not is_writable(path)
    return Database(engine_of_file(path, read_only), str(path), read_only=read_only)


def _is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < FULL_BYTES
    except OSError:
        return False


def _begin_on_server(connection: sa.Connection) -> None:
    if connection.get_execution_options().get("nas_gym_hasty", False):
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
