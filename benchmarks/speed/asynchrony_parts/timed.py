"""A search on simulated machines, with the moment at which each answer came."""

from collections.abc import Sequence
from typing import Any

from nas_gym.envs.async_env import NASAsyncVectorEnv
from nas_gym.envs.recorder import Answer, Recorder
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.registry import make

TABLE = {"name": "nasbench201", "seeds": "random"}


class Moments(Recorder):
    """Keeps answers, and when they came: the clock moves on after each batch."""

    def __init__(self) -> None:
        self.env: NASVectorEnv[Any] | None = None
        self.answers: list[Answer] = []
        self.moments: list[float] = []

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """Note a batch, and the time of the one before."""
        self.move()
        self.answers += answers

    def move(self) -> None:
        """Note the time of the last batch."""
        assert self.env is not None
        new = len(self.answers) - len(self.moments)
        self.moments += [self.env.clock.seconds] * new


def timed_search(
    agent: Any, machines: int, asynchronous: bool, seed: int, **budget: Any
) -> tuple[list[float], list[Answer], float]:
    """Search NAS-Bench-201 by its table; return moments, answers and the share of time in training.

    Args:
        agent: A name, or ``{"name": …}`` with options.
        machines: That are simulated.
        asynchronous: Whether each answer is handed over as its child is done.
        seed: Of agent and children.
        budget: ``budget`` or ``budget_seconds``.
    """
    space = make("space", "nasbench201")
    evaluator = make("evaluator", TABLE, space=space)
    made = make("agent", agent)
    record = Moments()
    options = {
        "num_envs": made.batch_size, "simulated_workers": machines, "seed": seed, "record": record,
        **budget,
    }  # fmt: skip
    if asynchronous:
        flying = NASAsyncVectorEnv(space, evaluator, in_flight=machines, **options)
        record.env = flying
        flying.reset(seed=seed)
        made.search_async(flying)
    else:
        record.env = NASVectorEnv(space, evaluator, **options)
        record.env.reset(seed=seed)
        made.search(record.env)
    record.move()
    clock = record.env.clock
    return record.moments, record.answers, clock.busy_seconds / (machines * clock.seconds)
