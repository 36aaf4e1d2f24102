"""``search``: an agent, an environment and a record put together."""

import logging
import math
import time
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas_gym.agent import Agent
from nas_gym.envs.recorder import Answer, TeeRecorder, Watcher
from nas_gym.envs.registration import env_spec_of
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption, RunDiverged, StoreError, TimeUp
from nas_gym.evaluators.evaluation import keeps_state, rank, stays_here
from nas_gym.evaluators.workers.spread import in_workers
from nas_gym.evaluators.workers.starting import start_server
from nas_gym.options import check
from nas_gym.options.durations import seconds_of
from nas_gym.options.printable import printable
from nas_gym.registry import Part, check_part, make, unwrapped, usual, usual_reward
from nas_gym.runs.config import (
    BUDGET,
    configuration,
    data_recorded,
    protocol_of,
)
from nas_gym.runs.options import checked_options
from nas_gym.runs.provenance import session
from nas_gym.store import DEFAULT_STORE, RunRecorder, start_run
from nas_gym.store.location import check_store, checked_run_name

_log = logging.getLogger("nas_gym")


@dataclass(frozen=True)
class SearchResult:
    """The result of a search: every request in the agent's order."""

    run: str | None  # name in the store, if it was recorded
    answers: tuple[Answer, ...] = field(repr=False)
    simulated_seconds: float = 0.0  # on the simulated clock
    time_up: TimeUp | None = None  # if a time limit ended it

    def best(self, count: int = 1) -> list[Answer]:
        """Return the ``count`` different architectures with the highest rewards, best first.

        Those that were trained further come first: rewards of different epochs do not compare.
        """
        unique: dict[str, Answer] = {}
        for answer in sorted(self.answers, key=_rank):  # stable: the first of equals
            if answer.evaluation.failure is None:
                unique.setdefault(answer.evaluation.architecture.key, answer)
        return list(unique.values())[:count]


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
    budget_epochs: int | None = None,
    time_limit: float | str | None = None,
) -> SearchResult:
    """Search ``space`` for architectures that ``evaluator`` finds good.

    Args:
        space: WHAT may be built; a name, JSON data, ``"module:attribute"`` or an object, as all
            four parts (see ``nas_gym.registry``).
        evaluator: HOW GOOD it is; by default what is usual for the space.
        agent: Who searches.
        budget: Evaluations the agent asks for, repeats included; >= 1. 150 by default, no limit
            if there is a budget of seconds or epochs, or a time limit.
        num_envs: Architectures per batch; the agent's ``batch_size`` by default.
        reward: What the agent maximises; by default what is usual for the space.
        seed: Seeds the agent, >= 0.
        child_seed: From it and an architecture's key every child's seed follows, >= 0; ``seed`` by
            default. Runs of one store, space, data set and recipe share what they train if this
            seed is the same.
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
            times), counted again for a repeat; the batch in which they run out is still evaluated.
        simulated_workers: Machines that train a batch side by side on the simulated clock.
        budget_epochs: Epochs of training, >= 1, for evaluators that can train in part: of a child
            that goes on the new ones count, a repeat costs none; the batch in which they run out is
            still evaluated.
        time_limit: Wall-clock time from the agent's beginning, > 0: seconds, or a text such as
            ``"90s"``, ``"20m"`` or ``"1h30m"``. When it is over nothing more is begun and children
            in worker processes are cut; one that is trained in this process is waited for. The
            run's status is then ``"out of time"``; it can be gone on with, and trains what was cut
            anew.

    Returns:
        The result, with ``.best(k)``.

    Raises:
        NASGymError: Any part, name or number that cannot be used; before anything is trained.
        RunDiverged: The resumed run asks for other architectures than it did.
        StoreError: The store failed; what was recorded is kept.
    """
    resume = check("resume", resume, bool)
    if run is not None:
        checked_run_name(run)
        check_store(store)
    if watcher is not None:
        check_part("watcher", watcher)
    numbers = checked_options(
        budget=budget,
        num_envs=num_envs,
        seed=seed,
        child_seed=child_seed,
        workers=workers,
        timeout=timeout,
        memory_limit=memory_limit,
        failure_reward=failure_reward,
        budget_seconds=budget_seconds,
        simulated_workers=simulated_workers,
        budget_epochs=budget_epochs,
        time_limit=None if time_limit == math.inf else seconds_of("time_limit", time_limit),
    )
    # Python's own from here on: numpy's would not go into the record.
    budget, seed, child_seed = (numbers[name] for name in ("budget", "seed", "child_seed"))
    workers, timeout = numbers["workers"], numbers["timeout"]
    memory_limit, seconds = numbers["memory_limit"], numbers["time_limit"]
    made_space = make("space", space)
    if evaluator is None:
        evaluator = usual("evaluator", made_space)
    made_evaluator = make("evaluator", evaluator, space=made_space)
    spread_out = in_workers(
        made_evaluator, workers, timeout=timeout, memory_limit=memory_limit, executor=executor
    )
    if executor is None and spread_out is not made_evaluator:
        start_server()  # it loads torch while this process prepares the search
    if reward is None:
        reward = usual_reward(made_space, made_evaluator)
    made_reward = make("reward", reward)
    made_agent: Agent = make("agent", agent)
    if all(limit is None for limit in (budget, budget_seconds, budget_epochs, seconds)):
        budget = BUDGET
    child_seed = seed if child_seed is None else child_seed
    env = NASVectorEnv(
        made_space,
        spread_out,
        num_envs=made_agent.batch_size if num_envs is None else num_envs,
        reward=made_reward,
        budget=budget,
        seed=child_seed,
        failure_reward=failure_reward,
        budget_seconds=budget_seconds,
        simulated_workers=simulated_workers,
        budget_epochs=budget_epochs,
    )
    record = None
    if run is not None:
        told = unwrapped(made_evaluator)
        config = configuration(made_space, told, made_agent, made_reward, env)
        data = data_recorded(told)
        limits = {"timeout": timeout, "memory_limit": memory_limit}
        alone = keeps_state(told) or getattr(told, "in_this_process", False)
        one_process = {"one_process": True} if alone else {}
        limits |= {} if seconds is None else {"time_limit": seconds}
        record = start_run(
            store,
            checked_run_name(run),
            config | {"seed": seed, "limits": limits} | ({} if data is None else {"data": data}),
            resume=resume,
            protocol=protocol_of(config, made_space, told),
            env_spec=env_spec_of(config) if config["restorable"] else None,
            session=session() | {"workers": workers} | one_process,
        )
    elif resume:
        raise InvalidOption("resume=True needs the name of the run: give run=NAME")
    records = TeeRecorder(record, watcher)
    time_up = _run(env, made_agent, seed, record, records, seconds)
    failures = [a.evaluation.failure for a in records.answers]
    if failures and all(failures) and watcher is None:  # the command says so itself
        _log.warning("every child failed, the first one with: %s", printable(failures[0]))
    if time_up is not None and watcher is None:
        _log.warning("%s", time_up)
    return SearchResult(run, tuple(records.answers), env.clock.seconds, time_up)


def _rank(answer: Answer) -> tuple[float, float]:
    return rank(answer.evaluation.epochs, answer.reward)


def _run(
    env: NASVectorEnv[Any],
    agent: Agent,
    seed: int,
    record: RunRecorder | None,
    records: TeeRecorder,
    seconds: float | None,
) -> TimeUp | None:
    """Let the agent search, and return what ended it if that was the clock."""
    status: str | None = "failed"
    try:
        env.ledger.attach(records)
        records.started()
        env.ledger.end_at(math.inf if seconds is None else time.monotonic() + seconds)
        env.reset(seed=seed)
        agent.search(env)
        status = "unfinished" if env.remaining else "finished"
        return None
    except TimeUp as time_up:
        status = "out of time"
        return time_up
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
                f"`{record.again}`"
            )
        raise
    finally:
        try:
            if record is not None and status is not None:
                record.finish(status)
            used = unwrapped(env.ledger.evaluator)
            if status == "finished" and (env.ledger.in_part or stays_here(used)):
                discard = getattr(used, "discard", None)
                if discard is not None:
                    discard()
        finally:
            if record is not None:
                record.close()
            env.close()
