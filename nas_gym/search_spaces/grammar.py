"""A search space is one typed Python function, ``choose(pick) -> genotype``.

``pick(name, options)`` returns one of the options. Whoever calls ``choose`` decides what ``pick``
does, so that stepping an environment, sampling, mutating, enumerating and replaying are written
once, here and in ``moves``, for every space. A *token* is the index into the options that are open.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from nas_gym.errors import InvalidGenotype, InvalidSpace, InvalidTokens

T = TypeVar("T")
G = TypeVar("G")
G_co = TypeVar("G_co", covariant=True)

CACHED_PREFIXES = 200_000  # of a conditional space; a prefix and its choice take about 0.5 kB


class Pick(Protocol):
    """Chooses one of the options that are open now."""

    def __call__(self, name: str, options: Sequence[T], /) -> T:
        """Return one of ``options``; ``name`` says what is being chosen."""


@runtime_checkable
class SearchSpace(Protocol[G_co]):
    """WHAT may be built. A frozen dataclass with these three members is a search space.

    Optional members: ``static`` (True: names and options never depend on earlier picks, which lets
    masks come from a table), ``answers(genotype)`` (the option picked for each name: makes
    ``tokens_of`` work), ``canonical_key(genotype)`` (equal for designs that compute the same
    function), ``mutation_groups`` (tuples of choice kinds that evolution mutates as one),
    ``usual_task`` (the ``Task`` for which ``nas-gym describe`` builds it by default), ``branching``
    (the kinds of choices on whose picks the names and options of later ones depend: the masks of
    long conditional spaces then come from tables, too), ``set_selection`` (the kind of choices
    ``part3.kind1``, options (False, True), last in their part, that say whether an earlier part of
    the same name is an input of this one: the LSTM agents score them by attention).
    """

    @property
    def max_length(self) -> int:
        """Most picks on any path through ``choose``."""

    @property
    def max_options(self) -> int:
        """Most options of any pick."""

    def choose(self, pick: Pick, /) -> G_co:
        """Build a genotype from picks alone; must not use anything that changes between calls."""


@dataclass(frozen=True)
class Task:
    """What a child network is built for: the data's shape and the size that the recipe asks for."""

    channels: int  # of an image, >= 1
    height: int  # pixels
    width: int  # pixels
    classes: int  # >= 2
    repeats: int = 1  # N: normal cells a stack
    filters: int = 8  # F: filters of the first stack
    stem: str = "cifar"  # "cifar" or "imagenet"
    auxiliary: bool = False  # build the auxiliary classifier
    drop_path: float = 0.0  # probability of dropping a path at the end of training, in [0, 1)
    width_multiplier: float = 1.0  # of a convolutional network's filters, > 0; rounded, >= 1 each
    more_filters: int = 0  # added to each of its layers, >= 0


@dataclass(frozen=True)
class LanguageTask:
    """What a recurrent child is built for: the text's vocabulary and the recipe's sizes."""

    vocabulary: int  # different words or characters, >= 2
    layers: int = 1  # of cells, >= 1
    hidden: int = 64  # units of a cell, >= 1
    embedding: int = 64  # size of a word's vector, >= 1; ``hidden`` where ``tied``
    tied: bool = True  # whether the last layer's weights are the embeddings (Press & Wolf 2017)
    dropout_embedding: float = 0.0  # of whole words, in [0, 1)
    dropout_input: float = 0.0  # of what goes into the first layer and between layers
    dropout_hidden: float = 0.0  # of h_{t-1}
    dropout_output: float = 0.0  # of what goes into the softmax


class NetworkSpace(SearchSpace[G], Protocol[G]):
    """A space whose genotypes can be trained for real."""

    def build(self, genotype: G, task: Any) -> Any:
        """Return the ``torch.nn.Module`` for a ``Task`` or, of recurrent cells, a ``LanguageTask``.

        The first maps images (batch, channels, height, width) to logits (batch, classes); the
        second is described in ``nas_gym.networks.language_model``.
        """


@dataclass(frozen=True, slots=True)
class Choice:
    """One decision: its name and the options that are open."""

    name: str
    options: tuple[Any, ...]  # at least one

    @property
    def kind(self) -> str:
        """The name's last part without its number: ``layer3.skip1`` is a ``skip``."""
        return self.name.rpartition(".")[2].rstrip("0123456789")


class _OpenChoice(BaseException):
    """Stops ``choose`` at the first open pick.

    Not an ``Exception``: a user's ``except Exception`` inside ``choose`` would swallow it.
    """

    def __init__(self, choice: Choice) -> None:
        self.choice = choice


def next_choice(space: SearchSpace[Any], prefix: Sequence[int]) -> Choice | None:
    """The choice that is open after the tokens ``prefix``; None when the architecture is complete.

    Raises:
        InvalidSpace: The space offers no options, or more picks or options than it declares.
    """
    position = 0

    def pick(name: str, options: Sequence[T], /) -> T:
        nonlocal position
        if position == len(prefix):
            raise _OpenChoice(checked_choice(space, name, options, position))
        token = prefix[position]
        position += 1
        return options[token % len(options)]

    try:
        space.choose(pick)
    except _OpenChoice as stop:
        return stop.choice
    return None


def trace(space: SearchSpace[G], tokens: Iterable[int]) -> tuple[G, tuple[Choice, ...]]:
    """The genotype that ``tokens`` describe, and the choices that they answered, in order.

    Raises:
        InvalidTokens: Wrong length or type, or a token that is not an index into its options.
        InvalidSpace: The space breaks its contract.
    """
    given = checked_tokens(tokens)
    most, longest = space.max_options, space.max_length
    choices: list[Choice] = []
    names: set[str] = set()

    def pick(name: str, options: Sequence[T], /) -> T:
        position = len(choices)
        if not 0 < len(options) <= most or position >= longest:
            checked_choice(space, name, options, position)  # raises
        choice = Choice(name, tuple(options))
        if name in names:
            raise InvalidSpace(f"choice {name} comes twice on one path: give each its own name")
        names.add(name)
        choices.append(choice)
        if position >= len(given):
            raise _OpenChoice(choice)
        if given[position] >= len(options):
            raise InvalidTokens(
                f"token {position} is {given[position]}, but {name} has {len(options)} options: "
                f"give a number from 0 to {len(options) - 1}"
            )
        return options[given[position]]

    try:
        genotype = space.choose(pick)
    except _OpenChoice as stop:
        raise InvalidTokens(
            f"{len(given)} tokens were given, but the architecture is not complete: "
            f"{stop.choice.name} is still open; give {_length(space)}"
        ) from None
    if len(given) > len(choices):
        raise InvalidTokens(
            f"{len(given)} tokens were given, but the architecture is complete after "
            f"{len(choices)}; give {_length(space)}"
        )
    return genotype, tuple(choices)


def decode(space: SearchSpace[G], tokens: Iterable[int]) -> G:
    """The genotype that ``tokens`` describe; raises as ``trace`` does."""
    return trace(space, tokens)[0]


def decode_valid(space: SearchSpace[G], tokens: Sequence[int]) -> G:
    """As ``decode``, without its checks: for tokens known to be complete and in range."""
    take = iter(tokens).__next__
    return space.choose(lambda name, options: options[take()])


def tokens_of(space: SearchSpace[G], genotype: G) -> tuple[int, ...]:
    """The tokens that describe ``genotype``: the inverse of ``decode``.

    Raises:
        InvalidSpace: The space has no ``answers(genotype)``.
        InvalidGenotype: The genotype picks something that the space does not offer.
    """
    answers_of: Callable[[G], Mapping[str, object]] | None = getattr(space, "answers", None)
    if answers_of is None:
        raise InvalidSpace(
            f"{type(space).__name__} cannot turn a genotype into tokens: "
            "give it a method answers(genotype) that returns the option picked for each name"
        )
    answers = answers_of(genotype)
    tokens: list[int] = []

    def pick(name: str, options: Sequence[T], /) -> T:
        if name not in answers:
            raise InvalidGenotype(f"the genotype gives no answer to {name}")
        if answers[name] not in options:
            raise InvalidGenotype(
                f"{name} is {answers[name]!r}: expected one of {', '.join(map(repr, options))}"
            )
        tokens.append(list(options).index(answers[name]))  # type: ignore[arg-type]
        return options[tokens[-1]]

    rebuilt = space.choose(pick)
    if rebuilt != genotype:
        raise InvalidGenotype(
            "the genotype has parts that this space cannot express "
            f"(nearest: {rebuilt!r}): check its number of blocks and its concat rule"
        )
    return tuple(tokens)


class _Segment(NamedTuple):
    """The choices up to the next one that later ones depend on; after it, a segment a token."""

    choices: tuple[Choice, ...]
    branches: bool  # whether the last choice is such a one; False: the architecture is complete
    following: dict[int, "_Segment"]


class ChoiceTable:
    """Answers which choice is open after a prefix, from a table where the space is static.

    Where it is not, but says which choices are ``branching``, from a tree of tables: ``choose``
    runs once for each branch instead of once for each prefix (a hundred times less in networks of
    250 tokens).

    Args:
        space: Any search space.
    """

    def __init__(self, space: SearchSpace[Any]) -> None:
        self.space = space
        self.static: tuple[Choice, ...] | None = None
        self.counts: list[int] | None = None  # options of each choice, where the space is static
        self._cache: dict[tuple[int, ...], Choice | None] = {}
        self._branching: tuple[str, ...] | None = getattr(space, "branching", None)
        self._root: _Segment | None = None
        self._kept = 0  # choices in the tree of segments
        if getattr(space, "static", False):
            self.static = self._segment((), branching=()).choices
            self.counts = [len(choice.options) for choice in self.static]

    def after(self, prefix: tuple[int, ...]) -> Choice | None:
        """As ``next_choice``, remembered."""
        if self.static is not None:
            return self.static[len(prefix)] if len(prefix) < len(self.static) else None
        if self._branching is not None:
            return self._walk(prefix, self._branching)
        try:
            return self._cache[prefix]
        except KeyError:
            choice = next_choice(self.space, prefix)
            if len(self._cache) >= CACHED_PREFIXES:
                self._cache.clear()
            self._cache[prefix] = choice
            return choice

    def _walk(self, prefix: tuple[int, ...], branching: tuple[str, ...]) -> Choice | None:
        """As ``next_choice``, from segment to segment."""
        if self._root is None or self._kept > CACHED_PREFIXES:
            self._kept, self._root = 0, self._segment((), branching)
        segment, start = self._root, 0
        while len(prefix) >= start + len(segment.choices):
            if not segment.branches:
                return None
            start += len(segment.choices)
            token = prefix[start - 1] % len(segment.choices[-1].options)
            if token not in segment.following:
                segment.following[token] = self._segment(prefix[:start], branching)
            segment = segment.following[token]
        return segment.choices[len(prefix) - start]

    def _segment(self, prefix: tuple[int, ...], branching: tuple[str, ...]) -> _Segment:
        """The choices after ``prefix`` up to a branching one."""
        choices: list[Choice] = []
        position = 0

        def pick(name: str, options: Sequence[T], /) -> T:
            nonlocal position
            position += 1
            if position <= len(prefix):
                return options[prefix[position - 1] % len(options)]
            choices.append(checked_choice(self.space, name, options, position - 1))
            if choices[-1].kind in branching:
                raise _OpenChoice(choices[-1])
            return options[0]

        branches = False
        try:
            self.space.choose(pick)
        except _OpenChoice:
            branches = True
        self._kept += len(choices)
        return _Segment(tuple(choices), branches, {})


def checked_choice(
    space: SearchSpace[Any], name: str, options: Sequence[Any], position: int
) -> Choice:
    """The choice, or InvalidSpace where the space offers what it did not declare."""
    if not options:
        raise InvalidSpace(f"choice {name} offers no options: every pick needs at least one")
    if len(options) > space.max_options:
        raise InvalidSpace(
            f"choice {name} offers {len(options)} options, but the space declares "
            f"max_options = {space.max_options}: raise it"
        )
    if position >= space.max_length:
        raise InvalidSpace(
            f"choice {name} is number {position + 1}, but the space declares "
            f"max_length = {space.max_length}: raise it"
        )
    return Choice(name, tuple(options))


_INTEGERS = {int}  # and not bool


def checked_tokens(tokens: Iterable[int]) -> tuple[int, ...]:
    """``tokens`` as plain non-negative ints, or InvalidTokens."""
    if type(tokens) is tuple and set(map(type, tokens)) == _INTEGERS and min(tokens) >= 0:
        return tokens  # the usual case, at once
    if isinstance(tokens, str | bytes) or not isinstance(tokens, Iterable):
        raise InvalidTokens(f"tokens must be a list of integers, not {tokens!r}")
    if type(tokens) is tuple and all(type(token) is int and token >= 0 for token in tokens):
        return tokens  # the usual case, without the work below
    plain: list[int] = []
    for position, token in enumerate(tokens):
        if isinstance(token, bool) or not hasattr(token, "__index__"):
            raise InvalidTokens(f"token {position} is {token!r}: expected an integer")
        plain.append(int(token))
        if plain[-1] < 0:
            raise InvalidTokens(f"token {position} is {token}: expected 0 or more")
    return tuple(plain)


def _length(space: SearchSpace[Any]) -> str:
    exact = "" if getattr(space, "static", False) else "at most "
    return f"{exact}{space.max_length} tokens"
