"""Sampling, mutation, edits, neighbours, crossover, enumeration and size, for every space."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, TypeVar

from nas_gym.errors import InvalidOption, InvalidSpace
from nas_gym.search_spaces.choice_table import ChoiceTable, no_option, with_closed
from nas_gym.search_spaces.grammar import Choice, SearchSpace, Tokens, checked_choice, trace

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")
MOST_DRAWS = 1_000  # of an architecture that breaks limits, where there are no masks
COUNTED_AT_MOST = 10_000_000  # architectures of a conditional space that space_size walks


def random_tokens(
    space: SearchSpace[Any], rng: "np.random.Generator", given: Mapping[str, object] | None = None
) -> Tokens:
    """Draw a random architecture: uniform over the options of each choice, as in the papers.

    Uniform over *choices*, not over architectures (Zoph et al. 2017, appendix; the two differ in
    conditional spaces). ``given`` has the options of choices, by name, that are not random.

    Here and in the other moves only open tokens are drawn, of a space with ``open_tokens``; what a
    move keeps but its earlier choices have closed is drawn at random as well. A space with limits
    that has no masks is drawn from again until it ``keeps`` an architecture.
    """
    return _kept(space, lambda: _choose_tokens(space, _keep(given or {}, rng)))


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
    choices = open_choices(space, tokens)
    places = [
        position
        for position, choice in enumerate(choices)
        if len(choice.tokens) > 1 and (kinds is None or choice.kind in kinds)
    ]
    if not places:
        return tuple(tokens)

    def mutant() -> Tokens:
        place = places[int(rng.integers(len(places)))]
        changed = _another(choices[place].tokens, tokens[place], rng)
        return _edited(space, choices, tokens, (place, changed), rng)

    return _kept(space, mutant)


def edit(
    space: SearchSpace[Any],
    tokens: Sequence[int],
    place: int,
    token: int,
    rng: "np.random.Generator",
) -> Tokens:
    """Give the choice at ``place`` another option; the others keep their answers, by name.

    Choices that this opens anew, or whose answer is closed now, are drawn at random.

    Args:
        space: The space of ``tokens``.
        tokens: A complete architecture.
        place: The choice, from 0.
        token: Its new option.
        rng: Source of randomness; nothing is drawn in a static space without limits.
    """
    return _edited(space, open_choices(space, tokens), tokens, (place, token), rng)


def open_edits(space: SearchSpace[Any], tokens: Sequence[int]) -> list[tuple[int, int]]:
    """Return the place and the new token of every ``edit`` that is open, in order.

    Of a space with ``open_tokens`` those are left out that no completion follows, and, if it is
    static, those after which the other answers could not stay as they are. So an edit breaks no
    limit, and changes one choice wherever choices do not depend on each other.
    """
    edits = _edits(open_choices(space, tokens), tokens)
    open_tokens = getattr(space, "open_tokens", None)
    if open_tokens is None or not getattr(space, "static", False):
        return edits
    given = tuple(tokens)

    def stays(place: int, token: int) -> bool:
        edited = (*given[:place], token, *given[place + 1 :])
        return all(edited[p] in open_tokens(edited[:p]) for p in range(place + 1, len(edited)))

    return [each for each in edits if stays(*each)]


def mutate_each(
    space: SearchSpace[Any], tokens: Sequence[int], rng: "np.random.Generator", rate: float
) -> Tokens:
    """Give each choice another option with probability ``rate``, in [0, 1], independently.

    The mutation of genetic algorithms. Choices that it opens anew are drawn at random.
    """
    kept = _options_by_name(space, tokens)

    def index(name: str, options: Sequence[Any], opened: Sequence[int]) -> int:
        token = _token(kept, name, options, opened)
        if token is None:
            return opened[int(rng.integers(len(opened)))]
        if len(opened) > 1 and rng.random() < rate:
            return _another(opened, token, rng)
        return token

    return _kept(space, lambda: _choose_tokens(space, index))


def neighbours(
    space: SearchSpace[Any], tokens: Sequence[int], rng: "np.random.Generator"
) -> Iterator[Tokens]:
    """Yield every architecture with one choice changed, in random order.

    Each (choice, other option) comes once; choices that it opens anew are drawn at random, so a
    conditional space has more neighbours than one call yields. Draws from ``rng`` as it goes.
    """
    choices = open_choices(space, tokens)
    moves = _edits(choices, tokens)
    for number in rng.permutation(len(moves)):
        neighbour = _edited(space, choices, tokens, moves[number], rng)
        if _keeps(space, neighbour):
            yield neighbour


def crossover(
    space: SearchSpace[Any], one: Sequence[int], other: Sequence[int], rng: "np.random.Generator"
) -> Tokens:
    """Return a child that takes each choice, by name, from either parent with probability 1/2.

    A choice that only one parent has comes from that one; one that neither has is random.
    """
    parents = [_options_by_name(space, tokens) for tokens in (one, other)]

    def child() -> Tokens:
        mixed: dict[str, object] = {}
        for name in dict.fromkeys([*parents[0], *parents[1]]):
            donors = [parent for parent in parents if name in parent]
            mixed[name] = donors[int(rng.integers(len(donors)))][name]
        return _choose_tokens(space, _keep(mixed, rng))

    return _kept(space, child)


def enumerate_tokens(space: SearchSpace[Any]) -> Iterator[Tokens]:
    """Yield every architecture once, in lexicographic order of its tokens."""
    table = ChoiceTable(space)
    prefix: list[int] = []
    while True:
        choice = table.after(tuple(prefix))
        while choice is not None:
            prefix.append(choice.tokens[0])
            choice = table.after(tuple(prefix))
        if _keeps(space, tuple(prefix)):
            yield tuple(prefix)
        while prefix:
            last = prefix.pop()
            parent = table.after(tuple(prefix))
            opened = () if parent is None else parent.tokens
            following = next((token for token in opened if token > last), None)
            if following is not None:
                prefix.append(following)
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


def open_choices(space: SearchSpace[Any], tokens: Sequence[int]) -> tuple[Choice, ...]:
    """Return the choices that ``tokens`` answer, as ``trace`` does, with what is closed at each."""
    choices = trace(space, tokens)[1]
    open_tokens = getattr(space, "open_tokens", None)
    if open_tokens is None:
        return choices
    return tuple(
        with_closed(choice, open_tokens(tuple(tokens[:place])))
        for place, choice in enumerate(choices)
    )


def _edits(choices: Sequence[Choice], tokens: Sequence[int]) -> list[tuple[int, int]]:
    """Return each (place, other token that is open after the tokens before it)."""
    return [
        (place, other)
        for place, choice in enumerate(choices)
        for other in choice.tokens
        if other != tokens[place]
    ]


def _edited(
    space: SearchSpace[Any],
    choices: Sequence[Choice],
    tokens: Sequence[int],
    change: tuple[int, int],
    rng: "np.random.Generator",
) -> Tokens:
    """Return the tokens with one choice changed, as ``edit`` does."""
    place, token = change
    kept = {c.name: c.options[t] for c, t in zip(choices, tokens, strict=True)}
    kept[choices[place].name] = choices[place].options[token]
    return _choose_tokens(space, _keep(kept, rng))


def _kept(space: SearchSpace[Any], draw: Callable[[], Tokens]) -> Tokens:
    """Draw until the space keeps an architecture; at once, unless it has limits but no masks."""
    for _ in range(MOST_DRAWS):
        tokens = draw()
        if _keeps(space, tokens):
            return tokens
    limits: Any = getattr(space, "limits", "the limits")
    raise InvalidOption(
        f"none of {MOST_DRAWS:,} architectures that were drawn has {limits}: give wider limits, or "
        "give the space a method cost_bounds(prefix)"
    )


def _keeps(space: SearchSpace[Any], tokens: Tokens) -> bool:
    """Return whether a space with limits, but without masks, keeps an architecture."""
    keeps = getattr(space, "keeps", None)
    return keeps is None or hasattr(space, "open_tokens") or bool(keeps(tokens))


def _another(tokens: Sequence[int], one: int, rng: "np.random.Generator") -> int:
    """Draw one of the open tokens that is not ``one``."""
    start = tokens.index(one) if one in tokens else -1
    step = int(rng.integers(len(tokens) - (start >= 0)))
    return tokens[(start + 1 + step) % len(tokens)]


def _options_by_name(space: SearchSpace[Any], tokens: Sequence[int]) -> dict[str, Any]:
    choices = trace(space, tokens)[1]
    return {c.name: c.options[t] for c, t in zip(choices, tokens, strict=True)}


# From a choice's name, options and open tokens to one of these tokens.
_Index = Callable[[str, Sequence[Any], Sequence[int]], int]


def _keep(kept: Mapping[str, object], rng: "np.random.Generator") -> _Index:
    """Answer a choice as ``kept`` does if that is still open, else at random."""

    def index(name: str, options: Sequence[Any], opened: Sequence[int]) -> int:
        token = _token(kept, name, options, opened)
        return opened[int(rng.integers(len(opened)))] if token is None else token

    return index


def _token(
    kept: Mapping[str, object], name: str, options: Sequence[Any], opened: Sequence[int]
) -> int | None:
    """Return the token of what ``kept`` has for a choice; None if it has nothing that is open."""
    if name not in kept or kept[name] not in options:
        return None
    token = list(options).index(kept[name])
    return token if token in opened else None


def _choose_tokens(space: SearchSpace[Any], index: _Index) -> Tokens:
    most, longest = space.max_options, space.max_length
    open_tokens = getattr(space, "open_tokens", None)
    tokens: list[int] = []

    def pick(name: str, options: Sequence[T], /) -> T:
        if not 0 < len(options) <= most or len(tokens) >= longest:
            checked_choice(space, name, options, len(tokens))  # raises
        opened = range(len(options)) if open_tokens is None else open_tokens(tuple(tokens))
        if not opened:
            raise no_option(name)
        tokens.append(index(name, options, opened))
        return options[tokens[-1]]

    space.choose(pick)
    return tuple(tokens)
