"""Architectures that are edited: the one at hand, what may be changed, what is observed."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
from annotated_types import Interval
from gymnasium.spaces import Discrete, MultiDiscrete

from nas_gym.envs.episode import Mask, Observation, fold_tokens
from nas_gym.envs.ledger import Ledger
from nas_gym.envs.recorder import Answer
from nas_gym.errors import InvalidOption, InvalidTokens
from nas_gym.options import check
from nas_gym.search_spaces.architecture import architecture_of_valid
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import SearchSpace, Tokens
from nas_gym.search_spaces.moves import edit, open_edits, random_tokens

Start = Literal["random", "best"] | Sequence[int]
RewardForm = Literal["incremental", "plain"]
Horizon = Annotated[int, Interval(ge=1, le=1_000_000)] | None


class EditOptions(TypedDict, total=False):
    """The options of edits; each may be left out.

    Args:
        horizon: Steps of an episode, >= 1; by default as many as the space has choices at most.
        start: ``"random"``, the default, ``"best"``, or tokens: see ``NASEditEnv``.
        reward_form: ``"incremental"``, the default, or ``"plain"``.
    """

    horizon: Horizon
    start: Start
    reward_form: RewardForm


class Edits:
    """What all episodes of an environment share: their actions, their length, their beginning.

    Args:
        choices: The space's choices.
        horizon, start, reward_form: See ``EditOptions``.

    Raises:
        InvalidOption: A value that an option does not take.
        InvalidTokens: The tokens are no architecture of the space, or break its limits.
    """

    def __init__(
        self,
        choices: ChoiceTable,
        horizon: int | None = None,
        start: Start = "random",
        reward_form: str = "incremental",
    ) -> None:
        self.choices = choices
        self.space: SearchSpace[Any] = choices.space
        self.horizon: int = check("horizon", horizon, Horizon) or self.space.max_length
        self.incremental = check("reward_form", reward_form, RewardForm) == "incremental"
        self.stop = self.space.max_length * self.space.max_options  # the last action
        self.start: str | Tokens = self._checked_start(start)
        self.best: Answer | None = None
        # By the tokens of each given beginning; None before it was asked for.
        self._begun: dict[Tokens, Answer | None] = {}
        if isinstance(self.start, tuple):
            self._begun[self.start] = None
        self.has_cut = False  # whether a step has said that the budget is spent

    def spaces(self) -> tuple[Discrete, MultiDiscrete]:
        """Return the action and observation space of one episode."""
        numbers = np.full(self.space.max_length + 1, self.space.max_options + 1, np.int64)
        numbers[-1] = self.horizon + 1
        return Discrete(self.stop + 1), MultiDiscrete(numbers)

    def first(self, rng: np.random.Generator, given: Any = None) -> Tokens:
        """Return the tokens of an episode's first architecture; ``given`` ones if there are any."""
        if given is not None:
            tokens = self._checked(given)
            self._begun.setdefault(tokens)
            return tokens
        if isinstance(self.start, tuple):
            return self.start
        best = self.best_tokens
        if self.start == "best" and best is not None and open_edits(self.space, best):
            return best
        return random_tokens(self.space, rng)

    @property
    def best_tokens(self) -> Tokens | None:
        """Tokens of the best architecture so far; None before one was evaluated."""
        return None if self.best is None else self.best.evaluation.architecture.tokens

    def begin(self, ledger: Ledger, episodes: "Sequence[EditEpisode]", spent: bool = False) -> None:
        """Have the first architectures of episodes answered, as far as the budget goes.

        Nothing is asked for unless rewards are incremental. ``spent`` asks nevertheless, which
        raises.
        """
        if not self.incremental:
            return
        for episode in episodes:
            # Where nothing can be edited, all there is to do costs something: searches end.
            episode.answer = self.known(episode.tokens) if episode.editable else None
        new = [episode for episode in episodes if episode.answer is None]
        asking = self._without_repeats(new)
        asking = asking if spent else asking[: int(min(len(asking), ledger.remaining))]
        answers = self.ask(ledger, [episode.tokens for episode in asking])
        for episode, answer in zip(asking, answers, strict=True):
            episode.answer = answer
        for episode in new:
            if episode.answer is None and episode.editable:
                episode.answer = self._begun.get(episode.tokens)

    def finds_spent(self, remaining: float) -> bool:
        """Return whether a step that begins now cuts its episodes: the budget is spent.

        Only the first such step does, since a reset may have spent the last evaluation; later ones
        ask, which raises: whoever looks at the ends of episodes alone would go on for ever.
        """
        return self.incremental and remaining < 1 and not self.has_cut

    def _without_repeats(self, episodes: "Sequence[EditEpisode]") -> "list[EditEpisode]":
        """Return the episodes but those that begin with given tokens as one before them does."""
        seen: set[Tokens] = set()
        first = []
        for episode in episodes:
            if episode.tokens not in seen:
                first.append(episode)
            if episode.editable and episode.tokens in self._begun:
                seen.add(episode.tokens)
        return first

    def known(self, tokens: Tokens) -> Answer | None:
        """Return the answer to a beginning that was paid for: the best so far, or a given one."""
        if self.start == "best" and tokens == self.best_tokens:
            return self.best
        return self._begun.get(tokens)

    def ask(self, ledger: Ledger, token_lists: Sequence[Tokens]) -> list[Answer]:
        """Ask for a batch, and note the best."""
        if not token_lists:
            return []
        answers = ledger.request([architecture_of_valid(self.space, t) for t in token_lists])
        for tokens, answer in zip(token_lists, answers, strict=True):
            if answer.evaluation.failure is None and (
                self.best is None or answer.reward > self.best.reward
            ):
                self.best = answer
            if tokens in self._begun and self._begun[tokens] is None:
                self._begun[tokens] = answer
        return answers

    def _checked_start(self, start: Any) -> str | Tokens:
        if isinstance(start, str):
            return str(check("start", start, Literal["random", "best"]))
        if not isinstance(start, Sequence | np.ndarray):
            raise InvalidOption(
                f"start is {start!r}: give 'random', 'best', or the tokens of an architecture"
            )
        return self._checked(start)

    def _checked(self, tokens: Any) -> Tokens:
        return fold_tokens(self.choices, tokens)


class Change(NamedTuple):
    """What an action did: what is asked for now, and whether the episode has ended."""

    ended: bool
    asks: bool


class EditEpisode:
    """The state of one episode.

    Args:
        edits: Shared by all episodes of an environment.
    """

    def __init__(self, edits: Edits) -> None:
        self.edits = edits
        self.tokens: Tokens = ()
        self.answer: Answer | None = None  # about the architecture at hand, if it was asked for
        self.left = 0  # steps
        self._before = 0.0  # what a step's reward is measured from
        self._open: Mask | None = None

    def restart(self, tokens: Tokens) -> None:
        """Begin with an architecture."""
        self.tokens, self.answer, self._open = tokens, None, None
        self.left = self.edits.horizon

    def take(self, action: int, rng: np.random.Generator) -> Change:
        """Take an action, folded onto those that are open.

        Raises:
            InvalidTokens: Not in [0, max_length * max_options].
        """
        if not 0 <= action <= self.edits.stop:
            raise InvalidTokens(
                f"action {action} is no edit of this space: give 0 to {self.edits.stop}, which "
                "stops"
            )
        found = self.folded(int(action))
        self.left -= 1
        stops = found == self.edits.stop
        if self.edits.incremental:
            self._before = 0.0 if self.answer is None else self.answer.reward
        if not stops:
            place, token = divmod(found, self.edits.space.max_options)
            self.tokens = edit(self.edits.space, self.tokens, place, token, rng)
            self._open = self.answer = None
        ended = stops or self.left == 0
        return Change(ended, not stops if self.edits.incremental else ended)

    def answered(self, answer: Answer) -> float:
        """Return the reward of a step whose architecture was asked for."""
        self.answer = answer
        return answer.reward - self._before

    def folded(self, action: int) -> int:
        """Return the open action that ``action`` stands for.

        Places beyond the architecture begin again from its first, tokens beyond a choice's options
        from 0, as in ``NASEnv``; what is closed stands for the next open edit, and for stopping
        only if none is open.
        """
        stop, most = self.edits.stop, self.edits.space.max_options
        mask = self._mask()
        if mask[action]:
            return action
        place, token = divmod(action, most)
        place %= len(self.tokens)
        choice = self.edits.choices.after(self.tokens[:place])
        assert choice is not None
        first = place * most + token % len(choice.options)
        opened = np.flatnonzero(mask[:stop])
        if not len(opened):
            return stop
        return int(opened[np.searchsorted(opened, first) % len(opened)])

    def mask(self) -> Mask:
        """Return (max_length * max_options + 1,) int8, 1 = open, fresh; the last one stops."""
        return self._mask().copy()

    @property
    def editable(self) -> bool:
        """Whether any edit is open."""
        return bool(self._mask()[:-1].any())

    @property
    def observation(self) -> Observation:
        """(max_length + 1,) The tokens + 1, 0 beyond the last; then the steps left. Fresh."""
        observed: Observation = np.zeros(self.edits.space.max_length + 1, np.int64)
        observed[: len(self.tokens)] = np.array(self.tokens, np.int64) + 1
        observed[-1] = self.left
        return observed

    def _mask(self) -> npt.NDArray[np.int8]:
        if self._open is None:
            self._open = np.zeros(self.edits.stop + 1, np.int8)
            opened = open_edits(self.edits.space, self.tokens)
            for place, token in opened:
                self._open[place * self.edits.space.max_options + token] = 1
            # To stop at once would gain nothing, and cost nothing: a policy could do so for ever.
            self._open[self.edits.stop] = self.left < self.edits.horizon or not opened
        return self._open
