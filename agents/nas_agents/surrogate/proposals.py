"""The use that both model-based agents make of a predictor: choose a batch, and recommend."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from nas_agents.arrays import Ints
from nas_agents.surrogate.gaussian_process import Posterior, Predictor
from nas_gym.agent import Observed, best_observed, furthest
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import SearchSpace, Tokens
from nas_gym.search_spaces.moves import crossover, mutate, random_tokens

OPTIMISM = 4.0  # standard deviations above the mean: who is kept before samples are drawn
KEPT = 200  # candidates among which samples of the posterior choose
SCORED = 60  # the same, where proxies of each are computed
MUTATE_AGAIN, MOST_MUTATIONS = 0.3, 4  # probability of one more mutation; most of a child
RECOMMENDATION_STEPS = 40  # of Adam, for a predictor that is fitted once


def most_promising(posterior: Posterior, count: int) -> Ints:
    """Return the places of the ``count`` highest upper confidence bounds, from the highest."""
    bound = posterior.mean + OPTIMISM * posterior.deviation
    return np.argsort(-bound, kind="stable")[:count]


def thompson_batch(
    predictor: Predictor,
    candidates: Sequence[Tokens],
    count: int,
    repeats: int,
    rng: np.random.Generator,
    posterior: Posterior | None = None,
) -> list[Tokens]:
    """Choose at most ``count`` different candidates, each the best of a posterior sample.

    Args:
        predictor: After ``fit``.
        candidates: Different architectures, at least one.
        count: How many to choose, >= 0.
        repeats: At most so many of them may have been observed before.
        rng: Source of randomness.
        posterior: What is known of the candidates, if it was asked for already.
    """
    posterior = posterior or predictor.posterior(candidates)
    scored = predictor.features.count > 0
    kept = most_promising(posterior, SCORED if scored else KEPT)
    posterior = posterior.take(kept)
    if scored:  # of fewer, because that costs time
        posterior = predictor.posterior([candidates[place] for place in kept], fresh=True)
    draws = predictor.samples(posterior, count, rng)
    seen = np.array([candidates[place] in predictor for place in kept])
    batch: list[Tokens] = []
    for draw in draws:
        if repeats <= 0:
            draw = np.where(seen, -np.inf, draw)
        best = int(draw.argmax())
        if draw[best] == -np.inf:
            break
        batch.append(candidates[kept[best]])
        draws[:, best] = -np.inf
        repeats -= int(seen[best])
    return batch


def filled(
    batch: list[Tokens], count: int, space: SearchSpace[Any], rng: np.random.Generator
) -> list[Tokens]:
    """Return the batch, with random architectures up to ``count``."""
    return batch + [random_tokens(space, rng) for _ in range(count - len(batch))]


def recommended(space: SearchSpace[Any], observed: Sequence[Observed], points: int) -> Tokens:
    """Return the observed architecture with the highest lower bound (mean - deviation).

    The deviation counts because one that was evaluated often is known better than one that was
    once, and both may look equally good. Where rewards have no noise, the process would take what
    is peculiar to an architecture for it, and pull a good reward towards those of its neighbours:
    then the best reward is believed. So it is where nobody knows, and repeats agree.
    """
    seen = furthest(observed)
    predictor = Predictor(ChoiceTable(space), points)
    predictor.observe(seen)
    repeated = len(seen) > len(predictor.tokens)
    said = {each.noise_free for each in seen}
    if said == {True} or (said == {None} and repeated and not predictor.seen_noise):
        return best_observed(seen)
    if repeated and not predictor.seen_noise:  # a memo has answered them, which is no evidence
        predictor = Predictor(ChoiceTable(space), points)
        predictor.observe({each.tokens: each for each in seen}.values())
    predictor.fit(RECOMMENDATION_STEPS)
    known: list[Tokens] = [predictor.tokens[i] for i in predictor.chosen]
    posterior = predictor.posterior(known)
    return known[int((posterior.mean - posterior.deviation).argmax())]


def _drawn_again(choices: ChoiceTable) -> bool:
    """Return whether the space has limits that no mask keeps: moves draw until they are kept."""
    return hasattr(choices.space, "keeps")


def random_ones(choices: ChoiceTable, count: int, rng: np.random.Generator) -> list[Tokens]:
    """Draw ``count`` architectures, every choice uniform over its options."""
    if choices.static is None or _drawn_again(choices):
        return [random_tokens(choices.space, rng) for _ in range(count)]
    sizes = np.array([len(choice.options) for choice in choices.static])
    return _tuples(rng.integers(sizes, size=(count, len(sizes))))


def children(
    choices: ChoiceTable, parents: Sequence[Tokens], count: int, rng: np.random.Generator
) -> list[Tokens]:
    """Make ``count`` mutants of parents, half of them after a crossover of two.

    All are made at once if the space is static: the same moves, 30 times as fast.
    """
    if choices.static is None or _drawn_again(choices):
        return list(_one_by_one(choices.space, parents, count, rng))
    sizes = np.array([len(choice.options) for choice in choices.static])
    table = np.array(parents)
    some = table[rng.integers(len(table), size=count)]
    others = table[rng.integers(len(table), size=count)]
    crossed = (rng.random(count) < 0.5)[:, None] & (rng.random(some.shape) < 0.5)
    mixed = np.where(crossed, others, some)
    free = np.flatnonzero(sizes > 1)
    if not len(free):
        return _tuples(mixed)
    times = _mutations(count, rng)
    rows = np.arange(count)
    for done in range(MOST_MUTATIONS):
        places = free[rng.integers(len(free), size=count)]
        step = 1 + rng.integers(sizes[places] - 1)
        changed = (mixed[rows, places] + step) % sizes[places]
        mixed[rows, places] = np.where(done < times, changed, mixed[rows, places])
    return _tuples(mixed)


def _one_by_one(
    space: SearchSpace[Any], parents: Sequence[Tokens], count: int, rng: np.random.Generator
) -> Iterator[Tokens]:
    for times in _mutations(count, rng):
        one, other = (parents[int(i)] for i in rng.integers(len(parents), size=2))
        child = crossover(space, one, other, rng) if rng.random() < 0.5 else one
        for _ in range(times):
            child = mutate(space, child, rng)
        yield child


def _mutations(count: int, rng: np.random.Generator) -> Ints:
    return np.minimum(rng.geometric(1 - MUTATE_AGAIN, size=count), MOST_MUTATIONS)


def _tuples(table: Ints) -> list[Tokens]:
    return [tuple(row) for row in table.tolist()]
