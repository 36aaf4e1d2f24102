"""Proxies as features of the predictor: the trend that it learns, and when they are computed."""

from typing import Any

import numpy as np
import pytest

from nas_agents.model_based_reinforce import ModelBasedReinforce
from nas_agents.predictor_evolution import PredictorEvolution
from nas_agents.surrogate import features as module
from nas_agents.surrogate.features import ProxyFeatures
from nas_agents.surrogate.gaussian_process import Predictor
from nas_agents.surrogate.proposals import thompson_batch
from nas_gym.agent import Observed
from nas_gym.evaluators.tables.nasbench201 import NASBench201Table
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing.agent_suite import run_agent

SPACE = NASBench201()
CHEAP: dict[str, Any] = {
    "task": {"height": 8, "width": 8, "repeats": 1, "filters": 2}, "images": 2, "pool": 4,
}  # fmt: skip


class Counting:
    """A ranking whose scores are known: how many convolutions a cell has, and noise."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, ...]] = []

    def standard_scores(self, architecture: Architecture[Any]) -> tuple[float, ...]:
        self.asked.append(architecture.tokens)
        rng = np.random.default_rng(architecture.tokens)
        return architecture.tokens.count(3) - 1.2, float(rng.standard_normal())


@pytest.fixture
def ranking(monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting()
    monkeypatch.setattr(module, "proxy_ranking", lambda *given: counting)
    return counting


def cells(count: int, seed: int = 0) -> list[tuple[int, ...]]:
    rng = np.random.default_rng(seed)
    return list(dict.fromkeys(random_tokens(SPACE, rng) for _ in range(count)))


def predictor_of(observed: list[Observed], steps: int | None = None) -> Predictor:
    found = Predictor(ChoiceTable(SPACE), features=ProxyFeatures(SPACE, ("a", "b")))
    found.observe(observed)
    found.fit(steps)
    return found


def test_the_gradient_is_that_of_the_loss(ranking: Counting) -> None:
    rng = np.random.default_rng(0)
    rewards = [Observed(t, t.count(3) + 0.3 * float(rng.standard_normal())) for t in cells(25) * 2]
    predictor = predictor_of(rewards)
    subset = predictor.chosen
    hot = predictor._hot(predictor._codes[subset])
    gradient = predictor.gradient(hot, subset)
    assert len(gradient) == 3 + 2 + 6
    for i in range(len(gradient)):
        step = np.zeros(len(gradient))
        step[i] = 1e-5
        sides = []
        for sign in (1, -1):
            predictor._logs = predictor._logs + sign * step
            sides.append(predictor.loss(hot, subset))
            predictor._logs = predictor._logs - sign * step
        assert gradient[i] == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=1e-4, abs=1e-4)


def test_it_learns_which_proxy_says_something(ranking: Counting) -> None:
    rewards = [Observed(t, float(t.count(3))) for t in cells(40)]
    predictor = predictor_of(rewards, steps=60)
    says, noise = np.exp(predictor._logs[3:5])
    assert says > 2 * noise


def test_predictions_are_better_with_a_proxy_that_says_something(ranking: Counting) -> None:
    known, others = cells(15), cells(200, seed=1)
    rewards = [Observed(t, float(t.count(3))) for t in known]
    truth = [t.count(3) for t in others]
    plain = Predictor(ChoiceTable(SPACE))
    plain.observe(rewards)
    plain.fit()
    with_it = predictor_of(rewards).posterior(others, fresh=True).mean
    correlations = [np.corrcoef(m, truth)[0, 1] for m in (with_it, plain.posterior(others).mean)]
    assert correlations[0] > 0.9 > correlations[1]


def test_each_architecture_is_scored_once_and_only_where_it_counts(ranking: Counting) -> None:
    rewards = [Observed(t, float(t.count(3))) for t in cells(10)]
    predictor = predictor_of(rewards)
    assert len(ranking.asked) == len(rewards)
    candidates = cells(500, seed=1)
    predictor.posterior(candidates)
    assert len(ranking.asked) == len(rewards)
    thompson_batch(predictor, candidates, 5, 0, np.random.default_rng(0))
    assert len(ranking.asked) <= len(rewards) + 60
    thompson_batch(predictor, candidates, 5, 0, np.random.default_rng(0))
    assert len(set(ranking.asked)) == len(ranking.asked)


def test_a_sample_of_the_posterior_has_its_moments(ranking: Counting) -> None:
    rewards = [Observed(t, float(t.count(3))) for t in cells(12)]
    predictor = predictor_of(rewards)
    posterior = predictor.posterior(cells(6, seed=1), fresh=True)
    draws = predictor.samples(posterior, 20_000, np.random.default_rng(0))
    np.testing.assert_allclose(draws.mean(axis=0), posterior.mean, atol=0.05)
    np.testing.assert_allclose(draws.std(axis=0), posterior.deviation, rtol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [PredictorEvolution, ModelBasedReinforce])
def test_both_agents_search_with_real_proxies(kind: Any) -> None:
    agent = kind(initial=4, batch_size=3, proxies=("parameters",), proxy_options=CHEAP)
    one, same = (run_agent(agent, NASBench201Table(), SPACE, budget=7, seed=1) for _ in range(2))
    assert len(one) == 7
    assert one == same
