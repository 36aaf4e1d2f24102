"""A genetic algorithm: Goldberg 1989's generations, with tournaments and uniform crossover.

Tournament selection is Goldberg & Deb 1991's, uniform crossover Syswerda 1989's, elitism De Jong
1975's, and the mutation of each gene with a probability of one over their number Mühlenbein 1992's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Interval

from nas_gym.agent import Observed, best_average, play_in_batches
from nas_gym.errors import InvalidOption
from nas_gym.options import Options
from nas_gym.search_spaces.grammar import SearchSpace, Tokens
from nas_gym.search_spaces.moves import crossover, mutate_each, random_tokens

if TYPE_CHECKING:
    import numpy as np

    from nas_gym.envs.vector_env import NASVectorEnv, Played


@dataclass(frozen=True)
class Genetic(Options):
    """Generations in which the best stay and the winners of tournaments have children.

    Args:
        population_size: Architectures per generation, >= 2; those of the first are random.
        tournament_size: Members drawn with replacement for each parent, which is the best of them,
            >= 1; 1 selects at random.
        crossover_probability: How often a child has two parents, in [0, 1]; else it has one.
        mutations: Choices of a child that mutation changes on average, >= 0; each changes with
            probability ``mutations / number of choices``.
        elite_size: Best members that go into the next generation as they are, without another
            evaluation, from 0 to below ``population_size``.
        batch_size: Children evaluated at once, >= 1; the history does not depend on it.
    """

    population_size: Annotated[int, Interval(ge=2, le=10**6)] = 30
    tournament_size: Annotated[int, Interval(ge=1, le=10**6)] = 5
    crossover_probability: Annotated[float, Interval(ge=0, le=1)] = 0.9
    mutations: Annotated[float, Ge(0)] = 1.0
    elite_size: Annotated[int, Ge(0)] = 2
    batch_size: Annotated[int, Interval(ge=1, le=10**5)] = 8

    takes_others = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.elite_size >= self.population_size:
            raise InvalidOption(
                f"elite_size is {self.elite_size}: give less than population_size, "
                f"{self.population_size}"
            )

    def search(self, env: "NASVectorEnv[Any]") -> None:
        """Breed generations until the budget is spent."""
        rng = env.np_random
        population: list[Played] = []
        children = [random_tokens(env.space, rng) for _ in range(self.population_size)]
        while env.remaining > 0:
            for batch in play_in_batches(env, children, self.batch_size):
                population += batch
            ranked = sorted(population, key=lambda member: -member.reward)
            children = self._children(env.space, ranked, rng)
            population = ranked[: self.elite_size]

    def recommend(self, space: SearchSpace[Any], observed: Sequence[Observed]) -> Tokens:
        """Return the highest average reward."""
        return best_average(observed)

    def _children(
        self, space: SearchSpace[Any], ranked: Sequence["Played"], rng: "np.random.Generator"
    ) -> list[Tokens]:
        """Return the rest of the next generation; ``ranked`` has the best first."""

        def parent() -> Tokens:
            # The smallest of the places drawn is that of the best member drawn.
            return ranked[int(rng.integers(len(ranked), size=self.tournament_size).min())].tokens

        def child() -> Tokens:
            return breed(space, parent(), parent(), rng, self.crossover_probability, self.mutations)

        return [child() for _ in range(self.population_size - self.elite_size)]


def breed(
    space: SearchSpace[Any],
    one: Tokens,
    other: Tokens,
    rng: "np.random.Generator",
    crossover_probability: float,
    mutations: float,
) -> Tokens:
    """Return a mutated child of both, or of ``one`` as often as there is no crossover."""
    both = rng.random() < crossover_probability
    child = crossover(space, one, other, rng) if both else one
    return mutate_each(space, child, rng, min(1.0, mutations / len(child)))


PRESETS: dict[str, Genetic] = {
    "default": Genetic(),
}
