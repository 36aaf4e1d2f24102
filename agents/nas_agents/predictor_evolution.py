"""Evolution guided by a predictor: a Gaussian process says which mutants are worth an evaluation.

After NPENAS (Wei et al. 2020, arXiv 2003.12857) and BANANAS (White et al. 2021, arXiv 1910.11858):
each round a model is fitted to all rewards so far, many children of the best architectures are
made, and the model chooses those that are evaluated, by Thompson sampling. Here the model is the
Gaussian process of ``surrogate``: an endless ensemble, whose members are its samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge, Interval

from nas_agents.surrogate.features import ProxyFeatures
from nas_agents.surrogate.gaussian_process import Posterior, Predictor
from nas_agents.surrogate.proposals import (
    children,
    filled,
    most_promising,
    random_ones,
    recommended,
    thompson_batch,
)
from nas_gym.agent import AnyProxies, Observed
from nas_gym.options import Options
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import SearchSpace, Tokens

if TYPE_CHECKING:
    from nas_gym.envs.vector_env import NASVectorEnv


@dataclass(frozen=True)
class PredictorEvolution(Options):
    """Evolution of candidates against a predictor, whose samples choose what is evaluated.

    Args:
        batch_size: Architectures chosen by one fit and evaluated at once, >= 1.
        initial: Random architectures before the first fit, >= 2.
        parents: Candidates per generation that have children, >= 1.
        children: Children made per generation, >= 1.
        generations: Generations of candidates per round, >= 1.
        randoms: Random candidates per round, >= 0.
        random_share: Expected share of a batch that is chosen only among random candidates, in
            [0, 1): a predictor that is wrong about far-off architectures finds out.
        repeat_share: At most this share of a batch may have been evaluated before, in [0, 1]; if a
            repeat is another training, noise is averaged out like this.
        points: Most architectures that the predictor is conditioned on, >= 3.
        proxies: Zero-cost proxies that the predictor knows of architectures beside their choices,
            as ``("az-nas", "synflow")``; see ``nas_gym.evaluators.proxies``. They are computed of
            what is evaluated and of the most promising candidates, on small networks.
        proxy_options: Options of their computation, see ``nas_gym.agent.proxy_ranking``.
    """

    batch_size: Annotated[int, Interval(ge=1, le=10**5)] = 10
    initial: Annotated[int, Interval(ge=2, le=10**6)] = 40
    parents: Annotated[int, Interval(ge=1, le=10**6)] = 20
    children: Annotated[int, Interval(ge=1, le=10**6)] = 300
    generations: Annotated[int, Interval(ge=1, le=10**5)] = 2
    randoms: Annotated[int, Ge(0)] = 600
    random_share: Annotated[float, Interval(ge=0, lt=1)] = 0.3
    repeat_share: Annotated[float, Interval(ge=0, le=1)] = 0.3
    points: Annotated[int, Ge(3)] = 300
    proxies: AnyProxies = ()
    proxy_options: Mapping[str, Any] | None = None

    takes_others = True

    def search(self, env: "NASVectorEnv[Any]") -> None:
        """Start at random, then fit, propose and evaluate until the budget is spent."""
        predictor = Predictor(env.choices, self.points, self._features(env.space))
        spent = 0
        while env.remaining > 0:
            count = int(min(self.batch_size, env.remaining))
            if spent < self.initial:
                batch = filled([], min(count, self.initial - spent), env.space, env.np_random)
            else:
                predictor.fit()
                batch = self._proposed(env.choices, predictor, count, env.np_random)
            played = env.play(batch)
            predictor.observe(Observed(each.tokens, each.reward) for each in played)
            spent += len(batch)

    def recommend(self, space: SearchSpace[Any], observed: Sequence[Observed]) -> Tokens:
        """Return the observed architecture of which the predictor is surest that it is good.

        Where rewards have no noise, that is the one with the best.
        """
        return recommended(space, observed, self.points)

    def _features(self, space: SearchSpace[Any]) -> ProxyFeatures:
        return ProxyFeatures(space, self.proxies, self.proxy_options)

    def _proposed(
        self, choices: ChoiceTable, predictor: Predictor, count: int, rng: np.random.Generator
    ) -> list[Tokens]:
        guided = count - int(rng.binomial(count, self.random_share))
        repeats = round(self.repeat_share * count)
        candidates, posterior, afar = self._candidates(choices, predictor, rng)
        batch = thompson_batch(predictor, candidates, guided, repeats, rng, posterior)
        places = np.array([i for i in range(*afar) if candidates[i] not in batch], np.int64)
        if len(places):
            others = [candidates[i] for i in places]
            more = count - len(batch)
            batch += thompson_batch(predictor, others, more, 0, rng, posterior.take(places))
        return filled(batch, count, choices.space, rng)

    def _candidates(
        self, choices: ChoiceTable, predictor: Predictor, rng: np.random.Generator
    ) -> tuple[list[Tokens], Posterior, tuple[int, int]]:
        """Gather the best observed ones, random ones, and some generations of their children.

        Returns:
            The candidates, what is expected of them, and the range in which the random ones lie.
        """
        best = sorted(predictor.chosen, key=lambda i: -predictor.means[i])[: 3 * self.parents]
        known = [predictor.tokens[i] for i in best]
        candidates = list(dict.fromkeys([*known, *random_ones(choices, self.randoms, rng)]))
        afar = len(known), len(candidates)
        posterior = predictor.posterior(candidates)
        for _ in range(self.generations):
            parents = most_promising(posterior, self.parents)
            grown = children(choices, [candidates[i] for i in parents], self.children, rng)
            fresh = list(dict.fromkeys([*candidates, *grown]))[len(candidates) :]
            if fresh:
                candidates += fresh
                posterior = posterior.joined(predictor.posterior(fresh))
        return candidates, posterior, afar


PRESETS: dict[str, PredictorEvolution] = {"default": PredictorEvolution()}
