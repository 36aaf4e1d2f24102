"""A policy that writes architectures token by token, log-linear in what it has written so far."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nas_agents.arrays import Floats, Ints
from nas_agents.surrogate.blas import one_blas_thread
from nas_agents.surrogate.encoder import Encoder
from nas_gym.search_spaces.grammar import Choice, Tokens


class Step(NamedTuple):
    """One choice of those episodes that have it open."""

    rows: Ints  # (n,) which episodes
    columns: Ints  # (options,) the columns of the choice's options
    tokens: Ints  # (n,) what they picked
    probabilities: Floats  # (n, options)
    before: Floats  # (n, columns known then) one-hot: what they had picked before


class Rollout(NamedTuple):
    """Finished episodes."""

    architectures: list[Tokens]
    steps: list[Step]


class LogLinearPolicy:
    """The logit of an option is its bias plus a weight for each option picked before it.

    Both are by the choice's name, so the policy can express any bias and any pairwise dependence.
    All start at 0: uniform over the open options.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self._places: dict[tuple[int, int], int] = {}  # (column, code) of the encoder
        self.parameters: Floats = np.zeros((1, 0))  # row 0: biases; row 1 + i: weights from i

    def sample(self, count: int, rng: np.random.Generator) -> Rollout:
        """Write ``count`` episodes, each token drawn from the policy."""
        with one_blas_thread():
            return self._play(count, None, rng)

    def replay(self, architectures: Sequence[Tokens]) -> Rollout:
        """Return the episodes that wrote ``architectures``, with the policy's probabilities now."""
        with one_blas_thread():
            return self._play(len(architectures), architectures, None)

    def gradient(self, rollout: Rollout, advantages: Floats, entropy_weight: float) -> Floats:
        """Return the policy gradient (Williams 1992) with an entropy bonus.

        It is the gradient, by the parameters, of the mean over episodes of ``advantage * log p``
        plus ``entropy_weight`` times the entropies of the episode's choices given its earlier
        tokens.
        """
        with one_blas_thread():
            return self._gradient(rollout, advantages, entropy_weight)

    # ---------------------------------------------------------------- within

    def _gradient(self, rollout: Rollout, advantages: Floats, entropy_weight: float) -> Floats:
        gradient = np.zeros_like(self.parameters)
        for rows, columns, tokens, p, before in rollout.steps:
            by_logits = -p * advantages[rows, None]
            by_logits[np.arange(len(rows)), tokens] += advantages[rows]
            log_p = np.log(np.maximum(p, 1e-30))
            entropies = -np.sum(p * log_p, axis=1, keepdims=True)
            by_logits -= entropy_weight * p * (log_p + entropies)
            by_logits /= len(advantages)
            gradient[0, columns] += by_logits.sum(axis=0)
            gradient[1 : 1 + before.shape[1], columns] += before.T @ by_logits
        return gradient

    def _play(
        self,
        count: int,
        architectures: Sequence[Tokens] | None,
        rng: np.random.Generator | None,
    ) -> Rollout:
        prefixes: list[Tokens] = [()] * count
        steps: list[Step] = []
        before = np.zeros((count, len(self._places)))
        while groups := self._open(prefixes):
            for choice, rows in groups:
                columns = self._columns(choice)
                more = len(self._places) - before.shape[1]
                if more:
                    before = np.pad(before, ((0, 0), (0, more)))
                p = self._probabilities(before[rows], columns, choice.closed)
                if rng is not None:
                    below = p.cumsum(axis=1) <= rng.random(len(rows))[:, None]
                    tokens = np.minimum(below.sum(axis=1), choice.tokens[-1])
                else:
                    assert architectures is not None
                    tokens = np.array([architectures[r][len(prefixes[r])] for r in rows])
                steps.append(Step(rows, columns, tokens, p, before[rows]))
                before[rows, columns[tokens]] = 1.0
                for row, token in zip(rows.tolist(), tokens.tolist(), strict=True):
                    prefixes[row] = (*prefixes[row], token)
        return Rollout(prefixes, steps)

    def _open(self, prefixes: Sequence[Tokens]) -> list[tuple[Choice, Ints]]:
        """Return the choices that are open, each with the episodes that have it."""
        choices = self.encoder.choices
        if choices.static is not None:
            choice = choices.after(prefixes[0]) if prefixes else None
            return [] if choice is None else [(choice, np.arange(len(prefixes)))]
        groups: dict[tuple[int, ...], tuple[Choice, list[int]]] = {}
        for row, prefix in enumerate(prefixes):
            choice = choices.after(prefix)
            if choice is not None:
                column, codes = self.encoder.codes_of(choice)
                key = (column, *codes, -1, *choice.closed)
                groups.setdefault(key, (choice, []))[1].append(row)
        return [(choice, np.array(rows)) for choice, rows in groups.values()]

    def _columns(self, choice: Choice) -> Ints:
        column, codes = self.encoder.codes_of(choice)
        places = [self._places.setdefault((column, code), len(self._places)) for code in codes]
        more = len(self._places) - self.parameters.shape[1]
        if more:
            self.parameters = np.pad(self.parameters, (0, more))
        return np.array(places)

    def _probabilities(self, before: Floats, columns: Ints, closed: tuple[int, ...] = ()) -> Floats:
        weights = self.parameters[1 : 1 + before.shape[1], columns]
        logits = self.parameters[0, columns] + before @ weights
        logits[:, list(closed)] = -np.inf
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(p / p.sum(axis=1, keepdims=True))
