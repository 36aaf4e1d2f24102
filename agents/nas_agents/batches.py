"""What the agents with populations share: playing in batches, and candidates without copies."""

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice
from typing import Any

from nas_gym.search_spaces.moves import Tokens
from nas_gym.vector_env import NASVectorEnv, Played

REDRAWS = 20  # of a candidate that is a copy, before it is let in: a small space may hold no other


def play_in_batches(
    env: NASVectorEnv[Any], token_lists: Iterable[Tokens], batch_size: int
) -> Iterator[list[Played]]:
    """Play ``batch_size`` of them at a time, as far as the budget goes; yields each batch.

    Takes from ``token_lists`` only what the next batch needs.
    """
    source = iter(token_lists)
    while env.remaining > 0:
        batch = list(islice(source, int(min(batch_size, env.remaining))))
        if not batch:
            return
        yield env.play(batch)


def without_copies(
    draw: Callable[[], Tokens], count: int, known: Collection[Tokens]
) -> list[Tokens]:
    """``count`` draws: none of them ``known`` or twice, unless 20 draws in a row were."""
    candidates: list[Tokens] = []
    taken = set(known)
    for _ in range(count):
        for _ in range(REDRAWS):
            candidate = draw()
            if candidate not in taken:
                break
        candidates.append(candidate)
        taken.add(candidate)
    return candidates
