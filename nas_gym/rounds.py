"""A round: many architectures under construction that take their tokens together."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from nas_gym.episode import Episode
from nas_gym.search_spaces.grammar import ChoiceTable

Observations = npt.NDArray[np.int64]
Masks = npt.NDArray[np.int8]


class Round(Protocol):
    """A round of episodes that take their tokens together."""

    steps: int

    def restart(self) -> None:
        """Start new episodes."""

    def take(self, actions: npt.NDArray[np.int64]) -> None:
        """Take one token an episode."""

    def observations(self) -> Observations:
        """(num_envs, max_length), token + 1; a fresh array."""

    def masks(self) -> Masks:
        """(num_envs, max_options), 1 = open; a fresh array."""

    def tokens(self) -> list[tuple[int, ...]]:
        """The tokens of each episode so far."""


class _StaticRound:
    """All episodes face the same choice: masks from a table, tokens by numpy."""

    def __init__(self, choices: ChoiceTable, num_envs: int) -> None:
        assert choices.static is not None
        space = choices.space
        self.counts = [len(choice.options) for choice in choices.static]
        rows = np.arange(space.max_options) < np.array([*self.counts, 1])[:, None]
        self.table = rows.astype(np.int8)  # (len(counts) + 1, max_options)
        self.ones = np.ones((num_envs, 1), np.int8)
        self.prefixes = np.zeros((num_envs, space.max_length), np.int64)
        self.steps = 0

    def restart(self) -> None:
        self.steps = 0
        self.prefixes[:] = 0

    def take(self, actions: npt.NDArray[np.int64]) -> None:
        if self.steps < len(self.counts):  # a static space may declare a larger max_length
            self.prefixes[:, self.steps] = actions % self.counts[self.steps] + 1
        self.steps += 1

    def observations(self) -> Observations:
        return self.prefixes.copy()

    def masks(self) -> Masks:
        masks: Masks = self.ones * self.table[min(self.steps, len(self.counts))]
        return masks

    def tokens(self) -> list[tuple[int, ...]]:
        taken = self.prefixes[:, : min(self.steps, len(self.counts))] - 1
        return list(map(tuple, taken.tolist()))


class _ConditionalRound:
    """Every episode faces its own choice."""

    def __init__(self, choices: ChoiceTable, num_envs: int) -> None:
        self.episodes = [Episode(choices) for _ in range(num_envs)]
        self.steps = 0

    def restart(self) -> None:
        self.steps = 0
        for episode in self.episodes:
            episode.restart()

    def take(self, actions: npt.NDArray[np.int64]) -> None:
        for episode, action in zip(self.episodes, actions.tolist(), strict=True):
            episode.take(action)
        self.steps += 1

    def observations(self) -> Observations:
        return np.stack([episode.observation for episode in self.episodes])

    def masks(self) -> Masks:
        return np.stack([episode.mask() for episode in self.episodes])

    def tokens(self) -> list[tuple[int, ...]]:
        return [tuple(episode.tokens) for episode in self.episodes]


def start_round(choices: ChoiceTable, num_envs: int) -> Round:
    """A round of ``num_envs`` new episodes; by numpy where all of them face the same choices."""
    if choices.static is not None:
        return _StaticRound(choices, num_envs)
    return _ConditionalRound(choices, num_envs)
