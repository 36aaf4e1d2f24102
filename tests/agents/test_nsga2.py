from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymoo.indicators.hv import HV
from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance
from pymoo.util.nds.fast_non_dominated_sort import fast_non_dominated_sort

import nas_gym
from nas_agents.nsga2 import (
    NSGA2,
    PRESETS,
    crowded_order,
    crowding_distances,
    fronts,
    objective_values,
    ranked,
)
from nas_agents.random_search import RandomSearch
from nas_gym.envs.objectives import objectives_of
from nas_gym.envs.vector_env import Played
from nas_gym.errors import InvalidOption
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.registry import make, restorable, spec_of
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing import BitString, FailingEvaluator, Landscape
from nas_gym.testing.agent_suite import run_agent

SPACE = NASBench201()
COSTS = (0, 0, 1, 9, 0)  # of the space's operations
values = (
    st.integers(1, 3)
    .flatmap(
        lambda columns: st.lists(
            st.lists(st.integers(0, 5), min_size=columns, max_size=columns), min_size=1, max_size=25
        )
    )
    .map(np.array)
)


@dataclass(frozen=True)
class Costly:
    """A landscape that counts parameters as well."""

    landscape: Landscape
    stateful = False

    def evaluate(self, architectures, seeds):
        for evaluation in self.landscape.evaluate(architectures, seeds):
            metrics = {**evaluation.metrics, "parameters": cost(evaluation.architecture.tokens)}
            yield replace(evaluation, metrics=metrics)

    def close(self):
        pass


def cost(tokens):
    return sum(COSTS[token] for token in tokens)


def played(reward, failure=None, **metrics):
    architecture = architecture_of(SPACE, (0,) * 6)
    return Played((0,) * 6, reward, Evaluation(architecture, metrics, failure=failure))


# ---------------------------------------------------------------- sorting, against pymoo


@settings(max_examples=40, deadline=None)
@given(values)
def test_fronts_are_pymoos(points):
    expected = [sorted(front) for front in fast_non_dominated_sort(-points.astype(float))]
    every = [front.tolist() for front in fronts(points.astype(float), len(points))]
    assert every == expected
    some = fronts(points.astype(float), 3)
    assert [front.tolist() for front in some] == expected[: len(some)]
    assert sum(map(len, some)) >= min(3, len(points))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 20), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_crowding_distances_are_pymoos(members, objectives, seed):
    """Which gives their mean over the objectives; Deb et al. give the sum."""
    points = np.random.default_rng(seed).random((members, objectives))
    expected = objectives * np.asarray(calc_crowding_distance(points), float)
    np.testing.assert_allclose(crowding_distances(points), expected)


def test_crowding_where_an_objective_does_not_differ():
    points = np.array([[1.0, 0.0], [2.0, 0.0], [4.0, 0.0]])
    assert crowding_distances(points).tolist() == [np.inf, 1.0, np.inf]


def test_order_is_by_front_then_by_crowding():
    ranks, crowding = np.array([1, 0, 0, 1]), np.array([np.inf, 0.1, 0.7, 2.0])
    assert crowded_order(ranks, crowding).tolist() == [2, 1, 0, 3]


# ---------------------------------------------------------------- objectives


def test_values_are_turned_so_that_larger_is_better():
    children = [played(0.9, parameters=5.0), played(0.8, parameters=3.0)]
    assert objective_values(children, None).tolist() == [[0.9, -5], [0.8, -3]]
    assert objective_values(children, objectives_of("parameters:min")).tolist() == [[-5], [-3]]
    assert objective_values([played(0.9, accuracy=0.3)], None).tolist() == [[0.9]]


def test_failed_children_rank_last_whatever_their_reward():
    population = [played(5.0, "crashed"), played(0.1, parameters=9.0), played(0.2, parameters=1.0)]
    ranks, crowding = ranked(population, None, 3)
    assert crowded_order(ranks, crowding).tolist() == [2, 1, 0]


def test_a_metric_that_is_missing_is_an_error():
    agent = NSGA2(objectives=("reward:max", "latency:min"))
    with pytest.raises(InvalidOption, match=r"'latency' is not among .* give reward, accuracy"):
        run_agent(agent, Landscape(SPACE), SPACE, budget=30)


@pytest.mark.parametrize(
    "objectives", [(), ("",), ("-",), ("reward:up",), (":max",), ("a:max", "-a"), (3,)]
)
def test_objectives_are_checked(objectives):
    with pytest.raises(InvalidOption, match="objective"):
        NSGA2(objectives=objectives)


def test_options_are_checked():
    for options in ({"population_size": 1}, {"batch_size": 0}, {"mutations": -1.0}):
        with pytest.raises(InvalidOption, match=next(iter(options))):
            NSGA2(**options)


def test_objectives_survive_json():
    agent = make("agent", {"name": "nsga2", "objectives": ["reward:max", "flops:min"]})
    assert agent == NSGA2(objectives=("reward:max", "flops:min"))
    assert spec_of("agent", agent)["objectives"] == ["reward:max", "flops:min"]
    assert restorable("agent", agent)


# ---------------------------------------------------------------- searching


def hypervolume(requests):
    points = np.array([(-reward, cost(tokens)) for tokens, reward in requests], float)
    return HV(ref_point=np.array([-0.8, 60.0]))(points)


def test_its_front_covers_more_than_that_of_random_search():
    gains = []
    for seed in range(6):
        evaluator = Costly(Landscape(SPACE, seed))
        ours, random = (
            hypervolume(run_agent(agent, evaluator, SPACE, budget=200, seed=seed))
            for agent in (NSGA2(), RandomSearch())
        )
        gains.append(ours / random - 1)
    assert np.mean(gains) > 2 * np.std(gains, ddof=1) / np.sqrt(6)
    assert np.mean(gains) > 0.01


def test_survivors_are_the_best_of_parents_and_children():
    """The best reward and the smallest cost never leave the population: both are ends of fronts."""
    agent = NSGA2(population_size=6, batch_size=6)
    requests = run_agent(agent, Costly(Landscape(SPACE)), SPACE, budget=120)
    parents = requests[:6]
    for start in range(6, 120, 6):
        children = requests[start : start + 6]
        assert not {tokens for tokens, _ in children} & {tokens for tokens, _ in parents}
        together = [played(r, parameters=cost(t))._replace(tokens=t) for t, r in parents + children]
        kept = crowded_order(*ranked(together, None, 6))[:6]
        parents = [(together[i].tokens, together[i].reward) for i in kept]
    assert max(r for _, r in parents) == max(r for _, r in requests)
    assert min(cost(t) for t, _ in parents) == min(cost(t) for t, _ in requests)


def test_the_history_does_not_depend_on_the_batch_size():
    histories = [
        run_agent(NSGA2(batch_size=size), Costly(Landscape(SPACE)), SPACE, budget=70)
        for size in (1, 8, 100)
    ]
    assert histories[0] == histories[1] == histories[2]


def test_it_searches_where_some_or_all_fail():
    for rate in (0.5, 1.0):
        evaluator = FailingEvaluator(Costly(Landscape(SPACE)), rate=rate)
        agent = NSGA2(("reward:max", "parameters:min"), 6)
        assert len(run_agent(agent, evaluator, SPACE, budget=50)) == 50


def test_a_space_that_is_used_up():
    assert len(run_agent(NSGA2(), Landscape(BitString(2)), BitString(2), budget=50)) == 50


def test_presets():
    assert (PRESETS["deb2002"].population_size, PRESETS["deb2002"].crossover_probability) == (
        100,
        0.9,
    )


@pytest.mark.parametrize("agent", ["nsga2", "mo-evolution", "ppo"])
def test_objectives_that_nobody_measures_are_refused_before_a_child_is(agent):
    given = {"name": agent, "objectives": ["accuracy", "-params"]}
    with pytest.raises(InvalidOption, match="the objectives need the metric 'params', but"):
        nas_gym.search("nasbench201", "nasbench201", given, budget=20)
