"""A search space is one typed Python function, ``choose(pick) -> genotype``.

``pick(name, options)`` returns one of the options. Whoever calls ``choose`` decides what ``pick``
does, so that stepping an environment, sampling, mutating, enumerating and replaying are written
once, here and in ``moves``, for every space. A *token* is the index into the options that are open.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from nas_gym.errors import InvalidGenotype, InvalidSpace, InvalidTokens

T = TypeVar("T")
G = TypeVar("G")
G_co = TypeVar("G_co", covariant=True)
Tokens = tuple[int, ...]  # one per choice made so far, in order


class Pick(Protocol):
    """A function that chooses one of the options that are open now."""

    def __call__(self, name: str, options: Sequence[T], /) -> T:
        """Return one of ``options``; ``name`` says what is being chosen."""


@runtime_checkable
class SearchSpace(Protocol[G_co]):
    """WHAT may be built. A frozen dataclass with these three members is a search space.

    Optional members: ``static`` (True: names and options never depend on earlier picks, which lets
    masks come from a table), ``answers(genotype)`` (the option picked for each name: makes
    ``tokens_of`` work), ``canonical_key(genotype)`` (equal for designs that compute the same
    function), ``canonical(genotype)`` (one of those for all of them: zero-cost proxies then give
    them the same values), ``mutation_groups`` (kinds of choices that evolution mutates as one),
    ``usual_task`` (the ``Task`` for which ``nas-gym describe`` builds it by default),
    ``proxy_task`` (the same for zero-cost proxies; by default ``usual_task``),
    ``graph(genotype)`` (nodes with their words and inputs, which are drawn),
    ``is_connected(genotype)`` (whether any path leads from the input to the output),
    ``task_options`` (the fields of the task that its networks take; by default those of
    ``nas_gym.networks.task_kinds``), ``builds`` (what its networks are, in a few words),
    ``stems`` (the values of the task's ``stem`` that its networks can have; ``"cifar"`` otherwise),
    ``branching`` (the kinds of choices on whose picks the names and options of later ones depend:
    the masks of long conditional spaces then come from tables, too), ``set_selection`` (the kind of
    choices ``part3.kind1``, options (False, True), last in their part, that say whether an earlier
    part of the same name is an input of this one: the LSTM agents score them by attention),
    ``supernet(task, seed)`` (weights that all its networks share: ``nas_gym.networks.supernet``),
    ``open_tokens(prefix)`` (the tokens that may follow, at least one, if not every option may:
    masks, moves and agents keep to them), ``cost_states(task, metrics)`` and
    ``cost_bounds(prefix)`` (what networks cost, for limits: ``nas_gym.search_spaces.limits``).
    """

    @property
    def max_length(self) -> int:
        """The most picks on any path through ``choose``."""

    @property
    def max_options(self) -> int:
        """The most options of any pick."""

    def choose(self, pick: Pick, /) -> G_co:
        """Build a genotype from picks only; must not use anything that changes between calls."""


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
    closed: tuple[int, ...] = ()  # tokens that may not be taken here; not all of them

    @property
    def tokens(self) -> Sequence[int]:
        """The tokens that are open, in order."""
        everything = range(len(self.options))
        if not self.closed:
            return everything
        return [token for token in everything if token not in self.closed]

    def folded(self, token: int) -> int:
        """Return the open token that any number >= 0 stands for.

        Numbers beyond the options begin again from 0; one that is closed stands for the next open
        one.
        """
        token %= len(self.options)
        while token in self.closed:
            token = (token + 1) % len(self.options)
        return token

    @property
    def kind(self) -> str:
        """The name's last part without its number: ``layer3.skip1`` is a ``skip``."""
        return self.name.rpartition(".")[2].rstrip("0123456789")


class _OpenChoice(BaseException):
    """A signal that stops ``choose`` at the first open pick.

    Not an ``Exception``: a user's ``except Exception`` inside ``choose`` would swallow it.
    """

    def __init__(self, choice: Choice) -> None:
        self.choice = choice


def next_choice(space: SearchSpace[Any], prefix: Sequence[int]) -> Choice | None:
    """Return the choice that is open after the tokens ``prefix``; None if there is none.

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
    """Return the genotype that ``tokens`` describe, and the choices that they answered, in order.

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
        choice = Choice(name, _plain(options))
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
    """Return the genotype that ``tokens`` describe; raises as ``trace`` does."""
    return trace(space, tokens)[0]


def decode_valid(space: SearchSpace[G], tokens: Sequence[int]) -> G:
    """Do as ``decode`` without its checks, for tokens known to be complete and in range."""
    take = iter(tokens).__next__
    return space.choose(lambda name, options: options[take()])


def tokens_of(space: SearchSpace[G], genotype: G) -> tuple[int, ...]:
    """Return the tokens that describe ``genotype``: the inverse of ``decode``.

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


def checked_choice(
    space: SearchSpace[Any], name: str, options: Sequence[Any], position: int
) -> Choice:
    """Return the choice; raise InvalidSpace if the space offers what it did not declare."""
    if not (hasattr(options, "__len__") and hasattr(options, "__getitem__")):
        raise InvalidSpace(
            f"choice {name} offers its options as a {type(options).__name__}: give a tuple or a "
            "list, which has an order and a length"
        )
    if len(options) == 0:
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
    return Choice(name, _plain(options))


def _plain(options: Sequence[Any]) -> tuple[Any, ...]:
    """Return options as a tuple; those of an array as Python's own values."""
    return tuple(options.tolist() if hasattr(options, "tolist") else options)


_INTEGERS = {int}  # and not bool


def checked_tokens(tokens: Iterable[int]) -> tuple[int, ...]:
    """Return ``tokens`` as plain non-negative ints, or raise InvalidTokens."""
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


Picked = Mapping[str, Any]  # the option picked for each choice so far, by its name
