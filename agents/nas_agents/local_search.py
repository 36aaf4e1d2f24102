"""Local search: White, Nolen & Savani 2020, arXiv 2005.02960, algorithm 1."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Interval

from nas_gym.agent import play_in_batches, without_copies
from nas_gym.options import Options
from nas_gym.search_spaces.grammar import Tokens
from nas_gym.search_spaces.moves import neighbours, random_tokens

if TYPE_CHECKING:
    from nas_gym.envs.async_env import NASAsyncVectorEnv
    from nas_gym.envs.vector_env import NASVectorEnv, Played


@dataclass(frozen=True)
class LocalSearch(Options):
    """A climb to the best of what differs by one choice, which restarts when none is better.

    Nothing is evaluated twice (unless the space seems used up): its first reward counts, noisy or
    not, and it is left out of the neighbours of where the search stands.

    Args:
        starts: Random architectures evaluated at each start, of which the best is taken, >= 1.
        first_improvement: Move after the first batch that has something better, instead of after
            all neighbours.
        batch_size: Neighbours evaluated at once, >= 1. The history depends on it only with
            ``first_improvement``, which takes the best of a batch.
    """

    starts: Annotated[int, Interval(ge=1, le=10**6)] = 20
    first_improvement: bool = True
    batch_size: Annotated[int, Interval(ge=1, le=10**5)] = 4

    takes_others = True

    def search(self, env: "NASVectorEnv[Any]") -> None:
        """Climb from start after start until the budget is spent."""
        self._climb(env, self._best)

    def search_async(self, env: "NASAsyncVectorEnv[Any]") -> None:
        """Climb, with as many neighbours in flight as there is room for.

        With ``first_improvement`` a move is made as soon as one of them is better; what is in
        flight then counts at the next place.
        """
        self._climb(env, self._best_in_flight)
        while env.waiting:
            env.collect()

    def _climb(self, env: Any, best_of: "Callable[..., Played | None]") -> None:
        space, rng = env.space, env.np_random
        known: set[Tokens] = set()
        while env.remaining > 0:
            starts = without_copies(lambda: random_tokens(space, rng), self.starts, known)
            here = best_of(env, starts, known)
            better = here
            while better is not None and env.remaining > 0:
                here = better
                around = (t for t in neighbours(space, here.tokens, rng) if t not in known)
                better = best_of(env, around, known, above=here.reward)

    def _best(
        self,
        env: "NASVectorEnv[Any]",
        candidates: Iterable[Tokens],
        known: set[Tokens],
        above: float | None = None,
    ) -> "Played | None":
        """Return the best of the candidates that is better than ``above``; all become ``known``."""
        best: Played | None = None
        for batch in play_in_batches(env, candidates, self.batch_size):
            known.update(played.tokens for played in batch)
            for played in batch:
                if (above is None or played.reward > above) and (
                    best is None or played.reward > best.reward
                ):
                    best = played
            if self.first_improvement and above is not None and best is not None:
                break
        return best

    def _best_in_flight(
        self,
        env: "NASAsyncVectorEnv[Any]",
        candidates: Iterable[Tokens],
        known: set[Tokens],
        above: float | None = None,
    ) -> "Played | None":
        """Return what ``_best`` does; what was in flight before counts as well."""
        source = iter(candidates)
        best: Played | None = None
        while True:
            while env.free and env.remaining > 0 and (tokens := next(source, None)) is not None:
                known.add(tokens)
                env.submit(tokens)
            if not env.waiting:
                return best
            for _, played in env.collect():
                if (above is None or played.reward > above) and (
                    best is None or played.reward > best.reward
                ):
                    best = played
            if self.first_improvement and above is not None and best is not None:
                return best


PRESETS: dict[str, LocalSearch] = {
    "default": LocalSearch(),
    # Algorithm 1: one random start, all neighbours, one after the other.
    "white2020": LocalSearch(starts=1, first_improvement=False, batch_size=1),
}
