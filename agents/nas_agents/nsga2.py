"""NSGA-II: Deb, Pratap, Agarwal & Meyarivan 2002, "A fast and elitist multiobjective GA"."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge, Interval

from nas_agents.arrays import Floats, Ints
from nas_agents.genetic import breed
from nas_gym.agent import play_in_batches, without_copies
from nas_gym.envs.objectives import pareto_front
from nas_gym.errors import InvalidOption
from nas_gym.options import Options
from nas_gym.search_spaces.grammar import SearchSpace, Tokens
from nas_gym.search_spaces.moves import random_tokens

if TYPE_CHECKING:
    from nas_gym.envs.vector_env import NASVectorEnv, Played

SIGNS = {"max": 1.0, "min": -1.0}


@dataclass(frozen=True)
class NSGA2(Options):
    """A genetic algorithm that keeps a front: what nothing else beats in every objective.

    Args:
        objectives: Each ``"name:max"`` or ``"name:min"``; the name is ``reward`` or a metric of the
            evaluation, e.g. ``("reward:max", "parameters:min")``. None is that pair if the
            evaluator gives ``parameters``, and only the reward if not; NSGA-II is an elitist
            genetic algorithm then.
        population_size: N, parents kept after each generation, and children of each; >= 2.
        crossover_probability: How often a child has two parents, in [0, 1]; else it has one.
        mutations: Choices of a child that mutation changes on average, >= 0.
        batch_size: Children evaluated at once, >= 1; the history does not depend on it.
    """

    objectives: tuple[str, ...] | str | None = None
    population_size: Annotated[int, Interval(ge=2, le=10**6)] = 20
    crossover_probability: Annotated[float, Interval(ge=0, le=1)] = 0.9
    mutations: Annotated[float, Ge(0)] = 1.0
    batch_size: Annotated[int, Interval(ge=1, le=10**5)] = 8

    takes_others = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.objectives is not None:
            object.__setattr__(self, "objectives", checked_objectives(self.objectives))

    def search(self, env: "NASVectorEnv[Any]") -> None:
        """Breed generations until the budget is spent.

        Raises:
            InvalidOption: The evaluations do not have one of the objectives.
        """
        space, rng, size = env.space, env.np_random, self.population_size
        population: list[Played] = []
        children = [random_tokens(space, rng) for _ in range(size)]
        while env.remaining > 0:
            for batch in play_in_batches(env, children, self.batch_size):
                population += batch
            ranks, crowding = ranked(population, self.objectives, size)
            survivors = crowded_order(ranks, crowding)[:size]
            population = [population[i] for i in survivors]
            children = self._children(space, population, ranks[survivors], crowding[survivors], rng)

    def _children(
        self,
        space: SearchSpace[Any],
        population: Sequence["Played"],
        ranks: Ints,
        crowding: Floats,
        rng: np.random.Generator,
    ) -> list[Tokens]:
        places = np.argsort(crowded_order(ranks, crowding)).tolist()

        def parent() -> Tokens:
            """Return the winner of a binary tournament."""
            drawn: list[int] = rng.integers(len(population), size=2).tolist()
            return population[min(drawn, key=places.__getitem__)].tokens

        def child() -> Tokens:
            return breed(space, parent(), parent(), rng, self.crossover_probability, self.mutations)

        known = [member.tokens for member in population]
        return without_copies(child, self.population_size, known)


# ---------------------------------------------------------------- objectives


def checked_objectives(objectives: Sequence[str]) -> tuple[str, ...]:
    """Return the objectives as a tuple, or raise InvalidOption."""
    given = (objectives,) if isinstance(objectives, str) else tuple(objectives)
    for objective in given:
        name, _, direction = objective.rpartition(":")
        if not name or direction not in SIGNS:
            raise InvalidOption(
                f"objectives is {given}: give each as name:max or name:min, e.g. 'reward:max' or "
                "'parameters:min'"
            )
    if not given or len({objective.rpartition(":")[0] for objective in given}) < len(given):
        raise InvalidOption(f"objectives is {given}: give one or more, each of another name")
    return given


def objective_values(children: Sequence["Played"], objectives: Sequence[str] | None) -> Floats:
    """Return (children, objectives), of ``children`` that did not fail; larger is better.

    Raises:
        InvalidOption: An evaluation does not have one of the objectives.
    """
    if objectives is None:
        counted = all("parameters" in child.evaluation.metrics for child in children)
        objectives = ("reward:max", "parameters:min") if counted else ("reward:max",)
    columns = []
    for objective in objectives:
        name, _, direction = objective.rpartition(":")
        columns.append([SIGNS[direction] * value_of(child, name) for child in children])
    return np.array(columns, np.float64).T


def value_of(child: "Played", name: str) -> float:
    """Return the child's reward, or the metric of its evaluation that is called ``name``."""
    if name == "reward":
        return child.reward
    metrics = child.evaluation.metrics
    if name not in metrics:
        raise InvalidOption(
            f"objective {name!r} is not among what the evaluator measures: give reward"
            f"{''.join(f', {metric}' for metric in metrics)}"
        )
    return float(metrics[name])


# ---------------------------------------------------------------- sorting


def ranked(
    population: Sequence["Played"], objectives: Sequence[str] | None, enough: int
) -> tuple[Ints, Floats]:
    """Return (members,) numbers of their fronts, from 0, and crowding distances within these.

    What failed is in a last front of its own, with what comes after the first ``enough`` members.
    """
    good = [i for i, member in enumerate(population) if member.evaluation.failure is None]
    ranks = np.full(len(population), len(population))  # there are not so many fronts
    crowding = np.zeros(len(population))
    if good:
        values = objective_values([population[i] for i in good], objectives)
        for number, front in enumerate(fronts(values, enough)):
            members = np.array(good)[front]
            ranks[members] = number
            crowding[members] = crowding_distances(values[front])
    return ranks, crowding


def fronts(values: Floats, enough: int) -> list[Ints]:
    """Return the indices of each front: what only earlier fronts dominate (section III-A).

    There are as many fronts as hold ``enough`` members, if there are so many.
    """
    found = []
    left = np.arange(len(values))
    while left.size and len(values) - left.size < enough:
        front = pareto_front(values[left])
        found.append(left[front])
        left = np.delete(left, front)
    return found


def crowding_distances(values: Floats) -> Floats:
    """Sum, for (members,) of a front, each objective's gap between both neighbours (III-B).

    Gaps are fractions of the front's extent in the objective; both ends are infinitely far.
    """
    distances = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        extent = column[order[-1]] - column[order[0]]
        distances[order[[0, -1]]] = np.inf
        if extent > 0:
            distances[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / extent
    return distances


def crowded_order(ranks: Ints, crowding: Floats) -> Ints:
    """Sort members from best to worst: by front, within it the least crowded first; stable."""
    return np.lexsort((-crowding, ranks))


PRESETS: dict[str, NSGA2] = {
    "default": NSGA2(),
    # Section IV, for binary strings: N = 100, crossover 0.9, mutation of 1 / length.
    "deb2002": NSGA2(population_size=100, batch_size=1),
}
