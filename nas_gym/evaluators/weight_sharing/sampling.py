"""Which paths of a supernet are trained at each step: functions of the step, and of a seed."""

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol

import numpy as np

from nas_gym.errors import InvalidSpace
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import SearchSpace, decode_valid
from nas_gym.search_spaces.moves import enumerate_tokens, random_tokens, space_size

ENUMERATED = 50_000  # token lists: spaces of no more are gone through
TRIES = 100  # of an architecture that was not drawn before


class Paths(Protocol):
    """Says which genotypes are trained at a step."""

    def __call__(self, step: int) -> Sequence[Any]:
        """Return the genotypes of a step, counted from 0; the same whenever it is asked."""


class UniformPaths:
    """One path per step (SPOS, Guo et al. 2019), and none twice before all others came.

    Functions count, not token lists. A space of up to 50,000 token lists is gone through in random
    order, again and again, so that each function comes equally often; where architectures of one
    function are paths of their own (NAS-Bench-201 has keys for all) one of them is drawn. In a
    larger space token lists are drawn evenly, and one whose function was drawn before is drawn
    anew, a hundred times at most; what many token lists describe is more likely to be among the
    first there.

    Args:
        space: Of the architectures.
        canonical: From a genotype to the one of its kind that is trained.
        distinct: From a genotype to what is equal for those that compute the same.
        seed: Of the order.
    """

    def __init__(
        self,
        space: SearchSpace[Any],
        canonical: Callable[[Any], Any],
        distinct: Callable[[Any], Hashable],
        seed: int,
    ) -> None:
        self.space, self.canonical, self.distinct, self.seed = space, canonical, distinct, seed
        self._all: list[list[Any]] | None = None  # of a small space: those of each function
        if space_size(space) <= ENUMERATED:
            kinds: dict[Hashable, dict[str, Any]] = {}
            for tokens in enumerate_tokens(space):
                genotype = decode_valid(space, tokens)
                trained = canonical(genotype)
                kinds.setdefault(distinct(genotype), {})[repr(trained)] = trained
            self._all = [list(genotypes.values()) for genotypes in kinds.values()]
        self._order: tuple[int, Any] = (-1, None)  # the pass, and its order
        self._seen: set[Hashable] = set()
        self._drawn: list[Any] = []  # of a large space, by step

    def __call__(self, step: int) -> Sequence[Any]:
        """Return the one genotype of a step."""
        if self._all is None:
            while len(self._drawn) <= step:
                self._drawn.append(self._draw(len(self._drawn)))
            return [self._drawn[step]]
        number, place = divmod(step, len(self._all))
        if self._order[0] != number:
            order = np.random.default_rng((self.seed, 1, number)).permutation(len(self._all))
            self._order = (number, order)
        same = self._all[self._order[1][place]]
        if len(same) == 1:
            return same
        return [same[int(np.random.default_rng((self.seed, 5, step)).integers(len(same)))]]

    def _draw(self, step: int) -> Any:
        rng = np.random.default_rng((self.seed, 2, step))
        for _ in range(TRIES):
            genotype = decode_valid(self.space, random_tokens(self.space, rng))
            kind = self.distinct(genotype)
            if kind not in self._seen:
                break
        self._seen.add(kind)
        return self.canonical(genotype)


class FairPaths:
    """As many paths per step as a choice has options, with each option in one (FairNAS).

    Chu et al. 2019: at every position a new random permutation of the options, drawn for each step;
    path i takes the i-th of each. Where positions have other numbers of options, as many paths as
    the longest has; a shorter one has permutations of its options one after the other, the last cut
    short, so that none of them comes more than once more often than another.

    Args:
        space: Of the architectures; its choices do not depend on each other.
        seed: Of the permutations.

    Raises:
        InvalidSpace: Names or options of its choices depend on earlier picks.
    """

    def __init__(self, space: SearchSpace[Any], seed: int) -> None:
        choices = ChoiceTable(space).static
        if choices is None:
            raise InvalidSpace(
                f"sampling is 'fair', and the choices of {type(space).__name__} depend on each "
                "other, so that no permutations can be drawn for them: give sampling 'uniform'"
            )
        self.space, self.seed = space, seed
        self.counts = [len(choice.options) for choice in choices]
        self.most = max(self.counts)

    def tokens(self, step: int) -> list[tuple[int, ...]]:
        """Return the token lists of a step."""
        rng = np.random.default_rng((self.seed, 3, step))
        columns = []
        for count in self.counts:
            rounds = [rng.permutation(count) for _ in range(-(-self.most // count))]
            columns.append(np.concatenate(rounds)[: self.most].tolist())
        return list(zip(*columns, strict=True))

    def __call__(self, step: int) -> Sequence[Any]:
        """Return the genotypes of a step."""
        return [decode_valid(self.space, tokens) for tokens in self.tokens(step)]


class RecentPaths:
    """One path per step, of those that were asked for last (ENAS, Pham et al. 2018).

    Args:
        before: What is trained in the first steps, when nothing was asked for yet.
        warm_up: How many these are.
        most: Architectures that are remembered.
        seed: Of the order.
    """

    def __init__(self, before: Paths, warm_up: int, most: int, seed: int) -> None:
        self.before, self.warm_up, self.seed = before, warm_up, seed
        self.recent: deque[tuple[tuple[int, ...], Any]] = deque(maxlen=most)  # tokens, genotype

    def __call__(self, step: int) -> Sequence[Any]:
        """Return the one genotype of a step."""
        if step < self.warm_up:
            return self.before(step)
        rng = np.random.default_rng((self.seed, 4, step))
        return [self.recent[int(rng.integers(len(self.recent)))][1]]
