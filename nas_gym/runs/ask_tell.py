"""``AskTell``: a recorded search whose proposals come from outside, from any program."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

from nas_gym.envs.recorder import Answer, Watching
from nas_gym.envs.states import whole_or_begun
from nas_gym.envs.vector_env import NASVectorEnv, Played
from nas_gym.errors import BudgetExceeded, InvalidOption, NASGymError, StoreError, TimeUp
from nas_gym.options import Options
from nas_gym.registry import Part
from nas_gym.runs.resume import recorded_options
from nas_gym.runs.session import SearchResult, prepared
from nas_gym.search_spaces.from_json import architecture_from_json, checked_architecture
from nas_gym.search_spaces.grammar import Choice, SearchSpace
from nas_gym.store import DEFAULT_STORE, load_run

NAME = "ask-tell"
_UNUSED = ("agent", "num_envs", "asynchronous", "in_flight", "simulated_workers")
_KEYS = ("tokens", "genotype", "epochs", "id")


@dataclass(frozen=True)
class Outside(Options):
    """The agent in the record of a run whose proposals came from outside."""

    batch_size = 1

    def search(self, env: NASVectorEnv[Any]) -> None:
        """Raise InvalidOption: nobody is there to propose."""
        raise InvalidOption(
            "the proposals of an ask-tell run come from outside: begin one with `nas-gym ask-tell "
            "SPACE`, go on with `nas-gym resume RUN`, or in Python with nas_gym.AskTell"
        )


class AskTellOptions(TypedDict, total=False):
    """The options of ``AskTell`` beside space and evaluator; ``nas_gym.search`` describes them."""

    budget: int | None
    reward: Part | None
    seed: int
    run: str | None
    resume: bool
    workers: int
    timeout: float | None
    memory_limit: float | None
    executor: Part | None
    failure_reward: float
    store: str | Path
    watcher: Watching
    budget_seconds: float | None
    budget_epochs: int | None
    time_limit: float | str | None
    limits: Mapping[str, Any] | None


class AskTell:
    """A search that is open: whoever has it proposes, and is told what became of it.

    Budget, memo, child seeds, limits and record are those of ``nas_gym.search``; a run that was
    cut goes on with ``AskTell.resume``, to which ``answers`` shows what was told before. Close it,
    or use it in a ``with`` block: that finishes the record.

    Args:
        space: WHAT may be built, as for ``search``.
        evaluator: HOW GOOD it is; by default what is usual for the space.
        options: See ``AskTellOptions``; ``seed`` (0 by default) is that of the children, and the
            budget is 150 evaluations if nothing else limits the run.

    Raises:
        NASGymError: As ``search`` does, before anything is evaluated.
    """

    def __init__(
        self,
        space: Part = "nasnet-cell",
        evaluator: Part | None = None,
        **options: Unpack[AskTellOptions],
    ) -> None:
        self._session = prepared(space, evaluator, Outside(), **options)
        self.env: NASVectorEnv[Any] = self._session.env
        with self._session.heard(), ExitStack() as stack:
            self._ending = stack.enter_context(self._session.under_way())
            self._replay()
            self._stack = stack.pop_all()
        self.closed = False

    @classmethod
    def resume(cls, run: str, store: str | Path = DEFAULT_STORE, **changes: Any) -> Self:
        """Go on with a recorded ask-tell run, with the options of its record.

        Args:
            run: Its name.
            store: The results database that has it.
            changes: ``budget``, ``workers``, ``timeout``, ``memory_limit``, ``executor``,
                ``watcher``, ``time_limit``, ``trust``, ``device``: see ``nas_gym.resume``.

        Raises:
            InvalidOption: The run was not proposed from outside.
            StoreError: There is no such run, or a live process is writing it.
        """
        data = load_run(run, store)
        if not is_ask_tell(data.config):
            raise InvalidOption(
                f"run {run!r} is no ask-tell run, its agent proposes: go on with nas_gym.resume"
            )
        options = recorded_options(data, store, **changes)
        options["seed"] = options.pop("child_seed")
        return cls(**{name: v for name, v in options.items() if name not in _UNUSED})

    @property
    def space(self) -> SearchSpace[Any]:
        """The space, with its limits if it has some."""
        return self.env.space

    @property
    def remaining(self) -> float:
        """Evaluations left; ``math.inf`` if only seconds, epochs or the clock limit them."""
        return 0 if self.time_up is not None else self.env.remaining

    @property
    def time_up(self) -> TimeUp | None:
        """What the clock said if the time limit ended the session."""
        return self._ending.time_up

    @property
    def answers(self) -> Sequence[Answer]:
        """What was told so far, in order; of a run that goes on, also before it was cut."""
        return tuple(self._session.records.answers)

    def evaluate(self, proposals: Iterable[Sequence[int] | Mapping[str, Any]]) -> list[Played]:
        """Evaluate proposals as one batch, which workers share, and return an answer to each.

        Args:
            proposals: Each a whole token list, or a mapping with ``tokens`` or ``genotype`` (JSON
                data) and, to train in part, ``epochs``.

        Raises:
            InvalidTokens: Not an architecture of the space, or one that breaks limits.
            InvalidGenotype: The same of a genotype.
            InvalidOption: Not a proposal, epochs that there are not, or the session is closed.
            BudgetExceeded: More proposals than ``remaining``.
            TimeUp: The time limit is over; the session is closed. Of all the others nothing is
                evaluated, and it goes on; they say which of several proposals is wrong, from 0.
        """
        if self.closed:
            raise InvalidOption("the session is closed: go on with AskTell.resume, or a new run")
        several, wanted = list(proposals), []
        for number, proposal in enumerate(several):
            with of_several(number, len(several)):
                wanted.append(self._wanted(proposal))
        if not wanted:
            raise InvalidOption("no architecture is proposed: give one or more")
        if len(wanted) > self.remaining:
            raise BudgetExceeded(
                "the budget is spent: finish the run"
                if self.remaining == 0
                else f"{len(wanted)} architectures are proposed, and {self.remaining} evaluations "
                "are left: propose that many"
            )
        tokens, epochs = zip(*wanted, strict=True)
        try:
            return self._play(tokens, epochs)
        except (TimeUp, StoreError):
            self._end_by_error()
            raise
        except NASGymError:
            raise
        except BaseException:
            self._end_by_error()
            raise

    def choice_after(self, tokens: Iterable[int] = ()) -> Choice | None:
        """Return the choice that is open after a prefix (``Choice.tokens`` are the open ones).

        None after a whole architecture.

        Raises:
            InvalidTokens: They are no prefix of an architecture.
        """
        return self.env.choices.after(whole_or_begun(self.env.choices, tuple(tokens)))

    def result(self) -> SearchResult:
        """Return what was found so far, with ``.best(k)``."""
        return self._session.result()

    def close(self) -> None:
        """Finish the run: whoever proposes wants no more. Safe to call twice."""
        if not self.closed:
            self.closed = self._ending.content = True
            self._stack.close()

    def __enter__(self) -> Self:
        """Return the session."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish the run, as failed or interrupted if an exception ends the block."""
        if error is not None and not self.closed:
            self.closed = True
            self._stack.__exit__(kind, error, traceback)
        self.close()

    def _wanted(self, proposal: Any) -> tuple[tuple[int, ...], int | None]:
        """Return the tokens of a proposal, and how far it is to be trained."""
        if not isinstance(proposal, Mapping):
            return checked_architecture(self.space, proposal).tokens, None
        unknown = [key for key in proposal if key not in _KEYS]
        if unknown or ("tokens" in proposal) == ("genotype" in proposal):
            raise InvalidOption(
                f"a proposal has the keys {', '.join(map(str, proposal)) or 'none'}: give either "
                "tokens or genotype, and at most epochs and id beside"
            )
        epochs = proposal.get("epochs")
        if epochs is not None:
            epochs = self.env.ledger.checked_epochs(epochs)
        if "tokens" in proposal:
            return checked_architecture(self.space, proposal["tokens"]).tokens, epochs
        tokens = architecture_from_json(self.space, proposal["genotype"]).tokens
        return checked_architecture(self.space, tokens).tokens, epochs

    def _play(
        self, tokens: Sequence[tuple[int, ...]], epochs: Sequence[int | None]
    ) -> list[Played]:
        with self._session.heard():
            if all(end is None for end in epochs):
                return self.env.play(tokens)
            most = self.env.most_epochs
            return self.env.play(tokens, [most if end is None else end for end in epochs])

    def _replay(self) -> None:
        """Ask again for what the record of a run that goes on has answered."""
        for tokens, known in self._session.records.history():
            self._play([tokens], [known.epochs or None])

    def _end_by_error(self) -> None:
        """Finish the record with what is being raised."""
        import sys

        self.closed = True
        self._stack.__exit__(*sys.exc_info())


@contextmanager
def of_several(number: int, count: int) -> Iterator[None]:
    """Say of what is wrong with one of several proposals which one that is, from 0."""
    try:
        yield
    except NASGymError as error:
        if count == 1:
            raise
        raise type(error)(f"proposal {number} of 0 to {count - 1}: {error}") from error


def is_ask_tell(config: Mapping[str, Any]) -> bool:
    """Return whether the proposals of a run came from outside."""
    agent = config.get("agent")
    return isinstance(agent, Mapping) and agent.get("name") == NAME
