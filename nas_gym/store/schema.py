"""The tables of the results database, and the checksum that every row carries."""

import json
from collections.abc import Mapping
from operator import itemgetter
from typing import Any
from zlib import crc32

import sqlalchemy as sa

from nas_gym.errors import StoreError
from nas_gym.options.json_text import check_written

SCHEMA_VERSION = 3
TABLES = sa.MetaData()

RUNS = sa.Table(
    "runs",
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, unique=True, nullable=False),
    sa.Column("started", sa.Text, nullable=False),  # ISO 8601, UTC
    sa.Column("status", sa.Text, nullable=False),  # one of STATUSES
    sa.Column("config", sa.Text, nullable=False),  # JSON: the parts by name, seeds, budget
    sa.Column("env_spec", sa.Text, nullable=False),  # gymnasium's EnvSpec JSON; "null": not JSON
    sa.Column("sessions", sa.Text, nullable=False),  # JSON, one per start: versions, git, machine
    sa.Column("checksum", sa.BigInteger, nullable=False),
)
PROTOCOLS = sa.Table(
    "protocols",  # what an evaluation depends on beside architecture and seed
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("digest", sa.Text, unique=True, nullable=False),
    # JSON: space, data set fingerprint, recipe, …; {"run": …} if a run shares with none
    sa.Column("description", sa.Text, nullable=False),
)
EVALUATIONS = sa.Table(
    "evaluations",
    TABLES,
    sa.Column("run_id", sa.ForeignKey("runs.id"), primary_key=True),  # who paid
    sa.Column("serial", sa.Integer, primary_key=True, autoincrement=False),  # of run, from 0
    sa.Column("protocol_id", sa.ForeignKey("protocols.id"), nullable=False),
    sa.Column("key", sa.Text, nullable=False),  # canonical key of the architecture
    sa.Column("seed", sa.BigInteger, nullable=False),  # of the child
    sa.Column("epochs", sa.Integer, nullable=False),  # that it was trained; 0: all
    sa.Column("tokens", sa.Text, nullable=False),  # JSON
    sa.Column("genotype", sa.Text, nullable=False),  # JSON
    sa.Column("metrics", sa.Text, nullable=False),  # JSON; validation figures only
    sa.Column("curve", sa.Text),  # JSON: the leading metric after each epoch, if it was kept
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("failure", sa.Text),
    sa.Column("detail", sa.Text),  # of the failure
    sa.Column("reward", sa.Float, nullable=False),  # to the agent of the run that paid
    sa.Column("checksum", sa.BigInteger, nullable=False),
    sa.Index("evaluations_by_key", "protocol_id", "key", "seed"),
)
CLAIMS = sa.Table(
    "claims",  # trainings that a run has begun and not yet written down
    TABLES,
    sa.Column("protocol_id", sa.ForeignKey("protocols.id"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("seed", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("epochs", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("run_id", sa.ForeignKey("runs.id"), nullable=False, index=True),
)
REQUESTS = sa.Table(
    "requests",
    TABLES,
    sa.Column("run_id", sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),  # from 0, as asked
    sa.Column("evaluation_run", sa.Integer, nullable=False),
    sa.Column("evaluation_serial", sa.Integer, nullable=False),
    sa.Column("tokens", sa.Text, nullable=False),  # JSON, as asked; a repeat may differ
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("reward", sa.Float, nullable=False),
    sa.Column("failure", sa.Text),  # of the evaluation, or of this run's reward
    sa.Column("checksum", sa.BigInteger, nullable=False),
    sa.ForeignKeyConstraint(
        ["evaluation_run", "evaluation_serial"], ["evaluations.run_id", "evaluations.serial"]
    ),
)
VALIDATIONS = sa.Table(
    "validations",  # final trainings; the only place for test figures
    TABLES,
    sa.Column("run_id", sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("serial", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("content", sa.Text, nullable=False),  # JSON of an evaluation.Validation
    sa.Column("checksum", sa.BigInteger, nullable=False),
)

STATUSES = ("running", "finished", "interrupted", "failed", "unfinished", "out of time")
_NOT_SUMMED = {"checksum", "status", "id"}  # a status changes while a run goes on
_VALUES = {  # the values of a row that its checksum is made of
    table.name: itemgetter(*(c.name for c in table.columns if c.name not in _NOT_SUMMED))
    for table in (RUNS, EVALUATIONS, REQUESTS, VALIDATIONS)
}
_ENCODER = json.JSONEncoder(separators=(",", ":"), sort_keys=True, allow_nan=False)


def to_text(value: object) -> str:
    """Return JSON in its shortest form, the same text for equal values.

    Raises:
        StoreError: It holds NaN or an infinity, which are no JSON, has too many levels, or is too
            long: ``json_text.read_json`` would refuse it.
    """
    try:
        text = _ENCODER.encode(value)
        check_written(text, value)
        return text
    except (ValueError, RecursionError) as error:
        raise StoreError(
            f"what is to be recorded is no JSON, or none that is read again "
            f"({' '.join(str(error).split())}): give finite numbers in genotypes, options and "
            "protocols, few levels, and not too much"
        ) from error


def tokens_to_text(tokens: tuple[int, ...]) -> str:
    """Return what ``to_text`` does, at a fraction of its time."""
    return f"[{','.join(map(str, tokens))}]"


def checksum(table: sa.Table, row: Mapping[str, Any]) -> int:
    """Return CRC-32 of a row's values: a byte that changed on the disk does not become a result."""
    return crc32(repr(list(_VALUES[table.name](row))).encode())


def summed(table: sa.Table, row: dict[str, Any]) -> dict[str, Any]:
    """Return ``row`` with its checksum."""
    return {**row, "checksum": checksum(table, row)}
