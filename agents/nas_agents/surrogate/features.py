"""Zero-cost proxies of architectures: what a predictor knows of them beside their choices."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from nas_agents.arrays import Floats
from nas_gym.agent import proxy_ranking
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.grammar import SearchSpace, Tokens

if TYPE_CHECKING:
    from nas_gym.evaluators.proxies.ranking import Ranking


class ProxyFeatures:
    """Ranks by proxies, with mean 0 and deviation 1 over the space; each is computed once.

    Ranks, and not their normal scores: at the top, where the best are to be told apart, proxies say
    little, and a trend that goes on there would drown what the rewards say.

    Args:
        space: Of the architectures.
        proxies: Names; none: there are no features, and nothing is ever scored.
        options: Of the scoring, see ``nas_gym.agent.proxy_ranking``.
    """

    def __init__(
        self,
        space: SearchSpace[Any],
        proxies: Sequence[str] = (),
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.space, self.proxies, self.options = space, proxies, options
        self._known: dict[Tokens, tuple[float, ...]] = {}

    @property
    def count(self) -> int:
        """How many numbers an architecture has."""
        return len(self.proxies)

    @cached_property
    def _ranking(self) -> "Ranking":
        return proxy_ranking(self.space, self.proxies, self.options)

    def of(self, architectures: Sequence[Tokens], fresh: bool) -> Floats:
        """Return (architectures, count) numbers.

        Args:
            architectures: Any.
            fresh: Whether those that were never scored are scored now; else their numbers are 0,
                the mean over the space.
        """
        if fresh and self.count:
            for tokens in architectures:
                if tokens not in self._known:
                    architecture = architecture_of(self.space, tokens)
                    self._known[tokens] = self._ranking.standard_scores(architecture)
        unknown = (0.0,) * self.count
        rows = [self._known.get(tokens, unknown) for tokens in architectures]
        return np.array(rows, np.float64).reshape(len(rows), self.count)
