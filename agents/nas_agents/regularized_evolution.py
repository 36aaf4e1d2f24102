"""Regularized (aging) evolution: Real et al. 2018, section 3.2 and algorithm 1."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Interval

from nas_gym.agent import Observed, best_average, play_as_they_come
from nas_gym.options import Options
from nas_gym.search_spaces.grammar import SearchSpace, Tokens
from nas_gym.search_spaces.moves import mutate, open_choices, random_tokens

if TYPE_CHECKING:
    import numpy as np

    from nas_gym.envs.async_env import NASAsyncVectorEnv
    from nas_gym.envs.vector_env import NASVectorEnv, Played


@dataclass(frozen=True)
class RegularizedEvolution(Options):
    """Evolution that mutates the best of a random sample; the oldest of the population dies.

    Args:
        population_size: P, >= 1; the first P architectures are random.
        sample_size: S, drawn with replacement for each child; the best of them is the parent, >= 1.
            1 makes it a random walk.
        identity_probability: How often a child is its parent unchanged, in [0, 1].
        batch_size: Children made from one population and evaluated at once, >= 1. 1 is the paper's
            algorithm; more keeps several workers busy, with parents a little older.
    """

    population_size: Annotated[int, Interval(ge=1, le=10**6)] = 20
    sample_size: Annotated[int, Interval(ge=1, le=10**6)] = 5
    identity_probability: Annotated[float, Interval(ge=0, le=1)] = 0.05
    batch_size: Annotated[int, Interval(ge=1, le=10**5)] = 8

    takes_others = True

    def search(self, env: "NASVectorEnv[Any]") -> None:
        """Fill the population at random, then evolve it until the budget is spent."""
        rng = env.np_random
        population: deque[Played] = deque(maxlen=self.population_size)  # drops its oldest
        filled = 0
        while env.remaining > 0:
            count = int(min(self.batch_size, env.remaining))
            if filled < self.population_size:
                count = min(count, self.population_size - filled)
                children = [random_tokens(env.space, rng) for _ in range(count)]
                filled += count
            else:
                merits = self.merits(population)
                children = [self._child(env.space, population, merits, rng) for _ in range(count)]
            population.extend(env.play(children))

    def search_async(self, env: "NASAsyncVectorEnv[Any]") -> None:
        """Let each free worker mutate the best of a sample of those that are there, as the paper.

        The first P architectures are random, and those before the first one is done; the age of a
        member counts from when it is done (section 3.2: every worker samples, mutates, trains and
        inserts by itself).
        """
        rng = env.np_random
        population: deque[Played] = deque(maxlen=self.population_size)
        asked = 0

        def propose() -> Tokens:
            nonlocal asked
            asked += 1
            if asked <= self.population_size or not population:
                return random_tokens(env.space, rng)
            return self._child(env.space, population, self.merits(population), rng)

        play_as_they_come(env, propose, population.append)

    def recommend(self, space: SearchSpace[Any], observed: Sequence[Observed]) -> Tokens:
        """Return the highest average reward: good parents come back as their grandchildren."""
        return best_average(observed)

    def merits(self, population: Sequence["Played"]) -> Sequence[Any]:
        """Return what the members of a sample are compared by, one value per member."""
        return [member.reward for member in population]

    def _child(
        self,
        space: SearchSpace[Any],
        population: Sequence["Played"],
        merits: Sequence[Any],
        rng: "np.random.Generator",
    ) -> Tokens:
        sample = rng.integers(len(population), size=self.sample_size).tolist()
        parent = population[max(sample, key=merits.__getitem__)]
        if rng.random() < self.identity_probability:
            return parent.tokens
        return mutate_once(space, parent.tokens, rng)


def mutate_once(space: SearchSpace[Any], tokens: Tokens, rng: "np.random.Generator") -> Tokens:
    """Mutate once: draw a group of choice kinds uniformly, then one of its tokens uniformly.

    In NASNet's space the groups are hidden states and operations, as likely as each other as in the
    paper, and the way to combine, which the paper's space does not have. A space without
    ``mutation_groups`` has one group with all its choices. The new option always differs.
    """
    mutable = {c.kind for c in open_choices(space, tokens) if len(c.tokens) > 1}
    groups = [g for g in getattr(space, "mutation_groups", ()) if mutable.intersection(g)]
    kinds = groups[int(rng.integers(len(groups)))] if groups else None
    return mutate(space, tokens, rng, kinds)


PRESETS: dict[str, RegularizedEvolution] = {
    "default": RegularizedEvolution(),
    # Section 4: P = 100, S = 25, one child after the other in each worker.
    "real2018": RegularizedEvolution(population_size=100, sample_size=25, batch_size=1),
    # As released with NAS-Bench-101 and with NAS-Bench-201; both mutate every child.
    "nasbench101": RegularizedEvolution(
        population_size=100, sample_size=10, identity_probability=0.0, batch_size=1
    ),
    "nasbench201": RegularizedEvolution(
        population_size=10, sample_size=3, identity_probability=0.0, batch_size=1
    ),
    # For spaces of some ten thousand architectures; NAS-Bench-101's notebook has P and S like this.
    "tabular": RegularizedEvolution(
        population_size=50, sample_size=10, identity_probability=0.0, batch_size=1
    ),
}
