"""The tables of a database: they are made if there are none, and their version is checked."""

from collections.abc import Collection

import sqlalchemy as sa

from nas_gym.errors import StoreError
from nas_gym.store.database import Database, damaged
from nas_gym.store.schema import SCHEMA_VERSION, TABLES
from nas_gym.store.sqlite import has_plain_tables

ENCODINGS = ("UTF8", "SQL_ASCII")  # the latter keeps the bytes that it is given
_MAKING = 0x6E6173  # advisory lock of whoever makes the tables in a server
_VERSION = sa.Table(  # in servers; a SQLite file has its version in its header
    "nas_gym_store", sa.MetaData(), sa.Column("version", sa.Integer, nullable=False)
)


def prepare(database: Database, *, read_only: bool = False) -> None:
    """Make the tables if there are none; two processes may try at once.

    Raises:
        StoreError: It is a database of something else or of another version; or ``read_only``, and
            it is empty.
    """
    version = database.read(lambda c: _checked_version(database, c))
    read_only = read_only or database.read_only
    if read_only and version == 0:
        raise StoreError(f"the results database {database.shown} is empty: run a search first")
    if database.is_file and not read_only:
        database.use_wal()
    if version == 0:
        database.write(lambda c: _make_tables(database, c))


def _checked_version(database: Database, connection: sa.Connection) -> int:
    """Return the version of the tables, which is this one's; 0 if there are none."""
    tables = sa.inspect(connection).get_table_names()
    if database.is_file:
        version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        foreign = version == 0 and bool(tables)
    else:
        _check_encoding(database, connection)
        ours = _VERSION.name in tables
        version = int(connection.execute(sa.select(_VERSION.c.version)).scalar_one()) if ours else 0
        foreign = not ours and bool(set(tables) & set(TABLES.tables))
    if foreign:
        raise StoreError(
            f"{database.shown} is a database of something else: name another with store=…"
        )
    if version not in (0, SCHEMA_VERSION):
        raise StoreError(
            f"the results database {database.shown} was written by another version of nas-gym "
            f"(schema {version}, this one reads {SCHEMA_VERSION}): use that version, or name "
            "another with store=…"
        )
    if version and not _are_tables(database, connection, tables):
        raise damaged(database.shown)
    return version


def _are_tables(database: Database, connection: sa.Connection, found: Collection[str]) -> bool:
    """Return whether all of our tables are there, as tables and not as something that computes."""
    if database.is_file:
        return has_plain_tables(connection, TABLES.sorted_tables)
    return TABLES.tables.keys() <= set(found)


def _check_encoding(database: Database, connection: sa.Connection) -> None:
    """Raise StoreError for a server's database that cannot hold every text."""
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding not in ENCODINGS:
        raise StoreError(
            f"the results database {database.shown} cannot hold every text, its encoding is "
            f"{encoding}: make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )


def _make_tables(database: Database, connection: sa.Connection) -> None:
    if not database.is_file:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MAKING)))
    if _checked_version(database, connection):  # another process was faster
        return
    TABLES.create_all(connection)
    if database.is_file:
        connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
    else:
        _VERSION.create(connection)
        connection.execute(_VERSION.insert().values(version=SCHEMA_VERSION))
