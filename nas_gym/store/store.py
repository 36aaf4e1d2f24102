"""``Store``: a results database, its runs, and how one begins, goes on and is read again."""

from collections.abc import Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from hashlib import blake2b
from json import loads
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from nas_gym.errors import InvalidOption, StoreError
from nas_gym.evaluators.evaluation import Validation
from nas_gym.store.database import check_integrity, connect, damaged
from nas_gym.store.location import DEFAULT_STORE, resume_command, store_option
from nas_gym.store.locks import RunLock, locks_of
from nas_gym.store.migrations import prepare
from nas_gym.store.queries import earlier_of, validations_of
from nas_gym.store.recorder import RunRecorder
from nas_gym.store.rows import check, validation_row
from nas_gym.store.run_data import Earlier, RunData
from nas_gym.store.schema import (
    CLAIMS,
    EVALUATIONS,
    PROTOCOLS,
    REQUESTS,
    RUNS,
    STATUSES,
    VALIDATIONS,
    summed,
    to_text,
)

# Of a configuration, when its run goes on. Whether it can be restored follows from its parts.
MAY_CHANGE = ("budget", "limits", "restorable")


class Store:
    """A results database.

    Args:
        store: A SQLite file, made with its folder where there is none, or the URL of a server:
            ``postgresql://user@host/database``.
        must_exist: Refuse to make a new one.
        read_only: Only read; a read-only disk will do. Implies ``must_exist``.

    Raises:
        StoreError: It cannot be opened, is no such database, is damaged, or was written by a
            newer version.
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
        """The store itself; closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of it."""
        self.close()

    def close(self) -> None:
        """Let go of the file or the connections, and of the runs that were being written."""
        self.locks.close()
        self.database.close()

    def start_run(
        self,
        name: str,
        config: Mapping[str, Any],
        *,
        protocol: Mapping[str, Any] | None = None,
        env_spec: str | None = None,
        session: Mapping[str, Any] | None = None,
    ) -> RunRecorder:
        """Begin a run.

        Args:
            name: Of the run; one run in a store has it.
            config: What runs it again, as JSON data.
            protocol: What its evaluations depend on beside architecture and seed: runs of one
                protocol share their trainings. None shares with no other run.
            env_spec: JSON of a gymnasium ``EnvSpec``.
            session: Where and with what it starts, as JSON data.

        Raises:
            StoreError: The name is taken.
        """
        started = datetime.now(UTC).isoformat(timespec="seconds")
        row = {
            "name": name,
            "started": started,
            "status": "running",
            "config": to_text(config),
            "env_spec": env_spec or "null",
            "sessions": to_text([{"started": started, **(session or {})}]),
        }

        new = summed(RUNS, row)
        tries = 0

        def work(connection: sa.Connection) -> tuple[int, int]:
            nonlocal tries
            tries += 1
            query = sa.select(RUNS.c.checksum).where(RUNS.c.name == name)
            found = connection.execute(query).scalar()
            # On a second try it may be ours: a server can go away after it has written.
            ours = tries > 1 and found == new["checksum"]
            if found is not None and not ours:
                raise StoreError(
                    f"there is a run {name!r} in {self.database.shown} already: go on with it with "
                    f"`{resume_command(name, self.database.shown)}`, or give another name with "
                    "--run"
                )
            connection.execute(self.database.insert(RUNS), new)
            run_id = int(connection.execute(_run_named(name)).scalar_one())
            return run_id, self._protocol(connection, protocol or {"run": name})

        run_id, protocol_id = self.database.write(work)
        return RunRecorder(
            self,
            run_id,
            name,
            protocol_id=protocol_id,
            shared=protocol is not None,
            lock=self._lock(run_id, name),
            earlier=Earlier(),
        )

    def continue_run(
        self,
        name: str,
        config: Mapping[str, Any],
        *,
        protocol: Mapping[str, Any] | None = None,
        env_spec: str | None = None,
        session: Mapping[str, Any] | None = None,
    ) -> RunRecorder:
        """Go on with a run that was cut, under the same configuration.

        Args:
            name: Of the run.
            config: As ``start_run`` got it; the budget may be larger, and limits that are None
                stay as they were.
            protocol: As ``start_run`` got it.
            env_spec: With the larger budget.
            session: Where and with what it goes on.

        Raises:
            StoreError: No such run, or a live process is writing it.
            InvalidOption: The configuration is another one.
        """
        self.database.check_writable()
        lock = self._lock(self._run(name)["id"], name)
        try:
            return self._continue(name, config, protocol, env_spec, session or {}, lock)
        except BaseException:
            lock.release()
            raise

    def runs(self) -> list[dict[str, Any]]:
        """Name, start, status, counts and best reward of each run, oldest first.

        ``requests`` were answered; ``unanswered`` children were evaluated when the run was cut, or
        are waiting for the others of their batch.
        """
        count = sa.select(sa.func.count()).where(REQUESTS.c.run_id == RUNS.c.id)
        paid = sa.select(sa.func.count()).where(EVALUATIONS.c.run_id == RUNS.c.id)
        used = sa.select(sa.func.count(sa.distinct(REQUESTS.c.evaluation_serial))).where(
            REQUESTS.c.run_id == RUNS.c.id, REQUESTS.c.evaluation_run == RUNS.c.id
        )
        best = sa.select(sa.func.max(REQUESTS.c.reward)).where(
            REQUESTS.c.run_id == RUNS.c.id, REQUESTS.c.failure.is_(None)
        )
        before_any = sa.select(sa.func.max(EVALUATIONS.c.reward)).where(
            EVALUATIONS.c.run_id == RUNS.c.id, EVALUATIONS.c.failure.is_(None)
        )
        query = sa.select(
            RUNS,
            count.scalar_subquery().label("requests"),
            (paid.scalar_subquery() - used.scalar_subquery()).label("unanswered"),
            sa.func.coalesce(best.scalar_subquery(), before_any.scalar_subquery()).label(
                "best_reward"
            ),
        ).order_by(RUNS.c.id)
        rows = self.database.read(lambda c: [row._asdict() for row in c.execute(query)])
        for row in rows:
            check(RUNS, row)
            if not isinstance(row["best_reward"], float | int | None):
                raise damaged(self.database.shown)
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
        """Whether there is a run of that name."""
        return self.database.read(lambda c: c.execute(_run_named(name)).first()) is not None

    def load_run(self, name: str) -> RunData:
        """A run with all its requests; raises StoreError for an unknown name or a damaged row."""
        run = self._run(name)
        earlier, validations = self.database.read(
            lambda c: (earlier_of(c, run["id"]), validations_of(c, run["id"]))
        )
        return RunData(
            name=run["name"],
            started=run["started"],
            status=self._status(run),
            config=loads(run["config"]),
            env_spec=None if run["env_spec"] == "null" else run["env_spec"],
            sessions=tuple(loads(run["sessions"])),
            rows=earlier.rows,
            unanswered=tuple(row for _, row in earlier.unanswered),
            validations=validations,
        )

    def save_validation(self, name: str, validation: Validation) -> None:
        """Write one final training of a run; on disk when this returns."""
        run_id = self._run(name)["id"]
        written = sa.select(VALIDATIONS.c.checksum).where(VALIDATIONS.c.run_id == run_id)
        first: int | None = None

        def work(connection: sa.Connection) -> None:
            nonlocal first
            connection.execute(_run_named(name).with_for_update())  # one after the other
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
                raise StoreError(f"{path} is not a file: name a file with --store")
            elif must_exist:
                raise StoreError(
                    f"there is no results database {path}: run a search first, "
                    "or name another with --store"
                )
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise StoreError(
                f"{error.filename} is not a folder: name a file with --store"
            ) from None
        except OSError as error:
            raise StoreError(
                f"the results database {path} cannot be opened ({error.strerror}): check the path "
                "and its permissions, or name another with --store"
            ) from error

    def _run(self, name: str) -> dict[str, Any]:
        query = sa.select(RUNS).where(RUNS.c.name == name)
        found = self.database.read(lambda c: c.execute(query).first())
        if found is None:
            raise self._unknown_run(name)
        run = found._asdict()
        check(RUNS, run)
        return run

    def _unknown_run(self, name: str) -> StoreError:
        names = sa.select(RUNS.c.name)
        known = self.database.read(lambda c: list(c.execute(names).scalars()))
        close = get_close_matches(name, known, n=2)
        hint = (
            f"did you mean {' or '.join(map(repr, close))}?"
            if close
            else f"see `nas-gym list{store_option(self.database.shown)}`"
        )
        return StoreError(f"there is no run {name!r} in {self.database.shown}: {hint}")

    def _status(self, run: Mapping[str, Any]) -> str:
        """As recorded; ``cut`` where it says running and no process is."""
        status = str(run["status"])
        if status not in STATUSES:
            raise damaged(self.database.shown)
        return "cut" if status == "running" and not self.locks.is_alive(run["id"]) else status

    def _lock(self, run_id: int, name: str) -> RunLock:
        try:
            lock = self.locks.take(run_id)
        except OSError as error:
            raise StoreError(
                f"run {name!r} cannot be locked ({error.strerror or error}): make the folder of "
                f"{self.database.shown} writable, with room for small files"
            ) from error
        if lock is None:
            raise StoreError(
                f"run {name!r} is being written by another process: wait until it ends, or stop it"
            )
        return lock

    def _continue(
        self,
        name: str,
        config: Mapping[str, Any],
        protocol: Mapping[str, Any] | None,
        env_spec: str | None,
        session: Mapping[str, Any],
        lock: RunLock,
    ) -> RunRecorder:
        run = self._run(name)  # again: now nobody else changes it
        command = resume_command(name, self.database.shown)
        _check_same(name, loads(run["config"]), loads(to_text(config)), command)
        limits = {n: v for n, v in (config.get("limits") or {}).items() if v is not None}
        config = {**config, "limits": {**(loads(run["config"]).get("limits") or {}), **limits}}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        sessions = [*loads(run["sessions"]), {"started": now, **session}]
        changed = {
            **run,
            "config": to_text(config),
            "env_spec": env_spec or run["env_spec"],
            "sessions": to_text(sessions),
        }

        def work(connection: sa.Connection) -> tuple[int, Earlier]:
            earlier = earlier_of(connection, run["id"])
            if config["budget"] is not None and len(earlier.rows) > config["budget"]:
                raise InvalidOption(
                    f"run {name!r} has {len(earlier.rows)} evaluations already: give a budget of "
                    "that many or more"
                )
            connection.execute(CLAIMS.delete().where(CLAIMS.c.run_id == run["id"]))
            update = RUNS.update().where(RUNS.c.id == run["id"])
            connection.execute(update.values(**summed(RUNS, changed) | {"status": "running"}))
            return self._protocol(connection, protocol or {"run": name}), earlier

        protocol_id, earlier = self.database.write(work)
        return RunRecorder(
            self,
            run["id"],
            name,
            protocol_id=protocol_id,
            shared=protocol is not None,
            lock=lock,
            earlier=earlier,
            before=run,
        )

    def _protocol(self, connection: sa.Connection, protocol: Mapping[str, Any]) -> int:
        description = to_text(protocol)
        digest = blake2b(description.encode(), digest_size=16).hexdigest()
        row = {"digest": digest, "description": description}
        connection.execute(self.database.insert(PROTOCOLS), row)
        query = sa.select(PROTOCOLS.c.id).where(PROTOCOLS.c.digest == digest)
        return int(connection.execute(query).scalar_one())


def start_run(
    store: str | Path, name: str, config: Mapping[str, Any], *, resume: bool = False, **options: Any
) -> RunRecorder:
    """Begin a run in ``store``, or with ``resume`` go on with it if it is there; close it after.

    ``options`` are those of ``Store.start_run``.

    Raises:
        StoreError: The database cannot be used, has a run of that name (without ``resume``), or
            another process writes it.
        InvalidOption: The run was begun with another configuration.
    """
    opened = Store(store)
    try:
        if resume and opened.has_run(name):
            return opened.continue_run(name, config, **options)
        return opened.start_run(name, config, **options)
    except BaseException:
        opened.close()
        raise


def load_run(run: str, store: str | Path = DEFAULT_STORE) -> RunData:
    """A recorded run, read again.

    Args:
        run: Its name.
        store: The results database: a path, or a URL.

    Returns:
        The run: ``.rows`` are its requests in order.

    Raises:
        StoreError: There is no such database or run, or it is damaged.
    """
    with Store(store, read_only=True) as opened:
        return opened.load_run(run)


def _run_named(name: str) -> "sa.Select[Any]":
    return sa.select(RUNS.c.id).where(RUNS.c.name == name)


def _with_protocol_options(config: dict[str, Any]) -> dict[str, Any]:
    """With ``protocol.recipe`` and so on, so that a message can name what differs."""
    protocol = config.get("protocol")
    if not isinstance(protocol, dict):
        return config
    rest = {name: value for name, value in config.items() if name != "protocol"}
    return rest | {f"protocol.{name}": value for name, value in protocol.items()}


def _check_same(name: str, before: dict[str, Any], now: dict[str, Any], command: str) -> None:
    before, now = _with_protocol_options(before), _with_protocol_options(now)
    for option in sorted(before.keys() | now.keys()):
        if option.startswith("protocol.") and option not in before:
            continue  # an older version, or an evaluator of then, did not declare it
        if option == "protocol.fingerprint" and before[option] != now.get(option):
            raise InvalidOption(
                f"the data of run {name!r} has changed since it was begun (fingerprint "
                f"{str(now.get(option))[:12]}…, recorded {str(before[option])[:12]}…): bring the "
                "old data back, or give another name with --run to begin anew"
            )
        if option not in MAY_CHANGE and before.get(option) != now.get(option):
            raise InvalidOption(
                f"run {name!r} was begun with {option} {to_text(before.get(option))}, and is given "
                f"{to_text(now.get(option))}: go on with `{command}`, which takes all "
                "options from the record, or give another name with --run"
            )
