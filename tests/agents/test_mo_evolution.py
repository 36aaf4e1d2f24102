from nas_agents.mo_evolution import MOEvolution
from nas_agents.regularized_evolution import RegularizedEvolution
from nas_gym.envs.hypervolume import hypervolume
from nas_gym.evaluators.tables.nasbench201 import NASBench201Table
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing import Landscape
from nas_gym.testing.agent_suite import run_agent
from tests.agents.test_nsga2 import played

SPACE = NASBench201()


def test_members_are_compared_by_front_then_by_crowding():
    population = [
        played(0.9, parameters=9.0),
        played(0.5, parameters=9.5),  # beaten by the first
        played(0.2, parameters=1.0),
        played(0.6, parameters=5.0),
        played(5.0, "crashed"),
    ]
    merits = MOEvolution().merits(population)
    order = sorted(range(5), key=lambda i: merits[i], reverse=True)
    assert set(order[:2]) == {0, 2}  # the ends of the front
    assert order[2:] == [3, 1, 4]


def test_with_the_reward_alone_it_is_regularized_evolution():
    """But for ties: equal rewards are of one front, whose ends are the least crowded."""
    one = run_agent(MOEvolution(objectives="accuracy"), Landscape(SPACE), SPACE, budget=60)
    other = run_agent(RegularizedEvolution(), Landscape(SPACE), SPACE, budget=60)
    assert one[:20] == other[:20]
    assert len(one) == 60


def test_its_front_is_larger_than_that_of_the_reward_alone():
    table = NASBench201Table()

    def volume(agent, seed):
        tokens = [each[0] for each in run_agent(agent, table, SPACE, budget=150, seed=seed)]
        points = [(table.mean_accuracy(t), -table.entry(t).metrics["parameters"]) for t in tokens]
        return hypervolume(points, (0, -1.6e6))

    ours = [volume(MOEvolution(), seed) for seed in range(3)]
    theirs = [volume(RegularizedEvolution(), seed) for seed in range(3)]
    assert sum(ours) > sum(theirs)
