"""The evaluator ``zero-cost``: architectures are ranked by proxies, and nothing is trained."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from nas_gym.errors import InvalidOption, StoreError
from nas_gym.evaluators.configured import Configured
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.failures import ends_the_process, failed
from nas_gym.evaluators.metrics import ZERO_COST
from nas_gym.evaluators.proxies.names import ALIVE, AZ_NAS, UNSCORED, Proxies, ProxyName, values_for
from nas_gym.evaluators.proxies.ranking import POOL, PoolSize, Ranking
from nas_gym.evaluators.proxies.ranks import is_score
from nas_gym.evaluators.proxies.scorer import (
    Draws,
    Images,
    Scorer,
    ScorerSeed,
    check_builds_for_images,
    task_for,
)
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.networks.task import Task
from nas_gym.options.counts import Pixels, Threads
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.search_spaces.grammar import NetworkSpace

if TYPE_CHECKING:
    from nas_gym.training.images.sources import Dataset

# Fields of a task that follow from a data set, where one is given.
_OF_DATA = ("channels", "height", "width", "classes")


@dataclass(frozen=True)
class ZeroCost(Configured):
    """An evaluator that scores untrained networks by zero-cost proxies.

    Metrics: ``zero_cost``, which leads, in (0, 1]: the geometric mean, over the parts of ``score``,
    of rank / n in a fixed pool of random architectures (AZ-NAS's sum of log(rank / n) orders in the
    same way); every value of ``proxies`` (of ``"az-nas"`` its parts, and ``az_nas``, its own
    geometric mean); and ``unscored``, how many of these values have the lowest rank because they
    are no finite numbers, or because its output is none, or is the same for all images: then all
    have, and only what it costs is given. A network that cannot be built or run is a failure.

    The child's seed says nothing here: the initial weights are those of ``seed``, so that the same
    architecture has the same metrics in every run.

    Args:
        space: A space with ``build(genotype, task)``, for images.
        dataset: A name, a path or a ``Dataset``, as of the evaluator ``training``: networks are
            then those that it would train, and ``nwot``, ``jacov``, ``zico``, ``grad_norm`` and
            ``snip`` see its images; None: Gaussian images with random labels.
        recipe: As of ``training``: the size of the networks. With a data set the space's usual one
            by default; without one networks are of the space's usual task.
        task: Fields of the task that differ from it, e.g. ``{"repeats": 1, "filters": 8}``; without
            a data set also ``channels``, ``height``, ``width`` and ``classes``.
        proxies: Those that are computed, from ``PROXIES``.
        score: The proxy, or several, by which architectures are compared.
        pool: Architectures of the pool, >= 1; each costs as much as a child, once per process that
            begins a search.
        images: Of a batch, >= 2.
        draws: Draws of weights and images, >= 1; values are means over them.
        seed: Of weights, images and pool, >= 0.
        folder: Where a named data set lies.
        download: Whether a named data set may be downloaded.
        image_size: Side in pixels of a folder's images, >= 1.
        threads: Torch threads, >= 1.
        device: ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
        cache: A file in which values are kept, shared by any number of searches.

    Raises:
        InvalidSpace: A space without networks for images.
        InvalidOption: A value that an option does not take.
        UnknownName: No such proxy, recipe, or field of a task.
        StoreError: ``cache`` cannot be read or written, when it is used.
    """

    space: NetworkSpace[Any]
    dataset: "str | Dataset | None" = None
    recipe: Any = None
    task: Mapping[str, Any] | None = None
    proxies: Proxies = (AZ_NAS, "synflow", "parameters")
    score: ProxyName | Proxies = AZ_NAS
    pool: PoolSize = POOL
    images: Images = 32
    draws: Draws = 1
    seed: ScorerSeed = 0
    folder: str | Path | None = None
    download: bool = False
    image_size: Pixels | None = None
    threads: Threads = 1
    device: str = "cpu"
    cache: str | Path | None = None

    stateful = False
    noise_free = True  # weights and images are drawn from a seed of its own
    leading_metric = ZERO_COST
    usual_reward: ClassVar[Mapping[str, Any]] = {"name": "metric", "metric": ZERO_COST.name}

    def __post_init__(self) -> None:
        super().__post_init__()
        check_builds_for_images(self.space)
        for option in ("folder", "download", "image_size"):
            if self.dataset is None and getattr(self, option) not in (None, False):
                raise InvalidOption(
                    f"{option} is {getattr(self, option)!r}, but there is no data set: give one "
                    "with dataset, or leave it out"
                )
        trainer = self._trainer
        for name in ("dataset", "folder"):  # as they are recorded
            if trainer is not None and self.dataset is not None:
                object.__setattr__(self, name, getattr(trainer, name))
        given = [name for name in _OF_DATA if name in (self.task or {})]
        if self.dataset is not None and given:
            raise InvalidOption(
                f"task has {', '.join(given)}, which the data set says: leave that out"
            )
        task_for(self.space, self.task)

    @property
    def leads(self) -> tuple[str, ...]:
        """The proxies by which architectures are compared."""
        return (self.score,) if isinstance(self.score, str) else self.score

    @property
    def gives(self) -> tuple[str, ...]:
        """The names of its metrics."""
        own = (ZERO_COST.name, *values_for((*self.proxies, *self.leads)), UNSCORED)
        return (*own, *(("az_nas",) if AZ_NAS in self.proxies else ()))

    @property
    def protocol(self) -> dict[str, Any]:
        """All that the metrics depend on, as JSON data."""
        return {
            "evaluator": "zero-cost",
            **self.scorer.protocol,
            "proxies": list(self.proxies),
            "score": list(self.leads),
            "pool": self.pool,
            "threads": self.threads,
        }

    @property
    def networks_task(self) -> Task:
        """What the networks are built for."""
        return self.scorer.networks_task

    @cached_property
    def scorer(self) -> Scorer:
        """What computes the proxies."""
        return Scorer(
            self.space,
            tuple(dict.fromkeys((*self.proxies, *self.leads))),
            self.task,
            self.images,
            self.seed,
            self.draws,
            self.threads,
            self.device,
            self.cache,
            base=self._base,
            data=None if self.dataset is None else self._data,
        )

    def settle(self) -> None:
        """Score the pool; pickles and copies of this evaluator then know it.

        Raises:
            InvalidDataset: The data cannot be read.
            InvalidOption: No network of the pool can be built and run, or there is no such device.
        """
        vars(self).setdefault("pool_values", None)
        if vars(self)["pool_values"] is None:
            vars(self)["pool_values"] = [dict(v) for v in self.scorer.random_pool(self.pool)]

    def lend_data(self) -> None:
        """Put the decoded images of a folder where pickles of this evaluator map them."""
        if self.dataset is not None and self._trainer is not None:
            self._trainer.lend_data()

    def __getstate__(self) -> dict[str, Any]:
        """Return the options, and the pool's values and who has the data if they are known."""
        lends = "lent" in vars(vars(self).get("_trainer") or self)
        names = ("pool_values", *(("_trainer",) if lends else ()))
        known = {n: value for n, value in vars(self).items() if n in names}
        return super().__getstate__() | known

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        """Score one network after the other, in this process; ``source`` is ``"proxy"``."""
        del seeds
        if architectures:
            self.settle()
        for architecture in architectures:
            start = time.perf_counter()
            try:
                metrics = self._metrics(architecture)
            except StoreError:  # of the file of values: no fault of the child
                raise
            except (Exception, SystemExit) as error:  # whatever a child does wrong is its result
                if ends_the_process(error):
                    raise
                yield failed(architecture, error, time.perf_counter() - start)
                continue
            seconds = time.perf_counter() - start
            yield Evaluation(architecture, metrics, seconds, "proxy", detail=_said(metrics))

    def close(self) -> None:
        """Take back the data that is lent."""
        if "_trainer" in vars(self) and self._trainer is not None:
            self._trainer.close()

    @cached_property
    def _ranking(self) -> Ranking:
        return Ranking(self.scorer, vars(self)["pool_values"])

    @cached_property
    def _trainer(self) -> TrainingEvaluator | None:
        """Who knows data, recipe and task; None if neither data nor recipe is given."""
        if self.dataset is None and self.recipe is None:
            return None
        return TrainingEvaluator(
            self.space,
            "digits" if self.dataset is None else self.dataset,
            self.recipe,
            folder=self.folder,
            download=self.download,
            image_size=self.image_size,
        )

    @property
    def _data(self) -> Any:
        assert self._trainer is not None
        self._trainer.settle()
        return self._trainer.data

    @property
    def _base(self) -> Task | None:
        """The task of the recipe, for the data set's images or for those of the usual task."""
        if self._trainer is None:
            return None
        if self.dataset is not None:
            self._trainer.settle()
            return self._trainer.task
        usual = task_for(self.space)
        sizes = {name: getattr(usual, name) for name in _OF_DATA}
        return replace(self._trainer.named_recipe.task(1, 1, 1, 2), **sizes)

    def _metrics(self, architecture: Architecture[Any]) -> dict[str, float]:
        values = dict(self.scorer.values(architecture))
        metrics = {ZERO_COST.name: self._ranking.score(values, self.leads)}
        if AZ_NAS in self.proxies:
            metrics["az_nas"] = self._ranking.score(values, (AZ_NAS,))
        alive = is_score(values.pop(ALIVE))
        known = {name: value for name, value in values.items() if is_score(value)}
        return metrics | known | {UNSCORED: float(len(values) - alive * len(known))}


def _said(metrics: Mapping[str, float]) -> str | None:
    """Return the sentence about what could not be scored; None if all could."""
    count = int(metrics[UNSCORED])
    if not count:
        return None
    return (
        f"{count} value{'s'[: count != 1]} of its network could not be computed or do not count "
        "(its output is the same for all images, or no finite number): the lowest rank"
    )
