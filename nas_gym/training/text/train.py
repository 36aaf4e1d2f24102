"""The training of language models by truncated backpropagation through time, and perplexity."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_gym.networks.isolation import isolated, ordinary
from nas_gym.training.loop import Training, parameter_groups, seeded, training_device
from nas_gym.training.optimizers import SGD, Adam, ChildOptimizer
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
    check_lengths(text, recipe.bptt)
    device = training_device(device)
    start = time.perf_counter()
    with seeded(seed, device):
        figures = TextTraining(network, text, recipe, device).run()
    seconds = time.perf_counter() - start
    if figures is None:
        return LanguageResult(None, None, (), seconds, "diverged")
    best = min(figures, key=lambda each: each.perplexity)
    return LanguageResult(best, figures[-1], tuple(f.perplexity for f in figures), seconds)


class TextTraining(Training[Figures]):
    """The training of a language model on streams of a text."""

    def __init__(
        self, network: nn.Module, text: TextDataset, recipe: LanguageRecipe, device: torch.device
    ) -> None:
        network = network.to(device)
        super().__init__(network, _optimizer(network, recipe), recipe.epochs, recipe.gradient_clip)
        self.text = text
        self.recipe = recipe
        self.device = device
        self.batch = min(recipe.batch_size, (len(text.train) - 1) // recipe.bptt)
        sides = streams(ordinary(text.train), self.batch)
        self.inputs, self.targets = (side.to(device) for side in sides)
        self.steps = math.ceil(len(self.inputs) / recipe.bptt)  # of an epoch

    def losses(self, epoch: int) -> Iterator[float]:
        """Train for one epoch, and yield the loss per token of each step before its update."""
        total = self.epochs * self.steps
        state = self.network.first_state(self.batch)
        for step, (inputs, targets) in enumerate(self.sequences(), epoch * self.steps):
            rate = self.recipe.rate(epoch, step / total)
            loss, state = self.step(inputs, targets, state, rate)
            yield loss

    def validate(self) -> Figures | None:
        """Measure the network on the validation part; return None if a logit is not finite."""
        return measure(
            self.network, self.text.validation, self.text.validation_characters,
            count=STREAMS, chunk=self.recipe.bptt, device=self.device,
        )  # fmt: skip

    def sequences(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield one epoch: inputs and targets (time, batch) of ``bptt`` steps, at the end fewer."""
        for first in range(0, len(self.inputs), self.recipe.bptt):
            piece = slice(first, first + self.recipe.bptt)
            yield self.inputs[piece], self.targets[piece]

    def step(self, inputs: Tensor, targets: Tensor, state: Any, rate: float) -> tuple[float, Any]:
        """Update once; return the loss per token before it, and the state after the sequence."""
        logits, state = self.network(inputs, state)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        value = float(loss.detach())
        if math.isfinite(value):
            self.update(loss * len(inputs), rate)  # summed over the steps, see LanguageRecipe
        return value, tuple(tuple(h.detach() for h in layer) for layer in state)


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
