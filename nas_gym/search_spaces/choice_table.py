"""The choice that is open after a prefix, found in tables instead of by replaying."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from nas_gym.errors import InvalidTokens
from nas_gym.search_spaces.grammar import (
    Choice,
    SearchSpace,
    T,
    _OpenChoice,
    checked_choice,
    next_choice,
)

CACHED_PREFIXES = 200_000  # of a conditional space; a prefix and its choice take about 0.5 kB


class _Segment(NamedTuple):
    """The choices up to the next one that later ones depend on; then one segment per token."""

    choices: tuple[Choice, ...]
    branches: bool  # whether the last choice is such a one; if not, the architecture is complete
    following: dict[int, "_Segment"]


class ChoiceTable:
    """A table of a static space that tells which choice is open after a prefix.

    If it is not, but says which choices are ``branching``, the answers come from a tree of tables:
    ``choose`` runs once per branch instead of once per prefix (a hundred times less often in
    networks of 250 tokens). Of a space with ``open_tokens`` the choices say what is closed, and it
    does not count as static: what is open depends on the prefix.

    Args:
        space: Any search space.
    """

    def __init__(self, space: SearchSpace[Any]) -> None:
        self.space = space
        self.static: tuple[Choice, ...] | None = None
        self.counts: list[int] | None = None  # options of each choice, if the space is static
        self._cache: dict[tuple[int, ...], Choice | None] = {}
        self._branching: tuple[str, ...] | None = getattr(space, "branching", None)
        self._root: _Segment | None = None
        self._kept = 0  # choices in the tree of segments
        self._path: tuple[Choice, ...] | None = None  # of a static space
        self._open: Any = getattr(space, "open_tokens", None)
        if getattr(space, "static", False):
            self._path = self._segment((), branching=()).choices
        if self._path is not None and self._open is None:
            self.static = self._path
            self.counts = [len(choice.options) for choice in self.static]

    def after(self, prefix: tuple[int, ...]) -> Choice | None:
        """Return what ``next_choice`` returns, remembered; with what is closed, if anything is."""
        if self.static is not None:
            return self.static[len(prefix)] if len(prefix) < len(self.static) else None
        if self._open is None and self._branching is not None:
            return self._walk(prefix, self._branching)
        try:
            return self._cache[prefix]
        except KeyError:
            choice = self._offered(prefix)
            if choice is not None and self._open is not None:
                choice = with_closed(choice, self._open(prefix))
            if len(self._cache) >= CACHED_PREFIXES:
                self._cache.clear()
            self._cache[prefix] = choice
            return choice

    def _offered(self, prefix: tuple[int, ...]) -> Choice | None:
        """Return what ``next_choice`` returns."""
        if self._path is not None:
            return self._path[len(prefix)] if len(prefix) < len(self._path) else None
        if self._branching is not None:
            return self._walk(prefix, self._branching)
        return next_choice(self.space, prefix)

    def _walk(self, prefix: tuple[int, ...], branching: tuple[str, ...]) -> Choice | None:
        """Return what ``next_choice`` returns, walking from segment to segment."""
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
        """Return the choices after ``prefix`` up to a branching one."""
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


def with_closed(choice: Choice, open_tokens: Sequence[int]) -> Choice:
    """Return the choice with all tokens closed but these."""
    if len(open_tokens) == len(choice.options):
        return choice
    if not open_tokens:
        raise no_option(choice.name)
    opened = set(open_tokens)
    closed = tuple([token for token in range(len(choice.options)) if token not in opened])
    return Choice(choice.name, choice.options, closed)


def no_option(name: str) -> InvalidTokens:
    """Return the error for a choice of which nothing is open."""
    return InvalidTokens(
        f"at {name} no option is open: the tokens before it break a limit, or the space's "
        "cost_bounds cannot be reached; take only open tokens, and bounds that can be"
    )
