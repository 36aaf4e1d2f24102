"""Scores of architectures by their ranks in a fixed pool of random ones."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from annotated_types import Interval

from nas_gym.evaluators.proxies.names import ALIVE, values_for
from nas_gym.evaluators.proxies.ranks import Reference, is_score, mean_fraction
from nas_gym.evaluators.proxies.scorer import COSTS, Scorer
from nas_gym.options import check, check_all
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.training.preparation import telling

PoolSize = Annotated[int, Interval(ge=1, le=10**6)]
POOL = 50  # architectures, unless the user says otherwise
# Of a network that costs a fraction of a benchmark's own: what agents score by default.
SMALL: Mapping[str, int] = {"height": 16, "width": 16, "repeats": 1, "filters": 8}


class Ranking:
    """Scores by one proxy or several, in (0, 1], higher for the better.

    Args:
        scorer: Gives the values; its proxies are those that count.
        pool: Values of the pool's architectures, at least one.
    """

    def __init__(self, scorer: Scorer, pool: Sequence[Mapping[str, float]]) -> None:
        self.scorer = scorer
        self._references = {n: Reference([each[n] for each in pool]) for n in scorer.names}
        self.pool_scores = [self.score(each, scorer.proxies) for each in pool]
        self._whole = {
            proxy: Reference([self.score(each, (proxy,)) for each in pool])
            for proxy in scorer.proxies
        }

    def score(self, values: Mapping[str, float], proxies: Sequence[str]) -> float:
        """Return the geometric mean of rank / n over the parts of ``proxies``, in (0, 1].

        Each part weighs as much as another; 1 / n of a network whose output says nothing of its
        images, whatever it costs, and of one of which no proxy but its costs could be computed.

        Args:
            values: Of the architecture, as ``Scorer.values`` gives them.
            proxies: Some of the scorer's.
        """
        names = values_for(proxies)
        learnt = [name for name in names if name not in COSTS]
        dead = not is_score(values[ALIVE]) or (
            bool(learnt) and not any(is_score(values[name]) for name in learnt)
        )
        return mean_fraction(self._references, names, {} if dead else values)

    def score_of(self, architecture: Architecture[Any]) -> float:
        """Return ``score`` of an architecture by all proxies; the lowest one if it cannot run."""
        return self.score(self.scorer.values_or_none(architecture), self.scorer.proxies)

    def scores_of(self, architectures: Sequence[Architecture[Any]]) -> list[float]:
        """Return ``score_of`` each, and tell how many of them are done."""
        return [self.score_of(each) for each in telling(architectures, "networks scored")]

    def standard_scores(self, architecture: Architecture[Any]) -> tuple[float, ...]:
        """Return the rank by each proxy, with mean 0 and deviation 1 over the space."""
        values = self.scorer.values_or_none(architecture)
        return tuple(
            self._whole[proxy].standard(self.score(values, (proxy,)))
            for proxy in self.scorer.proxies
        )


def ranking_of(
    space: Any, proxies: Sequence[str], options: Mapping[str, Any] | None = None
) -> Ranking:
    """Return the ranking of a space by proxies of small networks.

    Args:
        space: Its networks are for images.
        proxies: Names from ``PROXIES``.
        options: Those of ``Scorer`` that differ from its defaults, and ``pool``, the architectures
            of the pool (50); ``task`` has the values of ``SMALL`` unless it is given.

    Raises:
        InvalidSpace: A space without networks for images.
        InvalidOption: A value that an option does not take, or no network of the pool can run.
        UnknownName: No such option or proxy.
    """
    given = dict(options or {})
    pool = check("pool of the proxies", given.pop("pool", POOL), PoolSize)
    checked = check_all(Scorer, given, "the proxies")
    scorer = Scorer(**{"space": space, "proxies": tuple(proxies), "task": SMALL, **checked})
    return Ranking(scorer, scorer.random_pool(pool))
