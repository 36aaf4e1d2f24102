"""Optimizers of children against ``torch.optim``, bit by bit."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_gym.training.loop import parameter_groups
from nas_gym.training.optimizers import SGD, Adam, AdamW, DecayGroup, RMSProp

STEPS = 25
PAIRS: dict[str, tuple[Any, Any]] = {  # ours, and torch's
    "sgd": (SGD, lambda groups: torch.optim.SGD(groups, lr=1, fused=True)),
    "nesterov": (
        lambda groups: SGD(groups, 0.9),
        lambda groups: torch.optim.SGD(groups, lr=1, momentum=0.9, nesterov=True, fused=True),
    ),
    "momentum": (
        lambda groups: SGD(groups, 0.9, nesterov=False),
        lambda groups: torch.optim.SGD(groups, lr=1, momentum=0.9, fused=True),
    ),
    "adamw": (
        lambda groups: AdamW(groups, 1e-6),
        lambda groups: torch.optim.AdamW(groups, lr=1, eps=1e-6, fused=True),
    ),
    "adam": (Adam, lambda groups: torch.optim.Adam(groups, lr=1, fused=True)),
}


class Network(nn.Module):
    """A small random network; one parameter never gets a gradient, one only now and then."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        width = 4 + 2 * seed
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, groups=width if seed % 2 else 1), nn.Flatten(),
        )  # fmt: skip
        self.classifier = nn.Linear(width * 36, 5)
        self.unused = nn.Parameter(torch.randn(3))
        self.seldom = nn.Parameter(torch.randn(4, 5))
        self.frozen = nn.Parameter(torch.randn(2), requires_grad=False)

    def forward(self, images: Tensor, step: int) -> Tensor:
        logits: Tensor = self.classifier(self.convolutions(images))
        return logits + self.seldom.sum(0) if step % 3 == 0 else logits


def train(pair: str, ours: bool, seed: int, weight_decay: float, clip: float) -> list[Tensor]:
    """Train a network with one of a pair, and return all that it is afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(seed).to(memory_format=torch.channels_last)
        groups = parameter_groups(network, weight_decay)
        optimizer = PAIRS[pair][0 if ours else 1](
            groups
            if ours
            else [{"params": g.parameters, "weight_decay": g.weight_decay} for g in groups]
        )
        for step in range(STEPS):
            images = torch.randn(16, 3, 8, 8).contiguous(memory_format=torch.channels_last)
            loss = F.cross_entropy(network(images, step), torch.randint(5, (16,)))
            rate = 0.05 * (1 - step / STEPS)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            if clip:
                nn.utils.clip_grad_norm_(network.parameters(), clip)
            if ours:
                optimizer.step(rate)
            else:
                for group in optimizer.param_groups:
                    group["lr"] = rate
                optimizer.step()
        return list(network.state_dict().values())


@pytest.mark.few(7)
@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize(
    ("seed", "weight_decay", "clip"), [(0, 0.0, 0.0), (1, 3e-4, 5.0), (2, 0.1, 0.1), (3, 1e-3, 0.0)]
)
def test_the_numbers_are_torchs_to_the_bit(
    pair: str, seed: int, weight_decay: float, clip: float
) -> None:
    ours = train(pair, True, seed, weight_decay, clip)
    theirs = train(pair, False, seed, weight_decay, clip)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rmsprop_is_tensorflows(momentum: float) -> None:
    """ms <- d ms + (1 - d) g^2, from 1; mom <- m mom + lr g / sqrt(ms + eps); w <- w - mom."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 4))
    weights = nn.Parameter(torch.tensor(values))
    optimizer = RMSProp([DecayGroup([weights], 0.01)], momentum, 0.9, 1.0)
    square, moved = np.ones_like(values), np.zeros_like(values)
    for rate in (0.5, 0.4, 0.3):
        gradient = rng.normal(size=(3, 4))
        weights.grad = torch.tensor(gradient)
        optimizer.step(rate)
        whole = gradient + 0.01 * values
        square = 0.9 * square + 0.1 * whole**2
        moved = momentum * moved + rate * whole / np.sqrt(square + 1.0)
        values = values - moved
        assert np.allclose(weights.detach().numpy(), values, rtol=1e-12)


@pytest.mark.parametrize(
    "make", [SGD, lambda g: SGD(g, 0.9), Adam, AdamW, lambda g: RMSProp(g, 0.9, 0.9, 1.0)]
)
def test_what_is_kept_can_be_moved(make: Any) -> None:
    first, second = (nn.Parameter(torch.ones(2, 3, 4, 4)) for _ in range(2))
    first.data = first.data.contiguous(memory_format=torch.channels_last)
    one, other = (make([DecayGroup([p], 0.1)]) for p in (first, second))
    for number in range(4):
        gradient = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(number))
        for p in (first, second):  # as autograd gives them: in the order of the parameter's axes
            p.grad = torch.empty_like(p).copy_(gradient)
        one.step(0.1)
        if number == 2:
            second.data.copy_(first.data)
            other.restore({n: t.clone() for n, t in one.state().items()})
        elif number > 2:
            other.step(0.1)
    assert torch.equal(first, second)
    with pytest.raises(LookupError):
        other.restore({"3.0.momentum": torch.zeros(())})
    if one.state():
        with pytest.raises(LookupError):
            other.restore({n: t.flatten() for n, t in one.state().items() if t.dim()})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("pair", PAIRS)
def test_the_same_on_a_gpu(pair: str) -> None:
    after = []
    for make in PAIRS[pair]:
        weights = nn.Parameter(torch.linspace(-1, 1, 60, device="cuda").reshape(6, 10))
        groups = [{"params": [weights], "weight_decay": 0.1}]
        optimizer = make([DecayGroup([weights], 0.1)] if make is PAIRS[pair][0] else groups)
        for rate in (0.3, 0.2, 0.1):
            optimizer.zero_grad()
            (weights**3).sum().backward()
            if make is PAIRS[pair][0]:
                optimizer.step(rate)
            else:
                optimizer.param_groups[0]["lr"] = rate
                optimizer.step()
        after.append(weights.detach())
    assert torch.equal(*after)


TRAINING = """
import sys
import torch
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.search_spaces.rnn_cell.space import RNNCell
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.training import LanguageRecipe, Recipe, split_dataset, text_from_strings
from nas_gym.training.images.train import train
from nas_gym.training.text.train import train_language_model

recipe = Recipe(epochs=1, batch_size=8, learning_rate=0.1, gradient_clip=5.0, cutout=2)
images = torch.randint(255, (40, 1, 8, 8)).numpy().astype("uint8")
data = split_dataset("noise", images, torch.arange(40).numpy() % 2)
space = NASBench201()
genotype = architecture_of(space, (3,) * 6).genotype
result = train(space.build(genotype, recipe.task(1, 8, 8, 2)), data, recipe, 0)
assert result.failure is None, result

text = text_from_strings("text", *["to be or not to be " * 10] * 3)
space = RNNCell()
genotype = architecture_of(space, (0,) * space.max_length).genotype
for optimizer in ("sgd", "adam"):
    recipe = LanguageRecipe(
        epochs=1, batch_size=2, bptt=8, learning_rate=0.001, hidden=4, optimizer=optimizer,
        gradient_clip=0.1,
    )
    network = space.build(genotype, recipe.task(len(text.vocabulary), 4))
    result = train_language_model(network, text, recipe, 0)
    assert result.failure is None, result
print(*sys.modules)
"""


@pytest.mark.slow
def test_training_needs_no_compiler() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRAINING], check=True, capture_output=True, text=True
    )
    assert not {"torch._dynamo", "sympy"} & set(done.stdout.split())
