"""The results database: runs, evaluations, and the ordered requests of each run.

SQLite in WAL mode through SQLAlchemy Core. A row is on disk when the call that writes it returns.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from nas_gym.architecture import genotype_to_json
from nas_gym.errors import StoreError
from nas_gym.evaluation import Evaluation
from nas_gym.ledger import Answer

SCHEMA_VERSION = 1
LOCK_SECONDS = 30.0  # how long to wait while another process writes
_tables = sa.MetaData()

RUNS = sa.Table(
    "runs",
    _tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String, unique=True, nullable=False),
    sa.Column("started", sa.String, nullable=False),  # ISO 8601, UTC
    sa.Column("status", sa.String, nullable=False),  # running, finished, interrupted, failed
    sa.Column("config", sa.JSON, nullable=False),
)
EVALUATIONS = sa.Table(
    "evaluations",
    _tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.ForeignKey("runs.id"), nullable=False),
    sa.Column("key", sa.String, nullable=False, index=True),  # canonical key of the architecture
    sa.Column("tokens", sa.JSON, nullable=False),
    sa.Column("genotype", sa.JSON, nullable=False),
    sa.Column("seed", sa.Integer, nullable=False),
    sa.Column("metrics", sa.JSON, nullable=False),  # validation figures only
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("source", sa.String, nullable=False),
    sa.Column("failure", sa.String),
    sa.Column("reward", sa.Float, nullable=False),
)
REQUESTS = sa.Table(
    "requests",
    _tables,
    sa.Column("run_id", sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),  # from 0, in the agent's order
    sa.Column("evaluation_id", sa.ForeignKey("evaluations.id"), nullable=False),
    sa.Column("tokens", sa.JSON, nullable=False),  # as asked; a repeat may be written otherwise
    sa.Column("source", sa.String, nullable=False),
    sa.Column("reward", sa.Float, nullable=False),
)


@dataclass(frozen=True)
class Row:
    """One request of a run, as the store has it."""

    number: int  # from 0
    tokens: tuple[int, ...]
    genotype: Any  # JSON data
    key: str
    metrics: dict[str, float]
    seconds: float  # of the training that answered it
    source: str  # "memo" where the training was paid by an earlier request
    reward: float
    failure: str | None

    @property
    def accuracy(self) -> float | None:
        """Validation accuracy, a fraction in [0, 1]; None after a failure."""
        return self.metrics.get("accuracy")


@dataclass(frozen=True)
class RunData:
    """A run, as the store has it."""

    name: str
    started: str
    status: str
    config: dict[str, Any]
    rows: tuple[Row, ...]  # requests in the agent's order
    unanswered: tuple[Row, ...] = ()  # evaluated when the run was cut, before the agent saw it


class Store:
    """A results database.

    Args:
        path: The SQLite file; made, with its folder, where there is none.
        must_exist: Refuse to make a new one.

    Raises:
        StoreError: It cannot be opened, is no such database, or was written by a newer version.
    """

    def __init__(self, path: str | Path, *, must_exist: bool = False) -> None:
        self.path = Path(path)
        if must_exist and not self.path.is_file():
            raise StoreError(
                f"there is no results database {self.path}: run a search first, "
                "or name another with --store"
            )
        with self._errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._engine = sa.create_engine(
                f"sqlite:///{self.path}", connect_args={"timeout": LOCK_SECONDS}
            )
            sa.event.listen(self._engine, "connect", _make_durable)
            sa.event.listen(self._engine, "begin", _begin)
            try:
                self._prepare()
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> "Store":
        """The store itself; closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the file."""
        self.close()

    def _prepare(self) -> None:
        """Make the tables where there are none; two processes may try at once."""
        writer = self._engine.connect().execution_options(sqlite_begin="IMMEDIATE")
        with writer as connection, connection.begin():
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if version > SCHEMA_VERSION:
                raise StoreError(
                    f"{self.path} was written by a newer nas-gym (schema {version}, this one reads "
                    f"up to {SCHEMA_VERSION}): upgrade nas-gym, or name another file with --store"
                )
            if version == 0 and sa.inspect(connection).get_table_names():
                raise StoreError(
                    f"{self.path} is a database of something else: name another file with --store"
                )
            if version == 0:
                _tables.create_all(connection)
                connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def start_run(self, name: str, config: dict[str, Any]) -> "RunRecord":
        """Begin a run; raises StoreError where the name is taken."""
        started = datetime.now(UTC).isoformat(timespec="seconds")
        with self._errors():
            try:
                with self._engine.begin() as connection:
                    result = connection.execute(
                        RUNS.insert().values(
                            name=name, started=started, status="running", config=config
                        )
                    )
            except sa.exc.IntegrityError:
                raise StoreError(
                    f"there is a run {name!r} in {self.path} already: give another name with --run"
                ) from None
        return RunRecord(self, _new_id(result), name)

    def runs(self) -> list[dict[str, Any]]:
        """Name, start, status and number of requests of each run, oldest first."""
        count = sa.func.count(REQUESTS.c.number).label("requests")
        best = (
            sa.select(sa.func.max(EVALUATIONS.c.reward))
            .where(EVALUATIONS.c.run_id == RUNS.c.id, EVALUATIONS.c.failure.is_(None))
            .scalar_subquery()
            .label("best_reward")
        )
        query = (
            sa.select(RUNS.c.name, RUNS.c.started, RUNS.c.status, count, best)
            .outerjoin(REQUESTS, REQUESTS.c.run_id == RUNS.c.id)
            .group_by(RUNS.c.id)
            .order_by(RUNS.c.id)
        )
        with self._errors(), self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def load_run(self, name: str) -> RunData:
        """A run with all its requests; raises StoreError for an unknown name."""
        with self._errors(), self._engine.connect() as connection:
            run = connection.execute(sa.select(RUNS).where(RUNS.c.name == name)).mappings().first()
            if run is None:
                raise self._unknown_run(name, connection)
            query = (
                sa.select(
                    REQUESTS.c.number,
                    REQUESTS.c.tokens,
                    EVALUATIONS.c.genotype,
                    EVALUATIONS.c.key,
                    EVALUATIONS.c.metrics,
                    EVALUATIONS.c.seconds,
                    REQUESTS.c.source,
                    REQUESTS.c.reward,
                    EVALUATIONS.c.failure,
                )
                .join(EVALUATIONS, EVALUATIONS.c.id == REQUESTS.c.evaluation_id)
                .where(REQUESTS.c.run_id == run["id"])
                .order_by(REQUESTS.c.number)
            )
            rows = _rows(connection.execute(query))
            unanswered = sa.select(
                (EVALUATIONS.c.id * 0 + len(rows)).label("number"),
                *(EVALUATIONS.c[name] for name in _EVALUATED),
            ).where(
                EVALUATIONS.c.run_id == run["id"],
                EVALUATIONS.c.id.not_in(sa.select(REQUESTS.c.evaluation_id)),
            )
            left = _rows(connection.execute(unanswered.order_by(EVALUATIONS.c.id)))
        return RunData(run["name"], run["started"], run["status"], run["config"], rows, left)

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what SQLAlchemy and the file system raise into one clear sentence."""
        try:
            yield
        except (sa.exc.DatabaseError, OSError) as error:
            reason = str(getattr(error, "orig", None) or error)
            raise StoreError(
                f"the results database {self.path} cannot be used ({reason}): "
                "check the path and its permissions, or name another file with --store"
            ) from error

    def _unknown_run(self, name: str, connection: sa.Connection) -> StoreError:
        known = list(connection.execute(sa.select(RUNS.c.name)).scalars())
        close = get_close_matches(name, known, n=2)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "see `nas-gym list`"
        return StoreError(f"there is no run {name!r} in {self.path}: {hint}")


def start_run(path: str | Path, name: str, config: dict[str, Any]) -> "RunRecord":
    """Begin a run in the database at ``path``; close its ``store`` when it has ended.

    Raises:
        StoreError: The database cannot be used, or has a run of that name.
    """
    store = Store(path)
    try:
        return store.start_run(name, config)
    except BaseException:
        store.close()
        raise


def load_run(path: str | Path, name: str) -> RunData:
    """A recorded run; raises StoreError where there is no such database or run."""
    with Store(path, must_exist=True) as store:
        return store.load_run(name)


class RunRecord:
    """Writes one run; a ``nas_gym.ledger.Record``."""

    def __init__(self, store: Store, run_id: int, name: str) -> None:
        self.store = store
        self.run_id = run_id
        self.name = name
        self._fresh: dict[str, list[int]] = {}  # key -> evaluations that no request used yet
        self._known: dict[str, int] = {}  # key -> the evaluation that answers repeats

    def evaluated(self, answer: Answer, seed: int) -> None:
        """Write a new evaluation; on disk when this returns."""
        evaluation = answer.evaluation
        architecture, metrics = evaluation.architecture, evaluation.metrics.items()
        with self.store._errors(), self.store._engine.begin() as connection:
            result = connection.execute(
                EVALUATIONS.insert().values(
                    run_id=self.run_id,
                    key=architecture.key,
                    tokens=list(architecture.tokens),
                    genotype=genotype_to_json(architecture.genotype),
                    seed=seed,
                    metrics={n: v if isinstance(v, int) else float(v) for n, v in metrics},
                    seconds=evaluation.seconds,
                    source=evaluation.source,
                    failure=evaluation.failure,
                    reward=answer.reward,
                )
            )
        row_id = _new_id(result)
        self._fresh.setdefault(architecture.key, []).append(row_id)
        self._known[architecture.key] = row_id

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """Write a batch of requests, in order; on disk when this returns."""
        rows = [
            {
                "run_id": self.run_id,
                "number": first + i,
                "evaluation_id": self._evaluation_of(answer.evaluation),
                "tokens": list(answer.evaluation.architecture.tokens),
                "source": answer.evaluation.source,
                "reward": answer.reward,
            }
            for i, answer in enumerate(answers)
        ]
        with self.store._errors(), self.store._engine.begin() as connection:
            connection.execute(REQUESTS.insert(), rows)

    def finish(self, status: str) -> None:
        """Write how the run ended: ``finished``, ``interrupted`` or ``failed``."""
        with self.store._errors(), self.store._engine.begin() as connection:
            connection.execute(RUNS.update().where(RUNS.c.id == self.run_id).values(status=status))

    def _evaluation_of(self, evaluation: Evaluation) -> int:
        key = evaluation.architecture.key
        fresh = self._fresh.get(key)
        if evaluation.source != "memo" and fresh:
            return fresh.pop(0)
        return self._known[key]


_EVALUATED = (
    "tokens", "genotype", "key", "metrics", "seconds", "source", "reward", "failure",
)  # fmt: skip


def _rows(result: sa.Result[Any]) -> tuple[Row, ...]:
    return tuple(Row(**{**row, "tokens": tuple(row["tokens"])}) for row in result.mappings())


def _new_id(result: sa.CursorResult[Any]) -> int:
    key = result.inserted_primary_key
    assert key is not None  # one row was inserted
    return int(key[0])


def _begin(connection: sa.Connection) -> None:
    """Begin in SQL: Python's sqlite3 would commit a table before its version is written."""
    mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")


def _make_durable(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions are ours: see _begin
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()
