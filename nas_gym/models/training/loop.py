"""The loop of a final training: epochs, checkpoints by epoch and by minutes, the log."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from nas_gym.errors import TrainingDiverged
from nas_gym.models.training.checkpoint import Checkpoint, write_checkpoint
from nas_gym.models.training.log import line_of, write_log
from nas_gym.training.loop import Training
from nas_gym.training.preparation import tell
from nas_gym.training.processes import Processes

TIMED, LONGEST = 3, 20.0  # steps that are timed before a training starts, and seconds for them


class Loop:
    """A training with what is kept of it.

    Args:
        training: To be run to its end.
        folder: Where checkpoints and the log go.
        minutes: Between two checkpoints within an epoch; infinity for none.
        say: Told in words how it goes.
        processes: Those that train together; the first writes.
        unit: What its epochs are called.
    """

    def __init__(
        self, training: Training[Any], folder: Path, minutes: float, say: Callable[[str], None],
        processes: Processes, unit: str = "epoch",
    ) -> None:  # fmt: skip
        self.training, self.folder, self.minutes, self.say = training, folder, minutes, say
        self.processes = processes
        self.epochs: list[dict[str, Any]] = []  # the lines of the log
        self.unit = unit
        self.loss, self.seconds = 0.0, 0.0  # of the epoch that is under way: sum, time
        self.saved = time.monotonic()

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint.

        Raises:
            LookupError, RuntimeError, TypeError, ValueError: It is that of another training.
        """
        self.training.restore(checkpoint.tensors)
        facts = checkpoint.facts
        self.epochs = [dict(epoch) for epoch in facts["epochs"]]
        self.loss, self.seconds = float(facts["loss"]), float(facts["seconds"])
        numbers = [value for epoch in self.epochs for value in epoch.values()]
        known = all(isinstance(value, int | float) for value in numbers)
        if not known or [e[self.unit] for e in self.epochs] != [*range(1, self.training.epoch + 1)]:
            raise LookupError("its epochs are not those of the training")

    def run(self) -> None:
        """Train to the end.

        Raises:
            TrainingDiverged: A loss or a logit is not finite.
            InvalidModel: The disk is full; the last checkpoint is kept.
        """
        training = self.training
        while training.epoch < training.epochs:
            self._run_epoch()
            if self.processes.first:
                write_log(self.folder, self.epochs)
            self.save()
            self.say(line_of(self.epochs[-1], training.epochs, self._left()))

    def _run_epoch(self) -> None:
        """Train to the end of the epoch, and measure it."""
        training = self.training
        before = training.end_of_epoch(training.epoch - 1) if training.epoch else 0
        epoch, steps = training.epoch + 1, training.end_of_epoch(training.epoch) - before
        under_way = f"steps of {self.unit} {epoch:,}/{training.epochs:,}"
        begun = time.monotonic()
        for loss in training.losses():
            if not math.isfinite(loss):
                raise self._diverged(epoch, f"the loss is {loss}")
            self.loss += loss
            # The last step's is the epoch's own, after the measurement.
            if training.done < before + steps and self._due():
                self.seconds += time.monotonic() - begun
                begun = time.monotonic()
                self.save()
            if self.processes.first and training.done < before + steps:
                tell(under_way, training.done - before, steps)
        figures = training.validate()
        if figures is None:
            raise self._diverged(epoch, "an output is not finite")
        self.seconds += time.monotonic() - begun
        self.epochs.append(
            {
                self.unit: epoch,
                "steps": training.done,
                "learning_rate": training.rate,
                "loss": self.loss / steps,
                **{f"validation_{name}": value for name, value in figures._asdict().items()},
                "seconds": round(self.seconds, 3),
            }
        )
        self.loss, self.seconds = 0.0, 0.0
        if self.processes.first and epoch == training.epochs:
            tell(under_way, steps, steps)

    def _due(self) -> bool:
        """Whether a checkpoint is due; all processes agree, by the clock of the first."""
        late = time.monotonic() - self.saved > 60 * self.minutes
        if self.processes.count == 1:
            return late
        flags = self.processes.gathered(torch.tensor([int(late)]))
        return bool(flags[0].item())

    def save(self) -> None:
        """Write a checkpoint."""
        tensors = self.training.state()  # all processes take part
        if self.processes.first:
            facts = {"epochs": self.epochs, "loss": self.loss, "seconds": self.seconds}
            write_checkpoint(self.folder, tensors, facts, self.training.done)
        self.saved = time.monotonic()

    def step_seconds(self) -> float:
        """Return how long a step takes; the training is afterwards where it was."""
        training = self.training
        if training.epoch >= training.epochs:
            return 0.0
        state = {name: tensor.clone() for name, tensor in training.state().items()}
        training.model.train()
        times: list[float] = []
        end = training.end_of_epoch(training.epoch)
        for _ in range(min(TIMED, end - training.done)):
            start = time.monotonic()
            training.advance()
            training.done += 1
            times.append(time.monotonic() - start)
            if self.processes.count == 1 and sum(times) > LONGEST:
                break
        training.restore(state)
        return min(times) if times else 0.0  # the first one prepares

    def _left(self) -> float:
        """Return the seconds until the end, by the last five epochs."""
        last: list[float] = [epoch["seconds"] for epoch in self.epochs[-5:]]
        return sum(last) / len(last) * (self.training.epochs - self.training.epoch)

    def _diverged(self, epoch: int, why: str) -> TrainingDiverged:
        return TrainingDiverged(
            f"the training diverged in {self.unit} {epoch} ({why}); any checkpoint is kept: "
            "begin again with replace=True and a smaller recipe.learning_rate, or "
            "recipe.gradient_clip"
        )
