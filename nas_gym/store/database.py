"""Where the tables live: a SQLite file, or any database that SQLAlchemy reaches by its URL.

``connect`` gives a ``Database``, whose ``read`` and ``write`` run one transaction each and turn
whatever goes wrong into one sentence.
"""

import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from nas_gym.errors import StoreError

T = TypeVar("T")
LOCK_SECONDS = 30.0  # how long to wait while another process writes
RETRY_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # seconds between tries to reach a server again
WHOLE_CHECK_BYTES = 256 * 2**20  # larger files get SQLite's quick check, without their indexes
_log = logging.getLogger("nas_gym")


class Database:
    """A connected database.

    Args:
        engine: Reads; ``engine`` with the option ``nas_gym_write`` writes.
        shown: The database in messages: a path, or a URL without its password.
    """

    def __init__(self, engine: sa.Engine, shown: str) -> None:
        self.engine = engine
        self.shown = shown
        self._writer = engine.execution_options(nas_gym_write=True)
        self._hasty = engine.execution_options(nas_gym_write=True, nas_gym_hasty=True)

    @property
    def is_file(self) -> bool:
        """Whether it is a SQLite file, and not a server."""
        return self.engine.dialect.name == "sqlite"

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        """What ``work`` returns, from one transaction that changes nothing."""
        return self._transact(self.engine, work)

    def write(self, work: Callable[[sa.Connection], T], *, durable: bool = True) -> T:
        """What ``work`` returns; what it wrote is on disk when this returns.

        ``work`` may run again after a server went away, so it must not mind its own rows. Without
        ``durable`` a power failure (not: a kill) may lose it, which saves the wait for the disk.
        """
        return self._transact(self._writer if durable else self._hasty, work)

    def insert(self, table: sa.Table) -> Any:
        """An INSERT that leaves rows alone which are there already."""
        dialect = sqlite if self.is_file else postgresql
        return dialect.insert(table).on_conflict_do_nothing()

    def close(self) -> None:
        """Let go of the file or the connections."""
        self.engine.dispose()

    def _transact(self, engine: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
        pauses = () if self.is_file else RETRY_PAUSES
        for pause in (*pauses, None):
            try:
                with engine.begin() as connection:
                    return work(connection)
            except (sa.exc.DBAPIError, OSError, sqlite3.Error) as error:
                lost = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
                if pause is None or not lost:
                    raise StoreError(self._sentence(error)) from error
                _log.warning(
                    "the results database %s cannot be reached: trying again in %g s",
                    self.shown, pause,
                )  # fmt: skip
                time.sleep(pause)
        raise AssertionError  # the last pause is None

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
        return (
            f"the results database {self.shown} cannot be used ({reason}): "
            "check the path and its permissions, or name another file with --store"
        )


_DAMAGED = (
    "is damaged (its bytes are not what was written): nothing was changed in it; restore a copy, "
    "or save what can be read with `sqlite3 FILE .recover`, and name another file with --store"
)
_FULL = "cannot grow, the disk is full: make room"
_SQLITE_SENTENCES = {
    "file is not a database": "is a file of something else: name another file with --store",
    "malformed": _DAMAGED,
    "disk is full": _FULL,
    "database is locked": (
        "has been locked by another program for too long: close that program and try again"
    ),
    "readonly database": "is read-only: make it writable, or name another file with --store",
}


def is_url(store: str | Path) -> bool:
    """Whether ``store`` is a database URL and not a path."""
    return isinstance(store, str) and "://" in store


def connect(store: str | Path, *, read_only: bool = False) -> Database:
    """The database that a path or a URL names.

    Args:
        store: A SQLite file, or a URL such as ``postgresql://host/name``.
        read_only: Open a file for reading alone, so that a read-only disk will do.

    Raises:
        StoreError: The URL cannot be read, or its driver is not installed.
    """
    if not is_url(store):
        return _connect_file(Path(store), read_only)
    try:
        url = sa.make_url(str(store))
    except sa.exc.ArgumentError as error:
        raise StoreError(
            f"{store!r} is not a database URL: write it as postgresql://user@host/database"
        ) from error
    backend = url.get_backend_name()
    if backend == "sqlite" and url.database:
        return _connect_file(Path(url.database), read_only)
    if backend != "postgresql":
        raise StoreError(
            f"the results database {url.render_as_string()} is of a kind that nas-gym does not "
            "know: give a SQLite file or a postgresql:// URL"
        )
    shown = url.render_as_string()
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    try:
        engine = sa.create_engine(url, pool_pre_ping=True)
        sa.event.listen(engine, "begin", _begin_on_server)
    except ImportError as error:
        raise StoreError(
            f"the results database {shown} needs the package {error.name!r}: "
            'install it with pip install "nas-gym[postgres]"'
        ) from error
    return Database(engine, shown)


def check_integrity(database: Database, path: Path) -> None:
    """Raise StoreError where SQLite finds that bytes of the file have changed."""
    whole = path.stat().st_size <= WHOLE_CHECK_BYTES
    pragma = "integrity_check(1)" if whole else "quick_check(1)"
    found = database.read(lambda c: c.exec_driver_sql(f"PRAGMA {pragma}").scalar())
    if found != "ok":
        raise StoreError(f"the results database {path} {_DAMAGED}")


def _connect_file(path: Path, read_only: bool) -> Database:
    def open_file() -> sqlite3.Connection:
        if not read_only:
            return _open_sqlite(path, "rwc")
        try:
            connection = _open_sqlite(path, "ro")
            connection.execute("PRAGMA user_version").fetchone()
        except sqlite3.OperationalError:
            if path.with_name(path.name + "-wal").exists():
                raise
            # On a read-only disk there can be no shared memory beside the file, nor a writer.
            return _open_sqlite(path, "ro&immutable=1")
        return connection

    engine = sa.create_engine("sqlite://", creator=open_file, poolclass=sa.pool.QueuePool)
    sa.event.listen(engine, "begin", _begin)
    if not read_only:
        sa.event.listen(engine, "connect", _use_wal)
    return Database(engine, str(path))


def _open_sqlite(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=LOCK_SECONDS,
        check_same_thread=False,
        isolation_level=None,  # transactions are ours: see _begin
    )
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _use_wal(connection: Any, _: object) -> None:
    """Readers and a writer side by side; a new file may be in the hands of another process."""
    deadline = time.monotonic() + LOCK_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:  # SQLite does not always wait here
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin(connection: sa.Connection) -> None:
    """Begin in SQL: Python's sqlite3 would commit a table before its version is written.

    Who will write says so at once: a reader that turns writer fails when another was faster.
    """
    options = connection.get_execution_options()
    if not options.get("nas_gym_write", False):
        connection.exec_driver_sql("BEGIN")
        return
    hasty = options.get("nas_gym_hasty", False)
    connection.exec_driver_sql(f"PRAGMA synchronous = {'NORMAL' if hasty else 'FULL'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_on_server(connection: sa.Connection) -> None:
    if connection.get_execution_options().get("nas_gym_hasty", False):
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
