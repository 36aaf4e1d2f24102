"""The training of language models by truncated backpropagation through time, and perplexity."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_gym.networks.isolation import isolated, ordinary
from nas_gym.training.loop import Training, parameter_groups, seeded, training_device
from nas_gym.training.optimizers import SGD, Adam, ChildOptimizer
from nas_gym.training.processes import ALONE, Processes
from nas_gym.training.text.dataset import TextDataset, check_lengths
from nas_gym.training.text.recipe import LanguageRecipe

STREAMS = 10  # a part that is measured is cut into that many, read side by side
IGNORED = -100  # a target behind the end of a part


class Figures(NamedTuple):
    """The quality of a model's predictions of a part."""

    perplexity: float  # >= 1, of a word or character
    bits_per_character: float  # >= 0, of the raw text
    accuracy: float  # fraction whose most likely prediction is right, in [0, 1]


@dataclass(frozen=True)
class LanguageResult:
    """The result of a child on the validation part."""

    best: Figures | None  # the lowest perplexity of the last five epochs; None after a failure
    final: Figures | None  # of the last epoch
    perplexities: tuple[float, ...]  # of the last five epochs, oldest first
    seconds: float  # wall time, >= 0
    failure: str | None = None  # "diverged", else None


@isolated()
def train_language_model(
    network: nn.Module,
    text: TextDataset,
    recipe: LanguageRecipe,
    seed: int,
    *,
    device: torch.device | str | None = None,
) -> LanguageResult:
    """Train ``network`` in place and return how it does on the validation part.

    The training part is cut into streams of equal length, and each step takes the next sequence of
    all of them; the state goes on from one sequence to the next, gradients do not. Everything is
    computed in float32. On the CPU the result depends only on the arguments and the number of torch
    threads, bit for bit; torch's global random state is neither read nor changed. The test part is
    never looked at.

    Args:
        network: As ``nas_gym.networks.language_model.LanguageModel``: (tokens, state=None) ->
            (logits, state), and ``first_state(batch)``; a state is a tuple of tuples of tensors.
        text: What to train and to validate on.
        recipe: How to train; sizes and dropouts are the network's own by now.
        seed: Of dropout.
        device: By default the GPU if there is one, else the CPU.

    Raises:
        InvalidDataset: A part of the text is shorter than a sequence.
    """
    check_lengths(text, recipe.bptt, recipe.train_share)
    device = training_device(device)
    start = time.perf_counter()
    with seeded(seed, device):
        figures = TextTraining(network, text, recipe, device).run()
    return language_result_of(figures, time.perf_counter() - start)


def language_result_of(figures: Sequence[Figures] | None, seconds: float) -> LanguageResult:
    """Return the result of a training.

    Args:
        figures: Of the epochs that count, at least one; None if the training diverged.
        seconds: That it took, >= 0.
    """
    if figures is None:
        return LanguageResult(None, None, (), seconds, "diverged")
    best = min(figures, key=lambda each: each.perplexity)
    return LanguageResult(best, figures[-1], tuple(f.perplexity for f in figures), seconds)


class TextTraining(Training[Figures]):
    """The training of a language model on streams of a text.

    Args:
        network: As for ``train_language_model``.
        text: What to train on.
        recipe: How to train.
        device: Where to.
        processes: Those that train it together; each has its share of the streams.
    """

    figures = Figures

    def __init__(
        self, network: nn.Module, text: TextDataset, recipe: LanguageRecipe, device: torch.device,
        processes: Processes = ALONE,
    ) -> None:  # fmt: skip
        network = network.to(device)
        super().__init__(
            network, _optimizer(network, recipe), recipe.epochs, recipe.gradient_clip,
            device=device, processes=processes,
        )  # fmt: skip
        self.text = text
        self.recipe = recipe
        train = ordinary(text.train)[: int(recipe.train_share * len(text.train))]
        batch = min(recipe.batch_size, (len(train) - 1) // recipe.bptt)
        rows = processes.rows(batch)
        self.streams = rows.stop - rows.start  # of this process
        sides = streams(train, batch)
        self.inputs, self.targets = (side[:, rows].contiguous().to(device) for side in sides)
        self.steps = math.ceil(len(self.inputs) / recipe.bptt)  # of an epoch
        self.hidden: Any = None  # the state after the last sequence

    def end_of_epoch(self, epoch: int) -> int:
        """Return the number of steps from the beginning to the end of an epoch, from 0."""
        return (epoch + 1) * self.steps

    def advance(self) -> float:
        """Read the next sequence; return the loss per token before the update."""
        first = (self.done - self.epoch * self.steps) * self.recipe.bptt
        if first == 0:
            self.hidden = self.network.first_state(self.streams)
        piece = slice(first, first + self.recipe.bptt)
        inputs, targets = self.inputs[piece], self.targets[piece]
        logits, hidden = self.model(inputs, self.hidden)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        value = self.processes.mean(float(loss.detach()))
        if math.isfinite(value):
            rate = self.recipe.rate(self.epoch, self.done / (self.epochs * self.steps))
            self.update(loss * len(inputs), rate)  # summed over the steps, see LanguageRecipe
        self.hidden = tuple(tuple(h.detach() for h in layer) for layer in hidden)
        return value

    def validate(self) -> Figures | None:
        """Measure the network on the validation part; return None if a logit is not finite."""
        return measure(
            self.network, self.text.validation, self.text.validation_characters,
            count=STREAMS, chunk=self.recipe.bptt, device=self.device,
        )  # fmt: skip

    def own_state(self) -> dict[str, Tensor]:
        """Return the state after the last sequence, of all streams."""
        return {
            f"{layer}.{number}": torch.cat(self.processes.gathered(h))
            for layer, hidden in enumerate(self.hidden or ())
            for number, h in enumerate(hidden)
        }

    def restore_own(self, state: Mapping[str, Tensor]) -> None:
        """Go on with that state."""
        layers: dict[int, dict[int, Tensor]] = {}
        own = slice(self.processes.rank * self.streams, (self.processes.rank + 1) * self.streams)
        for name, tensor in state.items():
            layer, number = map(int, name.split("."))
            layers.setdefault(layer, {})[number] = tensor[own].to(self.device)
        self.hidden = tuple(
            tuple(h for _, h in sorted(hidden.items())) for _, hidden in sorted(layers.items())
        )


def streams(tokens: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Cut a text into ``count`` streams side by side: inputs and targets, (time, count) each.

    What does not fill a last step of all streams is left out.
    """
    length = (len(tokens) - 1) // count
    sides = (tokens[: count * length], tokens[1 : count * length + 1])
    inputs, targets = (side.view(count, length).t().contiguous() for side in sides)
    return inputs, targets


def measure(
    network: nn.Module, tokens: Tensor, characters: int, *, count: int, chunk: int,
    device: torch.device,
) -> Figures | None:  # fmt: skip
    """Measure how well ``network`` predicts every token of a part but the first.

    The part is cut into streams; each starts with a state of zeros, which is then carried to its
    end. Bits per character are those of the mean token, times tokens per character.

    Args:
        network: A language model on ``device``; put into evaluation mode.
        tokens: The part, (tokens,) int64.
        characters: Of the part's raw text.
        count: Streams; 1 reads the part from its beginning to its end.
        chunk: Steps at a time; changes nothing but speed and memory.
        device: Where the network is.

    Returns:
        The figures, or None if a logit is not finite, or the perplexity no float.
    """
    model: Any = network.eval()
    predicted = len(tokens) - 1
    length = math.ceil(predicted / count)
    inputs = F.pad(tokens[:-1], (0, count * length - predicted)).view(count, length).t()
    targets = F.pad(tokens[1:], (0, count * length - predicted), value=IGNORED)
    targets = targets.view(count, length).t()
    loss, right = 0.0, 0
    with torch.inference_mode():
        state = model.first_state(count)
        for first in range(0, length, chunk):
            wanted = targets[first : first + chunk].flatten().to(device)
            logits, state = model(inputs[first : first + chunk].to(device), state)
            logits = logits.flatten(0, 1)
            loss += float(F.cross_entropy(logits, wanted, reduction="sum", ignore_index=IGNORED))
            right += int((logits.argmax(1) == wanted).sum())
    try:
        perplexity = math.exp(loss / predicted)
    except OverflowError:
        return None
    if not math.isfinite(perplexity):
        return None
    bits = loss / predicted / math.log(2)
    return Figures(perplexity, bits * len(tokens) / characters, right / predicted)


@isolated()
def measure_test_perplexity(
    network: nn.Module, text: TextDataset, *, device: torch.device | str | None = None
) -> Figures | None:
    """Measure how well a trained network predicts the test part, as on the validation part.

    It is for what a search has found, once the search is over; ``train_language_model`` never calls
    it, and no evaluator of a search does.

    Args:
        network: As ``train_language_model`` left it.
        text: Whose test part is meant.
        device: By default the GPU if there is one, else the CPU.

    Returns:
        The figures, or None if a logit is not finite, or the perplexity no float.
    """
    device = training_device(device)
    return measure(
        network.to(device), text.test, text.test_characters, count=STREAMS, chunk=64, device=device
    )


def _optimizer(network: nn.Module, recipe: LanguageRecipe) -> ChildOptimizer:
    groups = parameter_groups(network, recipe.weight_decay)
    return Adam(groups) if recipe.optimizer == "adam" else SGD(groups)
