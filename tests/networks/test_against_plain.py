"""The network against a second one, written with torch's modules alone (the benchmark's)."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from nas_gym.networks.task import Task
from nas_gym.search_spaces.nasnet_cell.published import NASNET_A

ROOT = Path(__file__).parents[2]


@pytest.fixture
def training_step(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(ROOT))
    yield importlib.import_module("benchmarks.speed.training_step")
    for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
        del sys.modules[name]


@pytest.mark.slow
def test_logits_and_gradients_are_equal(training_step: ModuleType) -> None:
    task = Task(1, 8, 8, 10, repeats=2, filters=4)
    for genotype in (NASNET_A, *training_step.random_genotypes(4)):
        training_step.Pair(genotype, task, 60).check()


def test_other_sizes(training_step: ModuleType) -> None:
    task = Task(3, 9, 14, 10, repeats=1, filters=4)
    training_step.Pair(NASNET_A, task, 6).check()


@pytest.mark.slow
def test_no_gradient_changes_its_memory_format(training_step: ModuleType) -> None:
    """Batch normalisation takes three times as long where it does."""
    formats: list[bool] = []
    task = Task(1, 8, 8, 10, repeats=1, filters=8)

    def watch(module: torch.nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        output.register_hook(
            lambda g: formats.append(g.is_contiguous(memory_format=torch.channels_last))
        )

    for genotype in training_step.random_genotypes(3):
        pair = training_step.Pair(genotype, task, 60)
        for module in pair.sides[1][0].modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.register_forward_hook(watch)
        pair.step(1)
    assert len(formats) > 100
    assert all(formats)
