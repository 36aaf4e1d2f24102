import numpy as np
import pytest

from nas_agents.surrogate.gaussian_process import Predictor
from nas_gym.agent import Observed
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.moves import enumerate_tokens, random_tokens
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing import BitString, Landscape, LayerChain


def observed(space, count, seed=0, noise=0.0, repeats=1):
    rng = np.random.default_rng(seed)
    landscape = Landscape(space, seed)
    drawn = [random_tokens(space, rng) for _ in range(count)] * repeats
    return [Observed(t, landscape.accuracy(t) + noise * rng.standard_normal()) for t in drawn]


def fitted(space, observations, **options):
    predictor = Predictor(ChoiceTable(space), **options)
    predictor.observe(observations)
    predictor.fit()
    return predictor


@pytest.mark.parametrize("space", [NASBench201(), LayerChain(3)], ids=["static", "conditional"])
def test_gradient_is_that_of_the_loss(space):
    predictor = fitted(space, observed(space, 25, noise=0.01, repeats=2))
    subset = predictor.chosen
    hot = predictor._hot(predictor._codes[subset])
    gradient = predictor.gradient(hot, subset)
    for i in range(len(gradient)):
        step = np.zeros(len(gradient))
        step[i] = 1e-5
        sides = []
        for sign in (1, -1):
            predictor._logs = predictor._logs + sign * step
            sides.append(predictor.loss(hot, subset))
            predictor._logs = predictor._logs - sign * step
        assert gradient[i] == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=1e-4, abs=1e-4)


def test_posterior_is_the_textbooks():
    """Rasmussen & Williams 2006, equations 2.25 and 2.26."""
    space = NASBench201()
    predictor = fitted(space, observed(space, 30, noise=0.01, repeats=2))
    others = list(enumerate_tokens(space))[::1000]
    posterior = predictor.posterior(others)
    points, new = predictor._points_hot, posterior.hot
    amplitude, own, noise = np.exp(predictor._logs[:3])
    means = np.array(predictor.means)
    slope, counts = predictor.warp.slope(means), np.array(predictor.counts)

    def prior(one, other):
        differ = (one[:, None] != other[None]).reshape(len(one), len(other), 6, 6).any(axis=3)
        return amplitude * np.exp(-(differ @ np.exp(predictor._logs[3:]))) + 1.0

    covariance = prior(points, points) + np.diag(own + slope**2 * noise / counts)
    solved = np.linalg.solve(covariance, prior(points, new))
    np.testing.assert_allclose(posterior.mean, predictor.warp(means) @ solved, atol=1e-4)
    expected = prior(new, new) + own * np.eye(len(new)) - prior(new, points) @ solved
    np.testing.assert_allclose(posterior.deviation**2, np.diag(expected), atol=1e-4)
    draws = predictor.samples(posterior, 20_000, np.random.default_rng(0))
    np.testing.assert_allclose(np.cov(draws.T), expected, atol=0.06)


def test_it_learns_the_noise_from_repeats():
    space = NASBench201()
    predictor = fitted(space, observed(space, 30, noise=0.004, repeats=6))
    predictor.fit(60)
    noise = np.sqrt(np.exp(predictor._logs[2])) / predictor.warp.unit
    assert noise == pytest.approx(0.004, rel=0.2)


def test_it_predicts_what_it_has_not_seen():
    space = NASBench201()
    predictor = fitted(space, observed(space, 150))
    others = list(enumerate_tokens(space))[::31]
    predicted = predictor.posterior(others).mean
    landscape = Landscape(space)
    true = [landscape.accuracy(t) for t in others]
    ranks = [np.argsort(np.argsort(values)) for values in (predicted, true)]
    assert np.corrcoef(*ranks)[0, 1] > 0.8


@pytest.mark.parametrize("scale", [0.5, 64.0])
def test_the_unit_of_the_rewards_does_not_matter(scale):
    space = BitString(12)
    plain = observed(space, 30)
    scaled = [Observed(t, scale * r) for t, r, *_ in plain]
    means = [fitted(space, each).posterior([(0,) * 12]).mean for each in (plain, scaled)]
    assert means[0] == means[1]


def test_choices_that_come_after_the_fit_match_nothing():
    space = LayerChain(3)
    predictor = fitted(space, [Observed((0, 1), 0.5), Observed((0, 0, 1, 0), 0.6)])
    posterior = predictor.posterior([(2, 1, 0, 3, 1, 1), (2, 0, 0, 0, 0, 3, 1, 1)])
    assert np.isfinite(predictor.samples(posterior, 2, np.random.default_rng(0))).all()
    predictor.observe([Observed((2, 1, 0, 3, 1, 1), 0.7)])
    predictor.fit()
    assert predictor.posterior([(2, 1, 0, 3, 1, 1)]).mean[0] > posterior.mean[0]


def test_only_the_best_and_the_latest_are_kept():
    space = NASBench201()
    observations = observed(space, 60)
    predictor = fitted(space, observations, points=30)
    kept = {predictor.tokens[i] for i in predictor.chosen}
    assert len(kept) == 30
    assert max(observations, key=lambda each: each.reward).tokens in kept
    assert observations[-1].tokens in kept


def test_hyperparameters_rest_until_a_tenth_is_new():
    space = NASBench201()
    observations = observed(space, 60)
    predictor = fitted(space, observations[:50])
    before = predictor._logs
    predictor.observe(observations[50:53])
    predictor.fit()
    assert (predictor._logs == before).all()
    assert observations[52].tokens in {predictor.tokens[i] for i in predictor.chosen}
    predictor.observe(observations[53:])
    predictor.fit()
    assert (predictor._logs != before).any()
