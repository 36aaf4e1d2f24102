"""``NASEnv``: one architecture per episode, one token per step."""

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any, Generic, Literal, TypeVar, Unpack

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.error import ResetNeeded

from nas_gym.envs.episode import Episode, Mask, Observation
from nas_gym.envs.front import AsksLedger
from nas_gym.envs.ledger import Ledger, LedgerOptions
from nas_gym.envs.limits import EpisodeLimits, LimitsGiven, with_limits
from nas_gym.envs.rewards import Accuracy, Reward
from nas_gym.envs.states import KeepsState, begun_tokens, check_reset_options
from nas_gym.errors import InvalidOption, InvalidTokens
from nas_gym.evaluators.evaluation import IN_EVERY_INFO, Evaluation, Evaluator
from nas_gym.options import check
from nas_gym.options.scalars import python_value
from nas_gym.registry import check_part
from nas_gym.search_spaces.architecture import (
    Architecture,
    architecture_of_valid,
    genotype_to_json,
)
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import SearchSpace

G = TypeVar("G")
RENDER_MODES = ["ansi", "rgb_array"]
RenderMode = Literal["ansi", "rgb_array"] | None


class NASEnv(AsksLedger, KeepsState, gym.Env[Observation, np.int64], Generic[G]):
    """Neural architecture search as an episode: pick the next hyperparameter until a child is done.

    ## Description
    Each action picks one token of an architecture. When the architecture is complete, the child
    network is built and evaluated, and its result on the validation part is the episode's reward.
    The environment is the Markov decision process of Zoph & Le 2016 (arXiv 1611.01578,
    section 3): a policy over a sequence of design choices. By default the registered ones build,
    and reward:

    - ``NASNetCell-v0``: cells, really trained on scikit-learn's digits; accuracy.
    - ``NASConvNet-v0``: whole convolutional networks, really trained on digits; accuracy cubed.
    - ``NASRNNCell-v0``: recurrent cells, really trained as language models on the text of Python's
      documentation; 80 / perplexity squared.
    - ``NASBench201-v0``: cells whose trained accuracies are looked up; accuracy.

    ## Action space
    ``Discrete(max_options)``: a token, the index into the options that are open now. Tokens beyond
    them fold: ``token % len(options)``, and one that limits close stands for the next open one.
    ``info["action_mask"]`` (int8, 1 = open) and
    ``action_masks()`` (bool) say which tokens are open without folding.

    ## Observation space
    ``MultiDiscrete([max_options + 1] * max_length)``: the tokens so far plus one; 0 at positions
    that have no token yet.

    ## Reward
    0 at every step but the last; there, the reward function's value for the child, or
    ``failure_reward`` if the child failed. Nothing is measured on the test part in a search.

    ## Episode end
    Terminates with the token that completes the architecture; never truncates.

    ## Information
    The same keys at every step, as buffers of other libraries need them: ``action_mask``,
    ``tokens`` (tuple of int; before the end padded with -1), ``architecture`` (the genotype as
    JSON data) and
    ``evaluation`` (a dict: ``accuracy``, ``parameters``, ``multiply_adds``, ``seconds``,
    ``source``, ``failure``, ``detail`` of the failure, and what else the evaluator measures:
    ``perplexity``, …). Before the end ``architecture`` is empty, and so is ``source``; numbers are
    0. Of a child that failed they are NaN.

    ## Arguments
    Args:
        space: WHAT may be built: any ``SearchSpace``.
        evaluator: HOW GOOD it is: any ``Evaluator``.
        reward: From an evaluation to the reward; any callable. Accuracy by default.
        render_mode: ``"ansi"`` (the choices in words), ``"rgb_array"`` (the drawing), or None.
        limits: What a child network may cost, e.g. ``{"parameters": 50_000}``: then only options
            are open that leave a completion within it (see ``docs/guide/limits.md``).
        ledger: ``budget``, ``seed``, ``failure_reward``, ``record``, ``budget_seconds``,
            ``budget_epochs`` and ``simulated_workers``: see ``nas_gym.envs.ledger.LedgerOptions``.

    Through ``gym.make("NASNetCell-v0", space=…, evaluator=…, reward=…)`` the first three also take
    a name, or ``{"name": …}`` with options; see ``nas_gym.registry``. All other keywords are
    options of the evaluator, ``gym.make("NASBench201-v0", dataset="cifar100")``. Names and JSON
    data keep ``env.spec.to_json()`` whole; a spec with live objects cannot be read back.

    ## References
    Zoph & Le 2016, arXiv 1611.01578; Zoph et al. 2017, arXiv 1707.07012.

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
        render_mode: str | None = None,
        limits: LimitsGiven = None,
        **ledger: Unpack[LedgerOptions],
    ) -> None:
        check_part("space", space)
        space, evaluator = with_limits(space, evaluator, limits)
        self.space = space
        self.render_mode: str | None = check("render_mode", render_mode, RenderMode)
        self.choices = ChoiceTable(space)
        check_recordable(space, self.choices)
        self.ledger = Ledger(evaluator, Accuracy() if reward is None else reward, **ledger)
        self.action_space, self.observation_space = spaces_of(space)
        self.episode_limits = EpisodeLimits(space, evaluator)
        self._episode: Episode | None = None
        self._ended = False
        self._epochs: list[int] | None = None  # that this episode's child is trained
        self._measured = dict.fromkeys(IN_EVERY_INFO, 0.0)  # and what evaluations have had so far
        self._empty: type | None = None  # of a genotype as JSON data

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start a new architecture.

        Args:
            seed: Of ``np_random``.
            options: ``{"epochs": n}`` trains this episode's child in part, up to the end of epoch
                n, from 1 to the epochs of a whole training; a child that was trained less far goes
                on. ``{"tokens": [1, 0]}`` begins after these choices, as if they had been stepped.
                ``{"limits": {"parameters": n}}`` is the most that this episode's network may
                cost, in an environment without limits; masks for another number cost nothing more.

        Raises:
            InvalidOption: Epochs that a training does not have, or limits that nothing can keep.
            UnknownName: Another option.
            InvalidTokens: Tokens beyond the options, that limits close, or of a whole architecture.
            NASGymError: At the first reset: the data cannot be read, or the evaluator cannot
                answer at all.
        """
        check_reset_options(options, ("epochs", "tokens", "limits"))
        self.ledger.settle()
        super().reset(seed=python_seed(seed))
        epochs = (options or {}).get("epochs")
        limits = (options or {}).get("limits")
        choices = self.choices if limits is None else self.episode_limits.table(limits)
        begun = begun_tokens(choices, options)
        self._epochs = None if epochs is None else [self.ledger.checked_epochs(epochs)]
        if self._episode is None or self._episode.choices is not choices:
            self._episode = Episode(choices)
        self._episode.restart(begun)
        self._ended = False
        return self._episode.observation.copy(), self._info(self._episode)

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Pick a token; evaluate the architecture if this was the last one.

        Raises:
            InvalidTokens: The action is not in ``action_space``.
            BudgetExceeded: The architecture is complete and the budget is spent.
            ResetNeeded: The episode has ended, or none was started.
        """
        episode = self._episode
        if episode is None or self._ended:
            raise ResetNeeded("the episode has ended: call reset() before step()")
        try:
            if isinstance(python_value(action), bool):
                raise TypeError
            token = operator.index(action)
        except TypeError:
            raise InvalidTokens(f"action {action!r} is not an integer: give a token") from None
        episode.take(token)
        reward = 0.0
        info = self._info(episode)
        if episode.open is None:
            architecture = architecture_of_valid(self.space, tuple(episode.tokens))
            evaluation, reward = self.ledger.request([architecture], self._epochs)[0]
            self._measured |= dict.fromkeys(evaluation.metrics, 0.0)
            info.update(final_info(evaluation, self._measured))
            self._ended = True
        return episode.observation.copy(), reward, self._ended, False, info

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Return (max_options,) bool, True = open, as sb3-contrib's MaskablePPO asks for it."""
        return self._mask().astype(np.bool_)

    def render(self) -> Any:
        """Return the architecture so far: text (``ansi``) or a (height, width, 3) uint8 picture."""
        if self.render_mode is None:
            raise ValueError("render_mode is None: pass render_mode= to gym.make to render")
        from nas_gym.search_spaces.rendering import render_tokens

        episode = self._episode
        return render_tokens(
            self.choices, () if episode is None else episode.tokens, self.render_mode
        )

    def close(self) -> None:
        """Close the evaluator (its worker processes, if it has any)."""
        self.ledger.close()

    def _info(self, episode: Episode) -> dict[str, Any]:
        """Return the info of a step before the last: all keys, with what there is by now."""
        if self._empty is None:
            self._empty = _type_of_genotypes(self.space, self.choices)
        return {
            "action_mask": episode.mask(),
            "tokens": tuple((episode.observation - 1).tolist()),  # -1 where there is none yet
            "architecture": self._empty(),
            "evaluation": {
                **self._measured,
                "seconds": 0.0,
                "source": "",
                "failure": None,
                "detail": None,
            },
        }

    def _mask(self) -> Mask:
        if self._episode is None:
            raise ResetNeeded("there is no episode yet: call reset() first")
        return self._episode.mask()


def python_seed(seed: Any) -> Any:
    """Return a whole number of any library as Python's, which Gymnasium wants; others as given."""
    if isinstance(python_value(seed), bool):
        raise InvalidOption(f"seed is {seed!r}: give a whole number >= 0, or None")
    try:
        return operator.index(seed)
    except TypeError:  # None, or what Gymnasium refuses
        return seed


def spaces_of(
    space: SearchSpace[Any],
) -> tuple[gym.spaces.Discrete, gym.spaces.MultiDiscrete]:
    """Return the action and observation space of one episode in ``space``."""
    observation = np.full(space.max_length, space.max_options + 1, np.int64)
    return gym.spaces.Discrete(space.max_options), gym.spaces.MultiDiscrete(observation)


def final_info(evaluation: Evaluation, measured: Iterable[str] = ()) -> dict[str, Any]:
    """Return what the ``info`` of an episode's last step says.

    Args:
        evaluation: Of the episode's architecture.
        measured: Names of numbers that are NaN if this evaluation has none.
    """
    return {
        "tokens": evaluation.architecture.tokens,
        "architecture": genotype_to_json(evaluation.architecture.genotype),
        "evaluation": {**dict.fromkeys(measured, math.nan), **evaluation.to_info()},
    }


def final_infos(evaluations: Sequence[Evaluation | None]) -> dict[str, Any]:
    """Return the ``final_info`` of episodes that ended, each key as an array over them.

    Args:
        evaluations: Of each episode; None of one that was not evaluated. At least one was.
    """
    infos = [None if each is None else final_info(each) for each in evaluations]
    evaluated = np.array([info is not None for info in infos], np.bool_)
    arrays: dict[str, Any] = {}
    for name in next((info for info in infos if info is not None), {}):
        array = np.full(len(infos), None, dtype=object)
        for i, info in enumerate(infos):
            array[i] = None if info is None else info[name]
        arrays[name], arrays[f"_{name}"] = array, evaluated
    return arrays


def _type_of_genotypes(space: SearchSpace[Any], choices: ChoiceTable) -> type:
    """Return the type of genotypes as JSON data, by one of them."""
    return type(genotype_to_json(_by_tokens_of(space, choices, 0).genotype))


def check_recordable(space: SearchSpace[Any], choices: ChoiceTable) -> None:
    """Raise InvalidSpace before a child is paid for, if JSON cannot hold what the space offers."""
    for token in (0, -1):
        genotype_to_json(_by_tokens_of(space, choices, token).genotype)


def _by_tokens_of(space: SearchSpace[G], choices: ChoiceTable, token: int) -> Architecture[G]:
    """Return the architecture of the first options (0), or of the last ones (-1)."""
    episode = Episode(choices)
    while episode.open is not None:
        episode.take(token % len(episode.open.options))
    return architecture_of_valid(space, tuple(episode.tokens))
