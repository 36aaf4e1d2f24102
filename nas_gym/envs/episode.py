"""Architectures under construction: the tokens so far, what is open, what is observed."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nas_gym.errors import InvalidTokens
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import Choice, SearchSpace, Tokens, checked_tokens

Mask = npt.NDArray[np.int8]  # (max_options,)
Masks = npt.NDArray[np.int8]  # (num_envs, max_options)
Observation = npt.NDArray[np.int64]  # (max_length,)
Observations = npt.NDArray[np.int64]  # (num_envs, max_length)


class Choices(Protocol):
    """What is open after a prefix: a ``ChoiceTable``, or that of one episode's limits."""

    space: SearchSpace[Any]
    static: tuple[Choice, ...] | None

    def after(self, prefix: tuple[int, ...]) -> Choice | None:
        """Return the choice that is open; None at the end."""


class Episode:
    """The state of one episode.

    Args:
        choices: The space's choices; shared by all episodes of an environment.
    """

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.max_options = choices.space.max_options
        self.tokens: list[int] = []
        self.open: Choice | None = None  # None: complete
        self.observation: Observation = np.zeros(choices.space.max_length, np.int64)
        self._masks = _masks(choices.space.max_options)
        self.restart()

    def restart(self, tokens: Tokens = ()) -> None:
        """Start a new architecture, or go on with one whose first tokens are in range and open."""
        self.tokens[:] = tokens
        self.observation[:] = 0
        self.observation[: len(tokens)] = np.array(tokens, np.int64) + 1
        self.open = self.choices.after(tokens)

    def take(self, action: int) -> None:
        """Take an action: a token, folded onto the open options (``Choice.folded``).

        After completion an action is ignored.

        Raises:
            InvalidTokens: Not an integer in [0, max_options).
        """
        if not 0 <= action < self.max_options:
            raise InvalidTokens(
                f"action {action} is not a token of this space: give 0 to {self.max_options - 1}"
            )
        if self.open is None:
            return
        token = int(action) % len(self.open.options)
        if self.open.closed:
            token = self.open.folded(token)
        self.observation[len(self.tokens)] = token + 1
        self.tokens.append(token)
        static = self.choices.static
        if static is not None:
            place = len(self.tokens)
            self.open = static[place] if place < len(static) else None
        else:
            self.open = self.choices.after(tuple(self.tokens))

    def mask(self) -> Mask:
        """Return (max_options,) int8, 1 = open, fresh; only token 0 is open after completion."""
        mask: Mask = self._masks[1 if self.open is None else len(self.open.options)].copy()
        if self.open is not None and self.open.closed:
            mask[list(self.open.closed)] = 0
        return mask


def fold_tokens(choices: ChoiceTable, tokens: Any) -> tuple[int, ...]:
    """Fold a whole token list as ``take`` would take its tokens one by one.

    Raises:
        InvalidTokens: Not integers, a token outside [0, max_options), or the wrong length; or a
            token that is closed: whoever gives a whole architecture means that one.
    """
    given = checked_tokens(tokens)
    counts = choices.counts
    if counts is not None and len(given) == len(counts) and max(given) < choices.space.max_options:
        return tuple([token % count for token, count in zip(given, counts, strict=True)])
    episode = Episode(choices)
    for position, token in enumerate(given):
        if episode.open is None:
            raise InvalidTokens(
                f"{len(given)} tokens were given, but the architecture is complete after "
                f"{position}: leave out the rest"
            )
        if token % len(episode.open.options) in episode.open.closed:
            raise InvalidTokens(
                f"token {position} is {token}, with which {episode.open.name} breaks a limit: "
                f"give one of {', '.join(map(str, episode.open.tokens))}"
            )
        episode.take(token)
    if episode.open is not None:
        raise InvalidTokens(
            f"{len(given)} tokens were given, but the architecture is not complete: "
            f"{episode.open.name} is still open (the space takes {choices.space.max_length} "
            "tokens at most)"
        )
    return tuple(episode.tokens)


def _masks(max_options: int) -> npt.NDArray[np.int8]:
    """Return all masks: in row n, n options are open."""
    return np.tri(max_options + 1, max_options, k=-1, dtype=np.int8)


class Round(Protocol):
    """A round of episodes that take their tokens together."""

    steps: int

    def restart(self) -> None:
        """Start new episodes."""

    def take(self, actions: npt.NDArray[np.int64]) -> None:
        """Take one token per episode."""

    def observations(self) -> Observations:
        """Return (num_envs, max_length), token + 1; a fresh array."""

    def masks(self) -> Masks:
        """Return (num_envs, max_options), 1 = open; a fresh array."""

    def tokens(self) -> list[tuple[int, ...]]:
        """Return the tokens of each episode so far."""


class _StaticRound:
    """A round whose episodes all face the same choice: masks from a table, tokens by numpy."""

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
    """A round in which every episode faces its own choice."""

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


def start_round(
    choices: ChoiceTable, num_envs: int, begun: Sequence[Tokens] = (), steps: int | None = None
) -> Round:
    """Start ``num_envs`` new episodes; with numpy if all of them face the same choices.

    Args:
        choices: Of the space.
        num_envs: Episodes.
        begun: The first tokens of each episode, in range and open; none for new ones.
        steps: That the round has taken; by default the fewest tokens that an episode has.
    """
    if choices.static is not None and len(set(map(len, begun))) <= 1 and steps is None:
        static = _StaticRound(choices, num_envs)
        if begun:
            static.steps = len(begun[0])
            static.prefixes[:, : static.steps] = np.array(begun, np.int64) + 1
        return static
    conditional = _ConditionalRound(choices, num_envs)
    for episode, tokens in zip(conditional.episodes, begun, strict=False):
        episode.restart(tokens)
    conditional.steps = min(map(len, begun), default=0) if steps is None else steps
    return conditional
