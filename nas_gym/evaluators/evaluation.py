"""The contracts of a result and of an evaluator."""

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, NamedTuple, Protocol, runtime_checkable

from nas_gym.errors import InvalidOption
from nas_gym.registry import unwrapped
from nas_gym.search_spaces.architecture import Architecture

MOST_EPOCHS = "most_epochs"  # of evaluators that train in part, and where a run records it
IN_EVERY_INFO = ("accuracy", "parameters", "multiply_adds")  # numbers, whatever is measured


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The judgement on one architecture, by validation figures only: no test figure belongs here.

    Args:
        architecture: What was evaluated; every result carries it.
        metrics: ``accuracy`` (validation, a fraction in [0, 1]), ``parameters`` (trainable),
            ``multiply_adds`` (of one example), and any others; empty after a failure.
        seconds: Wall time that the evaluation took, >= 0.
        source: ``"trained"``, ``"table"``, ``"memo"`` (answered without the evaluator), …
        failure: Why there is no accuracy: ``"diverged"``, ``"timeout"``, ``"out of memory"``,
            ``"crashed"`` or ``"error: …"``; else None.
        detail: More about a failure, for people: the last lines of a traceback, the signal that
            ended a process; None if there is nothing to add.
        epochs: How far the child was trained, if that was less than a whole training; else 0.
        curve: Value of the leading metric after each epoch, if the evaluator keeps it; else empty.
    """

    architecture: Architecture[Any]
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    source: str = "trained"
    failure: str | None = None
    detail: str | None = None
    epochs: int = 0
    curve: tuple[float, ...] = ()

    @property
    def accuracy(self) -> float | None:
        """Validation accuracy, a fraction in [0, 1]; None after a failure."""
        return self.metrics.get("accuracy")

    def to_info(self) -> dict[str, Any]:
        """Return the ``evaluation`` dict of an episode's final ``info``.

        Numbers are floats, and NaN where there is none: other libraries put them into arrays.
        ``epochs`` is there if the child was trained in part.
        """
        return {
            **({"epochs": float(self.epochs)} if self.epochs else {}),
            **dict.fromkeys(IN_EVERY_INFO, math.nan),
            **{name: float(value) for name, value in self.metrics.items()},
            "seconds": float(self.seconds),
            "source": self.source,
            "failure": self.failure,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class Validation:
    """One more training of an architecture that a search found, measured on the test part as well.

    This is the only result with a test figure: it exists after the search, and no agent sees it.

    Args:
        key: Canonical key of the architecture.
        tokens: The architecture's tokens.
        seed: Of this training; none that the search used.
        accuracy: Validation accuracy, a fraction in [0, 1]; None after a failure.
        test_accuracy: Accuracy on the test part, a fraction in [0, 1]; None after a failure.
        seconds: Wall time of the training, >= 0.
        failure: Why there is no accuracy, else None.
        detail: More about a failure, for people.
        protocol: What it was trained on and how: JSON data, as ``TrainingEvaluator.protocol``.
        metrics: Of language models: ``perplexity``, ``bits_per_character``, ``test_perplexity``,
            ``test_bits_per_character``; empty after a failure.
    """

    key: str
    tokens: tuple[int, ...]
    seed: int
    accuracy: float | None
    test_accuracy: float | None
    seconds: float
    failure: str | None
    detail: str | None
    protocol: Mapping[str, Any]
    metrics: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Evaluator(Protocol):
    """The part that says HOW GOOD architectures are.

    ``stateful`` is True if a later answer may differ from an earlier one (a noisy landscape,
    shared weights): its answers are then never given from the memo.

    An evaluator that has ``noise_free`` says whether an architecture has the same metrics whatever
    the child's seed: True of a landscape without noise, False of trainings, also of a table with
    one training an architecture, whose luck repeats do not show. Without it agents go by repeats,
    see ``nas_gym.agent.Observed``.

    An evaluator may also have a property ``protocol``: JSON data that names all that its answers
    depend on besides space, architecture and seed (data set, recipe, …). Runs in one store share
    what they evaluate if it is equal; without it a run shares with no other. If it has ``gives``,
    the names of all its metrics, a reward that ``needs`` another one is refused before anything is
    evaluated. A ``stateful`` evaluator is held by one process, unless it has ``seeded = True``:
    what differs between its answers follows from the seeds alone.

    An evaluator that can train several children at once, without being waited for, has a method
    ``submit(architecture, seed, fidelity) -> Future`` as well; those that are spread over workers
    or an executor have it, and ``nas_gym.evaluators.submit`` asks any.

    An evaluator with a method ``settle()`` is told by it to find what concerns all children, or to
    raise a ``NASGymError``: before the first episode (unless ``built_in_data`` is True: of that
    nothing can be missing), and before it is sent to other processes, where copies are to find the
    same. Whatever it loads then it need not load later. After that,
    one with a method ``lend_data()`` may put it where its pickles find it, until ``close``.

    An evaluator with ``in_this_process = True`` is never spread over workers: it holds something
    that is there once, and none of the limits of workers apply to it. When a search has spent its
    budget its ``discard()``, if it has one, lets go of what was kept to go on with. If it is
    stateful and has a method ``replayed(architecture, seed)``, that is called for each request that
    is answered from a record, in their order, before anything is asked anew, and it is asked for
    one architecture at a time, in the order of the requests: so that its state is what it was.

    An evaluator that can train a child in part has a property ``most_epochs``, the epochs of a
    whole training, and ``evaluate`` takes ``fidelities`` as well: one ``Fidelity`` per
    architecture. It is given only when children are trained in part. The metrics are those after
    that epoch, ``seconds`` those of the new epochs, and a child that goes on, or is trained at
    once, comes to the same.
    """

    @property
    def stateful(self) -> bool:
        """Whether the same architecture and seed may get another answer later."""

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        """Yield one evaluation per architecture, in any order, as they finish.

        ``seeds`` has one child seed per architecture, in [0, 2**31). It never raises because one
        child is bad: that is an ``Evaluation`` with its ``failure``. (If it does raise, it is asked
        again for one child at a time, and those for which it raises have failed.)
        """

    def close(self) -> None:
        """Release processes and files. Safe to call twice."""


def rank(epochs: int, reward: float) -> tuple[float, float]:
    """Return what sorts answers, best first: who was trained further, then the higher reward.

    Args:
        epochs: Of the training; 0: all.
        reward: Of the answer.
    """
    return -(epochs or math.inf), -reward


def keeps_state(evaluator: Any) -> bool:
    """Return whether an evaluator's answers depend on what it was asked before.

    Copies of it in several processes would then each have a state of their own.
    """
    return not getattr(evaluator, "seeded", False) and bool(evaluator.stateful)


def noise_free(evaluator: Any) -> bool | None:
    """Return whether an evaluator's answers have no noise; None if it does not say."""
    said: bool | None = getattr(unwrapped(evaluator), "noise_free", None)
    return said


def settle_evaluator(evaluator: Any) -> None:
    """Let an evaluator find its data and the like now, if it has a method for that."""
    settle = getattr(evaluator, "settle", None)
    if callable(settle):
        settle()


def stays_here(evaluator: Any) -> bool:
    """Return whether an evaluator is never spread over workers: a table, shared weights."""
    return any(getattr(evaluator, name, False) for name in ("instant", "in_this_process"))


class Fidelity(NamedTuple):
    """A part of a child's training."""

    epochs: int = 0  # up to the end of this one, counted from 1; 0: the whole training
    begun: int = 0  # epochs that this search has had of it, with which the child goes on


WHOLE = Fidelity()
ChildKey = tuple[str, int, int]  # canonical key, child seed, epochs (0: all)


class Job(NamedTuple):
    """A training that is needed: its architecture, its child seed, and how far."""

    architecture: Architecture[Any]
    seed: int
    fidelity: Fidelity = WHOLE

    @property
    def child(self) -> ChildKey:
        """What its answer follows from, beside the evaluator."""
        return self.architecture.key, self.seed, self.fidelity.epochs


def jobs_of(
    architectures: Sequence[Architecture[Any]],
    seeds: Sequence[int],
    fidelities: Sequence[Fidelity] | None,
) -> list[Job]:
    """Return what an evaluator is asked for, by child."""
    whole = [WHOLE] * len(seeds) if fidelities is None else fidelities
    return [Job(*each) for each in zip(architectures, seeds, whole, strict=True)]


def asked(evaluator: Evaluator, jobs: Sequence[Job]) -> Iterator[Evaluation]:
    """Return what an evaluator answers to jobs, at least one; it hears of parts if there are some.

    Whatever ``evaluate`` returns comes back: it may be no iterator.
    """
    architectures, seeds, fidelities = zip(*jobs, strict=True)
    evaluate: Any = evaluator.evaluate
    if set(fidelities) == {WHOLE}:
        return evaluate(architectures, seeds)  # type: ignore[no-any-return]
    return evaluate(architectures, seeds, fidelities=fidelities)  # type: ignore[no-any-return]


def submit(
    evaluator: Evaluator, architecture: Architecture[Any], seed: int, fidelity: Fidelity = WHOLE
) -> "Future[Evaluation]":
    """Return the future of one child, of the standard library's kind.

    An evaluator that has ``submit(architecture, seed, fidelity)`` itself trains it meanwhile: one
    that is spread over workers or an executor. All others answer now, in this process.

    Args:
        evaluator: Any.
        architecture: What is asked for.
        seed: Of the child, in [0, 2**31).
        fidelity: The part of its training.
    """
    own = getattr(evaluator, "submit", None)
    if own is not None:
        future: Future[Evaluation] = own(architecture, seed, fidelity)
        return future
    future = Future()
    try:
        (evaluation,) = asked(evaluator, [Job(architecture, seed, fidelity)])
    except Exception as error:
        future.set_exception(error)
    else:
        future.set_result(evaluation)
    return future


def most_epochs(
    evaluator: Any, why: str = "", otherwise: str = "ask for no number or budget of epochs"
) -> int:
    """Return the epochs of a whole training.

    Args:
        evaluator: Its ``in_part_with``, if it has one, says under which options it can.
        why: What asks for parts of trainings, as the message begins.
        otherwise: What else can be done, as the message ends.

    Raises:
        InvalidOption: The evaluator cannot train children in part.
    """
    asked = unwrapped(evaluator)
    most = getattr(asked, MOST_EPOCHS, None)
    if most is None:
        own = getattr(asked, "in_part_with", None)
        raise InvalidOption(
            f"{why}the evaluator {type(asked).__name__} cannot train in part: "
            f"give {'' if own is None else f'it {own}, or '}one that can, such as 'training', a "
            f"table with curves, or 'landscape' with the option epochs; or {otherwise}"
        )
    return int(most)


def all_epochs(evaluator: Any) -> int:
    """Return the epochs of a whole training, whether it can be had in part or not; 0: not known.

    A table without curves may say in ``whole_epochs`` how long its trainings were.
    """
    evaluator = unwrapped(evaluator)
    said = (getattr(evaluator, name, None) for name in (MOST_EPOCHS, "whole_epochs"))
    known = (int(epochs) for epochs in said if isinstance(epochs, Integral) and int(epochs) >= 1)
    return next(known, 0)


def epochs_recorded(evaluator: Any) -> dict[str, int]:
    """Return the epochs of a whole training as an entry of a record; none if nobody knows."""
    epochs = all_epochs(evaluator)
    return {MOST_EPOCHS: epochs} if epochs else {}
