"""Locks that say which runs are alive: a live process holds the lock of the run that it writes.

A lock ends with its process, however that ends, so nothing has to expire.
"""

import errno
import os
import sys
import time
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from filelock import FileLock, Timeout

from nas_gym.store import database as databases
from nas_gym.store.database import Database

TAKE_SECONDS = 0.5  # whoever asks whether a run is alive holds its lock for a moment
# The class of our advisory locks in a server: they are one name space for all its schemas.
_ADVISORY = sa.func.hashtext(sa.func.concat("nas-gym:", sa.func.current_schema()))


class RunLock(Protocol):
    """A lock that this process holds."""

    def is_held(self) -> bool:
        """Return whether it still holds; take it again, if possible, after a lost connection."""

    def release(self) -> None:
        """Release it; safe to call twice."""


class RunLocks(Protocol):
    """The locks of all runs of a store."""

    def take(self, run_id: int) -> RunLock | None:
        """Take the lock of a run; None if a live process has it. OSError if none can be made."""

    def is_alive(self, run_id: int) -> bool:
        """Return whether a live process writes this run."""

    def close(self) -> None:
        """Release all that were taken."""


def locks_of(database: Database) -> RunLocks:
    """Return the locks that belong to a store."""
    # The real path: a link to the file must lead to the same locks.
    return (
        _FileLocks(Path(os.path.realpath(database.shown)))
        if database.is_file
        else _ServerLocks(database)
    )


class _FileLocks:
    """One empty file per run, beside the database, locked by the operating system."""

    def __init__(self, path: Path) -> None:
        self.folder = path.with_name(path.name + "-locks")
        self._held: list[_HeldFile] = []

    def take(self, run_id: int) -> RunLock | None:
        lock = self._take(run_id, TAKE_SECONDS)
        if lock is not None:
            self._held.append(lock)
        return lock

    def is_alive(self, run_id: int) -> bool:
        if not os.path.exists(self._file(run_id)):
            return False
        try:
            lock = self._take(run_id, 0)
        except OSError:  # it may not be written
            return _is_locked(self._file(run_id))
        if lock is not None:
            lock.release()
        return lock is None

    def close(self) -> None:
        while self._held:
            self._held.pop().release()

    def _take(self, run_id: int, seconds: float) -> "_HeldFile | None":
        self.folder.mkdir(exist_ok=True)
        lock = FileLock(self._file(run_id), timeout=seconds, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            return None
        except NotImplementedError as error:  # how filelock names a file system without locks
            raise OSError(errno.ENOLCK, str(error)) from error
        return _HeldFile(lock)

    def _file(self, run_id: int) -> Path:
        return self.folder / f"{run_id}.lock"


def _is_locked(file: Path) -> bool:
    """Return whether a process holds the lock of a file that this one may only read."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        with file.open("rb") as opened:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


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
        self._held: list[_HeldConnection] = []

    def take(self, run_id: int) -> RunLock | None:
        lock = _HeldConnection(self.database, run_id)
        deadline = time.monotonic() + TAKE_SECONDS
        while not lock.take():
            if time.monotonic() > deadline:
                return None
            time.sleep(0.05)
        self._held.append(lock)
        return lock

    def is_alive(self, run_id: int) -> bool:
        lock = _HeldConnection(self.database, run_id)
        taken = lock.take()
        lock.release()
        return not taken

    def close(self) -> None:
        while self._held:
            self._held.pop().release()


class _HeldConnection:
    def __init__(self, database: Database, run_id: int) -> None:
        self.database = database
        self.engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.run_id = run_id
        self.connection: sa.Connection | None = None

    def is_held(self) -> bool:
        if self.connection is None:
            return False
        try:
            self.connection.execute(sa.select(1))
        except sa.exc.DBAPIError:
            self.release()
        else:
            return True
        # The server may take a while to notice that the lost connection, which has the lock, ended.
        for pause in (*databases.RETRY_PAUSES, None):
            if self.take():
                return True
            if pause is not None:
                time.sleep(pause)
        return False

    def take(self) -> bool:
        """Return whether the lock is ours now; wait for a server that went away."""
        return self.database.reach(self._take)

    def release(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.invalidate()  # closes it: a pooled connection would keep the lock
            connection.close()

    def _take(self) -> bool:
        connection = self.engine.connect()
        taken = sa.func.pg_try_advisory_lock(_ADVISORY, sa.cast(self.run_id, sa.Integer))
        try:
            if connection.execute(sa.select(taken)).scalar():
                self.connection = connection
                return True
        finally:
            if self.connection is None:
                connection.close()
        return False
