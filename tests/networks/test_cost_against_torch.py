"""Costs against torch's own counter on its own meta device, and what counting takes."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from nas_gym.networks import cost
from nas_gym.networks.cost import count_multiply_adds, on_meta
from nas_gym.networks.task import LanguageTask, Task
from nas_gym.plugins import names
from nas_gym.registry import make, usual
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.search_spaces.published import PUBLISHED

SPACES = names("space")


def torchs_count(network: nn.Module, shape: tuple[int, ...], dtype: torch.dtype) -> int:
    """What ``FlopCounterMode`` counts for a network that is all on the meta device."""
    training = network.training
    network.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.empty((1, *shape), dtype=dtype, device="meta"))
    network.train(training)
    return counter.get_total_flops() // 2


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Torch's own counter does not help."""
    with monkeypatch.context() as patched:
        patched.setattr(cost, "FlopCounterMode", None)
        yield


def check(space: Any, genotype: Any, task: Task | LanguageTask) -> None:
    shape, dtype = ((1,), torch.int64)
    if isinstance(task, Task):
        shape, dtype = (task.channels, task.height, task.width), torch.float32
    with on_meta():
        light = space.build(genotype, task)
    with torch.device("meta"):
        theirs = space.build(genotype, task)
    assert [(p.shape, p.requires_grad) for p in light.parameters()] == [
        (p.shape, p.requires_grad) for p in theirs.parameters()
    ]
    assert count_multiply_adds(light, shape, dtype) == torchs_count(theirs, shape, dtype)


def task_of(space: Any, number: int) -> Task | LanguageTask:
    """A task for the space, each number another one."""
    if usual("evaluator", space) == "language-model":
        tied = number % 2 == 1
        return LanguageTask(
            23, layers=1 + number % 2, hidden=6, embedding=6 if tied else 5, tied=tied
        )
    side = (8, 32, 64)[number % 3]
    task = Task(1 + number % 3, side, side + number, 10, filters=4)
    if not isinstance(space, NASNetCell):
        return task
    stem: Any = "imagenet" if side == 64 else "cifar"
    return replace(task, auxiliary=side > 8 and number % 2 == 1, stem=stem)


@pytest.mark.slow
@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("name", SPACES)
def test_random_architectures(name: str) -> None:
    space, rng = make("space", name), np.random.default_rng(SPACES.index(name))
    for number in range(6):
        genotype = architecture_of(space, random_tokens(space, rng)).genotype
        check(space, genotype, task_of(space, number))


@pytest.mark.few(3)
@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_architectures(name: str) -> None:
    genotype, space = PUBLISHED[name]
    check(space, genotype, task_of(space, 1))


# ---------------------------------------------------------------- networks of users


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 16, 2, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(32, 4)
        self.out = nn.Linear(4, 3)

    def forward(self, images: Tensor) -> Tensor:
        steps = self.lstm(images.flatten(2).transpose(1, 2))[0]
        return self.out(self.gru(steps)[0][:, -1])


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.positions = nn.Parameter(torch.randn(64, 8))
        self.attention = nn.MultiheadAttention(8, 4)
        self.norm = nn.LayerNorm(8)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.layer(images.flatten(2).transpose(1, 2) + self.positions)
        query = tokens[None].softmax(-1)
        more = nn.functional.scaled_dot_product_attention(query, query, query)[0]
        return self.norm(self.attention(tokens, tokens, tokens)[0] + more).mean(1)


class Convolving(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.grouped = nn.Conv2d(8, 8, 3, groups=4, dilation=2, padding="same")
        self.depthwise = nn.Conv2d(8, 8, 5, groups=8, padding=2, bias=False)
        self.transposed = nn.ConvTranspose2d(8, 4, 3, 2, output_padding=1)
        self.flat = nn.Conv1d(8, 3, 3)
        self.deep = nn.Conv3d(1, 2, 3)
        self.norm = nn.GroupNorm(2, 8)
        self.batch_norm = nn.BatchNorm2d(8)
        self.scale = nn.Parameter(torch.ones(1, 8, 1, 1))
        self.activation = nn.ReLU(inplace=True)

    def forward(self, images: Tensor) -> Tensor:
        x = self.norm(self.activation(self.batch_norm(self.grouped(images))) * self.scale)
        x = self.depthwise(x) + nn.functional.interpolate(
            nn.functional.max_pool2d(x, 2), scale_factor=2
        )
        x += torch.cat([x[:, 4:], x[:, :4]], 1)
        similar = torch.einsum("bchw,bdhw->bcd", x, images)
        total = self.transposed(x).sum() + self.flat(x.flatten(2)).mean()
        return similar.softmax(1) + total + self.deep(images[:, None]).amax()


class Layouts(nn.Module):
    """Works in the layout that training gives it, and in the usual one."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(8, 8, 1)
        self.out = nn.Linear(512, 10)

    def forward(self, images: Tensor) -> Tensor:
        mixed = self.mix(images).permute(0, 2, 3, 1).contiguous()
        return self.out(torch.relu(mixed).view(len(images), -1).unsqueeze(0).squeeze_(0))


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    "network",
    [pytest.param(Recurrent, marks=pytest.mark.slow), Attending, Convolving, Layouts],
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_networks_of_users(network: type[nn.Module], layout: torch.memory_format) -> None:
    trained = network().to(memory_format=layout) if network is not Convolving else network()
    counted = count_multiply_adds(trained, (8, 8, 8))
    assert counted == torchs_count(network().to("meta"), (8, 8, 8), torch.float32) > 0
    with torch.inference_mode():
        assert count_multiply_adds(trained, (8, 8, 8)) == counted


class Custom(nn.Module):
    def __init__(self, forward: Any) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.run = forward

    def forward(self, values: Tensor) -> Tensor:
        result: Tensor = self.run(self.linear(values))
        return result


def test_what_the_short_way_cannot_do_is_done_by_torch() -> None:
    calls = []

    def refuse_once(values: Tensor) -> Tensor:
        calls.append(values.is_meta)
        if len(calls) == 1:
            raise ValueError
        return values

    assert count_multiply_adds(Custom(refuse_once), (4,)) == 16
    assert calls == [True, True]


@pytest.mark.parametrize(
    "forward",
    [
        lambda values: values if values.sum() > 0 else -values,
        lambda values: values @ torch.zeros(3, 3),
        lambda values: values.cpu(),
    ],
)
def test_what_torch_cannot_count_is_an_error_as_before(forward: Any) -> None:
    network = Custom(forward)
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        torchs_count(Custom(forward).to("meta"), (4,), torch.float32)
    with pytest.raises(type(theirs.value)) as ours:
        count_multiply_adds(network, (4,))
    assert str(ours.value) == str(theirs.value)
    assert network.training


# ---------------------------------------------------------------- what it takes


COUNTING = """
import sys
from pathlib import Path
import torch
from nas_gym.networks.task import LanguageTask, Task
from nas_gym.search_spaces.describe import describe
from nas_gym.search_spaces.published import PUBLISHED

def parameters(name, task):
    genotype, space = PUBLISHED[name]
    return describe(genotype, task, space).parameters

def peak():
    status = Path("/proc/self/status")
    return int(status.read_text().split("VmHWM:")[1].split()[0]) if status.exists() else 0

before = peak()
print(parameters("nasnet-a", Task(3, 331, 331, 1000, repeats=6, filters=168, stem="imagenet")))
print(parameters("nas-v1", Task(3, 32, 32, 10)))
print(parameters("nas-cell", LanguageTask(10_000, 2, 1500, 1500)))
print(*sys.modules)
print(parameters("nasnet-a", Task(3, 331, 331, 1000, repeats=6, filters=1000, stem="imagenet")))
print(peak() - before)  # KiB
"""


@pytest.mark.slow
def test_counting_takes_no_compiler_and_no_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COUNTING], check=True, capture_output=True, text=True
    )
    *parameters, modules, huge, used = done.stdout.splitlines()
    assert list(map(int, parameters)) == [88_753_150, 4_120_990, 87_010_000]
    assert not {"torch._dynamo", "sympy"} & set(modules.split())
    assert int(huge) > 2.9e9  # 12 GB
    assert int(used) < 800 * 1024
