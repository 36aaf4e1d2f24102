"""The common part of agents that learn from all earlier rewards: memory and what they ask next."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nas_agents.lstm.controller import Controller, one_thread, sample
from nas_agents.lstm.depth_schedule import DEPTH
from nas_agents.lstm.fused_controller import FusedController
from nas_agents.lstm.vocabulary import Opened, Vocabulary
from nas_gym.agent import Observed
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import Tokens
from nas_gym.search_spaces.moves import random_tokens

if TYPE_CHECKING:
    from nas_agents.path_consistency import PathConsistency
    from nas_agents.priority_queue import PriorityQueue
    from nas_gym.envs.vector_env import NASVectorEnv, Played

TRIES = 8  # rounds of samples in which new architectures are looked for


class Replay:
    """The distinct architectures played so far, each with the mean of its rewards."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.rows: dict[Tokens, int] = {}  # in order of their first evaluation
        self.sums: list[float] = []
        self.counts: list[int] = []
        self._tokens: Tensor | None = None
        self._opened: Opened | None = None

    def add(self, played: Sequence["Played"]) -> None:
        """Remember a batch of answers."""
        fresh = []
        for tokens, reward, _ in played:
            row = self.rows.setdefault(tokens, len(self.rows))
            if row == len(self.sums):
                fresh.append(tokens)
                self.sums.append(0.0)
                self.counts.append(0)
            self.sums[row] += reward
            self.counts[row] += 1
        if fresh:
            self._append(*self.controller.path_of(fresh))

    @property
    def means(self) -> npt.NDArray[np.float64]:
        """Mean reward of each architecture, (distinct,)."""
        return np.divide(self.sums, self.counts, dtype=np.float64)

    def best_first(self) -> list[int]:
        """Return the rows by mean reward; of equals the older is first."""
        return list(np.argsort(-self.means, kind="stable"))

    def again(self, rows: Sequence[int], count: int, most: int) -> list[Tokens]:
        """Return the first ``count`` of the rows that were evaluated less than ``most`` times."""
        names = list(self.rows)
        return [names[row] for row in rows if self.counts[row] < most][:count]

    def paths(self, rows: Tensor) -> tuple[Tensor, Opened]:
        """Return tokens and choices of some architectures, as ``sample`` gives them."""
        assert self._tokens is not None
        assert self._opened is not None
        return self._tokens[rows], Opened(*(part[rows] for part in self._opened))

    def _append(self, tokens: Tensor, opened: Opened) -> None:
        if self._tokens is None or self._opened is None:
            self._tokens, self._opened = tokens, opened
        else:
            self._tokens = torch.cat([self._tokens, tokens])
            parts = zip(self._opened, opened, strict=True)
            self._opened = Opened(*(torch.cat(pair) for pair in parts))


Learn = Callable[[Replay], Sequence[Tokens]]  # from all that was played to what is played first


def search_with_replay(
    settings: "PriorityQueue | PathConsistency",
    env: "NASVectorEnv[Any]",
    learning: Callable[[FusedController, np.random.Generator], Learn],
) -> None:
    """Play random architectures, then what the controller writes as it learns, to the last one.

    Args:
        settings: The agent's.
        env: The environment, with a budget.
        learning: Makes what is called before each batch.
    """
    generator = torch.Generator().manual_seed(int(env.np_random.integers(2**62)))
    controller = FusedController(settings, Vocabulary(env.choices, env.np_random), generator)
    learn = learning(controller, env.np_random)
    replay = Replay(controller)
    played = 0
    while env.remaining > 0:
        count = int(min(settings.batch_size, env.remaining))
        depth = controller.depth_token(env.ledger.requests)
        if played < settings.random_first:
            count = min(count, settings.random_first - played)
            given = {} if depth is None else {DEPTH: controller.vocabulary.depths[depth]}
            batch = [random_tokens(env.space, env.np_random, given) for _ in range(count)]
        else:
            with one_thread():
                batch = list(learn(replay))[:count]
            known = replay.rows if settings.distinct else {}
            missing = count - len(batch)
            batch += _written(
                controller, generator, known, batch, missing, settings.exploration, depth
            )
        replay.add(env.play(batch))
        played += count


def _written(
    controller: Controller,
    generator: torch.Generator,
    known: dict[Tokens, int],
    beside: Sequence[Tokens],
    count: int,
    exploration: float,
    depth: int | None,
) -> list[Tokens]:
    """Write ``count`` samples that are not ``known`` nor in the batch, if there are such."""
    found: list[Tokens] = []
    spare: list[Tokens] = []
    for _ in range(TRIES):
        if len(found) >= count:
            break
        rows, _ = sample(
            controller, 2 * controller.settings.batch_size, generator, None, exploration, depth
        )
        for row in rows.tolist():
            tokens = whole(controller.vocabulary.choices, row)
            new = tokens not in known and tokens not in found and tokens not in beside
            (found if new else spare).append(tokens)
    return (found + spare)[:count]


def whole(choices: ChoiceTable, padded: Sequence[int]) -> Tokens:
    """Return the tokens of an episode without those after its completion."""
    if choices.static is not None:
        return tuple(padded[: len(choices.static)])
    tokens: Tokens = ()
    while choices.after(tokens) is not None:
        tokens = (*tokens, padded[len(tokens)])
    return tokens


def most_trusted(observed: Sequence[Observed]) -> Tokens:
    """Return the highest mean reward less its standard error, which repeats make known.

    The best of many that were seen once was mostly lucky, so one that stayed good is preferred.
    Without repeats it is the best reward.
    """
    rewards: dict[Tokens, list[float]] = {}
    for tokens, reward, *_ in observed:
        rewards.setdefault(tokens, []).append(reward)
    spread = sum(float(np.var(each)) * len(each) for each in rewards.values())
    freedom = len(observed) - len(rewards)
    noise = (spread / freedom) ** 0.5 if freedom else 0.0
    return max(rewards, key=lambda t: float(np.mean(rewards[t])) - noise / len(rewards[t]) ** 0.5)
