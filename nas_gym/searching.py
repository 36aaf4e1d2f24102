"""``search`` and ``resume``: an agent, an environment and a record put together."""

import logging
import math
import re
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from nas_gym.agent import Agent
from nas_gym.errors import InvalidOption, RunDiverged, StoreError
from nas_gym.evaluation import Evaluation
from nas_gym.provenance import session
from nas_gym.record import Answer, Claim, Job, Known, Record
from nas_gym.registry import (
    Part,
    env_spec_of,
    in_workers,
    make,
    restorable,
    spec_of,
    usual,
    usual_reward,
)
from nas_gym.store import DEFAULT_STORE, RunRecord, load_run, start_run
from nas_gym.store.places import resume_command
from nas_gym.vector_env import NASVectorEnv

RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_log = logging.getLogger("nas_gym")
BUDGET = 150  # evaluations, unless the user says else
TIMEOUT = 3600.0  # seconds that a child may take in a worker process, unless the user says else


@dataclass(frozen=True)
class SearchResult:
    """What a search found; every request in the agent's order."""

    run: str | None  # name in the store, if it was recorded
    answers: tuple[Answer, ...] = field(repr=False)
    simulated_seconds: float = 0.0  # on the simulated clock

    def best(self, count: int = 1) -> list[Answer]:
        """The ``count`` different architectures with the highest rewards, best first."""
        unique: dict[str, Answer] = {}
        for answer in sorted(self.answers, key=lambda a: -a.reward):  # stable: the first of equals
            if answer.evaluation.failure is None:
                unique.setdefault(answer.evaluation.architecture.key, answer)
        return list(unique.values())[:count]


class Watcher(Protocol):
    """Is told how a search goes on, after it is recorded."""

    def started(self) -> None:
        """All parts are made and the run is recorded; the agent is about to ask."""

    def replayed(self, first: int, answers: Sequence[Answer]) -> None:
        """As ``Record.replayed``."""

    def evaluated(self, answer: Answer, seed: int) -> None:
        """As ``Record.evaluated``."""

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """As ``Record.requested``."""


class Records(Record):
    """A record and a watcher as one; also keeps the answers."""

    def __init__(self, record: Record | None, watcher: Watcher | None) -> None:
        self.record = Record() if record is None else record
        self.watchers = [] if watcher is None else [watcher]
        self.answers: list[Answer] = []

    def started(self) -> None:
        """Pass it on."""
        for watcher in self.watchers:
            watcher.started()

    def history(self) -> Sequence[tuple[tuple[int, ...], Known]]:
        """The record's."""
        return self.record.history()

    def claim(self, jobs: Sequence[Job]) -> Sequence[Evaluation | Claim]:
        """The record's."""
        return self.record.claim(jobs)

    def wait(self, job: Job) -> Evaluation | Claim:
        """The record's."""
        return self.record.wait(job)

    def replayed(self, first: int, answers: Sequence[Answer]) -> None:
        """Pass it on, and keep it."""
        self.answers.extend(answers)
        for watcher in self.watchers:
            watcher.replayed(first, answers)

    def evaluated(self, answer: Answer, seed: int) -> None:
        """Pass it on."""
        self.record.evaluated(answer, seed)
        for watcher in self.watchers:
            watcher.evaluated(answer, seed)

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """Pass it on, and keep it."""
        self.record.requested(first, answers)
        for watcher in self.watchers:
            watcher.requested(first, answers)
        self.answers.extend(answers)


def search(
    space: Part = "nasnet-cell",
    evaluator: Part | None = None,
    agent: Part = "reinforce",
    *,
    budget: int | None = None,
    num_envs: int | None = None,
    reward: Part | None = None,
    seed: int = 0,
    child_seed: int | None = None,
    run: str | None = None,
    resume: bool = False,
    workers: int = 0,
    timeout: float | None = None,
    memory_limit: float | None = None,
    executor: Executor | None = None,
    failure_reward: float = 0.0,
    store: str | Path = DEFAULT_STORE,
    watcher: Watcher | None = None,
    budget_seconds: float | None = None,
    simulated_workers: int = 1,
) -> SearchResult:
    """Search ``space`` for architectures that ``evaluator`` finds good.

    Args:
        space: WHAT may be built; a name, JSON data, ``"module:attribute"`` or an object, as all
            four parts (see ``nas_gym.registry``).
        evaluator: HOW GOOD it is; by default what is usual for the space.
        agent: Who searches.
        budget: Evaluations the agent asks for, repeats included; >= 1. 150 by default, no limit
            where there is a budget of seconds.
        num_envs: Architectures a batch; the agent's ``batch_size`` by default.
        reward: What the agent maximises; by default what is usual for the space.
        seed: Seeds the agent, >= 0.
        child_seed: From it and an architecture's key every child's seed follows, >= 0; ``seed`` by
            default. Runs of one store, space, data set and recipe share what they train where
            this seed is the same.
        run: Name under which the run is recorded in ``store``; None keeps nothing on disk.
        resume: Go on with the run of this name where it was cut, if there is one: it asks for the
            same architectures again, and what was answered is answered from the record.
        workers: Processes that evaluate children; 0 evaluates in this process. The calling script
            then needs ``if __name__ == "__main__":``.
        timeout: Seconds that a child may take in a worker, > 0; None for no limit.
        memory_limit: GiB that a child may allocate in a worker, > 0; None for no limit.
        executor: Evaluates the children instead of ``workers``; stays open.
        failure_reward: Reward of a child that failed.
        store: The results database: a SQLite file, or the URL of a PostgreSQL server.
        watcher: Told of every evaluation and request, after they are recorded.
        budget_seconds: Simulated seconds: those that the evaluations report (a table's training
            times), a repeat's again; the batch in which they run out is still evaluated.
        simulated_workers: Machines that train a batch side by side on the simulated clock.

    Returns:
        The result, with ``.best(k)``.

    Raises:
        NASGymError: Any part, name or number that cannot be used; before anything is trained.
        RunDiverged: The resumed run asks for other architectures than it did.
        StoreError: The store failed; what was recorded is kept.
    """
    made_space = make("space", space)
    if evaluator is None:
        evaluator = usual("evaluator", made_space)
    made_evaluator = make("evaluator", evaluator, space=made_space)
    if reward is None:
        reward = usual_reward(made_space, made_evaluator)
    made_reward = make("reward", reward)
    made_agent: Agent = make("agent", agent)
    if budget is None and budget_seconds is None:
        budget = BUDGET
    child_seed = seed if child_seed is None else child_seed
    for name, value in (("seed", seed), ("child_seed", child_seed)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise InvalidOption(f"the {name} is {value!r}: give a whole number of 0 or more")
    env = NASVectorEnv(
        made_space,
        in_workers(
            made_evaluator,
            workers,
            timeout=timeout,
            memory_limit=memory_limit,
            executor=executor,
        ),
        num_envs=made_agent.batch_size if num_envs is None else num_envs,
        reward=made_reward,
        budget=budget,
        seed=child_seed,
        failure_reward=failure_reward,
        budget_seconds=budget_seconds,
        simulated_workers=simulated_workers,
    )
    record = None
    if run is not None:
        told = _unwrapped(made_evaluator)
        config = _configuration(made_space, told, made_agent, made_reward, env)
        record = start_run(
            store,
            checked_run_name(run),
            config | {"seed": seed, "limits": {"timeout": timeout, "memory_limit": memory_limit}},
            resume=resume,
            protocol=_protocol(config, made_space, told),
            env_spec=env_spec_of(config) if config["restorable"] else None,
            session=session() | {"workers": workers},
        )
    elif resume:
        raise InvalidOption("resume=True needs the name of the run: give run=NAME")
    records = Records(record, watcher)
    _run(env, made_agent, seed, record, records)
    failures = [a.evaluation.failure for a in records.answers]
    if failures and all(failures) and watcher is None:  # the command says so itself
        _log.warning("every child failed, the first one with: %s", failures[0])
    return SearchResult(run, tuple(records.answers), env.clock.seconds)


def resume(
    run: str,
    store: str | Path = DEFAULT_STORE,
    *,
    budget: int | None = None,
    workers: int | None = None,
    timeout: float | None = None,
    memory_limit: float | None = None,
    executor: Executor | None = None,
    watcher: Watcher | None = None,
) -> SearchResult:
    """Go on with a recorded run where it was cut; its history is that of a run never cut.

    Args:
        run: Its name.
        store: The results database that has it.
        budget: A larger budget than it was begun with; None keeps it.
        workers: As in ``search``; None takes as many as the run had.
        timeout: As in ``search``; None keeps the run's own, ``math.inf`` lifts it this time.
        memory_limit: As in ``search``; None keeps the run's own, ``math.inf`` lifts it this time.
        executor: As in ``search``.
        watcher: As in ``search``.

    Raises:
        StoreError: There is no such run, a live process is writing it, or it was begun with
            objects that a record cannot hold.
        RunDiverged: It asks for other architectures than it did.
    """
    data = load_run(run, store)
    config = data.config
    if not config["restorable"]:
        raise StoreError(
            f"run {run!r} was begun from Python with objects that a record cannot hold: run that "
            f"script again with search(..., run={run!r}, resume=True)"
        )
    if budget is not None and config.get("simulated", {}).get("budget_seconds") is not None:
        raise InvalidOption(
            f"run {run!r} has a budget of {config['simulated']['budget_seconds']:g} simulated "
            "seconds, beyond which it cannot go on: leave the budget out, or start a new run"
        )
    if workers is None:
        workers = 0 if executor is not None else int(data.sessions[-1].get("workers", 0))
    own = config.get("limits", {}) if workers > 0 else {}  # without workers nothing enforces them
    return search(
        config["space"],
        config["evaluator"],
        config["agent"],
        budget=config["budget"] if budget is None else budget,
        num_envs=config["num_envs"],
        reward=config["reward"],
        seed=config["seed"],
        child_seed=config["child_seed"],
        run=run,
        resume=True,
        workers=workers,
        timeout=_limit(timeout, own.get("timeout")),
        memory_limit=_limit(memory_limit, own.get("memory_limit")),
        executor=executor,
        failure_reward=config["failure_reward"],
        store=store,
        watcher=watcher,
        **config.get("simulated", {}),
    )


def _limit(given: float | None, own: float | None) -> float | None:
    if given is None:
        return own
    return None if given == math.inf else given


def new_run_name(space: str, agent: str) -> str:
    """A name for a run that starts now: what it does, and when."""
    parts = (re.sub(r"[^A-Za-z0-9]+", "-", part).strip("-") for part in (space, agent))
    # The last part is for those that start in the same second, on one machine or on many.
    return "-".join([*parts, f"{datetime.now():%Y%m%d-%H%M%S}", uuid4().hex[:4]])


def checked_run_name(name: str) -> str:
    """``name``, or InvalidOption: it names a row and a folder."""
    if not RUN_NAME.fullmatch(name):
        raise InvalidOption(
            f"the run name {name!r} cannot name a folder: use up to 100 letters, digits, "
            "'.', '_' and '-', starting with a letter or digit"
        )
    return name


def _run(
    env: NASVectorEnv[Any], agent: Agent, seed: int, record: RunRecord | None, records: Records
) -> None:
    status: str | None = "failed"
    try:
        env.ledger.attach(records)
        records.started()
        env.reset(seed=seed)
        agent.search(env)
        status = "unfinished" if env.remaining else "finished"
    except (KeyboardInterrupt, SystemExit):
        status = "interrupted"
        raise
    except RunDiverged:
        status = None
        if record is not None:
            record.undo()
        raise
    except StoreError:
        status = None  # nothing more can be written there
        raise
    except Exception as error:
        if record is not None:
            error.add_note(
                f"run {record.name!r} is recorded up to here; when the cause is mended, go on with "
                f"`{resume_command(record.name, record.store.database.shown)}`"
            )
        raise
    finally:
        try:
            if record is not None and status is not None:
                record.finish(status)
        finally:
            if record is not None:
                record.close()
            env.close()


def _unwrapped(evaluator: Any) -> Any:
    """What gives the numbers, without where it runs, which changes none."""
    while getattr(evaluator, "changes_nothing", False):
        evaluator = evaluator.inner
    return evaluator


_UNSIMULATED = {"budget_seconds": None, "simulated_workers": 1}


def _configuration(
    space: Any, evaluator: Any, agent: Any, reward: Any, env: NASVectorEnv[Any]
) -> dict[str, Any]:
    """What runs it again, as JSON data."""
    parts = {"space": space, "evaluator": evaluator, "agent": agent, "reward": reward}
    ledger = env.ledger
    simulated = {
        "budget_seconds": ledger.budget_seconds,
        "simulated_workers": ledger.clock.workers,
    }
    return {
        **{kind: spec_of(kind, part) for kind, part in parts.items()},
        **({} if simulated == _UNSIMULATED else {"simulated": simulated}),
        "restorable": all(restorable(kind, part, space=space) for kind, part in parts.items()),
        "protocol": getattr(evaluator, "protocol", None),
        "budget": env.ledger.budget,
        "num_envs": env.num_envs,
        "child_seed": env.ledger.seed,
        "failure_reward": env.ledger.failure_reward,
    }


def _protocol(config: dict[str, Any], space: Any, evaluator: Any) -> dict[str, Any] | None:
    """What evaluations depend on beside architecture and seed; None where that is not told."""
    told = config["protocol"]
    # "__main__" is another module in each script.
    if evaluator.stateful or not told or type(evaluator).__module__ == "__main__":
        return None
    if not restorable("space", space):
        return None
    return {"space": config["space"], "evaluated_by": config["evaluator"]["name"], **told}
