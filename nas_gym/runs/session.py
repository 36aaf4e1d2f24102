"""A run from its parts to its result: what is before and after whoever asks for evaluations.

``search`` lets an agent ask; ``AskTell`` leaves that to somebody outside.
"""

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas_gym.agent import Agent
from nas_gym.envs.async_env import NASAsyncVectorEnv
from nas_gym.envs.multi_objective import VectorReward
from nas_gym.envs.recorder import Answer, TeeRecorder, Watchers, Watching
from nas_gym.envs.registration import env_spec_of
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption, TimeUp
from nas_gym.evaluators.doubts import doubts_of
from nas_gym.evaluators.evaluation import epochs_recorded, keeps_state, most_epochs, rank
from nas_gym.evaluators.within_limits import acceptance_in_words, acceptance_of
from nas_gym.evaluators.workers.engines.engine import shut_down_at_an_error
from nas_gym.evaluators.workers.engines.naming import executor_of, recorded_executor
from nas_gym.evaluators.workers.spread import in_workers
from nas_gym.evaluators.workers.starting import start_server
from nas_gym.options import check
from nas_gym.options.durations import seconds_of
from nas_gym.options.printable import printable
from nas_gym.registry import Part, check_part, make, spec_of, unwrapped, usual, usual_reward
from nas_gym.runs.config import (
    BUDGET,
    PARTS,
    configuration,
    data_recorded,
    protocol_of,
)
from nas_gym.runs.execution import Ending, under_way
from nas_gym.runs.flying import children_in_flight
from nas_gym.runs.options import checked_options
from nas_gym.runs.provenance import session
from nas_gym.store import DEFAULT_STORE, RunRecorder, start_run
from nas_gym.store.location import check_store, checked_run_name
from nas_gym.training.preparation import told_to

_log = logging.getLogger("nas_gym")


@dataclass(frozen=True)
class SearchResult:
    """The result of a search: every request in the agent's order."""

    run: str | None  # name in the store, if it was recorded
    answers: tuple[Answer, ...]
    simulated_seconds: float = 0.0  # on the simulated clock
    time_up: TimeUp | None = None  # if a time limit ended it
    # Share of the architectures drawn or written that keep the limits, in [0, 1]; None if masks
    # keep them.
    acceptance: float | None = None

    def __repr__(self) -> str:
        """Say in short what was found: ``best`` and ``answers`` have it."""
        count, best = len(self.answers), self.best()
        reward = f"best reward {best[0].reward:.6g}" if best else "none without a failure"
        where = "not recorded" if self.run is None else f"run {self.run!r}"
        over = "" if self.time_up is None else ", ended by the clock"
        said = f"{count:,} evaluation{'s'[: count != 1]}, {reward}, {where}{over}"
        return f"<SearchResult: {said}>"

    def best(self, count: int = 1) -> list[Answer]:
        """Return the ``count`` different architectures with the highest rewards, best first.

        Those that were trained further come first: rewards of different epochs do not compare.
        """
        unique: dict[str, Answer] = {}
        for answer in sorted(self.answers, key=_rank):  # stable: the first of equals
            if answer.evaluation.failure is None:
                unique.setdefault(answer.evaluation.architecture.key, answer)
        return list(unique.values())[:count]


@dataclass
class SearchSession:
    """A run whose parts are made and whose record is begun."""

    run: str | None
    env: NASVectorEnv[Any]
    agent: Agent
    seed: int
    record: RunRecorder | None
    records: TeeRecorder
    watchers: Watchers
    seconds: float | None  # of wall-clock time
    ending: Ending = field(default_factory=Ending)

    @contextmanager
    def under_way(self) -> Iterator[Ending]:
        """Let the block ask ``env``, and finish the record."""
        told = doubts_of(self.env.ledger.evaluator).told_to(self.watchers.hearing("doubted"))
        heard = under_way(self.env, self.seed, self.record, self.records, self.seconds)
        with told, heard as ending:
            self.ending = ending
            yield ending

    def heard(self) -> AbstractContextManager[None]:
        """Let the watcher hear, in a block of one thread, what happens before an answer."""
        return told_to(self.watchers.hearing("preparing"))

    def result(self) -> SearchResult:
        """Return what was found, and warn of what went wrong if no watcher does."""
        answers, time_up = self.records.answers, self.ending.time_up
        failures = [a.evaluation.failure for a in answers]
        if failures and all(failures) and not self.watchers.watchers:  # the command says so itself
            _log.warning("every child failed, the first one with: %s", printable(failures[0]))
        if time_up is not None and not self.watchers.watchers:
            _log.warning("%s", time_up)
        acceptance = acceptance_of(self.env.space, [answer.evaluation for answer in answers])
        if acceptance is not None and not self.watchers.watchers:
            _log.warning("%s", acceptance_in_words(acceptance))
        return SearchResult(self.run, tuple(answers), self.env.clock.seconds, time_up, acceptance)


def prepared(
    space: Part,
    evaluator: Part | None,
    agent: Part,
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
    executor: Part | None = None,
    failure_reward: float = 0.0,
    store: str | Path = DEFAULT_STORE,
    watcher: Watching = None,
    budget_seconds: float | None = None,
    simulated_workers: int = 1,
    budget_epochs: int | None = None,
    time_limit: float | str | None = None,
    asynchronous: bool | None = None,
    in_flight: int | None = None,
    limits: Mapping[str, Any] | None = None,
) -> SearchSession:
    """Make the parts of a run, check its options and begin its record; see ``search`` for them."""
    resume = check("resume", resume, bool)
    if run is not None:
        checked_run_name(run)
        check_store(store)
    watchers = Watchers(watcher)
    for each in watchers.watchers:
        check_part("watcher", each)
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
        in_flight=in_flight,
    )
    # Python's own from here on: numpy's would not go into the record.
    budget, seed, child_seed = (numbers[name] for name in ("budget", "seed", "child_seed"))
    workers, timeout = numbers["workers"], numbers["timeout"]
    memory_limit, seconds = numbers["memory_limit"], numbers["time_limit"]
    executor = executor_of(executor)
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
    objectives = getattr(made_agent, "objectives", None)
    if objectives is not None:  # refused before a child is trained
        VectorReward(objectives, made_evaluator)
    if all(limit is None for limit in (budget, budget_seconds, budget_epochs, seconds)):
        budget = BUDGET
    child_seed = seed if child_seed is None else child_seed
    with shut_down_at_an_error(executor):
        flying = children_in_flight(
            made_agent, spread_out, asynchronous, numbers["in_flight"], num_envs, simulated_workers,
            again=(run, store) if resume else None,
        )  # fmt: skip
        options: dict[str, Any] = {
            "num_envs": made_agent.batch_size if num_envs is None else num_envs,
            "reward": made_reward,
            "budget": budget,
            "seed": child_seed,
            "failure_reward": failure_reward,
            "budget_seconds": budget_seconds,
            "simulated_workers": simulated_workers,
            "budget_epochs": budget_epochs,
            "limits": limits,
        }
        env: NASVectorEnv[Any] = (
            NASVectorEnv(made_space, spread_out, **options)
            if flying is None
            else NASAsyncVectorEnv(made_space, spread_out, in_flight=flying, **options)
        )
        tell_begun = watchers.hearing("begun")
        with told_to(watchers.hearing("preparing")):  # the configuration needs the data
            if getattr(made_agent, "trains_in_part", False):  # refused before there is a run
                why = f"agent {spec_of('agent', made_agent)['name']!r} trains in part, but "
                most_epochs(made_evaluator, why, "choose another agent")
            record = None
            told = unwrapped(made_evaluator)
            config: dict[str, Any] = {}
            if run is not None or tell_begun is not None:
                config = configuration(made_space, told, made_agent, made_reward, env)
            if tell_begun is not None:  # before there is a record that would have to be finished
                parts = (made_space, told, made_agent, made_reward)
                tell_begun(dict(zip(PARTS, parts, strict=True)), config | {"seed": seed})
            if run is not None:
                summary = data_recorded(told)
                data = {} if summary is None else {"data": summary}
                bounds = {"timeout": timeout, "memory_limit": memory_limit}
                bounds |= {} if seconds is None else {"time_limit": seconds}
                alone = keeps_state(told) or getattr(told, "in_this_process", False)
                begun = ({"one_process": True} if alone else {}) | recorded_executor(executor)
                begun |= epochs_recorded(told)
                exact = getattr(env.space, "exact", True)
                record = start_run(
                    store,
                    checked_run_name(run),
                    config | {"seed": seed, "limits": bounds} | data,
                    resume=resume,
                    # Without masks an evaluation may have failed by the limits of this run alone.
                    protocol=protocol_of(config, made_space, told) if exact else None,
                    env_spec=env_spec_of(config) if config["restorable"] else None,
                    session=session() | {"workers": workers} | begun,
                )
            elif resume:
                raise InvalidOption("resume=True needs the name of the run: give run=NAME")
    tell_flying = watchers.hearing("flying")
    if flying is not None and tell_flying is not None:
        tell_flying(flying)
    records = TeeRecorder(record, watchers)
    return SearchSession(run, env, made_agent, seed, record, records, watchers, seconds)


def _rank(answer: Answer) -> tuple[float, float]:
    return rank(answer.evaluation.epochs, answer.reward)
