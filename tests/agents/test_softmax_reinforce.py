from dataclasses import replace

import numpy as np
import pytest
import torch

from nas_agents.softmax_reinforce import (
    PRESETS,
    MovingAverage,
    Policy,
    SampledEpisode,
    SoftmaxLearner,
    SoftmaxReinforce,
    entropy_gradient,
    softmax,
)
from nas_gym.errors import InvalidOption, UnknownName
from nas_gym.networks.task import Task
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.limits import limited_space
from nas_gym.search_spaces.limits.wanted import limits_of
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing import BitString, FailingEvaluator, Landscape, LayerChain
from nas_gym.testing.agent_suite import run_agent

PLAIN = SoftmaxReinforce(
    optimizer="ascent", learning_rate=0.1, normalize_advantages=False, entropy_weight=0.0
)


def learner_of(settings, space, seed=0):
    rng = np.random.default_rng(seed)
    policy = Policy(settings, space.max_options, rng)
    return SoftmaxLearner(settings, policy), ChoiceTable(space)


# ---------------------------------------------------------------- the gradient


def test_gradient_on_a_bandit_is_the_closed_form():
    """d/dlogits of (1/m) sum A log p(arm) is (1/m) sum A (onehot(arm) - p)."""
    space = LayerChain(1, widths=tuple(range(1, 7)), min_depth=1)
    learner, choices = learner_of(replace(PLAIN, initial_scale=1.0), space)
    episodes = [learner.policy.sample(choices) for _ in range(40)]
    advantages = np.random.default_rng(1).standard_normal(40)
    gradient = learner.gradient(episodes, advantages)
    row = learner.policy.rows["layer0.width", 6]
    p = learner.policy.probabilities[row]
    arms = [
        (dict(zip(rows, tokens, strict=True)).get(row), advantage)
        for (tokens, rows, _), advantage in zip(episodes, advantages, strict=True)
    ]
    expected = sum(a * (np.eye(6)[arm] - p) for arm, a in arms if arm is not None) / 40
    assert len({arm for arm, _ in arms}) > 4  # None among them: a pool has no width
    assert np.ptp(p) > 0.05
    np.testing.assert_allclose(gradient[row], expected, atol=1e-15)


def test_gradient_is_that_of_automatic_differentiation():
    """With entropy bonus, in a conditional space, for a batch."""
    space = LayerChain(3)
    settings = replace(PLAIN, initial_scale=1.0, entropy_weight=0.3)
    learner, choices = learner_of(settings, space)
    episodes = [learner.policy.sample(choices) for _ in range(12)]
    advantages = np.random.default_rng(1).standard_normal(12)
    logits = torch.tensor(learner.policy.logits, requires_grad=True)
    gain = torch.zeros((), dtype=torch.float64)
    for (tokens, rows, _), advantage in zip(episodes, advantages, strict=True):
        for token, row in zip(tokens, rows, strict=True):
            opened = torch.isfinite(logits[row])
            log_p = logits[row][opened].log_softmax(-1)
            gain = gain + advantage * log_p[token] - 0.3 / len(rows) * (log_p.exp() * log_p).sum()
    (gain / 12).backward()
    expected = logits.grad.numpy()
    np.testing.assert_allclose(learner.gradient(episodes, advantages), expected, atol=1e-12)


def test_gradient_under_limits_is_that_of_automatic_differentiation():
    """Of the probabilities that are left when some tokens are closed."""
    task = Task(3, 32, 32, 10, repeats=5, filters=16)
    space = limited_space(NASBench201(), limits_of({"parameters": (100_000, 330_000)}), task)
    learner, choices = learner_of(replace(PLAIN, initial_scale=1.0), space)
    episodes = [learner.policy.sample(choices) for _ in range(12)]
    assert any(closed for episode in episodes for closed in episode.closed)
    advantages = np.random.default_rng(1).standard_normal(12)
    logits = torch.tensor(learner.policy.logits, requires_grad=True)
    gain = torch.zeros((), dtype=torch.float64)
    for episode, advantage in zip(episodes, advantages, strict=True):
        for token, row, closed in zip(*episode, strict=True):
            taken = torch.zeros(5, dtype=torch.bool)
            taken[list(closed)] = True
            gain = gain + advantage * logits[row].masked_fill(taken, -np.inf).log_softmax(-1)[token]
    (gain / 12).backward()
    expected = logits.grad.numpy()
    np.testing.assert_allclose(learner.gradient(episodes, advantages), expected, atol=1e-12)


def test_softmax_and_entropy_leave_closed_options_alone():
    p = softmax(np.array([[0.0, 0.0, -np.inf], [1.0, 2.0, 3.0]]))
    assert p[0].tolist() == [0.5, 0.5, 0.0]
    assert p.sum(axis=1) == pytest.approx([1, 1])
    assert entropy_gradient(p)[0].tolist() == [0.0, 0.0, 0.0]


# ---------------------------------------------------------------- learning


def test_the_baseline_has_the_new_reward_in_it_already():
    """As released with NAS-Bench-101: numerator and denominator decay alike."""
    average = MovingAverage(0.9)
    assert average.let_in(0.8) == pytest.approx(0.8)
    assert average.let_in(0.6) == pytest.approx((0.9 * 0.08 + 0.06) / 0.19)
    learner, _ = learner_of(replace(PLAIN, reward_scale=100.0), BitString(2))
    assert learner.advantages([0.8]) == pytest.approx([0.0])
    assert learner.advantages([0.6])[0] == pytest.approx(60 - 100 * (0.9 * 0.08 + 0.06) / 0.19)


def test_a_step_of_plain_ascent_by_hand():
    learner, choices = learner_of(PLAIN, BitString(2))
    episode = learner.policy.sample(choices)
    learner.baseline.let_in(0.5)
    learner.update([SampledEpisode((1, 0), episode.rows)], [0.9])
    step = 0.1 * (0.9 - (0.9 * 0.05 + 0.09) / 0.19) * 0.5
    np.testing.assert_allclose(learner.policy.logits, [[-step, step], [step, -step]])


def test_normalized_advantages_do_not_depend_on_the_scale_of_rewards():
    rewards = np.random.default_rng(0).random((20, 3))
    settings = replace(PLAIN, normalize_advantages=True)
    one, hundred = (
        learner_of(replace(settings, reward_scale=scale), BitString(2))[0] for scale in (1.0, 100.0)
    )
    for batch in rewards:
        np.testing.assert_allclose(one.advantages(batch), hundred.advantages(batch), rtol=1e-5)


@pytest.mark.parametrize("optimizer", ["adam", "ascent"])
def test_choices_off_the_path_stay_put(optimizer):
    settings = replace(PLAIN, optimizer=optimizer, initial_scale=0.5)
    learner, choices = learner_of(settings, LayerChain(3))
    for _ in range(30):
        learner.policy.sample(choices)
    for _ in range(20):
        episode = learner.policy.sample(choices)
        before = learner.policy.logits.copy()
        learner.update([episode], [learner.policy.rng.random()])
        off = np.setdiff1d(np.arange(len(before)), episode.rows)
        np.testing.assert_array_equal(learner.policy.logits[off], before[off])
    assert off.size


def test_sampling_follows_the_probabilities():
    learner, choices = learner_of(replace(PLAIN, initial_scale=1.0), BitString(3))
    drawn = np.array([learner.policy.sample(choices).tokens for _ in range(4000)])
    np.testing.assert_allclose(drawn.mean(axis=0), learner.policy.probabilities[:, 1], atol=0.03)


def test_the_same_name_with_another_number_of_options_has_its_own_logits():
    class Growing:
        max_length = 2
        max_options = 3

        def choose(self, pick):
            return pick("width", (1, 2, 3) if pick("wide", (False, True)) else (1, 2))

    learner, choices = learner_of(PLAIN, Growing())
    for _ in range(20):
        learner.policy.sample(choices)
    assert sorted(learner.policy.rows) == [("wide", 2), ("width", 2), ("width", 3)]


def test_failures_teach_nothing_where_the_paper_draws_again():
    """A policy that never learns goes on drawing what it would have drawn."""
    space = BitString(4)
    evaluator = FailingEvaluator(Landscape(space), rate=1.0)
    rng = np.random.default_rng(0)
    policy = Policy(PRESETS["nasbench101"], 2, rng)
    unmoved = [policy.sample(ChoiceTable(space)).tokens for _ in range(30)]
    requests = run_agent(PRESETS["nasbench101"], evaluator, space, budget=30, seed=0)
    assert [tokens for tokens, _ in requests] == unmoved
    learning = replace(PRESETS["nasbench101"], learn_from_failures=True, learning_rate=9.0)
    mixed = FailingEvaluator(Landscape(space), rate=0.5)
    requests = run_agent(learning, mixed, space, budget=30, seed=0)
    assert [tokens for tokens, _ in requests] != unmoved


def test_presets_are_the_benchmarks():
    released, dong, nats = (PRESETS[n] for n in ("nasbench101", "nasbench201", "nats-bench"))
    assert (released.optimizer, released.learning_rate, released.batch_size) == ("ascent", 0.1, 1)
    assert released.initial_scale == 0
    assert (dong.optimizer, dong.learning_rate, dong.reward_scale) == ("adam", 0.5, 100)
    assert replace(nats, learning_rate=0.5) == dong
    for preset in (released, dong, nats):
        assert (preset.baseline_decay, preset.entropy_weight) == (0.9, 0)
        assert not preset.normalize_advantages


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 0},
        {"optimizer": 3},
        {"learning_rate": 0.0},
        {"reward_scale": -1.0},
        {"initial_scale": -1.0},
        {"entropy_weight": -0.1},
        {"baseline_decay": 1.0},
    ],
)
def test_options_are_checked(options):
    with pytest.raises(InvalidOption, match=next(iter(options))):
        SoftmaxReinforce(**options)


def test_an_unknown_optimizer_is_told() -> None:
    with pytest.raises(UnknownName, match=r"unknown optimizer 'asscent': did you mean 'ascent'"):
        SoftmaxReinforce(optimizer="asscent")  # type: ignore[arg-type]
