"""``search``: an agent, an environment and a record put together."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas_gym.envs.async_env import NASAsyncVectorEnv
from nas_gym.envs.recorder import Watching
from nas_gym.registry import Part
from nas_gym.runs.session import SearchResult as SearchResult
from nas_gym.runs.session import prepared
from nas_gym.store import DEFAULT_STORE


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
        timeout: Seconds that a child may take in a worker or an engine, > 0; None for no limit.
        memory_limit: GiB that a child may allocate there, > 0; None for no limit.
        executor: Evaluates the children instead of ``workers``: an engine (``"ray"``, ``"dask"``,
            ``"slurm"``, ``"mpi"``, ``"module:factory"``), with options as JSON data, which is
            opened for the first child and closed at the end; or a live executor, which stays open.
        failure_reward: Reward of a child that failed.
        store: The results database: a SQLite file, or the URL of a PostgreSQL server.
        watcher: Told of every evaluation and request, after they are recorded; several are told in
            their order. See ``docs/guide/watching.md``.
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
        asynchronous: Whether the agent is told of each child as it is done, instead of waiting for
            whole batches. By default where it can, several children are trained at once, and no
            ``num_envs`` is given. Which children are then asked for depends on how long each takes;
            the record holds the order, so that a run that goes on repeats it.
        in_flight: Children that are trained at once if it is asynchronous, >= 1; by default as many
            as there are ``simulated_workers``, ``workers`` or as the executor has room for, which
            is opened to be asked; if it does not say, the agent's ``batch_size``, and 8 at least.
        limits: What a child network may cost, e.g. ``{"parameters": 50_000}`` or
            ``{"multiply_adds": (10**6, 10**7)}``, which every agent keeps; see
            ``docs/guide/limits.md``.

    Returns:
        The result, with ``.best(k)``.

    Raises:
        NASGymError: Any part, name or number that cannot be used; before anything is trained.
        RunDiverged: The resumed run asks for other architectures than it did.
        StoreError: The store failed; what was recorded is kept.
    """
    session = prepared(
        space,
        evaluator,
        agent,
        budget=budget,
        num_envs=num_envs,
        reward=reward,
        seed=seed,
        child_seed=child_seed,
        run=run,
        resume=resume,
        workers=workers,
        timeout=timeout,
        memory_limit=memory_limit,
        executor=executor,
        failure_reward=failure_reward,
        store=store,
        watcher=watcher,
        budget_seconds=budget_seconds,
        simulated_workers=simulated_workers,
        budget_epochs=budget_epochs,
        time_limit=time_limit,
        asynchronous=asynchronous,
        in_flight=in_flight,
        limits=limits,
    )
    with session.heard(), session.under_way():
        if isinstance(session.env, NASAsyncVectorEnv):
            session.agent.search_async(session.env)  # type: ignore[attr-defined]
        else:
            session.agent.search(session.env)
    return session.result()
