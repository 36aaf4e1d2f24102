"""REINFORCE that also learns from a model: DyNA-PPO (Angermueller et al. 2020, ICLR).

A policy writes architectures token by token and is trained by policy gradient, on the rewards of
real evaluations and, between these, on many rollouts that a predictor fitted to all evaluations
rewards instead. What is evaluated are samples of the policy, those that look best to a sample of
the predictor's posterior.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Interval

from nas_agents.adam import GrowingAdam
from nas_agents.arrays import Floats
from nas_agents.surrogate.features import ProxyFeatures
from nas_agents.surrogate.gaussian_process import Predictor
from nas_agents.surrogate.log_linear_policy import LogLinearPolicy, Rollout
from nas_agents.surrogate.proposals import filled, recommended, thompson_batch
from nas_gym.agent import AnyProxies, Observed
from nas_gym.options import Options
from nas_gym.search_spaces.grammar import SearchSpace, Tokens

if TYPE_CHECKING:
    from nas_gym.envs.vector_env import NASVectorEnv


@dataclass(frozen=True)
class ModelBasedReinforce(Options):
    """Policy gradient on simulated and real rewards, with a Gaussian process as the simulator.

    Args:
        batch_size: Architectures evaluated at once, >= 1; their rewards make one policy update.
        initial: Architectures from the untrained (uniform) policy before the first fit, >= 2.
        updates: Policy updates on simulated rewards before each batch, >= 0.
        rollouts: Episodes per simulated update, >= 2.
        samples: Episodes among which a batch is chosen, >= 1.
        learning_rate: Rate of Adam, > 0.
        entropy_weight: Bonus for the policy's entropy (nats, summed over tokens) beside advantages
            of unit size or less, >= 0.
        exploration_bonus: A simulated reward is the predictor's mean plus so many of its standard
            deviations, >= 0.
        repeat_share: At most this share of a batch may have been evaluated before, in [0, 1].
        points: Most architectures that the predictor is conditioned on, >= 3.
        proxies: Zero-cost proxies that the predictor knows of architectures beside their choices,
            as ``("az-nas", "synflow")``; see ``nas_gym.evaluators.proxies``. They are computed of
            what is evaluated and of the most promising candidates, on small networks.
        proxy_options: Options of their computation, see ``nas_gym.agent.proxy_ranking``.
    """

    batch_size: Annotated[int, Interval(ge=1, le=10**5)] = 10
    initial: Annotated[int, Interval(ge=2, le=10**6)] = 40
    updates: Annotated[int, Interval(ge=0, le=10**5)] = 6
    rollouts: Annotated[int, Interval(ge=2, le=10**6)] = 100
    samples: Annotated[int, Interval(ge=1, le=10**6)] = 300
    learning_rate: Annotated[float, Gt(0)] = 0.05
    entropy_weight: Annotated[float, Ge(0)] = 0.2
    exploration_bonus: Annotated[float, Ge(0)] = 1.0
    repeat_share: Annotated[float, Interval(ge=0, le=1)] = 0.5
    points: Annotated[int, Ge(3)] = 300
    proxies: AnyProxies = ()
    proxy_options: Mapping[str, Any] | None = None

    takes_others = True

    def search(self, env: "NASVectorEnv[Any]") -> None:
        """Sample, evaluate and learn, in dreams and in earnest, until the budget is spent."""
        rng = env.np_random
        predictor = Predictor(env.choices, self.points, self._features(env.space))
        learner = PolicyLearner(self, LogLinearPolicy(predictor.encoder))
        spent = 0
        while env.remaining > 0:
            count = int(min(self.batch_size, env.remaining))
            if spent < self.initial:
                count = min(count, self.initial - spent)
                batch = learner.policy.sample(count, rng).architectures
            else:
                predictor.fit()
                learner.simulate(predictor, rng)
                batch = self._proposed(learner.policy, predictor, count, rng)
            played = env.play(batch)
            predictor.observe(Observed(each.tokens, each.reward) for each in played)
            if spent >= self.initial:
                rewards = predictor.warp(np.array([each.reward for each in played]))
                learner.update(learner.policy.replay([each.tokens for each in played]), rewards)
            spent += len(batch)

    def recommend(self, space: SearchSpace[Any], observed: Sequence[Observed]) -> Tokens:
        """Return the observed architecture of which the predictor is surest that it is good.

        Where rewards have no noise, that is the one with the best.
        """
        return recommended(space, observed, self.points)

    def _features(self, space: SearchSpace[Any]) -> ProxyFeatures:
        return ProxyFeatures(space, self.proxies, self.proxy_options)

    def _proposed(
        self, policy: LogLinearPolicy, predictor: Predictor, count: int, rng: np.random.Generator
    ) -> list[Tokens]:
        """Choose among different samples of the policy; add plain ones if it has too few."""
        samples = list(dict.fromkeys(policy.sample(self.samples, rng).architectures))
        repeats = round(self.repeat_share * count)
        batch = thompson_batch(predictor, samples, count, repeats, rng)
        return filled(batch, count, policy.encoder.choices.space, rng)


class PolicyLearner:
    """A learner that trains the policy."""

    def __init__(self, settings: ModelBasedReinforce, policy: LogLinearPolicy) -> None:
        self.settings = settings
        self.policy = policy
        self._adam = GrowingAdam(settings.learning_rate, 0.9, 0.99)

    def simulate(self, predictor: Predictor, rng: np.random.Generator) -> None:
        """Update the policy on fresh episodes of its own, which the predictor rewards."""
        for _ in range(self.settings.updates):
            rollout = self.policy.sample(self.settings.rollouts, rng)
            posterior = predictor.posterior(rollout.architectures)
            bonus = self.settings.exploration_bonus * posterior.deviation
            self.update(rollout, posterior.mean + bonus)

    def update(self, rollout: Rollout, rewards: Floats) -> None:
        """Take one step up the policy gradient; the baseline is the mean of these rewards.

        Advantages are scaled down to unit size but never up: if the rewards of a rollout differ
        little, the entropy bonus must outweigh them, or the policy would settle on the first good
        architecture that it meets.
        """
        advantages = rewards - rewards.mean()
        advantages = advantages / max(1.0, float(advantages.std()))
        gradient = self.policy.gradient(rollout, advantages, self.settings.entropy_weight)
        self.policy.parameters -= self._adam.move(-gradient)


PRESETS: dict[str, ModelBasedReinforce] = {"default": ModelBasedReinforce()}
