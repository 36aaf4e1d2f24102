"""Synthetic landscapes: accuracies that cost nothing, for tests and for tuning agents."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt, Interval

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.configured import Configured
from nas_gym.evaluators.evaluation import Evaluation, Fidelity, jobs_of
from nas_gym.options import Options
from nas_gym.registry import check_part
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.search_spaces.grammar import Choice, SearchSpace, next_choice, trace

_Fraction = Annotated[float, Interval(ge=0, le=1)]


class _Term(NamedTuple):
    """The cost of one choice, or of a pair of choices."""

    first: int  # position of a choice on the path
    second: int  # position of the other; equal to ``first`` for a single choice
    penalties: list[list[float]]  # [token of first][token of second], >= 0


class _Path(NamedTuple):
    """All terms of the architectures that answer the same choices."""

    terms: tuple[_Term, ...]
    typical: float  # mean penalty of uniformly random tokens


@dataclass(frozen=True)
class Landscape(Configured):
    """An evaluator for any space: effects of single choices and of pairs of choices.

    Every choice has a good option, and every other option costs a random penalty; some choices
    matter much and most little (exponentially distributed importance). A penalty of another kind
    falls on pairs: a choice and one made earlier on the same path. With ``p`` the sum of all
    penalties and ``typical`` its mean over random tokens, ``accuracy = best - (best - middling) *
    (p / typical) ** exponent``: random architectures lie around ``middling``, with a tail of bad
    ones, and gains grow scarce towards ``best``, which only ``reference`` is sure to reach.

    A landscape follows names and tokens, so designs that share a canonical key may differ in it.

    Args:
        space: The space of the architectures.
        seed: Another seed is another landscape; >= 0.
        interactions: How much a pair matters compared with a single choice, >= 0; 0: separable.
        noise: Standard deviation of normal noise on the accuracy, >= 0, drawn from the child's
            seed.
        best: Accuracy of ``reference`` without noise, at most 1; the global maximum.
        middling: Accuracy of an architecture with the average penalty, >= 0 and below ``best``.
        exponent: How scarce gains grow towards ``best``, > 0: the larger, the more architectures
            are almost as good as the best.
        fresh_noise: Whether a repeated request draws new noise, as another training would (then
            the landscape is ``stateful``).
        epochs: Of a whole training, >= 1, each of which takes a simulated second; then children
            can be trained in part: see ``accuracy_after``. None: they take no time.
        curve_noise: Standard deviation of what the first epoch says of the last one, >= 0; it falls
            with the square root of the epochs that are left.
    """

    space: SearchSpace[Any]
    seed: Annotated[int, Ge(0)] = 0
    interactions: Annotated[float, Ge(0)] = 0.5
    noise: Annotated[float, Ge(0)] = 0.0
    best: _Fraction = 0.98
    middling: _Fraction = 0.88
    exponent: Annotated[float, Gt(0)] = 3.0
    fresh_noise: bool = False
    epochs: Annotated[int, Interval(ge=1, le=10**6)] | None = None
    curve_noise: Annotated[float, Ge(0)] = 0.02

    seeded = True

    @property
    def stateful(self) -> bool:
        """Whether a repeat gets new noise."""
        return self.fresh_noise

    @property
    def noise_free(self) -> bool:
        """Whether there is no noise, after a whole training."""
        return self.noise == 0

    @property
    def protocol(self) -> dict[str, Any]:
        """All that the accuracies depend on besides space, architecture and seed, as JSON data."""
        names = ["seed", "interactions", "noise", "best", "middling", "exponent"]
        if self.epochs is not None:
            names += ["epochs", "curve_noise"]
        return {"evaluator": "landscape", **{name: getattr(self, name) for name in names}}

    @property
    def most_epochs(self) -> int | None:
        """The epochs of a whole training; None if there are no parts."""
        return self.epochs

    def __post_init__(self) -> None:
        super().__post_init__()
        check_part("space", self.space)
        if self.middling >= self.best:
            raise InvalidOption(f"middling is {self.middling}: give less than best, {self.best}")

    def evaluate(
        self,
        architectures: Sequence[Architecture[Any]],
        seeds: Sequence[int],
        fidelities: Sequence[Fidelity] | None = None,
    ) -> Iterator[Evaluation]:
        """Yield one evaluation per architecture, in order, with the metric ``accuracy``."""
        for architecture, seed, part in jobs_of(architectures, seeds, fidelities):
            accuracy = self.accuracy(architecture.tokens)
            if self.noise:
                accuracy += self.noise * float(np.random.default_rng(seed).standard_normal())
            seconds = 0.0
            if self.epochs is not None:
                end = part.epochs or self.epochs
                accuracy = self.accuracy_after(end, accuracy, seed)
                seconds = float(end - part.begun)
            metrics = {"accuracy": min(1.0, max(0.0, accuracy))}
            yield Evaluation(architecture, metrics, seconds, source="landscape")

    def accuracy_after(self, epoch: int, final: float, seed: int) -> float:
        """Return the accuracy of a child after an epoch, on its way to the final one.

        With ``t`` the share of the epochs that are over, it is ``final * (1 - exp(-3 t)) / (1 -
        exp(-3))``, and a random walk beside it that ends at 0: noise that what is already trained
        brings along, so that two children may change their order.

        Args:
            epoch: From 1 to ``epochs``.
            final: Its accuracy after all epochs.
            seed: Of the child.
        """
        assert self.epochs is not None
        share = epoch / self.epochs
        risen = final * math.expm1(-3 * share) / math.expm1(-3)
        steps = np.random.default_rng([seed, self.epochs]).standard_normal(self.epochs)
        left = self.curve_noise / math.sqrt(max(1, self.epochs - 1))
        return risen + left * float(steps[epoch:].sum())

    def close(self) -> None:
        """Release nothing: nothing is held."""

    def accuracy(self, tokens: Sequence[int]) -> float:
        """Return the accuracy of ``tokens`` without noise, in [0, ``best``]."""
        path = self._path(trace(self.space, tokens)[1])
        penalty = sum(t.penalties[tokens[t.first]][tokens[t.second]] for t in path.terms)
        relative = penalty / path.typical if path.typical else 0.0
        return max(0.0, self.best - (self.best - self.middling) * float(relative**self.exponent))

    @property
    def reference(self) -> tuple[int, ...]:
        """The tokens without any penalty: no architecture is better."""
        tokens: list[int] = []
        while (choice := next_choice(self.space, tokens)) is not None:
            tokens.append(self._good(choice))
        return tuple(tokens)

    @cached_property
    def _paths(self) -> dict[tuple[tuple[str, int], ...], _Path]:
        """The terms of each sequence of choices that was asked for, by names and sizes."""
        return {}

    def _path(self, choices: Sequence[Choice]) -> _Path:
        shape = tuple((choice.name, len(choice.options)) for choice in choices)
        if shape not in self._paths:
            tables = [self._single(c, i) for i, c in enumerate(choices)]
            tables += [self._pair(choices, i) for i in range(1, len(choices)) if self.interactions]
            terms = tuple(_Term(i, j, table.tolist()) for i, j, table in tables)
            # A single choice's table is constant along its second axis.
            typical = sum(float(table.mean()) for _, _, table in tables)
            self._paths[shape] = _Path(terms, typical)
        return self._paths[shape]

    def _single(self, choice: Choice, i: int) -> tuple[int, int, npt.NDArray[np.float64]]:
        count = len(choice.options)
        rng = self._rng(choice.name, str(count))
        penalties = _penalties(rng, (count,), (self._good(choice),))
        return i, i, np.repeat(penalties[:, None], count, axis=1)

    def _pair(self, choices: Sequence[Choice], i: int) -> tuple[int, int, npt.NDArray[np.float64]]:
        """Draw the penalties of choice ``i`` with a random earlier one."""
        later = choices[i]
        j = int(self._rng(later.name, "partner").integers(i))
        earlier = choices[j]
        rng = self._rng(earlier.name, later.name)
        shape = (len(earlier.options), len(later.options))
        penalties = _penalties(rng, shape, (self._good(earlier), self._good(later)))
        return j, i, self.interactions * penalties

    def _good(self, choice: Choice) -> int:
        count = len(choice.options)
        return int(self._rng(choice.name, str(count), "good").integers(count))

    def _rng(self, *names: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, *(crc32(name.encode()) for name in names)])


def tuning_landscape(space: SearchSpace[Any], seed: int) -> Landscape:
    """Return a landscape for tuning the defaults of agents on small noisy benchmarks.

    Range, scarcity of good cells and noise are roughly those of NAS-Bench-201 on CIFAR-10; which
    cells are good has nothing to do with it. A repeated request gets new noise.

    Args:
        space: Whose landscape it is.
        seed: >= 1000 for tuning.
    """
    return Landscape(
        space,
        seed,
        interactions=1.5,
        noise=0.0011,
        best=0.916,
        middling=0.873,
        exponent=1.5,
        fresh_noise=True,
    )


def _penalties(
    rng: np.random.Generator, shape: tuple[int, ...], good: tuple[int, ...]
) -> npt.NDArray[np.float64]:
    """Draw normal effects, as their distance from the best, which stands at ``good``."""
    effects = rng.standard_normal(shape)
    top = np.unravel_index(effects.argmax(), shape)
    effects[top], effects[good] = effects[good], effects[top]
    return rng.exponential() * np.asarray(effects.max() - effects)


@dataclass(frozen=True)
class BitCount(Options):
    """The toy problem of Real et al.'s notebook, for ``nas_gym.testing.BitString``.

    Accuracy is the fraction of ones plus normal noise, clipped to [0, 1]. Each evaluation draws
    new noise (from the child's seed, which is new each time), so the evaluator is ``stateful``.

    Args:
        noise: Standard deviation of the noise, >= 0.
    """

    noise: Annotated[float, Ge(0)] = 0.01

    stateful = True
    seeded = True

    @property
    def noise_free(self) -> bool:
        """Whether there is no noise."""
        return self.noise == 0

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        """Yield one evaluation per architecture, in order, with the metric ``accuracy``."""
        for architecture, seed in zip(architectures, seeds, strict=True):
            ones = sum(architecture.tokens) / len(architecture.tokens)
            noise = self.noise * float(np.random.default_rng(seed).standard_normal())
            accuracy = min(1.0, max(0.0, ones + noise))
            yield Evaluation(architecture, {"accuracy": accuracy}, source="landscape")

    def close(self) -> None:
        """Release nothing: nothing is held."""
