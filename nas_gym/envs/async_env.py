"""``NASAsyncVectorEnv``: episodes that are answered as their children are done."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Self, Unpack

import numpy as np
import numpy.typing as npt
from gymnasium.error import ResetNeeded

from nas_gym.envs.async_ledger import AsyncLedger
from nas_gym.envs.env import final_infos, python_seed
from nas_gym.envs.episode import Episode, Observation, Observations, fold_tokens
from nas_gym.envs.front import FrontLedger
from nas_gym.envs.ledger import Ledger, LedgerOptions
from nas_gym.envs.limits import LimitsGiven
from nas_gym.envs.recorder import Answer
from nas_gym.envs.rewards import Reward
from nas_gym.envs.vector_env import G, NASVectorEnv, Played
from nas_gym.errors import BudgetExceeded, InvalidOption, InvalidTokens
from nas_gym.evaluators.evaluation import Evaluator
from nas_gym.options import check
from nas_gym.options.counts import Episodes
from nas_gym.search_spaces.architecture import architecture_of_valid
from nas_gym.search_spaces.grammar import SearchSpace

Ints = npt.NDArray[np.int64]
Received = tuple[Observations, npt.NDArray[np.float64], npt.NDArray[np.bool_],
                 npt.NDArray[np.bool_], dict[str, Any]]  # fmt: skip


class _Step(NamedTuple):
    """The answer to one action."""

    env_id: int
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False
    answer: Answer | None = None
    last: Observation | None = None  # of the episode that ended


class NASAsyncVectorEnv(NASVectorEnv[G]):
    """Many episodes, none of which waits for another; ``NASEnv``'s page describes one.

    It has two ways to ask, which share one budget and one record:

    - token by token, in EnvPool's words (Weng et al. 2022): ``async_reset()``, then
      ``recv()`` and ``send(actions, infos["env_id"])`` in turn. A token's step is answered at once,
      the last one of an episode when its child is done.
    - ``submit(tokens) -> ticket`` and ``collect() -> [(ticket, played), …]`` for whole lists.

    ``reset``, ``step`` and ``play`` remain those of ``NASVectorEnv``, in rounds, for which nothing
    may be in flight. ``nas_gym.envs.async_ledger`` says in which order answers are handed over; a
    run that goes on sees the same.

    Args:
        space, evaluator, reward, render_mode, limits, ledger: As for ``NASVectorEnv``.
        num_envs: Episodes, >= 1.
        in_flight: Children that are trained at once, >= 1; further ones wait. ``num_envs`` by
            default.
    """

    ledger: AsyncLedger

    def __init__(
        self,
        space: SearchSpace[G],
        evaluator: Evaluator,
        *,
        num_envs: int = 1,
        in_flight: int | None = None,
        reward: Reward | None = None,
        render_mode: str | None = None,
        limits: LimitsGiven = None,
        **ledger: Unpack[LedgerOptions],
    ) -> None:
        self._in_flight = check("in_flight", in_flight, Episodes | None) or num_envs
        super().__init__(
            space, evaluator, num_envs=num_envs, reward=reward, render_mode=render_mode,
            limits=limits, **ledger,
        )  # fmt: skip
        self._episodes: list[Episode] = []
        self._open: set[int] = set()  # environments that wait for an action
        self._answered: list[_Step] = []  # answers that were not received
        self._of_ticket: dict[int, int] = {}  # environments whose child is in flight
        self._left: set[int] = set()  # tickets of before a reset, whose answers nobody wants
        self._cut: list[_Step] = []  # of episodes beyond the budget: answered when nothing flies

    def make_ledger(
        self, evaluator: Evaluator, reward: Reward, **options: Unpack[LedgerOptions]
    ) -> Ledger:
        """Return the ledger that answers."""
        return AsyncLedger(evaluator, reward, self._in_flight, **options)

    def behind(self, front: FrontLedger, space: SearchSpace[G] | None = None) -> Self:
        """Return an environment whose requests go to ``front``, which may ask this one's ledger."""
        other = super().behind(front, space)
        other._episodes, other._answered, other._cut = [], [], []
        other._open, other._of_ticket = set(), {}
        return other

    # ------------------------------------------------------------ whole token lists

    @property
    def waiting(self) -> int:
        """Requests whose answer is not handed over yet."""
        return self.ledger.waiting

    @property
    def free(self) -> int:
        """Requests that would be begun at once."""
        return self.ledger.free

    def submit(self, tokens: Sequence[int], epochs: int | None = None) -> int:
        """Ask for one architecture without waiting, and return the number of its ticket, from 0.

        Args:
            tokens: Of the architecture; those beyond the open options fold, as in ``play``.
            epochs: How far it is to be trained, from 1 to ``most_epochs``; None: to the end.

        Raises:
            InvalidTokens: A list of the wrong length or type.
            InvalidOption: Epochs that a training does not have.
            BudgetExceeded: ``remaining`` is 0.
        """
        folded = fold_tokens(self.choices, tokens)
        return self.ledger.submit(self._architecture(folded), epochs)

    def collect(self, min_ready: int = 1, timeout: float | None = None) -> list[tuple[int, Played]]:
        """Return answers to what was submitted, with their tickets, in the order they came in.

        Args:
            min_ready: Answers to wait for, >= 1. So many are handed over, and what else is done by
                then with the next call: what an agent sees must not depend on the moment at which
                it looks. There are fewer only if no more are in flight.
            timeout: Seconds, >= 0, after which those that there are, maybe none, are handed over.
                A run that goes on can then ask for others, which is noticed.

        Raises:
            InvalidOption: Episodes are being stepped: ``recv`` hands over their answers.
        """
        if self._of_ticket:
            raise InvalidOption(
                "episodes are being stepped, and their children are in flight: take their answers "
                "with recv()"
            )
        self._check_wait(min_ready, timeout)
        self._left.clear()  # there are no episodes now: they come with the others
        return [
            (ticket, Played(found.architecture.tokens, reward, found))
            for ticket, (found, reward) in self.ledger.collect(min_ready, timeout)
        ]

    # ------------------------------------------------------------ token by token

    def async_reset(self, *, seed: int | None = None) -> None:
        """Start an episode in every environment; ``recv`` gives their first observations.

        Children in flight stay there, and their answers are left out of what is received.

        Args:
            seed: Of ``np_random``.
        """
        if seed is not None:
            self.reset(seed=python_seed(seed))
        self.ledger.settle()
        self._left |= self._of_ticket.keys()
        self._episodes = [Episode(self.choices) for _ in range(self.num_envs)]
        self._open.clear()
        self._of_ticket.clear()
        self._cut.clear()
        self._answered = [_Step(env_id) for env_id in range(self.num_envs)]

    def send(self, actions: Sequence[int] | Ints, env_id: Sequence[int] | Ints) -> None:
        """Give one token to each of some environments, all of which were received.

        Args:
            actions: (n,) tokens, in [0, max_options).
            env_id: (n,) environments, each once: ``infos["env_id"]`` of ``recv``.

        Raises:
            InvalidTokens: No tokens of this space, or environments that wait for no action.
            BudgetExceeded: An episode is complete, nothing remains and nothing is in flight.
        """
        ids = self._checked_ids(env_id)
        tokens = np.asarray(actions)
        if tokens.shape != ids.shape or (len(ids) and tokens.dtype.kind not in "iu"):
            raise InvalidTokens(
                f"actions are {tokens.dtype} of shape {tokens.shape}: give {len(ids)} integers, "
                "one for each environment of env_id"
            )
        if len(tokens) and not 0 <= tokens.min() <= tokens.max() < self.space.max_options:
            raise InvalidTokens(
                f"an action is not a token of this space: give 0 to {self.space.max_options - 1}"
            )
        for number, token in zip(ids.tolist(), tokens.tolist(), strict=True):
            self._open.discard(number)
            episode = self._episodes[number]
            episode.take(token)
            if episode.open is not None:
                self._answered.append(_Step(number))
            elif self.remaining > 0:
                architecture = architecture_of_valid(self.space, tuple(episode.tokens))
                self._of_ticket[self.ledger.submit(architecture)] = number
            elif self._of_ticket:
                last = episode.observation.copy()
                self._cut.append(_Step(number, truncated=True, last=last))
            else:
                raise BudgetExceeded(
                    "an architecture is complete and the budget is spent: stop when `remaining` is "
                    "0 and nothing is in flight"
                )

    def recv(self, min_ready: int = 1, timeout: float | None = None) -> Received:
        """Return the environments that are ready for an action, n of them.

        Token steps are answered at once, all of them; if there are fewer than ``min_ready``,
        children are waited for. An episode that has ended starts anew in the same step: then
        ``terminated`` is true, the observation is the new episode's first, and ``final_info`` and
        ``final_obs`` are those of the one that ended, as in ``NASVectorEnv``. An episode that is
        complete when the budget is spent ends ``truncated``, with reward 0, after all others.

        Args:
            min_ready: Environments to wait for, >= 1. As in ``collect`` no more children are handed
                over than are needed. Fewer come only if no more are in flight.
            timeout: Seconds, >= 0, after which those that there are, maybe none, are handed over.

        Returns:
            observations (n, max_length), rewards (n,), terminated (n,), truncated (n,) and infos:
            ``env_id`` (n,) int64, ``action_mask`` (n, max_options) int8, and ``final_info`` and
            ``final_obs`` if an episode ended.

        Raises:
            ResetNeeded: ``async_reset`` was not called.
            InvalidOption: Nothing was sent that could be waited for.
        """
        if not self._episodes:
            raise ResetNeeded("there are no episodes yet: call async_reset() before recv()")
        self._check_wait(min_ready, timeout)
        if self.waiting > len(self._of_ticket) + len(self._left):
            raise InvalidOption(
                "token lists that were submitted are in flight: take their answers with collect()"
            )
        steps, self._answered = self._answered, []
        until = None if timeout is None else time.monotonic() + timeout
        while len(steps) < min_ready and self._of_ticket:
            left = None if until is None else max(0.0, until - time.monotonic())
            handed = self.ledger.collect(1, left)
            if not handed:
                break
            ((ticket, answer),) = handed
            if ticket in self._left:
                self._left.discard(ticket)
            else:
                number = self._of_ticket.pop(ticket)
                last = self._episodes[number].observation.copy()
                steps.append(_Step(number, answer.reward, True, answer=answer, last=last))
        if not self._of_ticket:
            steps, self._cut = steps + self._cut, []
        if not steps and timeout is None:
            raise InvalidOption(
                "no environment has anything to answer: send() actions before recv()"
            )
        return self._received(steps)

    def _received(self, steps: Sequence[_Step]) -> Received:
        """Return the answers as arrays; begin new episodes where one has ended."""
        ended = np.array([step.last is not None for step in steps], np.bool_)
        infos: dict[str, Any] = {"env_id": np.array([s.env_id for s in steps], np.int64)}
        if ended.any():
            answers = [step.answer for step in steps]
            observations = np.full(len(steps), None, dtype=object)
            for i, step in enumerate(steps):
                observations[i] = step.last
            infos |= {
                "final_obs": observations,
                "_final_obs": ended,
                "final_info": final_infos([None if a is None else a.evaluation for a in answers]),
                "_final_info": np.array([answer is not None for answer in answers], np.bool_),
            }
        for step in steps:
            self._open.add(step.env_id)
            if step.last is not None:
                self._episodes[step.env_id].restart()
        episodes = [self._episodes[step.env_id] for step in steps]
        shape = (len(steps), self.space.max_length)
        begun = np.array([e.observation for e in episodes], np.int64).reshape(shape)
        masks = np.array([e.mask() for e in episodes], np.int8)
        infos["action_mask"] = masks.reshape(len(steps), self.space.max_options)
        return (
            begun,
            np.array([step.reward for step in steps], np.float64),
            np.array([step.terminated for step in steps], np.bool_),
            np.array([step.truncated for step in steps], np.bool_),
            infos,
        )

    def _checked_ids(self, env_id: Any) -> Ints:
        ids = np.asarray(env_id)
        if ids.ndim != 1 or (len(ids) and ids.dtype.kind not in "iu"):
            raise InvalidTokens(
                f"env_id is {ids.dtype} of shape {ids.shape}: give the integers of infos['env_id']"
            )
        given: list[int] = ids.tolist()
        for number in given:
            if number not in self._open:
                raise InvalidTokens(
                    f"environment {number} does not wait for an action: give only those that "
                    "recv() returned in infos['env_id'], each once"
                )
        if len(set(given)) < len(given):
            raise InvalidTokens(f"env_id is {given}: give each environment once")
        return ids.astype(np.int64)

    @staticmethod
    def _check_wait(min_ready: int, timeout: float | None) -> None:
        check("min_ready", min_ready, Episodes)
        if timeout is not None and not (isinstance(timeout, int | float) and timeout >= 0):
            raise InvalidOption(f"timeout is {timeout!r}: give seconds >= 0, or None to wait")
