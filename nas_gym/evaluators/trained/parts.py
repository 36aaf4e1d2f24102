"""A child's training in parts: it goes on from where it was, and its figures are kept."""

from contextlib import closing
from typing import Any

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.evaluation import Fidelity
from nas_gym.evaluators.trained.checkpoints import ChildCheckpoints, HalfTrained
from nas_gym.training.loop import Training, seeded


class PartialTraining:
    """A part of the training of one child.

    Args:
        kept: Where children that are trained in part lie; None if none of them goes on.
        key: Canonical key of the architecture.
        seed: Of the child.

    ``unkept`` says why the child could not be kept after a part, if it could not.
    """

    def __init__(self, kept: ChildCheckpoints | None, key: str, seed: int) -> None:
        self.kept, self.key, self.seed = kept, key, seed
        self.unkept: InvalidOption | None = None

    def train(self, training: Training[Any], fidelity: Fidelity) -> list[Any] | None:
        """Train as far as is asked for, and return the figures after each epoch from the first.

        None if the training diverged. All of it happens under the child's seed.
        """
        end = fidelity.epochs or training.epochs
        with seeded(self.seed, training.device), closing(training):
            found = self._found() if fidelity.begun else None
            figures = [] if found is None else self._restored(training, found, end)
            begun = training.epoch
            if not training.run_to(end, figures):
                self._drop()
                return None
            if end == training.epochs:
                self._drop()
            elif self.kept is not None and end > begun:
                rows = [list(map(float, each)) for each in figures]
                try:
                    self.kept.keep(self.key, self.seed, HalfTrained(training.state(), rows))
                except InvalidOption as error:
                    self.unkept = error
        return figures

    def _found(self) -> HalfTrained | None:
        return None if self.kept is None else self.kept.load(self.key, self.seed)

    def _drop(self) -> None:
        if self.kept is not None:
            self.kept.drop(self.key, self.seed)

    @staticmethod
    def _restored(training: Training[Any], found: HalfTrained, end: int) -> list[Any]:
        """Let a training go on that has just begun, if what was found is the beginning of it."""
        shapes, own = (
            {name: t.shape for name, t in tensors.items() if name.startswith("network.")}
            for tensors in (found.tensors, training.state())
        )
        epoch = len(found.figures)
        if shapes != own or found.tensors["progress"].tolist()[:1] != [epoch] or epoch > end:
            return []
        training.restore(found.tensors)
        return [training.figures(*each) for each in found.figures]
