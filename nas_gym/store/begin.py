"""The beginning of a run in a store, and its going on after a cut."""

import errno
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from json import loads
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from nas_gym.errors import InvalidOption, StoreError
from nas_gym.store import reading
from nas_gym.store.database import Database
from nas_gym.store.location import checked_run_name, resume_command
from nas_gym.store.locks import RunLock
from nas_gym.store.queries import earlier_of, run_named
from nas_gym.store.recorder import RunRecorder
from nas_gym.store.run_data import Earlier
from nas_gym.store.schema import CLAIMS, PROTOCOLS, RUNS, summed, to_text
from nas_gym.store.store import Store

# Options that may differ when a run goes on. Whether it can be restored follows from its parts.
MAY_CHANGE = ("budget", "limits", "restorable", "data", "presets")
# How network file systems say that they have no locks, or that the server of locks is not there.
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
PLACES = {"dataset", "folder", "file"}  # options of evaluators that may be paths
NO_MATTER = {"device", "checkpoints"}  # of trainings: a device's kind is in the protocol


def start_run(
    store: str | Path, name: str, config: Mapping[str, Any], *, resume: bool = False, **options: Any
) -> RunRecorder:
    """Begin a run in ``store``, or with ``resume`` go on with it if it is there; close it after.

    Args:
        store: A path or a URL, as ``Store`` takes it.
        name: Of the run.
        config: What runs it again, as JSON data.
        resume: Go on with a run of that name, if there is one.
        options: Those of ``begin_run``.

    Raises:
        StoreError: The database cannot be used, has a run of that name (without ``resume``), or
            another process writes it.
        InvalidOption: The run was begun with another configuration.
    """
    opened = Store(store)
    try:
        if resume and opened.has_run(name):
            return continue_run(opened, name, config, **options)
        return begin_run(opened, name, config, **options)
    except BaseException:
        opened.close()
        raise


def begin_run(
    store: Store,
    name: str,
    config: Mapping[str, Any],
    *,
    protocol: Mapping[str, Any] | None = None,
    env_spec: str | None = None,
    session: Mapping[str, Any] | None = None,
) -> RunRecorder:
    """Begin a run in an open store.

    Args:
        store: Where to; closed with the recorder.
        name: Of the run; one run per store has it.
        config: What runs it again, as JSON data.
        protocol: What its evaluations depend on beside architecture and seed: runs of one
            protocol share their trainings. None shares with no other run.
        env_spec: JSON of a gymnasium ``EnvSpec``.
        session: Where and with what it starts, as JSON data.

    Raises:
        StoreError: The name is taken.
        InvalidOption: It cannot name a folder.
    """
    new = _new_row(checked_run_name(name), config, env_spec, session or {})
    tries = 0

    def work(connection: sa.Connection) -> tuple[int, int]:
        nonlocal tries
        tries += 1
        run_id = _insert(store.database, connection, new, again=tries > 1)
        return run_id, _protocol_id(store.database, connection, protocol or {"run": name})

    run_id, protocol_id = store.database.write(work)
    try:
        lock = _lock(store, run_id, name)
    except BaseException:  # what cannot be locked was never begun
        store.database.write(lambda c: c.execute(RUNS.delete().where(RUNS.c.id == run_id)))
        raise
    return RunRecorder(
        store.database, store.locks, run_id, name,
        protocol_id=protocol_id, shared=protocol is not None, lock=lock, earlier=Earlier(),
        again=resume_command(name, store.database.shown, config),
    )  # fmt: skip


def continue_run(
    store: Store,
    name: str,
    config: Mapping[str, Any],
    *,
    protocol: Mapping[str, Any] | None = None,
    env_spec: str | None = None,
    session: Mapping[str, Any] | None = None,
) -> RunRecorder:
    """Go on with a run that was cut, with the same configuration.

    Args:
        store: Where it is; closed with the recorder.
        name: Of the run.
        config: As ``begin_run`` got it; budgets may be larger, limits of None stay as they were.
        protocol: As ``begin_run`` got it.
        env_spec: With the larger budget.
        session: Where and with what it goes on.

    Raises:
        StoreError: No such run, or a live process is writing it.
        InvalidOption: The configuration is another one.
    """
    store.database.check_writable()
    lock = _lock(store, store.run_row(name)["id"], name)
    try:
        run = store.run_row(name)  # again: now nobody else changes it
        with reading.of_run(name, store.database.shown):
            changed = _changed_row(run, config, env_spec, session or {}, store.database.shown)
            protocol_id, earlier = store.database.write(
                lambda c: _go_on(store.database, c, changed, config["budget"], protocol)
            )
    except BaseException:
        lock.release()
        raise
    return RunRecorder(
        store.database, store.locks, run["id"], name,
        protocol_id=protocol_id, shared=protocol is not None, lock=lock, earlier=earlier,
        before=run, again=resume_command(name, store.database.shown, config),
    )  # fmt: skip


def _new_row(
    name: str, config: Mapping[str, Any], env_spec: str | None, session: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the row of a run that starts now."""
    started = _now()
    row = {
        "name": name,
        "started": started,
        "status": "running",
        "config": to_text(config),
        "env_spec": env_spec or "null",
        "sessions": to_text([{"started": started, **session}]),
    }
    return summed(RUNS, _checked(row))


def _checked(row: dict[str, Any]) -> dict[str, Any]:
    """Return a run's row; raise InvalidOption now if no reader would take it after the work."""
    try:
        reading.config_of(row["config"])
        reading.env_spec_of(row["env_spec"])
        reading.sessions_of(row["sessions"])
    except reading.BadRecord as error:
        raise InvalidOption(f"run {row['name']!r} cannot be recorded: {error}") from error
    return row


def _insert(
    database: Database, connection: sa.Connection, new: Mapping[str, Any], *, again: bool
) -> int:
    """Write the row of a new run, and return its id; raises StoreError if its name is taken."""
    name = new["name"]
    query = sa.select(RUNS.c.checksum).where(RUNS.c.name == name)
    found = connection.execute(query).scalar()
    # On a second try it may be ours: a server can go away after it has written.
    if found is not None and not (again and found == new["checksum"]):
        command = resume_command(name, database.shown, loads(new["config"]))
        raise StoreError(
            f"there is a run {name!r} in {database.shown} already: go on with it with `{command}`, "
            "or give another name with run=…"
        )
    connection.execute(database.insert(RUNS), new)
    return int(connection.execute(run_named(name)).scalar_one())


def _changed_row(
    run: Mapping[str, Any],
    config: Mapping[str, Any],
    env_spec: str | None,
    session: Mapping[str, Any],
    shown: str,
) -> dict[str, Any]:
    """Return the row of a run that goes on now; raises InvalidOption if it is not the same run."""
    name, before = run["name"], reading.config_of(run["config"])
    _check_same(name, before, loads(to_text(config)), resume_command(name, shown, config))
    limits = {n: v for n, v in (config.get("limits") or {}).items() if v is not None}
    config = {**config, "limits": {**(before.get("limits") or {}), **limits}}
    row = {
        **run,
        "config": to_text(config),
        "env_spec": env_spec or run["env_spec"],
        "sessions": to_text(
            [*reading.sessions_of(run["sessions"]), {"started": _now(), **session}]
        ),
    }
    return summed(RUNS, _checked(row)) | {"status": "running"}


def _go_on(
    database: Database,
    connection: sa.Connection,
    changed: Mapping[str, Any],
    budget: int | None,
    protocol: Mapping[str, Any] | None,
) -> tuple[int, Earlier]:
    """Write that a run goes on, without its claims of before; return what it has already."""
    run_id, name = changed["id"], changed["name"]
    earlier = earlier_of(database, connection, run_id)
    if budget is not None and len(earlier.rows) > budget:
        raise InvalidOption(
            f"run {name!r} has {len(earlier.rows)} evaluations already: give a budget of "
            "that many or more"
        )
    connection.execute(CLAIMS.delete().where(CLAIMS.c.run_id == run_id))
    connection.execute(RUNS.update().where(RUNS.c.id == run_id).values(**changed))
    return _protocol_id(database, connection, protocol or {"run": name}), earlier


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _lock(store: Store, run_id: int, name: str) -> RunLock:
    try:
        lock = store.locks.take(run_id)
    except OSError as error:
        todo = f"make the folder of {store.database.shown} writable, with room for small files"
        if error.errno in NO_LOCKS:
            todo = (
                f"the file system of {store.database.shown} has no locks, so give a path on a "
                "local disk, or a PostgreSQL server, with store=…"
            )
        raise StoreError(
            f"run {name!r} cannot be locked ({error.strerror or error}): {todo}"
        ) from error
    if lock is None:
        raise StoreError(
            f"run {name!r} is being written by another process: wait until it ends, or stop it"
        )
    return lock


def _protocol_id(database: Database, connection: sa.Connection, protocol: Mapping[str, Any]) -> int:
    """Return the row of a protocol, which is written if it is new."""
    description = to_text(protocol)
    digest = blake2b(description.encode(), digest_size=16).hexdigest()
    row = {"digest": digest, "description": description}
    connection.execute(database.insert(PROTOCOLS), row)
    query = sa.select(PROTOCOLS.c.id).where(PROTOCOLS.c.digest == digest)
    return int(connection.execute(query).scalar_one())


def _check_same(name: str, before: dict[str, Any], now: dict[str, Any], command: str) -> None:
    """Raise InvalidOption if a run that goes on is given another configuration."""
    before, now = map(_with_protocol_options, (_with_epochs_of(before, now), now))
    if before.get("protocol.fingerprint") == now.get("protocol.fingerprint") is not None:
        before = _at_places_of(before, now)
    for option in sorted(before.keys() | now.keys()):
        if option.startswith("protocol.") and option not in before:
            continue  # an older version, or an evaluator of then, did not declare it
        if option == "protocol.fingerprint" and before[option] != now.get(option):
            raise InvalidOption(
                f"the data of run {name!r} has changed since it was begun (fingerprint "
                f"{str(now.get(option))[:12]}…, recorded {str(before[option])[:12]}…): bring the "
                "old data back, or give another name with run=… to begin anew"
            )
        if option not in MAY_CHANGE and before.get(option) != now.get(option):
            raise InvalidOption(
                f"run {name!r} was begun with {option} {to_text(before.get(option))}, and is given "
                f"{to_text(now.get(option))}: go on with `{command}`, which takes all "
                "options from the record, or give another name with run=…"
            )


def _with_epochs_of(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Return it with the budget of epochs of now, if there was one and it is no smaller."""
    had, has = ((c.get("simulated") or {}).get("budget_epochs") or 0 for c in (before, now))
    grew = {"budget_epochs": has} if has >= had > 0 else None
    return before if grew is None else {**before, "simulated": before["simulated"] | grew}


def _at_places_of(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Return it with the evaluator's paths of now: the same data may lie elsewhere."""
    was, is_now = before.get("evaluator"), now.get("evaluator")
    if not (isinstance(was, dict) and isinstance(is_now, dict)):
        return before
    moved = {
        option: place
        for option in was.keys() & is_now.keys() & PLACES
        if isinstance(place := is_now[option], str) and os.path.isabs(place)
    }
    return {**before, "evaluator": was | moved}


def _with_protocol_options(config: dict[str, Any]) -> dict[str, Any]:
    """Return it with ``protocol.recipe`` and so on, so that a message can name what differs."""
    protocol = config.get("protocol")
    if not isinstance(protocol, dict):
        return config
    rest = {name: value for name, value in config.items() if name != "protocol"}
    if "device" in protocol and isinstance(rest.get("evaluator"), dict):
        rest["evaluator"] = {o: v for o, v in rest["evaluator"].items() if o not in NO_MATTER}
    return rest | {f"protocol.{name}": value for name, value in protocol.items()}
