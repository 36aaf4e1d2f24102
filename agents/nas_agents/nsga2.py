"""NSGA-II: Deb, Pratap, Agarwal & Meyarivan 2002, "A fast and elitist multiobjective GA"."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Interval

from nas_agents.arrays import Floats, Ints
from nas_agents.genetic import breed
from nas_gym.agent import play_as_they_come, play_in_batches, without_copies
from nas_gym.envs.objectives import (
    Objectives,
    objectives_of,
    pareto_front,
    usual_objectives,
    values_of,
)
from nas_gym.options import Options
from nas_gym.search_spaces.grammar import SearchSpace, Tokens
from nas_gym.search_spaces.moves import random_tokens

if TYPE_CHECKING:
    from nas_gym.envs.async_env import NASAsyncVectorEnv
    from nas_gym.envs.vector_env import NASVectorEnv, Played


@dataclass(frozen=True)
class NSGA2(Options):
    """A genetic algorithm that keeps a front: what nothing else beats in every objective.

    Args:
        objectives: ``reward`` or names of metrics, a minus before those that should be small, e.g.
            ``("reward", "-parameters")``; ``"parameters:min"`` is the same. None is that pair if
            the evaluator gives ``parameters``, and only the reward if not; NSGA-II is an elitist
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
    several_by_default: ClassVar[bool] = True  # objectives, if none are given

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "objectives", checked_objectives(self.objectives))

    @property
    def _wanted(self) -> Objectives | None:
        return None if self.objectives is None else objectives_of(self.objectives)

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
            ranks, crowding = ranked(population, self._wanted, size)
            survivors = crowded_order(ranks, crowding)[:size]
            population = [population[i] for i in survivors]
            children = self._children(
                space, population, ranks[survivors], crowding[survivors], rng, size
            )

    def search_async(self, env: "NASAsyncVectorEnv[Any]") -> None:
        """Breed a child for every free worker, from those that are the best by then.

        Each child that is done takes the place of the worst, if it is not the worst itself: the
        steady state of generations of one (Durillo et al. 2009).

        Raises:
            InvalidOption: The evaluations do not have one of the objectives.
        """
        space, rng, size = env.space, env.np_random, self.population_size
        population: list[Played] = []
        standing: tuple[Ints, Floats] = ranked((), self._wanted, size)
        asked = 0

        def propose() -> Tokens:
            nonlocal asked
            asked += 1
            if asked <= size or not population:
                return random_tokens(space, rng)
            return self._children(space, population, *standing, rng, 1)[0]

        def insert(child: "Played") -> None:
            nonlocal population, standing
            population.append(child)
            ranks, crowding = ranked(population, self._wanted, size)
            survivors = crowded_order(ranks, crowding)[:size]
            population = [population[i] for i in survivors]
            standing = ranks[survivors], crowding[survivors]

        play_as_they_come(env, propose, insert)

    def _children(
        self,
        space: SearchSpace[Any],
        population: Sequence["Played"],
        ranks: Ints,
        crowding: Floats,
        rng: np.random.Generator,
        count: int,
    ) -> list[Tokens]:
        places = np.argsort(crowded_order(ranks, crowding)).tolist()

        def parent() -> Tokens:
            """Return the winner of a binary tournament."""
            drawn: list[int] = rng.integers(len(population), size=2).tolist()
            return population[min(drawn, key=places.__getitem__)].tokens

        def child() -> Tokens:
            return breed(space, parent(), parent(), rng, self.crossover_probability, self.mutations)

        known = [member.tokens for member in population]
        return without_copies(child, count, known)


# ---------------------------------------------------------------- objectives


def checked_objectives(given: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the objectives of an agent as a tuple, or raise InvalidOption."""
    if given is None:
        return None
    objectives_of(given)
    return (given,) if isinstance(given, str) else tuple(given)


def objective_values(children: Sequence["Played"], objectives: Objectives | None) -> Floats:
    """Return (children, objectives), of ``children`` that did not fail; larger is better.

    Raises:
        InvalidOption: An evaluation does not have one of the objectives.
    """
    if objectives is None:
        counted = set.intersection(*(set(child.evaluation.metrics) for child in children))
        objectives = usual_objectives(counted)
    return values_of([(c.evaluation.metrics, c.reward) for c in children], objectives)


# ---------------------------------------------------------------- sorting


def ranked(
    population: Sequence["Played"], objectives: Objectives | None, enough: int
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
