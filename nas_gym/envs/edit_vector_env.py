"""``NASEditVectorEnv``: many episodes of edits, whose architectures are evaluated as one batch."""

from collections.abc import Sequence
from typing import Any, Generic, Self, TypeVar, Unpack

import numpy as np
import numpy.typing as npt
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from nas_gym.envs.edit_env import refuse_options
from nas_gym.envs.edit_episode import EditEpisode, EditOptions, Edits, Start
from nas_gym.envs.env import RENDER_MODES, RenderMode, check_recordable, final_infos, python_seed
from nas_gym.envs.episode import Observations
from nas_gym.envs.front import AsksLedger
from nas_gym.envs.ledger import Ledger, LedgerOptions
from nas_gym.envs.limits import LimitsGiven, with_limits
from nas_gym.envs.rewards import Accuracy, Reward
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption, InvalidTokens
from nas_gym.evaluators.evaluation import Evaluator
from nas_gym.options import check
from nas_gym.options.counts import Episodes
from nas_gym.registry import check_part
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import SearchSpace

G = TypeVar("G")
Bools = npt.NDArray[np.bool_]


class NASEditVectorEnv(
    AsksLedger, VectorEnv[Observations, npt.NDArray[np.int64], np.ndarray[Any, Any]], Generic[G]
):
    """Many architectures that are edited side by side; ``NASEditEnv``'s page describes one episode.

    What the episodes ask for in a step goes to the evaluator as one batch. An episode that ends
    begins anew in the same step (``AutoresetMode.SAME_STEP``), and what the new ones begin with is
    a second batch: ``infos["final_info"]`` has the ended ones' ``tokens``, ``architecture`` and
    ``evaluation`` as arrays, ``infos["final_obs"]`` their last observations. Episodes that the
    budget cuts end truncated, with reward 0 if their last edit could not be evaluated; if nothing
    is left when a step begins all are cut once, without an edit, and later steps raise.

    Args:
        space, evaluator, reward, horizon, start, reward_form, render_mode, limits, ledger: As for
            ``NASEditEnv``; the best architecture is that of all episodes.
        num_envs: Episodes side by side, >= 1.
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
        num_envs = check("num_envs", num_envs, Episodes)
        own = Ledger(evaluator, Accuracy() if reward is None else reward, **ledger)
        self._stand_on(edits, own, num_envs, render_mode)

    @classmethod
    def over(cls, env: NASVectorEnv[G], **edits: Unpack[EditOptions]) -> Self:
        """Return as many episodes as ``env`` has, which ask its ledger; see ``NASEditEnv.over``."""
        made = cls.__new__(cls)
        made._stand_on(Edits(env.choices, **edits), env.ledger, env.num_envs, None)
        made.np_random = env.np_random
        return made

    def _stand_on(
        self, edits: Edits, ledger: Ledger, num_envs: int, render_mode: str | None
    ) -> None:
        self.space: SearchSpace[G] = edits.space
        self.choices, self.edits, self.ledger = edits.choices, edits, ledger
        self.num_envs = num_envs
        self.render_mode: str | None = check("render_mode", render_mode, RenderMode)
        self.single_action_space, self.single_observation_space = self.edits.spaces()
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self._episodes = [EditEpisode(self.edits) for _ in range(self.num_envs)]
        self._started = False

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin all episodes; see ``NASEditEnv.reset``. ``tokens`` of ``options`` are for each.

        Raises:
            InvalidTokens: Tokens that are no architecture of the space, or that break its limits.
            InvalidOption: A wrong number of seeds, or ``epochs`` or ``limits`` among the options.
            UnknownName: Another option.
        """
        refuse_options(options)
        if isinstance(seed, list | tuple) and len(seed) != self.num_envs:
            raise InvalidOption(f"{len(seed)} seeds were given: give one, or {self.num_envs}")
        if isinstance(self.ledger, Ledger):  # one in front of another leaves it to that one
            self.ledger.settle()
        super().reset(seed=python_seed(seed[0] if isinstance(seed, list | tuple) else seed))
        self._begin(self._episodes, (options or {}).get("tokens"))
        self._started = True
        return self._observations(), self._mask_info()

    def step(
        self, actions: npt.NDArray[np.int64]
    ) -> tuple[Observations, npt.NDArray[np.float64], Bools, Bools, dict[str, Any]]:
        """Edit each architecture, or stop; evaluate what the rewards are about.

        Raises:
            InvalidTokens: Actions of a wrong type or number, or beyond the action space.
            BudgetExceeded: Something is to be evaluated, and no evaluation is left.
        """
        if not self._started:
            raise ResetNeeded("there are no episodes yet: call reset() before step()")
        rewards = np.zeros(self.num_envs, np.float64)
        terminated = np.zeros(self.num_envs, np.bool_)
        truncated = np.zeros(self.num_envs, np.bool_)
        checked = self._checked(actions)
        asking = []
        if self.edits.finds_spent(self.remaining):
            checked, truncated[:] = [], True
        for i, (episode, action) in enumerate(zip(self._episodes, checked, strict=False)):
            begun = episode.answer is not None or not self.edits.incremental
            terminated[i], asks = episode.take(action, self.np_random)
            if asks or not begun:
                asking.append(i)
                truncated[i] = not begun
        self._evaluate(asking, rewards, truncated)
        if self.edits.incremental and self.remaining < 1:
            truncated |= ~terminated
        terminated &= ~truncated
        self.edits.has_cut |= self.remaining < 1 and bool(truncated.any())
        infos = self._restart(terminated | truncated)
        infos.update(self._mask_info())
        return self._observations(), rewards, terminated, truncated, infos

    def action_masks(self) -> Bools:
        """Return (num_envs, max_length * max_options + 1) bool, True = open."""
        return self._masks().astype(np.bool_)

    def render(self) -> tuple[Any, ...] | None:
        """Return every episode's architecture: texts or pictures."""
        if self.render_mode is None:
            raise ValueError("render_mode is None: pass render_mode= to gym.make_vec to render")
        from nas_gym.search_spaces.rendering import render_tokens

        mode = self.render_mode
        return tuple(render_tokens(self.choices, e.tokens, mode) for e in self._episodes)

    def close_extras(self, **kwargs: Any) -> None:
        """Close the evaluator (its worker processes, if it has any)."""
        self.ledger.close()

    def _evaluate(
        self, asking: Sequence[int], rewards: npt.NDArray[np.float64], truncated: Bools
    ) -> None:
        """Have the episodes answered that ask, as far as the budget goes; the others are cut."""
        if not asking:
            return
        # One at least, even if nothing was left to begin with: asking beyond the budget raises.
        able = [i for i in asking if not truncated[i]] or asking
        count = int(min(len(able), max(1, self.remaining)))
        truncated[able[count:]] = True
        answers = self.edits.ask(self.ledger, [self._episodes[i].tokens for i in able[:count]])
        for i, answer in zip(able[:count], answers, strict=True):
            rewards[i] = self._episodes[i].answered(answer)

    def _restart(self, ended: Bools) -> dict[str, Any]:
        """Begin new episodes where one has ended; return what there is to say of these."""
        if not ended.any():
            return {}
        over = [e for e, is_over in zip(self._episodes, ended.tolist(), strict=True) if is_over]
        final_obs = np.full(self.num_envs, None, dtype=object)
        for i in np.flatnonzero(ended):
            final_obs[i] = self._episodes[i].observation
        evaluations = [
            e.answer.evaluation if is_over and e.answer is not None else None
            for e, is_over in zip(self._episodes, ended.tolist(), strict=True)
        ]
        infos = {
            "final_obs": final_obs,
            "_final_obs": ended.copy(),
            "final_info": final_infos(evaluations),
            "_final_info": ended.copy(),
        }
        self._begin(over)
        return infos

    def _begin(self, episodes: Sequence[EditEpisode], given: Any = None) -> None:
        for episode in episodes:
            episode.restart(self.edits.first(self.np_random, given))
        self.edits.begin(self.ledger, episodes)

    def _checked(self, actions: npt.NDArray[np.int64]) -> list[int]:
        checked = np.asarray(actions)
        if checked.shape != (self.num_envs,) or checked.dtype.kind not in "iu":
            raise InvalidTokens(
                f"actions are {checked.dtype} of shape {checked.shape}: "
                f"give {self.num_envs} integers, one for each episode"
            )
        if not 0 <= checked.min() <= checked.max() <= self.edits.stop:
            raise InvalidTokens(
                f"an action is no edit of this space: give 0 to {self.edits.stop}, which stops"
            )
        plain: list[int] = checked.tolist()
        return plain

    def _observations(self) -> Observations:
        return np.stack([episode.observation for episode in self._episodes])

    def _masks(self) -> npt.NDArray[np.int8]:
        if not self._started:
            raise ResetNeeded("there are no episodes yet: call reset() first")
        return np.stack([episode.mask() for episode in self._episodes])

    def _mask_info(self) -> dict[str, Any]:
        return {
            "action_mask": self._masks(),
            "_action_mask": np.ones(self.num_envs, np.bool_),
        }
