"""``NASBench201Table``: the trained accuracies of all 15,625 cells of NAS-Bench-201.

From Dong & Yang 2020 (arXiv 2001.00326) and Dong et al. 2021 (NATS-Bench, arXiv 2009.00437), in the
encoding of ``benchmarks/tables/make_nasbench201_table.py``; licences in ``NOTICES.md`` here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from annotated_types import Interval

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.configured import Configured
from nas_gym.evaluators.tables.digits import Digits, read_digits_table
from nas_gym.evaluators.tables.tabular import Entry, NotInTable, TabularEvaluator
from nas_gym.networks.task import Task
from nas_gym.options import OneOf
from nas_gym.search_spaces.grammar import SearchSpace, tokens_of
from nas_gym.search_spaces.nasbench201.genotype import genotype_of_string
from nas_gym.search_spaces.nasbench201.space import NASBench201

FILE = Path(__file__).with_name("nasbench201.npz")
DATASETS = ("cifar10", "cifar100", "imagenet16-120")  # of the benchmark
DIGITS = "digits"  # of nas-gym
EPOCHS = 200  # of the benchmark's trainings
SEEDS = 3  # trainings per cell at most; 7,456 cells have two


@dataclass(frozen=True)
class NASBench201Table(Configured, TabularEvaluator):
    """Validation accuracy after 200 epochs of every cell of ``NASBench201``, really trained.

    Metrics: ``accuracy`` (a fraction in [0, 1]; on CIFAR-10 of the networks trained on half of the
    training images), ``parameters``, ``multiply_adds`` (of one image; the benchmark counts the
    classifier's bias, ``nas_gym.networks.cost`` does not), ``latency`` (seconds per batch).
    ``seconds`` is what 200 epochs took. The table has no test accuracies. For 150 cells the
    benchmark's parameters are those of an equivalent cell; multiply-adds are always the cell's own.

    On ``"digits"`` the cells were trained by nas-gym itself (``nas_gym.evaluators.tables.digits``),
    for 6 epochs, with the accuracy after each: the table can be asked for a part of a training.
    Isomorphic cells, of which one was trained, have the same accuracies and seconds, and their own
    parameters and multiply-adds; there is no latency.

    Args:
        space: ``NASBench201``.
        dataset: ``"cifar10"``, ``"cifar100"``, ``"imagenet16-120"`` or ``"digits"``.
        seeds: ``"mean"``, ``"random"`` or the number of one, see ``TabularEvaluator``: 0, 1, 2 are
            the benchmark's 777, 888, 999 for the 8,169 cells that were trained three times. On
            digits there are two.

    Raises:
        UnknownName: No such data set.
        InvalidTable: The table of digits is not there.
        InvalidOption: Another space, or other seeds.
    """

    space: SearchSpace[Any] = field(default_factory=NASBench201)
    dataset: Annotated[str, OneOf((*DATASETS, DIGITS))] = "cifar10"
    seeds: Literal["mean", "random"] | Annotated[int, Interval(ge=0, le=SEEDS - 1)] = "mean"

    packaged: ClassVar[bool] = True  # reports may ask it, too: no file of the user's is read
    in_part_with: ClassVar[str] = "the data set digits (--dataset digits)"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.space, NASBench201):
            raise InvalidOption(
                f"this table knows only NAS-Bench-201's cells, not {type(self.space).__name__}: "
                "give the space nasbench201 (--space nasbench201), or another evaluator"
            )

    @property
    def protocol(self) -> dict[str, Any]:
        """All that the accuracies depend on, as JSON data."""
        digits = {} if self._digits is None else {"fingerprint": self._digits.fingerprint}
        return {"evaluator": "nasbench201", "dataset": self.dataset, "seeds": self.seeds, **digits}

    @property
    def networks_task(self) -> Task:
        """What the networks of the table were built for."""
        if self._digits is not None:
            return Task(channels=1, height=8, width=8, classes=10, repeats=2, filters=4)
        return benchmark_task(self.dataset)

    @property
    def most_epochs(self) -> int | None:
        """The epochs of the curves; None but for digits."""
        return None if self._digits is None else self._digits.epochs

    @property
    def whole_epochs(self) -> int:
        """The epochs of the trainings, whether there are curves of them or not."""
        return self.most_epochs or EPOCHS

    @property
    def last_counted(self) -> int:
        """How many of a training's last epochs the accuracy is the best of."""
        return 1 if self._digits is None else self._digits.counted

    @property
    def gives(self) -> tuple[str, ...]:
        """The names of all metrics."""
        return ("accuracy", *next(iter(self._table.entries.values())).metrics)

    def entry(self, tokens: tuple[int, ...]) -> Entry:
        """Return what is known of one cell; raise NotInTable for tokens of which nothing is."""
        try:
            return self._table.entries[tokens]
        except KeyError:
            if tokens in self._table.indices:
                raise NotInTable(f"the cell {tokens} was not trained on {self.dataset}") from None
            raise NotInTable(f"{tokens} are not the tokens of a cell") from None

    def index_of(self, tokens: tuple[int, ...]) -> int:
        """Return the cell's official index, in [0, 15625); raise KeyError for other tokens."""
        return self._table.indices[tokens]

    def tokens_at(self, index: int) -> tuple[int, ...]:
        """Return the cell with an official index; raise IndexError beyond 15,624."""
        return list(self._table.indices)[index]

    def ranking(self) -> Iterator[tuple[tuple[int, ...], float]]:
        """Yield all cells with their mean validation accuracies, best first."""
        means = {tokens: self.mean_accuracy(tokens) for tokens in self._table.entries}
        yield from sorted(means.items(), key=lambda item: -item[1])  # stable: by index

    @cached_property
    def _table(self) -> "_Table":
        if self._digits is None:
            return _read(self.dataset)
        with np.load(FILE, allow_pickle=False) as arrays:
            cells = list(map(tuple, arrays["cells"].tolist()))
        return _Table(self._digits.entries(cells), dict(zip(cells, range(len(cells)), strict=True)))

    @cached_property
    def _digits(self) -> Digits | None:
        return read_digits_table() if self.dataset == DIGITS else None


def benchmark_task(dataset: str) -> Task:
    """Return what the benchmark's networks were built for: N = 5, C = 16, images and classes."""
    classes = {"cifar100": 100, "imagenet16-120": 120}.get(dataset, 10)
    side = 16 if dataset == "imagenet16-120" else 32
    return Task(channels=3, height=side, width=side, classes=classes, repeats=5, filters=16)


class _Table(NamedTuple):
    """The cells of one data set, in the official index order."""

    entries: dict[tuple[int, ...], Entry]
    indices: dict[tuple[int, ...], int]


def _read(dataset: str) -> _Table:
    with np.load(FILE, allow_pickle=False) as arrays:
        codes = arrays["cells"]
        classifier = {"cifar10": 0, "cifar100": 5_850, "imagenet16-120": 7_150}[dataset]
        convolutions = 243_040 * (codes == 3).sum(1) + 28_000 * (codes == 2).sum(1)
        parameters = 73_306 + classifier + convolutions
        # The benchmark has the parameters of an equivalent cell for these.
        parameters[arrays["exceptions"]] += arrays["exceptions.parameters"]
        seconds = arrays["cifar10.seconds"] * np.float32(arrays[f"{dataset}.seconds_ratio"])
        accuracies = arrays[f"{dataset}.right"] / arrays[f"{dataset}.images"]
        latencies = arrays[f"{dataset}.latency"]
    cells = list(map(tuple, codes.tolist()))
    columns = (column.tolist() for column in (accuracies, seconds, parameters, latencies))
    entries = {}
    for tokens, (first, second, third), seconds_, count, latency in zip(
        cells, *columns, strict=True
    ):
        entries[tokens] = Entry(
            (first, second, third) if third else (first, second),  # 0: there is no third
            seconds_,
            {
                "parameters": count,
                "multiply_adds": multiply_adds(tokens, dataset),
                "latency": latency,
            },
        )
    return _Table(entries, dict(zip(cells, range(len(cells)), strict=True)))


def multiply_adds(tokens: tuple[int, ...], dataset: str = "cifar10") -> int:
    """Count the multiply-adds of one image in convolutions and classifier: official "FLOPs"."""
    convolutions = 35_389_440 * tokens.count(3) + 3_932_160 * tokens.count(2)
    if dataset == "imagenet16-120":  # 16 x 16 pixels
        return (7_782_400 + convolutions) // 4 + 7_800
    return 7_783_050 + convolutions + (5_850 if dataset == "cifar100" else 0)


def tokens_of_string(text: str) -> tuple[int, ...]:
    """Return the tokens of an architecture string; raise InvalidGenotype if it is none."""
    return tokens_of(NASBench201(), genotype_of_string(text))
