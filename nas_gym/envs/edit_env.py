"""``NASEditEnv``: search by edits; an episode changes one architecture, one choice per step."""

import operator
from typing import Any, Generic, Self, TypeVar, Unpack

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.error import ResetNeeded

from nas_gym.envs.edit_episode import EditEpisode, EditOptions, Edits, Start
from nas_gym.envs.env import RENDER_MODES, RenderMode, check_recordable, final_info, python_seed
from nas_gym.envs.episode import Observation
from nas_gym.envs.front import AsksLedger
from nas_gym.envs.ledger import Ledger, LedgerOptions
from nas_gym.envs.limits import LimitsGiven, with_limits
from nas_gym.envs.rewards import Accuracy, Reward
from nas_gym.envs.states import check_reset_options
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidTokens
from nas_gym.evaluators.evaluation import IN_EVERY_INFO, Evaluator
from nas_gym.options import check
from nas_gym.options.scalars import python_value
from nas_gym.registry import check_part
from nas_gym.search_spaces.architecture import genotype_to_json
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import SearchSpace, decode_valid

G = TypeVar("G")


class NASEditEnv(AsksLedger, gym.Env[Observation, np.int64], Generic[G]):
    """Neural architecture search as an episode of edits: change a choice, or stop.

    ## Description
    An episode begins with a whole architecture. Each action gives one of its choices another
    option; all others keep their answers, by name. Choices that an edit opens anew are drawn at
    random. The last action stops. An agent so learns to *search for* good architectures, from
    wherever it stands, rather than to write down one (Cassimon, Mercelis & Mets 2024,
    arXiv 2410.01431: an incremental Markov decision process over neighbouring architectures).

    ## Action space
    ``Discrete(max_length * max_options + 1)``: action ``place * max_options + token`` gives the
    choice at ``place`` the option ``token``; the last action stops. Closed are tokens that a choice
    has already or does not offer, places beyond the architecture, what would break a limit, and
    stopping before the first edit (open if no edit is).
    ``info["action_mask"]`` (int8, 1 = open) and ``action_masks()`` (bool) say what is open. An
    action that is closed folds: its place and its token wrap, and then it stands for the next open
    edit.

    ## Observation space
    ``MultiDiscrete([max_options + 1] * max_length + [horizon + 1])``: the architecture's tokens
    plus one, 0 beyond its last; then the steps that are left.

    ## Reward
    With ``reward_form="incremental"`` the reward function's value after the step less that before
    it, so that the rewards of an episode sum up to what it has gained over its beginning (a
    difference of potentials: Ng, Harada & Russell 1999). The beginning is evaluated by ``reset``,
    every edit by its step: each is a request that counts in the budget. The paper shapes its reward
    further; that is not rebuilt here. With ``"plain"`` it is 0 up to the last step, and there the
    value of the architecture at hand: one request per episode. A child that failed has the value
    ``failure_reward``.

    ## Episode end
    Terminates when the agent stops, and after ``horizon`` steps; truncates when incremental rewards
    have spent the budget. If ``reset`` or the end of an episode has spent the last evaluation, the
    next step truncates, and edits nothing. Steps after that raise: look at ``remaining``.

    ## Information
    The keys of ``NASEnv``: ``action_mask``, ``tokens`` and ``architecture`` (the genotype as JSON
    data) of the architecture at hand, and ``evaluation``, whose ``source`` is empty and whose
    numbers are 0 as long as the architecture at hand was not evaluated. Of one that is met again
    ``source`` stays what it was at first.

    ## Arguments
    Args:
        space, evaluator, reward, render_mode, limits, ledger: As for ``NASEnv``.
        horizon: Steps of an episode, >= 1; by default as many as the space has choices at most.
        start: The first architecture of each episode: ``"random"`` (the default: uniform over the
            options of each choice), ``"best"`` (with the highest reward that this environment has
            seen so far; random before there is one, or if none of its edits is open), or tokens.
            The best one, and given ones that were asked for once, also by ``reset``'s options, are
            not paid for again.
        reward_form: ``"incremental"`` (the default) or ``"plain"``.

    ## References
    Cassimon et al. 2024, arXiv 2410.01431; Ng, Harada & Russell 1999 (ICML).

    ## Version history
    v0: first version.
    """

    metadata = {"render_modes": RENDER_MODES, "render_fps": 4}  # noqa: RUF012

    def __init__(
        self,
        space: SearchSpace[G],
        evaluator: Evaluator,
        reward: Reward | None = None,
        *,
        horizon: int | None = None,
        start: Start = "random",
        reward_form: str = "incremental",
        render_mode: str | None = None,
        limits: LimitsGiven = None,
        **ledger: Unpack[LedgerOptions],
    ) -> None:
        check_part("space", space)
        space, evaluator = with_limits(space, evaluator, limits)
        choices = ChoiceTable(space)
        check_recordable(space, choices)
        edits = Edits(choices, horizon, start, reward_form)
        own = Ledger(evaluator, Accuracy() if reward is None else reward, **ledger)
        self._stand_on(edits, own, render_mode)

    @classmethod
    def over(
        cls, env: NASVectorEnv[G], *, render_mode: str | None = None, **edits: Unpack[EditOptions]
    ) -> Self:
        """Return an environment that asks the ledger of ``env``: its budget, its memo, its record.

        It draws from ``env``'s random numbers, too, unless ``reset`` is given a seed. So an agent
        of ``nas_gym.search``, which is given ``env``, can search by edits.
        """
        made = cls.__new__(cls)
        made._stand_on(Edits(env.choices, **edits), env.ledger, render_mode)
        made.np_random = env.np_random
        return made

    def _stand_on(self, edits: Edits, ledger: Ledger, render_mode: str | None) -> None:
        self.space: SearchSpace[G] = edits.space
        self.choices, self.edits, self.ledger = edits.choices, edits, ledger
        self.render_mode: str | None = check("render_mode", render_mode, RenderMode)
        self.action_space, self.observation_space = self.edits.spaces()
        self._episode = EditEpisode(self.edits)
        self._ended = True
        self._sources: dict[str, str] = {}  # of the first answers, by an architecture's key
        self._measured = dict.fromkeys(IN_EVERY_INFO, 0.0)  # and what evaluations have had so far

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode; evaluate its first architecture if the rewards are incremental.

        Nothing is evaluated if the budget is spent; ``step`` then truncates, or raises if an
        episode was truncated before.

        Args:
            seed: Of ``np_random``.
            options: ``{"tokens": […]}`` begins with this architecture.

        Raises:
            InvalidTokens: Tokens that are no architecture of the space, or that break its limits.
            InvalidOption: ``epochs`` or ``limits`` among the options, which are of whole
                environments here: rewards before and after an edit would not compare.
            UnknownName: Another option.
            NASGymError: At the first reset: the data cannot be read, or the evaluator cannot
                answer at all.
        """
        refuse_options(options)
        if isinstance(self.ledger, Ledger):  # one in front of another leaves it to that one
            self.ledger.settle()
        super().reset(seed=python_seed(seed))
        given = (options or {}).get("tokens")
        self._episode.restart(self.edits.first(self.np_random, given))
        self._ended = False
        self.edits.begin(self.ledger, [self._episode])
        return self._episode.observation, self._info()

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Change one choice, or stop; evaluate what the reward is about.

        Raises:
            InvalidTokens: The action is not in ``action_space``.
            BudgetExceeded: Something is to be evaluated, and the budget is spent, as was said by
                an episode that was truncated.
            ResetNeeded: The episode has ended, or none was started.
        """
        if self._ended:
            raise ResetNeeded("the episode has ended: call reset() before step()")
        episode = self._episode
        if self.edits.finds_spent(self.remaining):
            self._ended = self.edits.has_cut = True
            return episode.observation, 0.0, False, True, self._info()
        if self.edits.incremental and episode.answer is None:
            self.edits.begin(self.ledger, [episode], spent=True)  # raises, as reset() did not
        self._ended, asks = episode.take(checked_action(action), self.np_random)
        reward = 0.0
        if asks:
            reward = episode.answered(self.edits.ask(self.ledger, [episode.tokens])[0])
        cut = not self._ended and self.edits.incremental and self.remaining < 1
        self.edits.has_cut |= cut
        ended, self._ended = self._ended, self._ended or cut
        return episode.observation, reward, ended, cut, self._info()

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Return (max_length * max_options + 1,) bool, True = open, as MaskablePPO asks for it."""
        if not self._episode.tokens:
            raise ResetNeeded("there is no episode yet: call reset() first")
        return self._episode.mask().astype(np.bool_)

    def render(self) -> Any:
        """Return the architecture: text (``ansi``) or a (height, width, 3) uint8 picture."""
        if self.render_mode is None:
            raise ValueError("render_mode is None: pass render_mode= to gym.make to render")
        from nas_gym.search_spaces.rendering import render_tokens

        return render_tokens(self.choices, self._episode.tokens, self.render_mode)

    def close(self) -> None:
        """Close the evaluator (its worker processes, if it has any)."""
        self.ledger.close()

    def _info(self) -> dict[str, Any]:
        tokens, answer = self._episode.tokens, self._episode.answer
        info: dict[str, Any] = {"action_mask": self._episode.mask()}
        if answer is not None:
            self._measured |= dict.fromkeys(answer.evaluation.metrics, 0.0)
            info |= final_info(answer.evaluation, self._measured)
            # The memo answers whatever an episode comes back to: equal steps have equal infos.
            key, evaluation = answer.evaluation.architecture.key, info["evaluation"]
            evaluation["source"] = self._sources.setdefault(key, evaluation["source"])
            return info
        nothing = {"seconds": 0.0, "source": "", "failure": None, "detail": None}
        return info | {
            "tokens": tokens,
            "architecture": genotype_to_json(decode_valid(self.space, tokens)),
            "evaluation": {**self._measured, **nothing},
        }


def checked_action(action: Any) -> int:
    """Return an action as Python's number; raise InvalidTokens if it is no integer."""
    try:
        if isinstance(python_value(action), bool):
            raise TypeError
        return operator.index(action)
    except TypeError:
        raise InvalidTokens(
            f"action {action!r} is not an integer: give the number of an edit"
        ) from None


def refuse_options(options: dict[str, Any] | None) -> None:
    """Raise InvalidOption if a reset is asked for what only ``NASEnv`` or nobody does."""
    elsewhere = (
        "options has {}, which an environment of edits does not take for one episode: leave it "
        "out, or search without action='edit'"
    )
    check_reset_options(options, ("tokens",), dict.fromkeys(("epochs", "limits"), elsewhere))
