"""Priority-queue training and path consistency: what they learn, and what they ask next."""

import numpy as np
import pytest
import torch

from nas_agents.lstm.consistency_learner import ConsistencyLearner
from nas_agents.lstm.fused_controller import FusedController
from nas_agents.lstm.queue_learner import QueueLearner
from nas_agents.lstm.replay import Replay, most_trusted
from nas_agents.lstm.vocabulary import Episodes, Vocabulary
from nas_agents.path_consistency import PathConsistency
from nas_agents.priority_queue import PriorityQueue
from nas_agents.random_search import RandomSearch
from nas_gym.agent import Observed
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.moves import enumerate_tokens, random_tokens
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing import BitString, Landscape, LayerChain, tuning_landscape
from nas_gym.testing.agent_suite import run_agent

BITS = BitString(3)


def replay_of(settings, space, tokens):
    """A controller, and what a search remembers after these tokens."""
    vocabulary = Vocabulary(ChoiceTable(space), np.random.default_rng(0))
    controller = FusedController(settings, vocabulary, torch.Generator().manual_seed(0))
    replay = Replay(controller)
    for each in tokens:
        replay.add(NASVectorEnv(space, Landscape(space, noise=0.01)).play([each]))
    return controller, replay


def probabilities(controller, space):
    """Of every architecture."""
    tokens = list(enumerate_tokens(space))
    with torch.no_grad():
        episodes = Episodes(*controller.vocabulary.path_of(tokens), torch.zeros(len(tokens)))
        logs = controller.log_probabilities(episodes)[0].sum(dim=1)
    return dict(zip(tokens, logs.exp().tolist(), strict=True))


@pytest.mark.parametrize("space", [BITS, LayerChain(3)], ids=["static", "conditional"])
def test_the_probabilities_of_all_architectures_add_up(space):
    controller, _ = replay_of(PriorityQueue(initial_range=0.5), space, [])
    assert sum(probabilities(controller, space).values()) == pytest.approx(1, abs=1e-4)


def test_a_repeat_is_remembered_as_a_mean():
    _, replay = replay_of(PriorityQueue(), BITS, [(0, 1, 1), (1, 1, 1), (0, 1, 1)])
    assert list(replay.rows) == [(0, 1, 1), (1, 1, 1)]
    assert replay.counts == [2, 1]
    assert replay.means[0] == pytest.approx(replay.sums[0] / 2)
    assert replay.again([1, 0], 2, most=2) == [(1, 1, 1)]


def test_the_queue_becomes_what_the_controller_writes():
    """Maximum likelihood on two architectures, three to one, without a bonus for entropy."""
    settings = PriorityQueue(
        queue_size=2, rank_decay=np.log(3), updates=300, entropy_weight=0.0, repeats=1
    )
    controller, replay = replay_of(settings, BITS, [(0, 1, 1), (1, 0, 0), (0, 0, 0)])
    best, second, _ = (list(replay.rows)[row] for row in replay.best_first())
    assert QueueLearner(settings, controller).learn(replay) == [best]
    written = probabilities(controller, BITS)
    assert written[best] == pytest.approx(0.75, abs=0.02)
    assert written[second] == pytest.approx(0.25, abs=0.02)


def test_the_hybrid_adds_the_policy_gradient():
    plain, hybrid = (
        PriorityQueue(queue_size=1, updates=1, gradient_weight=weight) for weight in (0.0, 5.0)
    )
    tokens = list(enumerate_tokens(BITS))[:6]
    one, replay = replay_of(plain, BITS, tokens)
    QueueLearner(plain, one).learn(replay)
    other, replay = replay_of(hybrid, BITS, tokens)
    QueueLearner(hybrid, other).learn(replay)
    assert not torch.equal(one.bias, other.bias)


@pytest.mark.slow
def test_path_consistency_ends_in_the_boltzmann_distribution():
    """Where everything was seen, log p(x) is beta times the score, less a constant."""
    settings = PathConsistency(
        updates=250, minibatch_size=8, first_beta=1.5, last_beta=1.5, lowest_score=-9.0
    )
    tokens = list(enumerate_tokens(BITS))
    controller, replay = replay_of(settings, BITS, tokens)
    learner = ConsistencyLearner(settings, controller, np.random.default_rng(0))
    learner.learn(replay)
    expected = (1.5 * learner.scores(replay)).softmax(0).tolist()
    assert list(probabilities(controller, BITS).values()) == pytest.approx(expected, abs=0.01)


def test_scores_do_not_depend_on_the_scale_of_rewards():
    settings = PathConsistency()
    controller, replay = replay_of(settings, BITS, list(enumerate_tokens(BITS)))
    learner = ConsistencyLearner(settings, controller, np.random.default_rng(0))
    before = learner.scores(replay)
    replay.sums = [100 * each + 7 for each in replay.sums]
    torch.testing.assert_close(learner.scores(replay), before, atol=1e-4, rtol=1e-4)
    assert float(before.min()) >= settings.lowest_score


def test_minibatches_hold_the_best_and_some_others():
    settings = PathConsistency(minibatch_size=6, elite=2)
    controller, _ = replay_of(settings, BITS, [])
    learner = ConsistencyLearner(settings, controller, np.random.default_rng(0))
    assert learner.minibatch([3, 1, 2, 0]).tolist() == [3, 1, 2, 0]
    rows = learner.minibatch(list(range(50, -1, -1))).tolist()
    assert rows[:2] == [50, 49]
    assert len(rows) == 6


@pytest.mark.few(1)
@pytest.mark.parametrize("agent", [PriorityQueue(), PathConsistency(repeats=0)], ids=["pq", "pc"])
def test_distinct_evaluates_nothing_twice_while_there_is_something_new(agent):
    space = NASBench201()
    requests = run_agent(agent, tuning_landscape(space, 3), space, budget=120)
    later = [tokens for tokens, _ in requests[agent.random_first :]]
    assert len(set(later)) >= 0.98 * len(later)


@pytest.mark.parametrize("agent", [PriorityQueue(), PathConsistency()], ids=["pq", "pc"])
def test_a_space_smaller_than_the_budget_is_no_obstacle(agent):
    assert len(run_agent(agent, Landscape(BITS), BITS, budget=60)) == 60


@pytest.mark.slow
@pytest.mark.parametrize("agent", [PriorityQueue(), PathConsistency()], ids=["pq", "pc"])
def test_it_beats_random_search(agent):
    """Noise-free, of the recommended architecture, on landscapes that nothing was tuned on."""
    space, gains = NASBench201(), []
    for seed in range(4):
        landscape = tuning_landscape(space, seed)
        found = []
        for each in (RandomSearch(), agent):
            requests = run_agent(each, landscape, space, budget=150, seed=seed)
            found.append(most_trusted([Observed(*request) for request in requests]))
        gains.append(landscape.accuracy(found[1]) - landscape.accuracy(found[0]))
    assert np.mean(gains) > 0.003


def test_the_most_trusted_stayed_good():
    lucky = Observed((0,), 0.90)
    steady = [Observed((1,), reward) for reward in (0.895, 0.90, 0.89, 0.905)]
    assert most_trusted([lucky, *steady]) == (1,)
    assert most_trusted([lucky, steady[0]]) == (0,)  # no repeats: the best reward


def test_it_recommends_something_observed():
    rng = np.random.default_rng(0)
    seen = [Observed(random_tokens(BITS, rng), float(rng.random())) for _ in range(20)]
    for agent in (PriorityQueue(), PathConsistency()):
        recommended = agent.recommend(BITS, seen)
        assert recommended == agent.recommend(BITS, seen)
        assert recommended in {each.tokens for each in seen}


@pytest.mark.parametrize(
    ("agent", "options", "message"),
    [
        (PriorityQueue, {"queue_size": 0}, "queue_size is 0"),
        (PriorityQueue, {"rank_decay": -1.0}, "rank_decay is -1.0"),
        (PriorityQueue, {"exploration": 1.5}, "exploration is 1.5"),
        (PathConsistency, {"minibatch_size": 1}, "minibatch_size is 1"),
        (PathConsistency, {"first_beta": 0.0}, "first_beta is 0.0"),
        (PathConsistency, {"lowest_score": 0.0}, "lowest_score is 0.0"),
        (PathConsistency, {"exploration": -0.1}, "exploration is -0.1"),
    ],
)
def test_options_are_checked(agent, options, message):
    with pytest.raises(InvalidOption, match=message):
        agent(**options)
