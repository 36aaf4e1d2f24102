from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from nas_agents.lstm import reinforce_learner
from nas_agents.lstm.controller import Controller
from nas_agents.lstm.reinforce_learner import ReinforceLearner, sample_round
from nas_agents.lstm.vocabulary import Episodes, Vocabulary
from nas_agents.reinforce import PRESETS, Reinforce
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.conv_net.space import ConvNet
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.testing import BitString, Landscape, LayerChain
from nas_gym.testing.agent_suite import run_agent

PLAIN = Reinforce(
    hidden_size=8, epochs=1, clip_range=None, mean_entropy_weight=0.0, normalize_advantages=False
)


@dataclass(frozen=True)
class Bandit:
    """One choice."""

    arms: int = 6
    max_length: int = 1
    static = True

    @property
    def max_options(self):
        return self.arms

    def choose(self, pick):
        return pick("arm", range(self.arms))


@dataclass(frozen=True)
class Payout:
    """Arm k gives the k-th accuracy."""

    accuracies: tuple[float, ...] = (0.2, 0.5, 0.3, 0.8, 0.1, 0.6)
    stateful = False

    def evaluate(self, architectures, seeds):
        for a in architectures:
            yield Evaluation(a, {"accuracy": self.accuracies[a.genotype]}, source="table")

    def close(self):
        pass


def controller_of(settings, space, seed=0):
    vocabulary = Vocabulary(ChoiceTable(space), np.random.default_rng(seed))
    return Controller(settings, vocabulary, torch.Generator().manual_seed(seed))


def sampled(settings, space, episodes, seed=0):
    """A controller, and a round of its episodes on a landscape."""
    env = NASVectorEnv(space, Landscape(space, seed), num_envs=episodes)
    controller = controller_of(settings, space, seed)
    env.reset(seed=seed)
    return controller, sample_round(env, controller, torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------- the gradient


@pytest.mark.parametrize("clip_range", [None, 0.2])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_gradient_on_a_bandit_is_the_closed_form(clip_range, temperature):
    """d/dlogits of (1/m) sum (R - b) log p(arm) is (1/m) sum (R - b) (onehot(arm) - p)."""
    settings = replace(PLAIN, clip_range=clip_range, temperature=temperature, initial_range=0.5)
    env = NASVectorEnv(Bandit(), Payout(), num_envs=40)
    controller = controller_of(settings, env.space)
    env.reset(seed=0)
    episodes = sample_round(env, controller, torch.Generator().manual_seed(1))
    learner = ReinforceLearner(settings, controller)
    learner.baseline = 0.35
    advantages = learner.advantages(episodes.rewards)[:, None]
    loss, _ = learner.loss(episodes, advantages, None)
    loss.backward()

    with torch.no_grad():
        opened = controller.vocabulary.opened([()])
        p = controller.step(torch.tensor([0]), opened, controller.first_state(1))[0].exp()
    arms = episodes.tokens[:, 0]
    rewards = torch.tensor(Payout().accuracies)[arms]
    onehot = torch.nn.functional.one_hot(arms, 6)
    expected = ((rewards - 0.35)[:, None] * (onehot - p)).mean(dim=0) / temperature
    assert len(set(arms.tolist())) > 2
    assert p.std() > 0.01  # not merely uniform
    torch.testing.assert_close(-controller.bias.grad[1], expected)
    torch.testing.assert_close(-controller.softmaxes.bias.grad[6:], expected)


@pytest.mark.parametrize("weights", [(0.7, 0.0), (0.3, 0.4), (0.2, 9.0)])
def test_entropy_gradient_on_a_bandit_is_the_closed_form(weights):
    """d/dlogits of the entropy H is -p (log p + H); of one token, mean and sum are the same.

    The mean's weight is 0.5 a token at most.
    """
    summed, mean = weights
    settings = replace(PLAIN, entropy_weight=summed, mean_entropy_weight=mean, initial_range=0.5)
    controller, episodes = sampled(settings, Bandit(), 5)
    loss, _ = ReinforceLearner(settings, controller).loss(episodes, torch.zeros(5, 1), None)
    loss.backward()
    _, entropies = controller.log_probabilities(episodes)
    entropy = entropies[0, 0].detach()
    with torch.no_grad():
        each = [
            controller.log_probabilities(episodes._replace(tokens=torch.full((5, 1), arm)))[0][0]
            for arm in range(6)
        ]
    log_p = torch.cat(each)
    torch.testing.assert_close(entropy, -(log_p.exp() * log_p).sum())
    torch.testing.assert_close(
        -controller.bias.grad[1], 0.7 * -log_p.exp() * (log_p + entropy), atol=1e-6, rtol=1e-4
    )


def test_every_token_is_credited_alike_without_a_discount():
    """The loss of a batch is -(1/m) sum over episodes and tokens of (R - b) log p."""
    controller, episodes = sampled(PLAIN, LayerChain(3), 6)
    learner = ReinforceLearner(PLAIN, controller)
    advantages = torch.arange(6.0) - 2
    loss, log_probabilities = learner.loss(episodes, advantages[:, None], None)
    expected = -sum(advantages[k] * log_probabilities[k].sum() for k in range(6)) / 6
    torch.testing.assert_close(loss, expected)


def test_clipping_ends_the_pull_of_far_ratios():
    """Schulman et al. 2017, figure 1: beyond the clip range there is no gradient outwards."""
    settings = replace(PLAIN, clip_range=0.2)
    controller, episodes = sampled(settings, Bandit(), 4)
    learner = ReinforceLearner(settings, controller)
    old = controller.log_probabilities(episodes)[0].detach()
    for sign, ratio, moves in [(1, 1.3, False), (1, 0.7, True), (-1, 0.7, False), (-1, 1.3, True)]:
        learner.optimizer.gradient.zero_()
        loss, _ = learner.loss(episodes, torch.full((4, 1), float(sign)), old - np.log(ratio))
        loss.backward()
        assert bool(controller.bias.grad.abs().max() > 0) is moves


# ---------------------------------------------------------------- sampling


@pytest.mark.few(5)
@pytest.mark.parametrize(
    "space",
    [
        NASNetCell(2),
        LayerChain(4),
        BitString(5),
        ConvNet(depth=4, strides=(1,)),
        ConvNet(depth=(1, 3, 4), types=("conv", "pool")),
    ],
    ids=["nasnet", "chain", "bits", "layers", "layers of any depth"],
)
@pytest.mark.parametrize(
    "settings",
    [PLAIN, PRESETS["zoph2016"], replace(PLAIN, tanh_constant=2.5, temperature=5.0)],
    ids=["plain", "two layers", "tanh"],
)
def test_log_probabilities_are_of_the_sampled_tokens(space, settings):
    """Recomputed token by token from each episode's prefix, they equal the learner's."""
    settings = replace(settings, initial_range=0.4)
    controller, episodes = sampled(settings, space, 5)
    with torch.no_grad():
        controller.bias.uniform_(-1, 1, generator=torch.Generator().manual_seed(0))
        log_probabilities, entropies = controller.log_probabilities(episodes)
    choices = controller.vocabulary.choices
    for episode in range(5):
        state, inputs, prefix = controller.first_state(1), torch.tensor([0]), ()
        for position in range(space.max_length):
            choice = choices.after(prefix)
            count = 1 if choice is None else len(choice.options)
            token = int(episodes.tokens[episode, position])
            assert token < count  # only open options are ever sampled
            opened = controller.vocabulary.opened([prefix])
            assert (opened.closed == 0).sum() == count
            with torch.no_grad():
                every, state = controller.step(inputs, opened, state)
            assert float(every[0, token]) == pytest.approx(
                float(log_probabilities[episode, position]), abs=1e-5
            )
            assert float(every[0, :count].exp().sum()) == pytest.approx(1, abs=1e-5)
            if choice is None:
                assert float(log_probabilities[episode, position]) == 0
                assert float(entropies[episode, position]) == 0
                continue
            inputs = 1 + opened.columns[:, token]
            prefix = (*prefix, token)


def test_tokens_are_sampled_not_the_most_likely():
    settings = replace(PLAIN, initial_range=0.0)
    controller = controller_of(settings, Bandit())
    with torch.no_grad():
        controller.bias[1] = torch.tensor([0.0, 1.0, 2.0, 0.0, 1.0, 0.0])
    env = NASVectorEnv(Bandit(), Payout(), num_envs=4000)
    env.reset(seed=0)
    episodes = sample_round(env, controller, torch.Generator().manual_seed(0))
    shares = np.bincount(episodes.tokens[:, 0], minlength=6) / 4000
    expected = torch.softmax(controller.bias[1], 0).detach().numpy()
    assert shares == pytest.approx(expected, abs=0.03)


def test_tanh_bounds_the_logits():
    controller = controller_of(replace(PLAIN, tanh_constant=1.5, initial_range=0.0), Bandit())
    with torch.no_grad():
        controller.bias[1, 0] = 100.0
        episodes = sampled(PLAIN, Bandit(), 1)[1]._replace(tokens=torch.tensor([[0]]))
        (log_probability,) = controller.log_probabilities(episodes)[0][0]
    assert float(log_probability) == pytest.approx(1.5 - np.log(np.exp(1.5) + 5), abs=1e-5)


def test_a_choice_not_seen_in_advance_shares_a_softmax():
    vocabulary = Vocabulary(ChoiceTable(LayerChain(4)), np.random.default_rng(0))
    del vocabulary.kinds["source"], vocabulary.names["layer2.source"]
    opened = vocabulary.opened([(2,), (0, 0, 0)])
    seen, unseen = (opened.columns[:, 0] // vocabulary.max_options).tolist()
    assert seen == vocabulary.kinds["operation"] > 0
    assert unseen == 0


# ---------------------------------------------------------------- learning


@pytest.mark.few(1)
@pytest.mark.parametrize("settings", [Reinforce(), replace(PLAIN, learning_rate=0.1)])
def test_it_reaches_the_best_arm(settings):
    for seed in range(3):
        requests = run_agent(settings, Payout(), Bandit(), budget=400, seed=seed)
        last = [tokens[0] for tokens, _ in requests[-40:]]
        assert np.mean(np.equal(last, 3)) > 0.9


def test_the_baseline_is_a_moving_average_of_earlier_rewards():
    controller, _ = sampled(PLAIN, Bandit(), 1)
    learner = ReinforceLearner(replace(PLAIN, baseline_decay=0.9), controller)
    first = learner.advantages(torch.tensor([0.2, 0.4]))
    assert first.tolist() == pytest.approx([-0.1, 0.1])
    second = learner.advantages(torch.tensor([1.3, 1.3]))
    assert second.tolist() == pytest.approx([1.0, 1.0])
    assert learner.baseline == pytest.approx(0.9 * 0.3 + 0.1 * 1.3)


def test_normalized_advantages_do_not_depend_on_the_scale_of_rewards():
    controller, _ = sampled(PLAIN, Bandit(), 1)
    rewards = torch.tensor([0.1, 0.5, 0.2])
    settings = replace(PLAIN, normalize_advantages=True)
    one = ReinforceLearner(settings, controller).advantages(rewards)
    percent = ReinforceLearner(settings, controller).advantages(100 * rewards)
    torch.testing.assert_close(one, percent)
    same = ReinforceLearner(settings, controller).advantages(torch.full((3,), 0.4))
    assert same.abs().max() < 1e-3


def test_a_batch_larger_than_the_round_waits_for_it():
    """num_envs 2 and batch_size 6: an update after three rounds."""
    updates = []

    class Counting(ReinforceLearner):
        def update(self, episodes):
            updates.append(len(episodes.rewards))
            super().update(episodes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reinforce_learner, "ReinforceLearner", Counting)
        space = BitString(3)
        run_agent(replace(PLAIN, batch_size=6), Landscape(space), space, budget=19, num_envs=2)
    assert updates == [6, 6, 6]


def test_the_papers_settings():
    zoph, nasnet = PRESETS["zoph2016"], PRESETS["nasnet2017"]
    assert (zoph.layers, zoph.hidden_size, zoph.learning_rate) == (2, 35, 6e-4)
    assert (zoph.initial_range, zoph.batch_size, zoph.clip_range) == (0.08, 8, None)
    assert (nasnet.layers, nasnet.hidden_size, nasnet.learning_rate) == (1, 100, 3.5e-4)
    assert (nasnet.entropy_weight, nasnet.baseline_decay) == (1e-5, 0.95)
    assert (nasnet.initial_range, nasnet.batch_size) == (0.1, 20)
    enas = PRESETS["enas2018"]
    assert (enas.layers, enas.hidden_size, enas.learning_rate) == (1, 64, 3.5e-3)
    assert (enas.tanh_constant, enas.temperature, enas.entropy_weight) == (1.1, 1.0, 1e-4)
    assert (enas.batch_size, enas.baseline_decay, enas.clip_range) == (10, 0.99, None)
    convnet, rnn = PRESETS["zoph2016-convnet"], PRESETS["zoph2016-rnn"]
    assert replace(zoph, depth_schedule=(6, 2, 1600)) == convnet
    assert replace(zoph, learning_rate=5e-4, batch_size=10) == rnn
    lstm = controller_of(zoph, NASNetCell()).lstm
    weights = torch.cat([p.detach().flatten() for p in lstm.parameters()])
    assert float(weights.abs().max()) <= 0.08
    assert float(weights.std()) == pytest.approx(0.16 / 12**0.5, rel=0.02)


def test_a_child_may_train_in_the_same_process():
    """The evaluator finds gradients on and all threads; so does the caller afterwards."""
    before = torch.get_num_threads()
    seen = []

    class Training(Landscape):
        def evaluate(self, architectures, seeds):
            seen.append((torch.is_grad_enabled(), torch.get_num_threads()))
            return super().evaluate(architectures, seeds)

    run_agent(PLAIN, Training(BitString(3)), BitString(3), budget=20)
    assert set(seen) == {(True, before)}
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"entropy_weight": -1.0}, "entropy_weight is -1.0"),
        ({"mean_entropy_weight": -1.0}, "mean_entropy_weight is -1.0"),
        ({"baseline_decay": 1.0}, "baseline_decay is 1.0"),
        ({"clip_range": 1.0}, "clip_range is 1.0"),
        ({"clip_range": None, "epochs": 2}, "give clip_range"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(InvalidOption, match=message):
        Reinforce(**options)


def test_episodes_have_the_shapes_they_state():
    space = LayerChain(3)
    _, episodes = sampled(PLAIN, space, 4)
    length, options = space.max_length, space.max_options
    assert isinstance(episodes, Episodes)
    for part in (episodes.tokens, episodes.opened.names):
        assert part.shape == (4, length)
    for part in (episodes.opened.columns, episodes.opened.closed):
        assert part.shape == (4, length, options)
    assert episodes.rewards.shape == (4,)
