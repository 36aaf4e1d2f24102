"""Sampling, mutation, neighbours, crossover, enumeration and size, for every search space."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, TypeVar

from nas_gym.errors import InvalidSpace
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import SearchSpace, Tokens, checked_choice, trace

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")
COUNTED_AT_MOST = 10_000_000  # architectures of a conditional space that space_size walks


def random_tokens(
    space: SearchSpace[Any], rng: "np.random.Generator", given: Mapping[str, object] | None = None
) -> Tokens:
    """Draw a random architecture: uniform over the options of each choice, as in the papers.

    Uniform over *choices*, not over architectures (Zoph et al. 2017, appendix; the two differ in
    conditional spaces). ``given`` has the options of choices, by name, that are not random.
    """
    if given:
        return _choose_tokens(space, _keep(given, rng))
    return _choose_tokens(space, lambda name, options: int(rng.integers(len(options))))


def mutate(
    space: SearchSpace[Any],
    tokens: Sequence[int],
    rng: "np.random.Generator",
    kinds: Collection[str] | None = None,
) -> Tokens:
    """Give one choice another option; choices that this opens anew are drawn at random.

    Args:
        space: The space of ``tokens``.
        tokens: A complete architecture.
        rng: Source of randomness.
        kinds: Choice kinds that may change; all by default.

    Returns:
        The tokens of the mutant. Equal to ``tokens`` only if no choice has a second option.
    """
    choices = trace(space, tokens)[1]
    places = [
        position
        for position, choice in enumerate(choices)
        if len(choice.options) > 1 and (kinds is None or choice.kind in kinds)
    ]
    if not places:
        return tuple(tokens)
    place = places[int(rng.integers(len(places)))]
    count = len(choices[place].options)
    changed = (tokens[place] + 1 + int(rng.integers(count - 1))) % count
    kept = {c.name: c.options[t] for c, t in zip(choices, tokens, strict=True)}
    kept[choices[place].name] = choices[place].options[changed]
    return _choose_tokens(space, _keep(kept, rng))


def mutate_each(
    space: SearchSpace[Any], tokens: Sequence[int], rng: "np.random.Generator", rate: float
) -> Tokens:
    """Give each choice another option with probability ``rate``, in [0, 1], independently.

    The mutation of genetic algorithms. Choices that it opens anew are drawn at random.
    """
    kept = _options_by_name(space, tokens)

    def index(name: str, options: Sequence[Any]) -> int:
        count = len(options)
        if name not in kept or kept[name] not in options:
            return int(rng.integers(count))
        token = list(options).index(kept[name])
        if count > 1 and rng.random() < rate:
            return (token + 1 + int(rng.integers(count - 1))) % count
        return token

    return _choose_tokens(space, index)


def neighbours(
    space: SearchSpace[Any], tokens: Sequence[int], rng: "np.random.Generator"
) -> Iterator[Tokens]:
    """Yield every architecture with one choice changed, in random order.

    Each (choice, other option) comes once; choices that it opens anew are drawn at random, so a
    conditional space has more neighbours than one call yields. Draws from ``rng`` as it goes.
    """
    choices = trace(space, tokens)[1]
    kept = {c.name: c.options[t] for c, t in zip(choices, tokens, strict=True)}
    moves = [
        (position, other)
        for position, choice in enumerate(choices)
        for other in range(len(choice.options))
        if other != tokens[position]
    ]
    for number in rng.permutation(len(moves)):
        position, other = moves[number]
        name, options = choices[position].name, choices[position].options
        yield _choose_tokens(space, _keep({**kept, name: options[other]}, rng))


def crossover(
    space: SearchSpace[Any], one: Sequence[int], other: Sequence[int], rng: "np.random.Generator"
) -> Tokens:
    """Return a child that takes each choice, by name, from either parent with probability 1/2.

    A choice that only one parent has comes from that one; one that neither has is random.
    """
    parents = [_options_by_name(space, tokens) for tokens in (one, other)]
    mixed: dict[str, object] = {}
    for name in dict.fromkeys([*parents[0], *parents[1]]):
        donors = [parent for parent in parents if name in parent]
        mixed[name] = donors[int(rng.integers(len(donors)))][name]
    return _choose_tokens(space, _keep(mixed, rng))


def enumerate_tokens(space: SearchSpace[Any]) -> Iterator[Tokens]:
    """Yield every architecture once, in lexicographic order of its tokens."""
    table = ChoiceTable(space)
    prefix: list[int] = []
    while True:
        choice = table.after(tuple(prefix))
        while choice is not None:
            prefix.append(0)
            choice = table.after(tuple(prefix))
        yield tuple(prefix)
        while prefix:
            last = prefix.pop() + 1
            parent = table.after(tuple(prefix))
            if parent is not None and last < len(parent.options):
                prefix.append(last)
                break
        if not prefix:
            return


def space_size(space: SearchSpace[Any]) -> int:
    """Return how many token lists the space has; exact.

    Raises:
        InvalidSpace: A conditional space with more than ten million token lists that does not
            declare its own ``size`` property.
    """
    declared = getattr(space, "size", None)
    if isinstance(declared, int):
        return declared
    static = ChoiceTable(space).static
    if static is not None:
        return prod(len(choice.options) for choice in static)
    for count, _ in enumerate(enumerate_tokens(space), start=1):
        if count > COUNTED_AT_MOST:
            raise InvalidSpace(
                f"{type(space).__name__} is conditional and has more than {COUNTED_AT_MOST:,} "
                "architectures: give it a property size (an int) to say how many"
            )
    return count


def _options_by_name(space: SearchSpace[Any], tokens: Sequence[int]) -> dict[str, Any]:
    choices = trace(space, tokens)[1]
    return {c.name: c.options[t] for c, t in zip(choices, tokens, strict=True)}


def _keep(
    kept: Mapping[str, object], rng: "np.random.Generator"
) -> Callable[[str, Sequence[Any]], int]:
    """Answer a choice as ``kept`` does if that is still offered, else at random."""

    def index(name: str, options: Sequence[Any]) -> int:
        if name in kept and kept[name] in options:
            return list(options).index(kept[name])
        return int(rng.integers(len(options)))

    return index


def _choose_tokens(space: SearchSpace[Any], index: Callable[[str, Sequence[Any]], int]) -> Tokens:
    most, longest = space.max_options, space.max_length
    tokens: list[int] = []

    def pick(name: str, options: Sequence[T], /) -> T:
        if not 0 < len(options) <= most or len(tokens) >= longest:
            checked_choice(space, name, options, len(tokens))  # raises
        tokens.append(index(name, options))
        return options[tokens[-1]]

    space.choose(pick)
    return tuple(tokens)
