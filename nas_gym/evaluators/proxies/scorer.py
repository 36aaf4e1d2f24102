"""Proxies of the architectures of a space: which network is built, what it is shown, what is kept.

Torch is imported when the first network is built.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Interval

from nas_gym.errors import InvalidOption, InvalidSpace, StoreError
from nas_gym.evaluators.configured import Configured
from nas_gym.evaluators.failures import ends_the_process, failure_of
from nas_gym.evaluators.proxies.cache import ValueCache
from nas_gym.evaluators.proxies.names import ALIVE, AZ_NAS, Proxies, values_for
from nas_gym.evaluators.proxies.ranks import is_score
from nas_gym.networks.task import LanguageTask, Task, task_to_json
from nas_gym.options import check_all
from nas_gym.options.counts import Threads
from nas_gym.options.paths import user_path
from nas_gym.registry import spec_of
from nas_gym.search_spaces.architecture import Architecture, architecture_of
from nas_gym.search_spaces.grammar import NetworkSpace
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.training.preparation import telling

if TYPE_CHECKING:
    import torch

    from nas_gym.evaluators.proxies.compute import Inputs

VERSION = 3  # of the definitions: what was kept under another one counts no more
COSTS = ("parameters", "multiply_adds")  # known of networks without a path to the output as well
POOL_STREAM = 201  # of a seed: the reference pool is drawn apart from all else
USUAL = Task(channels=3, height=32, width=32, classes=10)  # N = 1, F = 8

Images = Annotated[int, Interval(ge=2, le=4096)]
Draws = Annotated[int, Interval(ge=1, le=1000)]
ScorerSeed = Annotated[int, Interval(ge=0, le=2**31 - 1 - 1000)]  # a draw adds its number


def check_builds_for_images(space: Any) -> None:
    """Raise InvalidSpace, one sentence, for a space whose networks are not for images."""
    name = type(space).__name__
    if not callable(getattr(space, "build", None)):
        raise InvalidSpace(
            f"{name} has no networks to score: give it a method build(genotype, task) that returns "
            "one for images, or leave proxies out"
        )
    of_text = isinstance(getattr(space, "usual_task", None), LanguageTask)
    if of_text or getattr(space, "usual_evaluator", None) == "language-model":
        raise InvalidSpace(
            f"{name} builds language models, and proxies score networks for images: choose another "
            "space, or leave proxies out"
        )


def task_for(space: Any, given: Mapping[str, Any] | None = None, base: Task | None = None) -> Task:
    """Return the task that networks are built for, without dropout or an auxiliary classifier.

    Args:
        space: Its ``proxy_task`` or ``usual_task`` is the usual one; else N = 1, F = 8, for images
            of 3 x 32 x 32 pixels and 10 classes.
        given: Fields of ``Task`` that differ from it.
        base: The usual one, whatever the space says.

    Raises:
        InvalidOption: A value that a field does not take.
        UnknownName: No such field.
    """
    usual = base or getattr(space, "proxy_task", None) or getattr(space, "usual_task", None)
    usual = usual if isinstance(usual, Task) else USUAL
    plain = replace(usual, auxiliary=False, drop_path=0.0, drop_path_by_depth=False, dropout=0.0)
    return replace(plain, **check_all(Task, given or {}, "task"))


@dataclass(frozen=True)
class Scorer(Configured):
    """Proxies of architectures, computed once each on networks that are never trained.

    The same options and architecture give the same values, whatever was computed before: torch's
    random state is the scorer's own.

    Args:
        space: A space with ``build(genotype, task)``, for images.
        proxies: Names from ``PROXIES``, at least one.
        task: Fields of ``nas_gym.networks.task.Task`` that differ from the usual one
            (``task_for``), e.g. ``{"repeats": 1, "filters": 8, "height": 16, "width": 16}``.
        images: Of a batch, >= 2.
        seed: Of initial weights and Gaussian images, >= 0; the same for all architectures.
        draws: Weights and images that are drawn, >= 1; values are means over them.
        threads: Torch threads, >= 1.
        device: ``"cpu"``, ``"cuda"`` or ``"cuda:1"``; the proxies of small networks take less than
            a second on a CPU.
        cache: A file in which values are kept, shared by any number of searches (``cache``).
        base: The usual task, whatever the space says; None: the space's.
        data: A data set whose training images ``nwot``, ``jacov``, ``zico``, ``grad_norm`` and
            ``snip`` see; None: Gaussian images with random labels.

    Raises:
        InvalidSpace: A space without networks for images.
        InvalidOption: A value that an option does not take.
        UnknownName: No such proxy, or no such field of a task.
    """

    space: NetworkSpace[Any]
    proxies: Proxies = (AZ_NAS,)
    task: Mapping[str, Any] | None = None
    images: Images = 32
    seed: ScorerSeed = 0
    draws: Draws = 1
    threads: Threads = 1
    device: str = "cpu"
    cache: str | Path | None = None
    base: Task | None = field(default=None, repr=False)
    data: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_builds_for_images(self.space)
        task_for(self.space, self.task, self.base)
        if self.cache is not None:
            object.__setattr__(self, "cache", str(user_path(self.cache, "cache")))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the values that the proxies are made of."""
        return values_for(self.proxies)

    @property
    def networks_task(self) -> Task:
        """The task that networks are built for."""
        return task_for(self.space, self.task, self.base)

    @property
    def protocol(self) -> dict[str, Any]:
        """All that values depend on besides the architecture, as JSON data."""
        from nas_gym.training.loop import training_device

        return {
            "version": VERSION,
            "task": task_to_json(self.networks_task),
            "images": self.images,
            "seed": self.seed,
            "draws": self.draws,
            "data": None if self.data is None else self.data.fingerprint,
            "device": training_device(self.device).type,
        }

    def values(self, architecture: Architecture[Any]) -> Mapping[str, float]:
        """Return the values of ``names``; NaN or an infinity where a network cannot be scored.

        And ``ALIVE``: 1, or NaN of a network whose output says nothing of its images: because no
        path leads there, if the space can tell (``is_connected``), or because its logits are no
        finite numbers, or the same for all images. All its values are NaN, except what it costs.

        Of a space with ``canonical(genotype)`` they are those of the canonical form, the same for
        all architectures with one key.

        Raises:
            StoreError: The file of values cannot be used.
            Exception: Whatever the building or the running of the network raises.
        """
        canonical = getattr(self.space, "canonical", None)
        if canonical is None:
            # Not its canonical key: networks that compute the same may be initialised otherwise,
            # and values must not depend on which of them came first.
            genotype, key = architecture.genotype, ",".join(map(str, architecture.tokens))
        else:
            genotype, key = canonical(architecture.genotype), architecture.key
        names = (*self.names, ALIVE)
        known = self._known.setdefault(key, {})
        missing = [name for name in names if name not in known]
        if missing and self._file is not None:
            known.update(self._file.known(key))
            missing = [name for name in missing if name not in known]
        if missing:
            found = self._computed(genotype, missing)
            if self._file is not None:
                self._file.add(key, found)
            known.update(found)
        return {name: known[name] for name in names}

    def values_or_none(self, architecture: Architecture[Any]) -> Mapping[str, float]:
        """Return ``values``, none of them if the network cannot be built or run."""
        try:
            return self.values(architecture)
        except StoreError:  # of the file of values: no fault of the network
            raise
        except (Exception, SystemExit) as error:
            if ends_the_process(error):
                raise
            self._failures.append(failure_of(error))
            return dict.fromkeys((*self.names, ALIVE), math.nan)

    def random_pool(self, count: int) -> list[Mapping[str, float]]:
        """Return the values of ``count`` random architectures, the same for the same seed.

        Raises:
            InvalidOption: None of them can be built and run.
        """
        import numpy as np

        rng = np.random.default_rng([self.seed, POOL_STREAM])
        self._failures.clear()
        pool = [
            self.values_or_none(architecture_of(self.space, random_tokens(self.space, rng)))
            for _ in telling(range(count), "networks of the proxies' pool")
        ]
        if self._failures and not any(is_score(v) for each in pool for v in each.values()):
            raise InvalidOption(
                f"none of {count} random networks of {type(self.space).__name__} can be scored, "
                f"the first one for this reason: {self._failures[0]}"
            )
        return pool

    @cached_property
    def _failures(self) -> list[str]:
        return []

    @cached_property
    def _known(self) -> dict[str, dict[str, float]]:
        """Values by tokens."""
        return {}

    @cached_property
    def _file(self) -> ValueCache | None:
        if self.cache is None:
            return None
        told = {"space": spec_of("space", self.space), **self.protocol}
        text = json.dumps(told, sort_keys=True)
        return ValueCache(Path(self.cache), hashlib.sha256(text.encode()).hexdigest()[:16])

    def _computed(self, genotype: Any, names: Sequence[str]) -> dict[str, float]:
        tells = getattr(self.space, "is_connected", None)
        connected = None if tells is None else bool(tells(genotype))
        costs = [name for name in names if name in COSTS]
        wanted = costs if connected is False else [name for name in names if name != ALIVE]
        draws = self.draws if wanted else 0
        drawn = [self._drawn(genotype, wanted, draw, bool(connected)) for draw in range(draws)]
        alive = connected is not False and any(is_score(each[ALIVE]) for each in drawn)
        found = dict.fromkeys((*names, ALIVE), math.nan)
        means = {name: math.fsum(each[name] for each in drawn) / draws for name in wanted}
        if not alive:
            return found | {name: means[name] for name in costs}
        return found | means | {ALIVE: 1.0}

    def _drawn(
        self, genotype: Any, names: Sequence[str], draw: int, connected: bool
    ) -> dict[str, float]:
        from nas_gym.evaluators.proxies.compute import compute
        from nas_gym.networks.isolation import isolated
        from nas_gym.training.loop import seeded, training_device

        device, seed = training_device(self.device), self.seed + draw
        with isolated(self.threads, seed):
            inputs = self._inputs(draw, device)
            with seeded(seed, device):
                network = self.space.build(genotype, self.networks_task).to(device)
            return compute(network, inputs, names, device, connected)

    def _inputs(self, draw: int, device: "torch.device") -> "Inputs":
        """Return what all networks are shown in a draw."""
        if draw not in self._drawn_inputs:
            from nas_gym.evaluators.proxies.compute import gaussian_inputs

            task, seed = self.networks_task, self.seed + draw
            shape = (task.channels, task.height, task.width)
            inputs = gaussian_inputs(shape, task.classes, self.images, seed, device)
            if self.data is not None:
                inputs = replace(inputs, data=_batches(self.data, self.images, seed, device))
            self._drawn_inputs[draw] = inputs
        return self._drawn_inputs[draw]

    @cached_property
    def _drawn_inputs(self) -> dict[int, "Inputs"]:
        return {}


def _batches(data: Any, images: int, seed: int, device: "torch.device") -> Any:
    """Return two batches of the training part, as they are: normalised, not varied."""
    from nas_gym.training.images.feed import feed_of
    from nas_gym.training.images.recipe import Recipe

    plain = Recipe(epochs=1, batch_size=images, learning_rate=1.0)
    feed = feed_of(data, plain, seed, device)
    try:
        return feed.next(), feed.next()
    finally:
        feed.close()
