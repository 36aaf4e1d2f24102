"""``search``: an agent, an environment and a record put together; what the command runs."""

import os
import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from nas_gym.agent import Agent
from nas_gym.errors import InvalidOption
from nas_gym.ledger import Answer, Record
from nas_gym.registry import Part, in_workers, make, spec_of
from nas_gym.store import RunRecord, start_run
from nas_gym.vector_env import NASVectorEnv

DEFAULT_STORE = Path("runs") / "store.sqlite"
RECORDED_VERSIONS = ("nas-gym", "gymnasium", "numpy", "torch", "torchvision", "scikit-learn")
RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class SearchResult:
    """What a search found; every request in the agent's order."""

    run: str | None  # name in the store, if it was recorded
    answers: tuple[Answer, ...] = field(repr=False)

    def best(self, count: int = 1) -> list[Answer]:
        """The ``count`` different architectures with the highest rewards, best first."""
        unique: dict[str, Answer] = {}
        for answer in sorted(self.answers, key=lambda a: -a.reward):  # stable: the first of equals
            if answer.evaluation.failure is None:
                unique.setdefault(answer.evaluation.architecture.key, answer)
        return list(unique.values())[:count]


class Watcher(Record, Protocol):
    """A record that is told when the search begins."""

    def started(self) -> None:
        """All parts are made and the run is recorded; the agent is about to ask."""


class Records:
    """Several records as one; also keeps the answers."""

    def __init__(self, records: Iterable[Record | None]) -> None:
        self.records = [record for record in records if record is not None]
        self.answers: list[Answer] = []

    def evaluated(self, answer: Answer, seed: int) -> None:
        """Pass it on."""
        for record in self.records:
            record.evaluated(answer, seed)

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """Pass it on, and keep it."""
        for record in self.records:
            record.requested(first, answers)
        self.answers.extend(answers)


def search(
    space: Part = "nasnet-cell",
    evaluator: Part = "training",
    agent: Part = "reinforce",
    *,
    budget: int = 150,
    num_envs: int | None = None,
    reward: Part = "accuracy",
    seed: int = 0,
    run: str | None = None,
    workers: int = 0,
    failure_reward: float = 0.0,
    store: str | Path = DEFAULT_STORE,
    watcher: Watcher | None = None,
) -> SearchResult:
    """Search ``space`` for architectures that ``evaluator`` finds good.

    Args:
        space: WHAT may be built; a name, JSON data, ``"module:attribute"`` or an object, as all
            four parts (see ``nas_gym.registry``).
        evaluator: HOW GOOD it is.
        agent: Who searches.
        budget: Evaluations the agent asks for, repeats included; >= 1.
        num_envs: Architectures a batch; the agent's ``batch_size`` by default.
        reward: What the agent maximises.
        seed: Seeds the agent and, through the architecture's key, every child.
        run: Name under which the run is recorded in ``store``; None keeps nothing on disk.
        workers: Processes that evaluate children; 0 evaluates in this process. The calling script
            then needs ``if __name__ == "__main__":``.
        failure_reward: Reward of a child that failed.
        store: The results database.
        watcher: Told of every evaluation and request, after they are recorded.

    Returns:
        The result, with ``.best(k)``.

    Raises:
        NASGymError: Any part, name or number that cannot be used; before anything is trained.
    """
    made_space = make("space", space)
    made_evaluator = make("evaluator", evaluator, space=made_space)
    made_reward = make("reward", reward)
    made_agent: Agent = make("agent", agent)
    if not isinstance(seed, int) or seed < 0:
        raise InvalidOption(f"the seed is {seed!r}: give a whole number of 0 or more")
    env = NASVectorEnv(
        made_space,
        in_workers(made_evaluator, workers),
        num_envs=made_agent.batch_size if num_envs is None else num_envs,
        reward=made_reward,
        budget=budget,
        seed=seed,
        failure_reward=failure_reward,
    )
    record = None
    if run is not None:
        config = _configuration(made_space, made_evaluator, made_agent, made_reward, env, workers)
        record = start_run(store, checked_run_name(run), config)
    records = Records([record, watcher])
    env.ledger.record = records
    if watcher is not None:
        watcher.started()
    _run(env, made_agent, record)
    return SearchResult(run, tuple(records.answers))


def new_run_name(space: str, agent: str) -> str:
    """A name for a run that starts now: what it does, and when."""
    parts = (re.sub(r"[^A-Za-z0-9]+", "-", part).strip("-") for part in (space, agent))
    return "-".join([*parts, f"{datetime.now():%Y%m%d-%H%M%S}"])


def checked_run_name(name: str) -> str:
    """``name``, or InvalidOption: it names a row and a folder."""
    if not RUN_NAME.fullmatch(name):
        raise InvalidOption(
            f"the run name {name!r} cannot name a folder: use up to 100 letters, digits, "
            "'.', '_' and '-', starting with a letter or digit"
        )
    return name


def _run(env: NASVectorEnv[Any], agent: Agent, record: RunRecord | None) -> None:
    status = "failed"
    try:
        env.reset(seed=env.ledger.seed)
        agent.search(env)
        status = "unfinished" if env.remaining else "finished"
    except (KeyboardInterrupt, SystemExit):
        status = "interrupted"
        raise
    except Exception as error:
        if record is not None:
            error.add_note(f"run {record.name!r} is recorded up to here in {record.store.path}")
        raise
    finally:
        if record is not None:
            record.finish(status)
            record.store.close()
        env.close()


def _configuration(
    space: Any, evaluator: Any, agent: Any, reward: Any, env: NASVectorEnv[Any], workers: int
) -> dict[str, Any]:
    """All that is needed to run it again, as JSON data."""
    return {
        "space": spec_of("space", space),
        "evaluator": spec_of("evaluator", evaluator),
        "protocol": getattr(evaluator, "protocol", None),
        "agent": spec_of("agent", agent),
        "reward": spec_of("reward", reward),
        "budget": env.ledger.budget,
        "num_envs": env.num_envs,
        "seed": env.ledger.seed,
        "failure_reward": env.ledger.failure_reward,
        "workers": workers,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in RECORDED_VERSIONS},
        "machine": {"platform": platform.platform(), "cpus": os.cpu_count()},
    }
