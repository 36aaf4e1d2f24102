"""``Store``: a results database; says which runs it has, and reads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from nas_gym.errors import StoreError, near
from nas_gym.evaluators.evaluation import Validation
from nas_gym.store import reading
from nas_gym.store.database import check_integrity, connect, damaged
from nas_gym.store.location import (
    DEFAULT_STORE,
    check_store,
    check_there,
    is_run_name,
    store_option,
)
from nas_gym.store.locks import locks_of
from nas_gym.store.migrations import prepare
from nas_gym.store.queries import (
    all_runs,
    earlier_of,
    run_named,
    validations_of,
)
from nas_gym.store.rows import check, validation_row
from nas_gym.store.run_data import RunData
from nas_gym.store.schema import RUNS, STATUSES, VALIDATIONS


class Store:
    """A results database.

    Args:
        store: A SQLite file, made with its folder if there is none, or the URL of a server:
            ``postgresql://user@host/database``.
        must_exist: Refuse to make a new one.
        read_only: Only read; a read-only disk will do. Implies ``must_exist``.

    Raises:
        StoreError: It cannot be opened, is no such database, is damaged, or was written by another
            version.
    """

    def __init__(
        self,
        store: str | Path = DEFAULT_STORE,
        *,
        must_exist: bool = False,
        read_only: bool = False,
    ) -> None:
        self.database = connect(store, read_only=read_only)
        self.locks = locks_of(self.database)
        try:
            if self.database.is_file:
                self._open_file(Path(self.database.shown), must_exist or read_only)
            prepare(self.database, read_only=read_only)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Store":
        """Return the store, which is closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Release the file or the connections, and the runs that were being written."""
        self.locks.close()
        self.database.close()

    def runs(self) -> list[dict[str, Any]]:
        """Return name, start, status, counts and best reward of each run, oldest first.

        ``requests`` were answered; ``unanswered`` children were evaluated when the run was cut, or
        are waiting for the others of their batch.
        """
        rows = self.database.read(lambda c: [row._asdict() for row in c.execute(all_runs())])
        for row in rows:
            self._check_run(row)
            if row["best_reward"] is not None:
                with reading.of_run(row["name"], self.database.shown):
                    reading.number("best reward", row["best_reward"])
        return [
            {
                "name": row["name"],
                "started": row["started"],
                "status": self._status(row),
                "requests": row["requests"],
                "unanswered": row["unanswered"],
                "best_reward": row["best_reward"],
            }
            for row in rows
        ]

    def has_run(self, name: str) -> bool:
        """Return whether there is a run of that name."""
        return self.database.read(lambda c: c.execute(run_named(name)).first()) is not None

    def run_row(self, name: str) -> dict[str, Any]:
        """Return the row of a run, checked; raises StoreError for an unknown name."""
        query = sa.select(RUNS).where(RUNS.c.name == name)
        found = self.database.read(lambda c: c.execute(query).first())
        if found is None:
            raise self._unknown_run(name)
        run = found._asdict()
        self._check_run(run)
        return run

    def config_of(self, name: str) -> dict[str, Any]:
        """Return a run's configuration, without reading its requests.

        Raises:
            StoreError: There is no such run, or its configuration is damaged.
        """
        with reading.of_run(name, self.database.shown):
            return reading.config_of(self.run_row(name)["config"])

    def load_run(self, name: str) -> RunData:
        """Read a run with all its requests.

        Raises:
            StoreError: There is no such run, or a row of it is damaged.
        """
        run = self.run_row(name)
        finished = run["status"] == "finished"
        with reading.of_run(name, self.database.shown):
            config = reading.config_of(run["config"])
            env_spec = reading.env_spec_of(run["env_spec"])
            sessions = reading.sessions_of(run["sessions"])
            earlier, validations = self.database.read(
                lambda c: (
                    earlier_of(self.database, c, run["id"], all_answered=finished),
                    validations_of(c, run["id"]),
                )
            )
        return RunData(
            name=run["name"],
            started=run["started"],
            status=self._status(run),
            config=config,
            env_spec=env_spec,
            sessions=sessions,
            rows=earlier.rows,
            unanswered=tuple(row for _, row in earlier.unanswered),
            validations=validations,
        )

    def save_validation(self, name: str, validation: Validation) -> None:
        """Write one final training of a run; on disk when this returns."""
        run_id = self.run_row(name)["id"]
        written = sa.select(VALIDATIONS.c.checksum).where(VALIDATIONS.c.run_id == run_id)
        first: int | None = None

        def work(connection: sa.Connection) -> None:
            nonlocal first
            connection.execute(run_named(name).with_for_update())  # one after the other
            sums = list(connection.execute(written.order_by(VALIDATIONS.c.serial)).scalars())
            first = len(sums) if first is None else first
            # On a second try it may be there: a server can go away after it has written.
            again = validation_row(run_id, first, validation)["checksum"]
            if again not in sums[first : first + 1]:
                row = validation_row(run_id, len(sums), validation)
                connection.execute(VALIDATIONS.insert(), row)

        self.database.write(work)

    def _open_file(self, path: Path, must_exist: bool) -> None:
        try:
            if path.is_file():
                if path.stat().st_size:
                    check_integrity(self.database, path)
            elif path.exists():
                raise StoreError(f"{path} is not a file: name a file with store=…")
            elif must_exist:
                check_there(path)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise StoreError(
                f"{error.filename} is not a folder: name a file with store=…"
            ) from None
        except OSError as error:
            raise StoreError(
                f"the results database {path} cannot be opened ({error.strerror}): check the path "
                "and its permissions, or name another with store=…"
            ) from error

    def _unknown_run(self, name: str) -> StoreError:
        names = sa.select(RUNS.c.name)
        known = [
            n
            for n in self.database.read(lambda c: c.execute(names).scalars().all())
            if is_run_name(n)
        ]
        close = near(name, known, cutoff=0.6)
        hint = (
            f"did you mean {' or '.join(map(repr, close))}?"
            if close
            else f"see `nas-gym list{store_option(self.database.shown)}`"
        )
        return StoreError(f"there is no run {name!r} in {self.database.shown}: {hint}")

    def _check_run(self, run: Mapping[str, Any]) -> None:
        check(RUNS, run)
        with reading.of_run(run["name"], self.database.shown):
            reading.run_columns(run)

    def _status(self, run: Mapping[str, Any]) -> str:
        """Return the recorded status, or ``cut`` for a running one without a live process."""
        status = str(run["status"])
        if status not in STATUSES:
            raise damaged(self.database.shown)
        return "cut" if status == "running" and not self.locks.is_alive(run["id"]) else status


def load_run(run: str, store: str | Path = DEFAULT_STORE) -> RunData:
    """Read a recorded run.

    Args:
        run: Its name.
        store: The results database: a path, or a URL.

    Returns:
        The run: ``.rows`` are its requests in order.

    Raises:
        StoreError: There is no such database or run, or it is damaged.
    """
    check_store(store, run)
    with Store(store, read_only=True) as opened:
        return opened.load_run(run)
