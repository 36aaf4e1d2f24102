"""Says which runs are alive: a live process holds the lock of the run that it writes.

A lock ends with its process, however that ends, so nothing has to expire.
"""

from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from filelock import FileLock, Timeout

from nas_gym.store.database import Database

# The class of our advisory locks in a server: they are one name space for all its schemas.
_ADVISORY = sa.func.hashtext(sa.func.concat("nas-gym:", sa.func.current_schema()))


class RunLock(Protocol):
    """A lock that this process holds."""

    def is_held(self) -> bool:
        """Whether it still holds; takes it again, if it can, after a lost connection."""

    def release(self) -> None:
        """Let go of it; safe to call twice."""


class RunLocks(Protocol):
    """The locks of all runs of a store."""

    def take(self, run_id: int) -> RunLock | None:
        """The lock of a run; None where a live process has it."""

    def is_alive(self, run_id: int) -> bool:
        """Whether a live process writes this run."""


def locks_of(database: Database) -> RunLocks:
    """The locks that belong to a store."""
    return _FileLocks(Path(database.shown)) if database.is_file else _ServerLocks(database)


class _FileLocks:
    """One empty file a run, beside the database, locked by the operating system."""

    def __init__(self, path: Path) -> None:
        self.folder = path.with_name(path.name + "-locks")

    def take(self, run_id: int) -> RunLock | None:
        self.folder.mkdir(exist_ok=True)
        lock = FileLock(self._file(run_id), timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            return None
        return _HeldFile(lock)

    def is_alive(self, run_id: int) -> bool:
        if not self._file(run_id).exists():
            return False
        try:
            lock = self.take(run_id)
        except OSError:  # a read-only disk: nobody can write there
            return False
        if lock is not None:
            lock.release()
        return lock is None

    def _file(self, run_id: int) -> Path:
        return self.folder / f"{run_id}.lock"


class _HeldFile:
    def __init__(self, lock: FileLock) -> None:
        self.lock = lock

    def is_held(self) -> bool:
        return self.lock.is_locked

    def release(self) -> None:
        self.lock.release()


class _ServerLocks:
    """PostgreSQL's advisory locks: they end with the connection."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def take(self, run_id: int) -> RunLock | None:
        lock = _HeldConnection(self.database, run_id)
        return lock if lock.is_held() else None

    def is_alive(self, run_id: int) -> bool:
        lock = self.take(run_id)
        if lock is not None:
            lock.release()
        return lock is None


class _HeldConnection:
    def __init__(self, database: Database, run_id: int) -> None:
        self.database = database
        self.engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.run_id = run_id
        self.connection: sa.Connection | None = None

    def is_held(self) -> bool:
        if self.connection is not None:
            try:
                self.connection.execute(sa.select(1))
            except sa.exc.DBAPIError:
                self.release()
            else:
                return True
        self.database.read(lambda c: c.execute(sa.select(1)))  # waits for a server that went away
        connection = self.engine.connect()
        taken = sa.func.pg_try_advisory_lock(_ADVISORY, sa.cast(self.run_id, sa.Integer))
        if connection.execute(sa.select(taken)).scalar():
            self.connection = connection
            return True
        connection.close()
        return False

    def release(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.invalidate()  # closes it: a pooled connection would keep the lock
            connection.close()
