"""A SQLite file as a store: how it is opened, for writing or on a read-only disk."""

import os
import sqlite3
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from nas_gym.errors import StoreError

LONGEST_VALUE = 2**24  # bytes of one value; what a crafted file holds beyond is refused unread
LOCK_SECONDS = 30.0  # how long to wait while another process writes
_UNREADABLE = (
    "holds the last writes of a process that was killed (in the file beside it that ends in "
    "-wal), which cannot be read on a read-only disk: copy both files to a writable folder"
)


def engine_of_file(path: Path, read_only: bool) -> sa.Engine:
    """Return the engine that connects to a file; nothing is opened yet."""

    def open_file() -> sqlite3.Connection:
        return _open_to_read(path) if read_only else _open(path, "rwc")

    engine = sa.create_engine("sqlite://", creator=open_file, poolclass=sa.pool.QueuePool)
    sa.event.listen(engine, "begin", _begin)
    return engine


def is_writable(path: Path) -> bool:
    """Return whether SQLite may write an existing file and, beside it, its transaction files."""
    if not os.path.exists(path):
        return True  # making it says what is wrong
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def use_wal(connection: Any) -> None:
    """Set the mode; a new file may be in the hands of another process."""
    cursor = connection.cursor()
    deadline = time.monotonic() + LOCK_SECONDS
    while cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:  # SQLite does not always wait here
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return  # if the file system has no shared memory, SQLite keeps its other mode


def _open_to_read(path: Path) -> sqlite3.Connection:
    try:
        connection = _open(path, "ro")
        connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.OperationalError as error:
        # On a read-only disk there can be no shared memory beside the file, nor a writer.
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
    else:
        return connection
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size:
        raise StoreError(f"the results database {path} {_UNREADABLE}")
    return _open(path, "ro&immutable=1")


def _open(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=LOCK_SECONDS,
        check_same_thread=False,
        isolation_level=None,  # transactions are ours: see _begin
    )
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
    connection.execute("PRAGMA trusted_schema = OFF")  # what the file defines calls no functions
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def has_plain_tables(connection: Any, tables: Collection[sa.Table]) -> bool:
    """Return whether a file's tables are plain ones, as declared, and nothing acts on them.

    A crafted file may have a view, a virtual table or a generated column in their place, which
    compute what is read, or triggers, which act on what is written; or it may lack the keys, so
    that what is there once is found twice.

    Args:
        connection: To the file, for ``exec_driver_sql``.
        tables: As they should be.
    """
    execute = connection.exec_driver_sql
    found = execute("SELECT type, name, sql FROM sqlite_schema").fetchall()
    if any(kind == "trigger" for kind, _, _ in found):
        return False
    plain = {
        name: str(sql) for kind, name, sql in found if kind == "table" and isinstance(name, str)
    }
    for table in tables:
        if not plain.get(table.name, "").upper().startswith("CREATE TABLE"):
            return False
        known = execute(f"PRAGMA table_xinfo({table.name})").fetchall()
        if {row[1] for row in known} != {*table.columns.keys()} or any(row[6] for row in known):
            return False
        keys = {frozenset(row[1] for row in known if row[5])}
        for _, index, is_unique, _, is_partial in execute(f"PRAGMA index_list({table.name})"):
            if is_unique and not is_partial:
                parts = execute("SELECT name FROM pragma_index_info(?)", (index,)).fetchall()
                keys.add(frozenset(part[0] for part in parts))
        if not keys >= {frozenset(key.columns.keys()) for key in _keys_of(table)}:
            return False
    return True


def _keys_of(table: sa.Table) -> list[sa.PrimaryKeyConstraint | sa.UniqueConstraint]:
    kinds = sa.PrimaryKeyConstraint | sa.UniqueConstraint
    return [each for each in table.constraints if isinstance(each, kinds)]


def _begin(connection: sa.Connection) -> None:
    """Begin in SQL: Python's sqlite3 would commit a table before its version is written.

    Who will write says so at once: a reader that turns writer fails when another was faster.
    """
    options = connection.get_execution_options()
    driver: Any = connection.connection.driver_connection
    execute = driver.execute  # SQLAlchemy's own way takes several times as long
    if not options.get("nas_gym_write", False):
        execute("BEGIN")
        return
    execute(f"PRAGMA synchronous = {'NORMAL' if options.get('nas_gym_hasty') else 'FULL'}")
    execute("BEGIN IMMEDIATE")
