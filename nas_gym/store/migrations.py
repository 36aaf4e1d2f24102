"""Makes the tables, and brings databases of older versions up to date."""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from json import loads
from typing import Any

import sqlalchemy as sa

from nas_gym.errors import StoreError
from nas_gym.store.database import Database, damaged
from nas_gym.store.schema import (
    EVALUATIONS,
    PROTOCOLS,
    REQUESTS,
    RUNS,
    SCHEMA_VERSION,
    TABLES,
    summed,
    to_text,
)

PARTS = ("space", "evaluator", "agent", "reward")
ENCODINGS = ("UTF8", "SQL_ASCII")  # the latter keeps the bytes that it is given
_MAKING = 0x6E6173  # advisory lock of whoever makes the tables in a server
_VERSION = sa.Table(  # in servers; a SQLite file has its version in its header
    "nas_gym_store", sa.MetaData(), sa.Column("version", sa.Integer, nullable=False)
)


def prepare(database: Database, *, read_only: bool = False) -> None:
    """Make the tables where there are none, and migrate older ones; two processes may try at once.

    Raises:
        StoreError: It is a database of something else or of a newer version; or ``read_only``,
            and it would have to be changed.
    """
    version = database.read(lambda c: _checked_version(database, c))
    read_only = read_only or database.read_only
    if read_only and version == 0:
        raise StoreError(f"the results database {database.shown} is empty: run a search first")
    if read_only and version < SCHEMA_VERSION:
        raise StoreError(
            f"the results database {database.shown} was written by an older nas-gym (schema "
            f"{version}, this one reads {SCHEMA_VERSION}): bring it up to date, where it can be "
            f"written, with `nas-gym list --store {database.shown}`, which keeps all that is in it"
        )
    if database.is_file and not read_only:
        database.use_wal()
    if version < SCHEMA_VERSION:
        database.write(lambda c: _bring_up_to_date(database, c))


def _checked_version(database: Database, connection: sa.Connection) -> int:
    """The version of the tables; 0 where there are none."""
    tables = sa.inspect(connection).get_table_names()
    if database.is_file:
        version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        foreign = version == 0 and bool(tables)
    else:
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        if encoding not in ENCODINGS:
            raise StoreError(
                f"the results database {database.shown} cannot hold every text, its encoding is "
                f"{encoding}: make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
            )
        ours = _VERSION.name in tables
        version = int(connection.execute(sa.select(_VERSION.c.version)).scalar_one()) if ours else 0
        foreign = not ours and bool(set(tables) & set(TABLES.tables))
    if version > SCHEMA_VERSION or version < 0:
        raise StoreError(
            f"the results database {database.shown} was written by a newer nas-gym (schema "
            f"{version}, this one reads up to {SCHEMA_VERSION}): upgrade nas-gym, or name another "
            "with --store"
        )
    if foreign:
        raise StoreError(
            f"{database.shown} is a database of something else: name another with --store"
        )
    if version == SCHEMA_VERSION and database.is_file:
        for table in TABLES.sorted_tables:  # a changed byte may be in the name of a column
            connection.execute(sa.select(table).limit(0))
    return version


def _bring_up_to_date(database: Database, connection: sa.Connection) -> None:
    if not database.is_file:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MAKING)))
    version = _checked_version(database, connection)  # again: another may have been faster
    if version == 0:
        TABLES.create_all(connection)
    for step in range(version or SCHEMA_VERSION, SCHEMA_VERSION):
        try:
            _MIGRATIONS[step](connection)
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise damaged(database.shown) from error
    if database.is_file:
        connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
    elif version == 0:
        _VERSION.create(connection)
        connection.execute(_VERSION.insert().values(version=SCHEMA_VERSION))
    else:
        connection.execute(_VERSION.update().values(version=SCHEMA_VERSION))


def _from_1_to_2(connection: sa.Connection) -> None:
    """Evaluations of a run of their own; protocols, sessions, validations and checksums are new.

    What version 1 called a run's versions and machine becomes its first session. Its evaluations
    are not shared with new runs: it did not write down all that they depend on.
    """
    old = {name: _rows(connection, name) for name in ("runs", "evaluations", "requests")}
    for name in ("requests", "evaluations", "runs"):
        connection.exec_driver_sql(f"DROP TABLE {name}")
    TABLES.create_all(connection)
    for run in old["runs"]:
        _insert_run_of_1(connection, run)
    refs: dict[int, tuple[int, int]] = {}  # id of an evaluation -> its run and serial
    serials: dict[int, int] = {}
    for row in old["evaluations"]:
        serial = serials.get(row["run_id"], 0)
        serials[row["run_id"]] = serial + 1
        refs[row["id"]] = row["run_id"], serial
        _insert_evaluation_of_1(connection, row, serial)
    failures = {row["id"]: row["failure"] for row in old["evaluations"]}
    for row in old["requests"]:
        run_id, serial = refs[row["evaluation_id"]]
        request = {
            "run_id": row["run_id"],
            "number": row["number"],
            "evaluation_run": run_id,
            "evaluation_serial": serial,
            "tokens": to_text(loads(row["tokens"])),
            "source": row["source"],
            "reward": row["reward"],
            "failure": failures[row["evaluation_id"]],
        }
        connection.execute(REQUESTS.insert(), summed(REQUESTS, request))


def _insert_run_of_1(connection: sa.Connection, run: Mapping[str, Any]) -> None:
    config = loads(run["config"])
    session = {"started": run["started"]}
    for name in ("versions", "machine", "workers"):
        if name in config:
            session[name] = config.pop(name)
    config.setdefault("child_seed", config["seed"])
    # Only our own parts are sure to be all in their JSON: version 1 did not check it.
    config["restorable"] = all(":" not in config[part]["name"] for part in PARTS)
    row = {
        "id": run["id"],
        "name": run["name"],
        "started": run["started"],
        "status": run["status"],
        "config": to_text(config),
        "env_spec": "null",
        "sessions": to_text([session]),
    }
    connection.execute(RUNS.insert(), summed(RUNS, row))
    description = to_text({"run": run["name"]})
    digest = blake2b(description.encode(), digest_size=16).hexdigest()
    protocol = {"id": run["id"], "digest": digest, "description": description}
    connection.execute(PROTOCOLS.insert(), protocol)


def _insert_evaluation_of_1(connection: sa.Connection, row: Mapping[str, Any], serial: int) -> None:
    values = {
        "run_id": row["run_id"],
        "serial": serial,
        "protocol_id": row["run_id"],
        "key": row["key"],
        "seed": row["seed"],
        "tokens": to_text(loads(row["tokens"])),
        "genotype": to_text(loads(row["genotype"])),
        "metrics": to_text(loads(row["metrics"])),
        "seconds": float(row["seconds"]),
        "source": row["source"],
        "failure": row["failure"],
        "detail": None,
        "reward": float(row["reward"]),
    }
    connection.execute(EVALUATIONS.insert(), summed(EVALUATIONS, values))


def _rows(connection: sa.Connection, table: str) -> list[dict[str, Any]]:
    query = sa.text(f"SELECT * FROM {table} ORDER BY rowid")
    return [row._asdict() for row in connection.execute(query)]


_MIGRATIONS: dict[int, Callable[[sa.Connection], None]] = {1: _from_1_to_2}
