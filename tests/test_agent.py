import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_agents.regularized_evolution import PRESETS
from nas_gym.agent import Observed, best_average, best_observed, shrunk_averages
from nas_gym.errors import InvalidOption
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing import tuning_landscape
from nas_gym.testing.agent_suite import run_agent

observations = st.lists(
    st.builds(
        Observed,
        st.tuples(st.integers(0, 9)),
        st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.7, 0.71]),
        st.just(0),
    ),
    min_size=1,
    max_size=60,
)


def observe(rewards):
    return [Observed((name,), reward) for name, reward in rewards]


def test_the_best_observed_is_the_first_of_the_highest():
    assert best_observed(observe([(1, 0.5), (2, 0.7), (3, 0.7), (1, 0.6)])) == (2,)


def test_a_lucky_reward_loses_to_a_good_average():
    steady = [(1, reward) for reward in (0.90, 0.94) * 6]
    others = [(name, 0.91) for name in range(10, 20)]
    observed = observe([*others, (2, 0.93), *steady])
    assert best_observed([o for o in observed if o.reward < 0.94]) == (2,)
    assert best_average(observed) == (1,)


def test_by_far_the_best_wins_with_a_single_reward():
    steady = [(1, reward) for reward in (0.90, 0.901, 0.902)]
    assert best_average(observe([*steady, (3, 0.89), (2, 0.95)])) == (2,)


def test_only_what_was_trained_furthest_is_compared() -> None:
    early, late, whole = Observed((0,), 0.9, 1), Observed((1,), 0.5, 3), Observed((2,), 0.4)
    for recommend in (best_observed, best_average):
        assert recommend([early, late]) == (1,)
        assert recommend([late, whole, early]) == (2,)


@given(observations)
def test_without_noise_the_best_average_is_the_best_observed(observed):
    """No repeats, or repeats that agree (a memo's)."""
    first = {}
    for tokens, reward, *_ in observed:
        first.setdefault(tokens, reward)
    single = [Observed(tokens, reward) for tokens, reward in first.items()]
    agreeing = [Observed(tokens, first[tokens]) for tokens, *_ in observed]
    assert best_average(single) == best_average(agreeing) == best_observed(single)


@given(observations)
def test_it_depends_on_differences_and_order_alone(observed):
    """What is recommended was observed; a better mean of no fewer rewards is never passed over."""
    chosen = best_average(observed)
    rewards = {}
    for tokens, reward, *_ in observed:
        rewards.setdefault(tokens, []).append(reward)
    mean = {tokens: np.mean(each) for tokens, each in rewards.items()}
    for other, each in rewards.items():
        if len(each) >= len(rewards[chosen]):
            assert mean[other] <= mean[chosen] + 1e-12


def test_averages_are_shrunk_as_the_closed_form_says():
    """Averages 4 and 1, noise variance 2 from one pair, spread max(2.25, 1)."""
    shrunk = shrunk_averages([[3.0, 5.0], [1.0]])
    assert shrunk == pytest.approx([2.5 + 1.5 * 2.25 / 3.25, 2.5 - 1.5 * 2.25 / 4.25])


def test_nothing_observed_is_an_error():
    for recommend in (best_observed, best_average):
        with pytest.raises(InvalidOption, match="nothing was observed"):
            recommend([])


@pytest.mark.slow
def test_on_noisy_landscapes_the_average_is_the_better_advice():
    """True values after 500 evaluations by evolution, on landscapes that nothing was tuned on."""
    space = NASBench201()
    gains = []
    for seed in range(2000, 2016):
        landscape = tuning_landscape(space, seed)
        requests = run_agent(PRESETS["default"], landscape, space, budget=500, seed=seed)
        observed = [Observed(*request) for request in requests]
        true = [landscape.accuracy(f(observed)) for f in (best_observed, best_average)]
        gains.append(true[1] - true[0])
    assert np.mean(gains) >= 0
