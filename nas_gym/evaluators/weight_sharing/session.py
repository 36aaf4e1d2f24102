"""The live part of an evaluator by shared weights: the supernet, its training, its files."""

import hashlib
import json
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch

from nas_gym.errors import InvalidOption, NASGymError, TimeUp
from nas_gym.evaluators.doubts import SHARED
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.failures import ends_the_process, failed
from nas_gym.evaluators.weight_sharing.sampling import FairPaths, Paths, RecentPaths, UniformPaths
from nas_gym.evaluators.weight_sharing.snapshots import Snapshots
from nas_gym.evaluators.weight_sharing.training import SharedImages, SharedText
from nas_gym.networks.cost import cost_on_meta
from nas_gym.networks.isolation import isolated
from nas_gym.networks.supernet import Supernet
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.search_spaces.grammar import decode_valid
from nas_gym.training.images.recipe import Recipe
from nas_gym.training.loop import seeded, training_device
from nas_gym.training.preparation import tell, telling
from nas_gym.training.text.sizing import draw_weights

if TYPE_CHECKING:
    from nas_gym.evaluators.weight_sharing.evaluator import WeightSharing

SECONDS = 20.0  # between two snapshots of a training
STEPS = 10  # of a training between two looks at the clock
_CPU = torch.device("cpu")
Lived = tuple[Architecture[Any], int]  # an architecture that was asked for, and its seed


class Session:
    """A supernet under training, and the answers that it gives.

    Args:
        settings: The evaluator, whose data is settled.
    """

    def __init__(self, settings: "WeightSharing") -> None:
        self.settings = settings
        space: Any = settings.space
        self.space = space
        self.trainer = settings.trainer
        self.end = math.inf  # of time.monotonic(), after which nothing is begun
        self.in_turn = settings.sampling == "in-turn"
        self.answered = 0  # requests that the weights have lived through
        self.history = ""  # what these were
        self.lived: list[Lived] = []  # that the weights have still to live through
        self.snapshots = Snapshots(settings.checkpoints, settings.kept_as)
        self._saved = time.monotonic()
        self._looked = False  # for a snapshot
        with isolated(settings.threads, settings.seed), seeded(settings.seed, _CPU):
            recipe = self.trainer.named_recipe
            self.task = self.trainer.task_of(self.space.choose(lambda name, options: options[0]))
            self.supernet: Supernet = space.supernet(self.task, settings.seed)
            if not isinstance(recipe, Recipe):
                draw_weights(self.supernet, recipe, self.task)
            device = training_device(self.trainer.device_here)
            self.training: SharedImages | SharedText
            if isinstance(recipe, Recipe):
                data = self.trainer.data
                self.training = SharedImages(self.supernet, data, recipe, settings.seed, device)
            else:
                self.training = SharedText(self.supernet, self.trainer.data, recipe, device)
            self.paths = self._paths()
            self.training.share(self.paths, settings.seed, restarts=self.in_turn)

    def _paths(self) -> Paths:
        supernet, settings = self.supernet, self.settings
        if settings.sampling == "fair":
            return FairPaths(self.space, settings.seed)
        uniform = UniformPaths(self.space, supernet.canonical, supernet.distinct, settings.seed)
        if not self.in_turn:
            return uniform
        return RecentPaths(uniform, settings.warm_up, settings.recent, settings.seed)

    def answer(self, architecture: Architecture[Any], seed: int) -> Evaluation:
        """Bring the weights to where they have to be, and judge a path by them.

        Raises:
            NASGymError: The weights cannot be trained, kept or read.
            TimeUp: The time is over.
        """
        start = time.perf_counter()
        with isolated(self.settings.threads, seed):
            try:
                self._catch_up()
                self._check_time()
                if self.in_turn:
                    self._live((architecture, seed))
                else:
                    self._train()
            except NASGymError:
                raise
            except Exception as error:
                raise NASGymError(
                    f"the shared weights cannot be trained ({type(error).__name__}: {error}): give "
                    "a smaller network or batch with --set recipe.…, or more memory"
                ) from error
            try:
                with seeded(seed, _CPU):
                    metrics = self._metrics(architecture, seed)
            except (Exception, SystemExit) as error:  # whatever a path does wrong is its result
                if ends_the_process(error):
                    raise
                return failed(architecture, error, time.perf_counter() - start)
        failure = None if metrics else "diverged"
        return Evaluation(architecture, metrics, time.perf_counter() - start, SHARED, failure)

    def _metrics(self, architecture: Architecture[Any], seed: int) -> dict[str, float]:
        settings = self.settings
        genotype = self.supernet.canonical(architecture.genotype)
        found = self.training.figures_of(
            genotype, settings.norms, settings.calibration, settings.minibatch, seed
        )
        if found is None:
            return {}
        kind = self.trainer.task_kind
        shape, dtype = kind.example(self.task)
        cost = cost_on_meta(
            lambda: self.space.build(genotype, self.task), shape, getattr(torch, dtype)
        )
        return {**found, **cost._asdict()}

    def _check_time(self) -> None:
        if time.monotonic() >= self.end:
            raise TimeUp

    # ------------------------------------------------------------ trained before the first answer

    def _train(self) -> None:
        """Train the weights to the end, from the last snapshot on, unless they are."""
        if not self._looked:
            self._restore(lambda facts: float(facts["done"]))
        self._train_to(self.training.length)

    def _train_to(self, steps: int) -> None:
        """Train the weights until so many steps are done; what is done is kept."""
        training = self.training
        begun = training.done
        try:
            while training.done < steps:
                self._check_time()
                training.take(min(STEPS, steps - training.done))
                tell("steps of the supernet", training.done, steps)
                self._save_sometimes()
        except TimeUp:
            if training.done > begun:
                self._save()
            raise
        if training.done > begun:
            self._save()

    # ------------------------------------------------------------ in turn with the agent

    def _live(self, lived: Lived) -> None:
        """Train the weights on what was asked for last."""
        architecture, seed = lived
        assert isinstance(self.paths, RecentPaths)
        if not self.answered:
            self._warm_up()
        genotype = self.supernet.canonical(architecture.genotype)
        self.paths.recent.append((architecture.tokens, genotype))
        self._take(self.settings.turn)
        self.answered += 1
        self.history = _after(self.history, architecture.tokens, seed)
        self._save_sometimes()

    def _take(self, steps: int) -> None:
        """Train the weights, with looks at the clock; a turn that is cut is taken anew."""
        for first in range(0, steps, STEPS):
            self._check_time()
            self.training.take(min(STEPS, steps - first))

    def _warm_up(self) -> None:
        """Train the weights on even paths, from the last snapshot on."""
        if not self._looked:
            self._restore(lambda facts: -1.0 if facts["answered"] else float(facts["done"]))
        self._train_to(self.settings.warm_up)

    def _catch_up(self) -> None:
        """Live through what a run that goes on asked for before, from the last snapshot on."""
        if not self.lived:
            return
        histories = [self.history]
        for architecture, seed in self.lived:
            histories.append(_after(histories[-1], architecture.tokens, seed))
        if not self.answered:
            known = {history: number for number, history in enumerate(histories)}
            self._restore(lambda facts: float(known.get(facts["history"], -1)))
        del self.lived[: histories.index(self.history)]
        for each in telling(tuple(self.lived), "requests that the shared weights live through"):
            self._check_time()
            self._live(each)
            del self.lived[0]

    # ------------------------------------------------------------ files

    def _save_sometimes(self) -> None:
        if time.monotonic() - self._saved >= SECONDS:
            self._save()

    def _save(self) -> None:
        recent: Sequence[Any] = self.paths.recent if isinstance(self.paths, RecentPaths) else ()
        facts = {
            "done": self.training.done,
            "answered": self.answered,
            "history": self.history,
            "recent": [list(tokens) for tokens, _ in recent],
        }
        self.snapshots.save(self.training.state(), facts)
        self._saved = time.monotonic()

    def _restore(self, value: Any) -> None:
        """Go on from the snapshot of the highest value, if there is one."""
        self._looked = True
        snapshot = self.snapshots.load(value)
        if snapshot is None:
            return
        tensors, facts = snapshot
        try:
            with seeded(0, self.training.device):  # it is drawn from anew at each step
                self.training.restore(tensors)
            self.answered, self.history = int(facts["answered"]), str(facts["history"])
            if isinstance(self.paths, RecentPaths):
                self.paths.recent.extend(
                    (tuple(tokens), self.supernet.canonical(decode_valid(self.space, tokens)))
                    for tokens in facts["recent"]
                )
        except (LookupError, RuntimeError, ValueError, TypeError) as error:
            raise InvalidOption(
                f"the shared weights in {self.snapshots.folder} are none of this search "
                f"({type(error).__name__}): remove them, and they are trained anew"
            ) from error

    def close(self, discard: bool = False) -> None:
        """Let others have the files."""
        if discard:
            self.snapshots.discard()
        with suppress(OSError):
            self.snapshots.close()


def _after(history: str, tokens: Sequence[int], seed: int) -> str:
    """Return the name of a history with one more request."""
    text = json.dumps([history, list(tokens), seed])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
