"""The training of shared weights: steps on paths, in the loops by which single networks train."""

import hashlib
import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nas_gym.errors import TrainingDiverged
from nas_gym.evaluators.weight_sharing.sampling import Paths
from nas_gym.networks.isolation import ordinary
from nas_gym.networks.supernet import Supernet, recalibrated
from nas_gym.training.images.feed import EVALUATION_BATCH, Batch, trained_on
from nas_gym.training.images.recipe import Recipe
from nas_gym.training.images.train import ImageTraining
from nas_gym.training.loop import Training, seeded
from nas_gym.training.text.recipe import LanguageRecipe
from nas_gym.training.text.train import STREAMS, TextTraining, measure

ENDLESS = 2**53  # steps: the length of a training in turn with the agent is not known


class SharedTraining(Training[Any]):
    """The common part of trainings of a supernet.

    A step is on one minibatch: the gradients of its paths add up, and the weights move once.
    """

    @property
    @abstractmethod
    def length(self) -> int:
        """Steps of the recipe."""

    def share(self, paths: Paths, seed: int, restarts: bool) -> None:
        """Say what is trained.

        Args:
            paths: Says which are trained at each step.
            seed: Of what paths draw while they are trained.
            restarts: Whether the recipe's schedule begins again when it is over, for twice as many
                steps each time (Loshchilov & Hutter 2017), or its end is that of the training.
        """
        self.paths, self.seed, self.restarts = paths, seed, restarts
        self.supernet: Supernet = self.network

    def end_of_epoch(self, epoch: int) -> int:
        """Return a number of steps that is never reached: there are no epochs."""
        del epoch
        return ENDLESS

    def take(self, count: int) -> None:
        """Take that many steps.

        Raises:
            TrainingDiverged: A loss is no finite number.
        """
        self.supernet.train()
        for _ in range(count):
            with seeded(_number(f"{self.seed}:{self.done}"), self.device):
                loss = self.advance()
            if not math.isfinite(loss):
                raise TrainingDiverged(
                    f"the training of the shared weights diverged at step {self.done:,}: give a "
                    "smaller learning rate, with --set recipe.learning_rate=…"
                )
            self.done += 1

    @property
    def progress(self) -> float:
        """How much of the schedule is over, in [0, 1)."""
        begun, length = 0, self.length
        while self.restarts and self.done - begun >= length:
            begun, length = begun + length, 2 * length
        return min((self.done - begun) / length, 1 - 1e-9)

    def over_paths(self, losses: Iterator[tuple[Tensor, Tensor]], rate: float) -> float:
        """Move the weights against the sum of the paths' gradients; return their mean loss.

        Args:
            losses: One pair per path: the loss that is reported, and what is differentiated.
            rate: Learning rate.
        """
        self.optimizer.zero_grad()
        values = []
        for reported, loss in losses:
            values.append(float(reported.detach()))
            if not math.isfinite(values[-1]):
                return values[-1]
            loss.backward()  # type: ignore[no-untyped-call]
        self.apply(rate)
        return sum(values) / len(values)


class SharedImages(SharedTraining, ImageTraining):
    """The training of a supernet on images; its arguments are those of ``ImageTraining``."""

    recipe: Recipe

    @property
    def length(self) -> int:
        """Steps of the recipe."""
        return self.total

    def advance(self) -> float:
        """Take the next step, and return the mean loss of its paths before it."""
        images, labels = self.feed.next()
        return self.over_paths(
            self._losses(images, labels), self.recipe.learning_rate_at(self.progress)
        )

    def _losses(self, images: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        self.supernet.set_progress(self.progress)
        for genotype in self.paths(self.done):
            self.supernet.choose(genotype)
            loss = self.loss_of(images, labels)
            yield loss, loss

    def figures_of(
        self, genotype: Any, norms: str, calibration: int, minibatch: int | None, seed: int
    ) -> Mapping[str, float] | None:
        """Return the validation figures of a path; None if a logit is not finite.

        Args:
            genotype: Of the path.
            norms: ``"batch"``: norms take the statistics of each batch that is measured (the part
                in an order of its own, in batches of equal size); ``"recalibrated"``: those of
                training images.
            calibration: Batches of training images for that.
            minibatch: Images that are measured; None: the whole part.
            seed: Draws them.
        """
        path = self.supernet.choose(genotype).eval()
        batches = list(self._validation(minibatch, seed))
        if norms == "batch":
            scores = self.scores_of(path, batches)
        else:
            with recalibrated(path, self._calibrating(calibration)):
                scores = self.scores_of(path, batches)
        return None if scores is None else scores._asdict()

    def _validation(self, minibatch: int | None, seed: int) -> Iterator[Batch]:
        """Yield the validation part in a fixed random order, in equal batches, or some of it."""
        labels = self.dataset.validation_labels
        generator = torch.Generator().manual_seed(0 if minibatch is None else seed)
        order = torch.randperm(len(labels), generator=generator)[:minibatch]
        for chosen in order.chunk(math.ceil(len(order) / EVALUATION_BATCH)):
            images = self._normal(self.dataset.validation_images[chosen])
            yield images, labels[chosen].to(self.device)

    def _calibrating(self, count: int) -> Iterator[Tensor]:
        """Yield batches of training images, the same for every path."""
        images = ordinary(self.dataset.train_images)
        trained = trained_on(self.dataset.train_labels, self.recipe)
        images = images if trained is None else images[trained]
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
        for chosen in torch.split(order, self.feed.batch_size)[:count]:
            yield self._normal(images[chosen])

    def _normal(self, images: Tensor) -> Tensor:
        normal: Tensor = self.dataset.normalise(images.to(self.device))
        return normal.contiguous(memory_format=torch.channels_last)


class SharedText(SharedTraining, TextTraining):
    """The training of a supernet on a text; its arguments are those of ``TextTraining``.

    All paths of a step read the same sequences, from the state that the step before left behind;
    the last one's goes on.
    """

    recipe: LanguageRecipe

    @property
    def length(self) -> int:
        """Steps of the recipe."""
        return self.epochs * self.steps

    def advance(self) -> float:
        """Read the next sequences; return the mean loss per token of the paths, before the step."""
        place = self.done % self.steps
        if place == 0:
            self.hidden = None
        first = place * self.recipe.bptt
        piece = slice(first, first + self.recipe.bptt)
        losses = self._losses(self.inputs[piece], self.targets[piece])
        progress = self.progress
        return self.over_paths(losses, self.recipe.rate(int(progress * self.epochs), progress))

    def _losses(self, inputs: Tensor, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        before = self.hidden
        for genotype in self.paths(self.done):
            self.supernet.choose(genotype)
            logits, hidden = self.model(inputs, before)
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
            self.hidden = tuple(tuple(h.detach() for h in layer) for layer in hidden)
            yield loss, loss * len(inputs)  # summed over the steps, see LanguageRecipe

    def figures_of(
        self, genotype: Any, norms: str, calibration: int, minibatch: int | None, seed: int
    ) -> Mapping[str, float] | None:
        """Return the validation figures of a path; None if a logit is not finite.

        Args:
            genotype: Of the path.
            norms: Says nothing here: there are none.
            calibration: Neither.
            minibatch: Tokens that are measured, one after the other; None: the whole part.
            seed: Says where they begin.
        """
        del norms, calibration
        tokens, characters = self.text.validation, self.text.validation_characters
        if minibatch is not None and minibatch + 1 < len(tokens):
            start = seed % (len(tokens) - minibatch)
            characters = max(1, round(characters * (minibatch + 1) / len(tokens)))
            tokens = tokens[start : start + minibatch + 1]
        path = self.supernet.choose(genotype)
        count = max(1, min(STREAMS, len(tokens) - 1))
        figures = measure(
            path, tokens, characters, count=count, chunk=self.recipe.bptt, device=self.device
        )
        return None if figures is None else figures._asdict()


def _number(text: str) -> int:
    """Return a seed that follows from a text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1
