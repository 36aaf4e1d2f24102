"""The LSTM agents' view of a space: its numbered choices, and episodes in these numbers."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from nas_agents.lstm.depth_schedule import DEPTH
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import Choice, SearchSpace, Tokens, trace
from nas_gym.search_spaces.moves import random_tokens

CLOSED = -1e9  # added to the logit of an option that is not open
TRACES = 200  # random architectures that show which choices a conditional space has


class Opened(NamedTuple):
    """Open choices: of some episodes now, (episodes,), or at every step, (episodes, max_length).

    Each has a softmax, which is a row of columns in one linear layer.
    """

    columns: Tensor  # (..., max_options) int64: of the softmax of the choice's kind
    names: Tensor  # (...,) int64: whose bias
    closed: Tensor  # (..., max_options) float32: 0, or CLOSED if an option is not open

    @property
    def decisions(self) -> Tensor:
        """Whether there was more than one option, (...,) bool."""
        return (self.closed == 0).sum(-1) > 1


class EpisodeChoices(Protocol):
    """The choices of an episode."""

    def after(self, prefix: Tokens) -> Choice | None:
        """Return the choice that is open after a prefix; None at the end."""


class Drawn(NamedTuple):
    """The conditions of a round of episodes, which the policy sees."""

    conditions: Tensor  # (episodes, size) float32
    tables: Sequence[EpisodeChoices] | None = None  # the choices of each, if they differ


class Vocabulary:
    """Numbers for the kinds and names of a space's choices; 0 is for those not seen in advance.

    A static space shows all of them; a conditional one is sampled.
    """

    def __init__(self, choices: ChoiceTable, rng: np.random.Generator) -> None:
        self.choices = choices
        self.max_options = choices.space.max_options
        self.max_length = choices.space.max_length
        seen = choices.static or _sampled_choices(choices.space, rng)
        self.kinds = {kind: i for i, kind in enumerate(dict.fromkeys(c.kind for c in seen), 1)}
        self.names = {name: i for i, name in enumerate(dict.fromkeys(c.name for c in seen), 1)}
        # Options of the choice that a depth schedule sets; none if the space has no such choice.
        self.depths: tuple[Any, ...] = next((c.options for c in seen if c.name == DEPTH), ())
        self._every_option = torch.arange(self.max_options)
        self._static_paths: dict[int, Opened] = {}  # for so many episodes

    def opened(
        self, prefixes: Sequence[Tokens], tables: Sequence[EpisodeChoices] | None = None
    ) -> Opened:
        """Return the choice that is open after each prefix; only token 0 once all is chosen.

        ``tables`` are the choices of each episode, if not all have the same.
        """
        each = [self.choices] * len(prefixes) if tables is None else tables
        return self._opened([t.after(prefix) for t, prefix in zip(each, prefixes, strict=True)])

    def static_path(self, episodes: int) -> Opened | None:
        """Return the choices of a static space, alike in all episodes; None for other spaces."""
        path = self.choices.static
        if path is None:
            return None
        if episodes not in self._static_paths:
            padded = [*path, *[None] * (self.max_length - len(path))]
            opened = self._opened(padded)
            repeated = (part.repeat(episodes, *[1] * part.dim()) for part in opened)
            self._static_paths[episodes] = Opened(*repeated)
        return self._static_paths[episodes]

    def path_of(self, tokens: Sequence[Tokens]) -> tuple[Tensor, Opened]:
        """Return complete architectures as ``sample`` does: tokens, and the choices answered."""
        padded = [(*each, *[0] * (self.max_length - len(each))) for each in tokens]
        path = self.static_path(len(tokens))
        if path is None:
            steps = [
                self.opened([whole[:position] for whole in tokens])
                for position in range(self.max_length)
            ]
            path = Opened(*(torch.stack(parts, dim=1) for parts in zip(*steps, strict=True)))
        return torch.tensor(padded), path

    def depth_is_set(self, opened: Opened, tokens: Tensor) -> Opened:
        """Close all but ``tokens`` of these steps at the choice of the depth, if they are open."""
        others = self._every_option != tokens[..., None]
        are_open = opened.closed.gather(-1, tokens[..., None]).squeeze(-1) == 0
        at_depth = (opened.names == self.names[DEPTH]) & are_open
        closed = opened.closed.masked_fill(at_depth[..., None] & others, CLOSED)
        return opened._replace(closed=closed)

    def _numbers(self, choice: Choice | None) -> tuple[int, int, int]:
        """Return kind, name and number of options."""
        if choice is None:
            return 0, 0, 1
        kind, name = self.kinds.get(choice.kind, 0), self.names.get(choice.name, 0)
        return kind, name, len(choice.options)

    def _opened(self, choices: Sequence[Choice | None]) -> Opened:
        kinds, names, counts = torch.tensor([self._numbers(choice) for choice in choices]).T
        columns = kinds[:, None] * self.max_options + self._every_option
        closed = torch.where(self._every_option < counts[:, None], 0.0, CLOSED)
        for row, choice in enumerate(choices):
            if choice is not None and choice.closed:
                closed[row, list(choice.closed)] = CLOSED
        return Opened(columns, names, closed)


def _sampled_choices(space: SearchSpace[Any], rng: np.random.Generator) -> list[Choice]:
    return [c for _ in range(TRACES) for c in trace(space, random_tokens(space, rng))[1]]


class Episodes(NamedTuple):
    """Finished episodes. All have ``max_length`` steps; after completion only token 0 is open."""

    tokens: Tensor  # (episodes, max_length) int64
    opened: Opened  # (episodes, max_length)
    rewards: Tensor  # (episodes,) float32
    conditions: Tensor | None = None  # (episodes, size) float32, if the policy sees some
    values: Tensor | None = None  # (episodes, objectives) float32; NaN of a child that failed

    def of(self, rows: Tensor) -> "Episodes":
        """Return some of them: ``rows`` is (n,) int64."""
        opened = Opened(*(part[rows] for part in self.opened))
        more = (None if part is None else part[rows] for part in self[3:])
        return Episodes(self.tokens[rows], opened, self.rewards[rows], *more)


def joined(batch: Sequence[Episodes]) -> Episodes:
    """Join the episodes of several rounds."""
    if len(batch) == 1:
        return batch[0]
    tokens, opened, rewards, *more = zip(*batch, strict=True)
    parts = Opened(*map(torch.cat, zip(*opened, strict=True)))
    others = (None if part[0] is None else torch.cat(part) for part in more)
    return Episodes(torch.cat(tokens), parts, torch.cat(rewards), *others)
