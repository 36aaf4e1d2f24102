"""``NASVectorEnv``: rounds of episodes whose architectures are evaluated as one batch."""

from collections.abc import Iterable, Sequence
from copy import copy
from math import prod
from typing import Any, Generic, NamedTuple, Self, TypeVar, Unpack

import numpy as np
import numpy.typing as npt
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from nas_gym.envs.env import (
    RENDER_MODES,
    RenderMode,
    check_recordable,
    final_infos,
    python_seed,
    spaces_of,
)
from nas_gym.envs.episode import Observations, fold_tokens, start_round
from nas_gym.envs.front import AsksLedger, FrontLedger
from nas_gym.envs.ledger import Ledger, LedgerOptions
from nas_gym.envs.limits import LimitsGiven, with_limits
from nas_gym.envs.recorder import Answer
from nas_gym.envs.rewards import Accuracy, Reward
from nas_gym.envs.states import KeepsRound, begun_episodes, check_reset_options
from nas_gym.errors import InvalidOption, InvalidTokens
from nas_gym.evaluators.evaluation import Evaluation, Evaluator, noise_free
from nas_gym.options import check
from nas_gym.options.counts import Episodes
from nas_gym.registry import check_part
from nas_gym.search_spaces.architecture import Architecture, architecture_of_valid
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import SearchSpace

G = TypeVar("G")
REMEMBERED = 50_000  # architectures that a space may have for those played to be remembered


class Played(NamedTuple):
    """The answer of ``play`` to one token list."""

    tokens: tuple[int, ...]  # folded, as an episode would have taken them
    reward: float
    evaluation: Evaluation


class NASVectorEnv(
    AsksLedger,
    KeepsRound,
    VectorEnv[Observations, npt.NDArray[np.int64], np.ndarray[Any, Any]],
    Generic[G],
):
    """Many architectures at once, in lockstep rounds; ``NASEnv``'s page describes one episode.

    In a round every episode lasts ``space.max_length`` steps: after its completion only token 0 is
    open, and ignored. At the round's last step all architectures go to the evaluator as one batch,
    rewards are filled in, and new episodes start in the same step (``AutoresetMode.SAME_STEP``):
    ``infos["final_info"]`` has the ended episodes' ``tokens``, ``architecture`` and ``evaluation``
    as arrays, ``infos["final_obs"]`` their last observations.

    In the last round, when fewer than ``num_envs`` evaluations are left, the first ``remaining``
    episodes are evaluated and terminate; the others end truncated, with reward 0.

    Args:
        space: WHAT may be built.
        evaluator: HOW GOOD it is.
        num_envs: Episodes per round, >= 1.
        reward: From an evaluation to the reward; validation accuracy by default.
        render_mode, limits: As of ``NASEnv``.
        ledger: As of ``NASEnv``; the budget is that of ``step`` and ``play`` together.
    """

    metadata = {  # noqa: RUF012
        "render_modes": RENDER_MODES,
        "render_fps": 4,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        space: SearchSpace[G],
        evaluator: Evaluator,
        *,
        num_envs: int = 1,
        reward: Reward | None = None,
        render_mode: str | None = None,
        limits: LimitsGiven = None,
        **ledger: Unpack[LedgerOptions],
    ) -> None:
        check_part("space", space)
        space, evaluator = with_limits(space, evaluator, limits)
        self.space = space
        self.num_envs: int = check("num_envs", num_envs, Episodes)
        self.render_mode: str | None = check("render_mode", render_mode, RenderMode)
        self.noise_free: bool | None = noise_free(evaluator)  # None: the evaluator does not say
        self.choices = ChoiceTable(space)
        check_recordable(space, self.choices)
        self.ledger = self.make_ledger(
            evaluator, Accuracy() if reward is None else reward, **ledger
        )
        self.single_action_space, self.single_observation_space = spaces_of(space)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self._round = start_round(self.choices, self.num_envs)
        self._started = False
        counts = self.choices.counts
        small = counts is not None and prod(counts) <= REMEMBERED
        self._known: dict[tuple[int, ...], Architecture[G]] | None = {} if small else None

    def make_ledger(
        self, evaluator: Evaluator, reward: Reward, **options: Unpack[LedgerOptions]
    ) -> Ledger:
        """Return the ledger that answers."""
        return Ledger(evaluator, reward, **options)

    @property
    def most_epochs(self) -> int:
        """Epochs of a whole training; raises InvalidOption if the evaluator has no parts."""
        if not hasattr(type(self.ledger), "most_epochs"):
            raise InvalidOption(
                "an agent that trains in part was asked by another one, which answers for itself: "
                "give that one as the proposer, as agent='asha' with proposer='with-proxy' "
                "(--agent asha --set agent.proposer=with-proxy)"
            )
        return self.ledger.most_epochs

    def behind(self, front: FrontLedger, space: SearchSpace[G] | None = None) -> Self:
        """Return an environment whose requests go to ``front``, which may ask this one's ledger.

        It shares this environment's space, its number of sub-environments and its random numbers,
        and begins with a new round. So an agent can decide what becomes of another agent's
        requests: how far they are trained, which of them are answered at all. ``space`` is one
        with other limits.
        """
        other = copy(self)
        other.ledger = front  # type: ignore[assignment]
        if space is not None:
            other.space, other.choices = space, ChoiceTable(space)
        other._round = start_round(other.choices, self.num_envs)
        other._started = False
        return other

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Start a new round; unfinished episodes are dropped without an evaluation.

        It begins with ``options["tokens"]``, one list or one for each, see ``NASEnv.reset``.

        Raises:
            InvalidOption: A wrong number of seeds, or ``epochs`` as an option: rounds follow each
                other without a reset, so only ``play`` trains in part here.
            UnknownName: Another option.
            NASGymError: At the first reset: the data cannot be read, or the evaluator cannot
                answer at all.
        """
        elsewhere = (
            "options has {}, which a vector environment does not take: give them to "
            "play(…, epochs=…), or reset one NASEnv with them"
        )
        check_reset_options(options, ("tokens",), {"epochs": elsewhere})
        if isinstance(seed, list | tuple) and len(seed) != self.num_envs:
            raise InvalidOption(f"{len(seed)} seeds were given: give one, or {self.num_envs}")
        if isinstance(self.ledger, Ledger):  # one in front of another leaves it to that one
            self.ledger.settle()
        begun = begun_episodes(self.choices, self.num_envs, options)
        super().reset(seed=python_seed(seed[0] if isinstance(seed, list | tuple) else seed))
        self._round = start_round(self.choices, self.num_envs, begun)
        self._started = True
        return self._round.observations(), self._mask_info()

    def step(
        self, actions: npt.NDArray[np.int64]
    ) -> tuple[
        Observations,
        npt.NDArray[np.float64],
        npt.NDArray[np.bool_],
        npt.NDArray[np.bool_],
        dict[str, Any],
    ]:
        """Pick one token per episode; evaluate the round if this was its last step.

        Raises:
            InvalidTokens: An action is outside ``[0, max_options)``, or their number is wrong.
            BudgetExceeded: The round is complete and no evaluation is left.
        """
        if not self._started:
            raise ResetNeeded("there is no round yet: call reset() before step()")
        self._round.take(self._checked(actions))
        rewards = np.zeros(self.num_envs, np.float64)
        terminated = np.zeros(self.num_envs, np.bool_)
        truncated = np.zeros(self.num_envs, np.bool_)
        infos: dict[str, Any] = {}
        if self._round.steps == self.space.max_length:
            infos = self._finish_round(rewards, terminated)
            np.logical_not(terminated, out=truncated)
        infos.update(self._mask_info())
        return self._round.observations(), rewards, terminated, truncated, infos

    def play(
        self,
        token_lists: Iterable[Sequence[int]],
        epochs: int | Sequence[int] | None = None,
    ) -> list[Played]:
        """Evaluate whole token lists as one batch, as if each had been stepped.

        The round that is being stepped, if any, is left as it is.

        Args:
            token_lists: One per architecture.
            epochs: How far they are trained, or how far each: from 1 to ``most_epochs``; a child
                that was trained less far goes on. None: to the end.

        Raises:
            InvalidTokens: A list of the wrong length or type, or one that breaks limits; nothing
                is evaluated.
            InvalidOption: Epochs that a training does not have; nothing is evaluated.
            BudgetExceeded: More lists than ``remaining``; nothing is evaluated.
        """
        folded = [fold_tokens(self.choices, tokens) for tokens in token_lists]
        several = isinstance(epochs, list | tuple | np.ndarray) and np.ndim(epochs) > 0
        ends: Any = epochs if several or epochs is None else [epochs] * len(folded)
        if ends is not None and len(ends) != len(folded):
            raise InvalidOption(
                f"{len(ends)} numbers of epochs were given for {len(folded)} architectures: give "
                "one, or one for each"
            )
        architectures = [self._architecture(tokens) for tokens in folded]
        answers = self.ledger.request(architectures, *([] if ends is None else [ends]))
        return [_played(*each) for each in zip(architectures, answers, strict=True)]

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Return (num_envs, max_options) bool, True = open."""
        return self._round.masks().astype(np.bool_)

    def render(self) -> tuple[Any, ...] | None:
        """Return every episode's architecture so far: texts or pictures."""
        if self.render_mode is None:
            raise ValueError("render_mode is None: pass render_mode= to gym.make_vec to render")
        from nas_gym.search_spaces.rendering import render_tokens

        mode = self.render_mode
        return tuple(render_tokens(self.choices, t, mode) for t in self._round.tokens())

    def close_extras(self, **kwargs: Any) -> None:
        """Close the evaluator (its worker processes, if it has any)."""
        self.ledger.close()

    def _architecture(self, tokens: tuple[int, ...]) -> Architecture[G]:
        """Return what ``architecture_of_valid`` does, remembered in small spaces."""
        known = self._known
        if known is None:
            return architecture_of_valid(self.space, tokens)
        architecture = known.get(tokens)
        if architecture is None:
            architecture = known[tokens] = architecture_of_valid(self.space, tokens)
        return architecture

    def _checked(self, actions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        checked = np.asarray(actions)
        if checked.dtype.kind in "iu" and checked.dtype != np.int64:
            checked = checked.astype(np.int64)
        if checked.shape != (self.num_envs,) or checked.dtype != np.int64:
            raise InvalidTokens(
                f"actions are {checked.dtype} of shape {checked.shape}: "
                f"give {self.num_envs} integers, one for each episode"
            )
        if checked.view(np.uint64).max() >= self.space.max_options:  # negative: very large
            raise InvalidTokens(
                f"an action is not a token of this space: give 0 to {self.space.max_options - 1}"
            )
        return checked

    def _finish_round(
        self, rewards: npt.NDArray[np.float64], terminated: npt.NDArray[np.bool_]
    ) -> dict[str, Any]:
        """Evaluate the round's architectures, start the next round, and fill the two arrays."""
        everything = self._round.tokens()
        # At least one, so that asking beyond the budget raises.
        count = int(min(self.num_envs, max(1, self.remaining)))
        try:
            answers = self.ledger.request(
                [architecture_of_valid(self.space, tokens) for tokens in everything[:count]]
            )
        except BaseException:
            self._started = False  # the round is over: only reset() starts another
            raise
        evaluations = [answer.evaluation for answer in answers]
        rewards[:count], terminated[:count] = [answer.reward for answer in answers], True
        final_obs = np.empty(self.num_envs, dtype=object)
        final_obs[:] = list(self._round.observations())
        self._round.restart()
        ended = np.ones(self.num_envs, np.bool_)
        return {
            "final_obs": final_obs,
            "_final_obs": ended,
            "final_info": final_infos([*evaluations, *[None] * (self.num_envs - count)]),
            "_final_info": ended.copy(),
        }

    def _mask_info(self) -> dict[str, Any]:
        return {
            "action_mask": self._round.masks(),
            "_action_mask": np.ones(self.num_envs, np.bool_),
        }


def _played(asked: Architecture[Any], answer: Answer) -> Played:
    """Return an answer with its tokens: those of another architecture if a front ledger says so."""
    answered = answer.evaluation.architecture
    tokens = asked.tokens if answered.key == asked.key else answered.tokens
    return Played(tokens, answer.reward, answer.evaluation)
