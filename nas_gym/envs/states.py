"""States of environments that can be taken up again: a given prefix, or one that was kept."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded

from nas_gym.envs.episode import Choices, Episode, Round, start_round
from nas_gym.envs.limits import EpisodeLimits
from nas_gym.errors import InvalidOption, InvalidTokens, unknown_name
from nas_gym.options import check
from nas_gym.options.printable import shown
from nas_gym.registry import spec_of
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.from_json import closed_token
from nas_gym.search_spaces.grammar import Tokens, checked_tokens


@dataclass(frozen=True)
class EnvState:
    """The state of an environment's Markov decision process, which pickles and compares.

    It has the episodes and the generator ``np_random``. What was asked of the evaluator is no part
    of it: budget, memo, clock and record go on as they are, since an evaluation cannot be unasked.
    """

    tokens: tuple[Tokens, ...]  # of each episode so far; one of a single environment
    steps: int  # that were taken
    ended: bool  # whether only a reset may follow
    generator: Any = field(repr=False)  # state of ``np_random``, as numpy gives it
    epochs: int | None = None  # that the episode's child is trained; None: to the end
    limits: dict[str, int] | None = None  # of this episode alone
    space: dict[str, Any] | None = None  # as a run's record names it; None: of an older version


def check_reset_options(
    options: Any, known: Sequence[str], elsewhere: Mapping[str, str] | None = None
) -> None:
    """Raise unless the options of a reset are among those that are known; None and {} are none.

    What is ignored would search for something else than was asked for.

    Args:
        options: As they were given.
        known: Their names.
        elsewhere: By name, what to say of those that only other environments take.

    Raises:
        InvalidOption: They are no mapping, or one is of other environments.
        UnknownName: One of them is not known.
    """
    if options is None:
        return
    for name in check("options", options, dict[str, Any]):
        if name in (elsewhere or {}):
            raise InvalidOption((elsewhere or {})[name].format(name))
        if name not in known:
            raise unknown_name("option of reset", name, known)


def begun_tokens(choices: Choices, options: dict[str, Any] | None) -> Tokens:
    """Return the tokens with which ``reset(options={"tokens": …})`` begins; none without.

    Raises:
        InvalidTokens: Not integers, a token beyond its options or one that limits close, or so
            many that nothing is left to choose.
    """
    given = (options or {}).get("tokens")
    return () if given is None else _checked_prefix(choices, given)


def begun_episodes(
    choices: ChoiceTable, num_envs: int, options: dict[str, Any] | None
) -> list[Tokens]:
    """Return the first tokens of each episode: one list for all of them, or one for each.

    Raises:
        InvalidOption: A wrong number of lists.
        InvalidTokens: As ``begun_tokens``.
    """
    given = (options or {}).get("tokens")
    if given is None:
        return []
    if isinstance(given, Sequence | np.ndarray) and any(np.ndim(each) for each in given):
        if len(given) != num_envs:
            raise InvalidOption(
                f"{len(given)} lists of tokens were given: give one list, or {num_envs}"
            )
        return [_checked_prefix(choices, each) for each in given]
    return [_checked_prefix(choices, given)] * num_envs


def _checked_prefix(choices: Choices, given: Any, whole: bool = False) -> Tokens:
    """Return tokens that begin an architecture, or, with ``whole``, may be one."""
    prefix = checked_tokens(given)
    for place, token in enumerate(prefix):
        choice = choices.after(prefix[:place])
        if choice is None:
            raise _complete(len(prefix), place, whole)
        if token >= len(choice.options):
            raise InvalidTokens(
                f"token {place} is {token}, but {choice.name} has {len(choice.options)} options: "
                f"give a number from 0 to {len(choice.options) - 1}"
            )
        if token in choice.closed:
            raise closed_token(place, token, choice.name, choice.tokens)
    if not whole and choices.after(prefix) is None:
        raise _complete(len(prefix), len(prefix))
    return prefix


def _complete(given: int, length: int, whole: bool = False) -> InvalidTokens:
    most = length if whole else length - 1
    play = "" if whole else ", or play whole ones with NASVectorEnv.play"
    return InvalidTokens(
        f"{given} tokens were given to begin with, but the architecture is complete after "
        f"{length}: give {most} at most{play}"
    )


def _space_of(choices: Choices) -> dict[str, Any]:
    """Return the name and the options of the space, which limits leave the same."""
    space = choices.space
    return spec_of("space", getattr(space, "unlimited", space))


def _check(state: Any, episodes: int, choices: Choices) -> EnvState:
    checked: EnvState = check("state", state, EnvState)
    if len(checked.tokens) != episodes:
        raise InvalidOption(
            f"state has {len(checked.tokens)} episodes, and this environment {episodes}: give one "
            "that clone_state() of an environment like this returned"
        )
    own = _space_of(choices)
    if checked.space is not None and checked.space != own:
        theirs, ours = (shown(space) for space in (checked.space, own))
        raise InvalidOption(
            f"state is of the space {theirs}, and this environment has {ours}: give one that "
            "clone_state() of an environment like this returned"
        )
    return checked


class KeepsState:
    """The states of an environment of one episode."""

    choices: ChoiceTable
    episode_limits: EpisodeLimits
    np_random: np.random.Generator
    _episode: Episode | None
    _ended: bool
    _epochs: list[int] | None

    def clone_state(self) -> EnvState:
        """Return the state of the episode and of ``np_random``, to be given to ``restore_state``.

        Raises:
            ResetNeeded: There is no episode yet.
        """
        episode = self._episode
        if episode is None:
            raise ResetNeeded("there is no episode yet: call reset() before clone_state()")
        tokens, epochs = tuple(episode.tokens), self._epochs
        return EnvState(
            (tokens,), len(tokens), self._ended, deepcopy(self.np_random.bit_generator.state),
            None if epochs is None else epochs[0], getattr(episode.choices, "limits", None),
            _space_of(self.choices),
        )  # fmt: skip

    def restore_state(self, state: EnvState) -> None:
        """Go on from a state of this environment, or of one of the same space and limits.

        Steps and draws from ``np_random`` are then those that followed it. Budget, memo and record
        are not taken back.

        Raises:
            InvalidOption: It is no state of an environment like this, or of another space.
            InvalidTokens: Its tokens are none of this space, or break its limits.
        """
        checked = _check(state, 1, self.choices)
        (tokens,) = checked.tokens
        limits = checked.limits
        choices = self.choices if limits is None else self.episode_limits.table(limits)
        episode = Episode(choices)
        episode.restart(whole_or_begun(choices, tokens))
        self._episode, self._ended = episode, checked.ended
        self._epochs = None if checked.epochs is None else [checked.epochs]
        self.np_random.bit_generator.state = deepcopy(checked.generator)


class KeepsRound:
    """The states of an environment of many episodes in lockstep."""

    choices: ChoiceTable
    num_envs: int
    np_random: np.random.Generator
    _round: Round
    _started: bool

    def clone_state(self) -> EnvState:
        """Return the state of the round and of ``np_random``, as ``NASEnv.clone_state`` does."""
        return EnvState(
            tuple(self._round.tokens()), self._round.steps, not self._started,
            deepcopy(self.np_random.bit_generator.state), space=_space_of(self.choices),
        )  # fmt: skip

    def restore_state(self, state: EnvState) -> None:
        """Go on from a state, as ``NASEnv.restore_state`` does."""
        checked = _check(state, self.num_envs, self.choices)
        begun = [whole_or_begun(self.choices, tokens) for tokens in checked.tokens]
        same = {len(tokens) for tokens in begun} == {checked.steps}
        steps = None if same else checked.steps
        self._round = start_round(self.choices, self.num_envs, begun, steps)
        self._started = not checked.ended
        self.np_random.bit_generator.state = deepcopy(checked.generator)


def whole_or_begun(choices: Choices, tokens: Tokens) -> Tokens:
    """Return tokens that may be complete; raise InvalidTokens if they are none of this space."""
    return _checked_prefix(choices, tokens, whole=True)
