"""Small models of every space."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_gym.models.folder import Model, fresh_model, write_model
from nas_gym.networks.task import LanguageTask, Task
from nas_gym.registry import make
from nas_gym.search_spaces.grammar import decode
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.published import PUBLISHED

SPACES = ("nasnet-cell", "conv-net", "rnn-cell", "enas-rnn-cell", "nasbench201", "nats-size")
LANGUAGE = ("rnn-cell", "enas-rnn-cell")
TEXT = LanguageTask(vocabulary=23, layers=2, hidden=6, embedding=6)
IMAGES = Task(channels=3, height=12, width=12, classes=4, repeats=1, filters=8)


def small_task(space: Any, **changes: Any) -> Any:
    """A task for which a space's networks are built in no time."""
    language = getattr(space, "usual_evaluator", "") == "language-model"
    return replace(TEXT if language else IMAGES, **changes)


def unusual_fields(name: str) -> dict[str, Any]:
    """Fields of a task that change what is computed, or what training computes."""
    # An epsilon that no rounding hides.
    fields = {"batch_norm_eps": 0.1, "batch_norm_momentum": 0.0003, "dropout": 0.5}
    if name.startswith("nasnet"):
        fields |= {"repeats": 2, "skip_reduction_input": True, "drop_path": 0.3}
    return fields


def random_model(name: str, seed: int, **changes: Any) -> Model:
    space = make("space", name)
    genotype = decode(space, random_tokens(space, np.random.default_rng(seed)))
    return stirred(fresh_model(space, genotype, small_task(space, **changes), seed))


def published_model(name: str, **changes: Any) -> Model:
    genotype, space = PUBLISHED[name]
    return stirred(fresh_model(space, genotype, small_task(space, **changes)))


def stirred(model: Model) -> Model:
    """Give batch norms values that fresh ones do not have, as training does."""
    import torch

    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)
        for module in model.network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(0.5, 2)
                module.bias.normal_()
    return replace(model, fresh=False)


def example(model: Model, batch: int) -> Any:
    """Inputs of a network."""
    import torch

    random, task = torch.Generator().manual_seed(batch), model.task
    if isinstance(task, LanguageTask):
        return torch.randint(task.vocabulary, (5, batch), generator=random)
    return torch.randn(batch, task.channels, task.height, task.width, generator=random)


def logits(network: Any, inputs: Any) -> Any:
    import torch

    with torch.inference_mode():
        out = network(inputs)
    return out[0] if isinstance(out, tuple) else out


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model on disk."""
    place = tmp_path_factory.mktemp("models") / "nasnet"
    write_model(published_model("nasnet-a"), place)
    return place
