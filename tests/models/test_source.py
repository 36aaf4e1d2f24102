"""``model.py`` gives the numbers of our own network, for every space, without this package."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_gym.models.folder import Model, write_model
from nas_gym.models.loading import load_model
from nas_gym.models.preprocessing import preprocessing_of
from nas_gym.models.source import model_source
from nas_gym.search_spaces.published import PUBLISHED
from tests.models.conftest import (
    LANGUAGE,
    SPACES,
    example,
    logits,
    published_model,
    random_model,
)


def plain_network(model: Model) -> Any:
    """The network of ``model.py`` with the model's weights."""
    module = ModuleType("model")
    text = model_source(model.space, model.genotype, model.task, "A model.")
    exec(compile(text, "model.py", "exec"), vars(module))
    network = module.Network().eval()
    network.load_state_dict(model.network.state_dict())
    return network


def check_equal(model: Model) -> None:
    network = plain_network(model)
    for batch in (1, 5):
        inputs = example(model, batch)
        expected = logits(model.network, inputs)
        scale = max(1.0, float(expected.abs().max()))
        found = logits(network, inputs)
        torch.testing.assert_close(found / scale, expected / scale, rtol=1e-5, atol=1e-5)


@pytest.mark.few(3)
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_architectures(name: str) -> None:
    check_equal(published_model(name))


@pytest.mark.few(1)
@pytest.mark.parametrize("name", SPACES)
@given(seed=st.integers(0, 2**31), side=st.integers(1, 12), layers=st.integers(1, 2))
@settings(max_examples=4, deadline=None, derandomize=True)
def test_random_architectures(name: str, seed: int, side: int, layers: int) -> None:
    language = name in LANGUAGE
    tied = {"layers": layers, "tied": seed % 2 == 0}
    check_equal(random_model(name, seed, **(tied if language else {"height": side, "width": 7})))


def random_fields(name: str, seed: int) -> dict[str, Any]:
    """What a task may say of batch norms, dropout and, for NASNets, paths and skipped inputs."""
    random = np.random.default_rng(seed)
    fields = {
        "repeats": int(random.integers(1, 4)),
        "batch_norm_eps": float(random.choice([1e-5, 1e-3, 0.3])),
        "batch_norm_momentum": float(random.choice([0.1, 0.0003, 1.0])),
        "dropout": float(random.choice([0.0, 0.5])),
    }
    if name == "nasnet-cell":
        fields |= {
            "stem": str(random.choice(["cifar", "imagenet", "pooled"])),
            "skip_reduction_input": bool(random.random() < 0.7),
            "drop_path_by_depth": bool(random.random() < 0.5),
            "drop_path": float(random.choice([0.0, 0.3])),
        }
    return fields


IMAGES = [name for name in SPACES if name not in LANGUAGE]


@pytest.mark.slow
@pytest.mark.parametrize("name", IMAGES)
@given(seed=st.integers(0, 2**31), side=st.integers(3, 20))
@settings(max_examples=8, deadline=None, derandomize=True)
def test_random_tasks(name: str, seed: int, side: int) -> None:
    model = random_model(name, seed, height=side, width=11, **random_fields(name, seed))
    check_equal(model)
    for mine, plain in zip(norms(model.network), norms(plain_network(model)), strict=True):
        assert (mine.eps, mine.momentum) == (plain.eps, plain.momentum)


@pytest.mark.few(1)
@pytest.mark.parametrize("filters", [6, 11])
@pytest.mark.parametrize("name", ["nasnet-a", "amoebanet-a", "darts-v2"])
def test_filters_that_the_stem_of_imagenet_does_not_halve_evenly(name: str, filters: int) -> None:
    check_equal(published_model(name, filters=filters, stem="imagenet", height=23, width=18))


def norms(network: Any) -> list[Any]:
    return [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]


@pytest.mark.slow
def test_the_input_of_a_reduction_is_skipped_in_a_published_network() -> None:
    """Random cells may not read it; NASNet-A's does, and the logits are others."""
    model = published_model("nasnet-a", repeats=2, skip_reduction_input=True)
    check_equal(model)
    usual = published_model("nasnet-a", repeats=2)
    inputs = example(model, 3)
    usual.network.load_state_dict(model.network.state_dict())
    assert not torch.allclose(logits(usual.network, inputs), logits(model.network, inputs))


@pytest.mark.slow
def test_a_task_without_these_fields_has_no_lines_of_them() -> None:
    def text(**changes: Any) -> str:
        model = random_model("nasnet-cell", 0, **changes)
        return model_source(model.space, model.genotype, model.task, "A model.")

    for word in (".eps", ".momentum", "older if", "Without"):
        assert word not in text()
    assert "module.eps = 0.001\n\n" in text(batch_norm_eps=1e-3)
    assert "module.momentum = 0.0003\n\n" in text(batch_norm_momentum=0.0003)
    assert "Without training's dropout of 0.5.\n" in text(dropout=0.5)
    paths = text(dropout=1.23456789e-5, drop_path=1.23456789e-5, drop_path_by_depth=True)
    assert "dropout of 1.23457e-05 and drop-path of 1.23457e-05, scaled by depth.\n" in paths
    assert all(len(line) <= 100 for line in paths.splitlines())


@pytest.mark.few(1)
@pytest.mark.parametrize("stem", ["cifar", "imagenet", "pooled"])
def test_stems(stem: str) -> None:
    check_equal(random_model("nasnet-cell", 3, stem=stem, height=70, width=66, repeats=2))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nasnet-a", "nas-v1-dense", "nas-cell"])
def test_a_fresh_process_without_the_package_gives_the_same(name: str, tmp_path: Path) -> None:
    model = published_model(name)
    write_model(model, tmp_path / "m")
    inputs = example(model, 5)
    torch.save(inputs, tmp_path / "x.pt")
    code = """
import json, sys
sys.modules["nas_gym"] = sys.modules["safetensors"] = None  # whoever imports them fails
import torch, model
out = model.load("model.safetensors")(torch.load(sys.argv[1]))
print(json.dumps((out[0] if isinstance(out, tuple) else out).tolist()))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x.pt")], cwd=tmp_path / "m",
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    torch.testing.assert_close(
        torch.tensor(json.loads(done.stdout)), logits(model.network, inputs), rtol=1e-5, atol=1e-5
    )


@pytest.mark.slow
def test_random_tasks_in_a_fresh_process_without_the_package(tmp_path: Path) -> None:
    models = {
        f"{name}{seed}": random_model(name, seed, **random_fields(name, seed))
        for name in IMAGES
        for seed in range(3)
    }
    inputs = {}
    for name, model in models.items():
        write_model(model, tmp_path / name)
        inputs[name] = example(model, 5)
    torch.save(inputs, tmp_path / "x.pt")
    code = """
import json, runpy, sys
sys.modules["nas_gym"] = sys.modules["safetensors"] = None  # whoever imports them fails
import torch
found = {}
for name, images in torch.load("x.pt").items():
    load = runpy.run_path(f"{name}/model.py")["load"]
    found[name] = load(f"{name}/model.safetensors")(images).tolist()
print(json.dumps(found))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert len(found) == len(models)
    for name, model in models.items():
        expected = logits(model.network, inputs[name])
        scale = max(1.0, float(expected.abs().max()))
        torch.testing.assert_close(
            torch.tensor(found[name]) / scale, expected / scale, rtol=1e-5, atol=1e-5
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nasnet-cell", "conv-net", "nasbench201"])
def test_a_trained_network_of_such_a_task_comes_back(name: str, tmp_path: Path) -> None:
    from nas_gym.evaluators.trained.images import TrainingEvaluator

    recipe: dict[str, Any] = {
        "name": "quick-conv-net" if name == "conv-net" else "quick",
        "epochs": 1, "width_multiplier": 0.25, "dropout": 0.3, "batch_norm_eps": 0.1,
        "batch_norm_momentum": 0.02,
    }  # fmt: skip
    if name == "nasnet-cell":
        recipe |= {"skip_reduction_input": True, "drop_path": 0.2, "drop_path_by_depth": True}
    start = random_model(name, 1)
    trainer = TrainingEvaluator(start.space, "digits", recipe)
    network = trainer.build(start.genotype)
    trainer.train(network, 0)
    preprocessing = preprocessing_of(trainer.data)
    model = Model(network.eval(), start.space, start.genotype, trainer.task, preprocessing)
    write_model(model, tmp_path / "m")
    again = load_model(tmp_path / "m")
    assert again.task == trainer.task
    assert {(n.eps, n.momentum) for n in norms(again.network)} == {(0.1, 0.02)}
    inputs = trainer.data.normalise(trainer.data.validation_images[:50])
    expected = logits(network, inputs)
    scale = max(1.0, float(expected.abs().max()))
    for loaded in (again.network, plain_network(again)):  # trained in another memory format
        found = logits(loaded, inputs)
        torch.testing.assert_close(found / scale, expected / scale, rtol=1e-5, atol=1e-5)
    network.to(memory_format=torch.contiguous_format)
    assert torch.equal(logits(again.network, inputs), logits(network, inputs))


@pytest.mark.parametrize("name", ["nasnet-a", "nas-v1", "nas-cell"])
def test_it_is_short_and_has_no_remarks_of_our_checkers(name: str) -> None:
    model = published_model(name)
    text = model_source(model.space, model.genotype, model.task, "A model.")
    assert all(len(line) <= 100 for line in text.splitlines())
    assert not any(mark in text for mark in ("noqa", "type: ignore", "fmt:", "nas_gym."))
    imported = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Import | ast.ImportFrom)]
    names = {alias.name if isinstance(n, ast.Import) else n.module for n in imported
             for alias in n.names}  # fmt: skip
    assert names == {"json", "struct", "torch", "torch.nn.functional"}


@pytest.mark.slow
def test_the_second_classifier_of_training_is_left_out(tmp_path: Path) -> None:
    model = random_model("nasnet-cell", 4, auxiliary=True)
    write_model(model, tmp_path / "m")
    module = ModuleType("model")
    exec((tmp_path / "m" / "model.py").read_text(), vars(module))
    inputs = example(model, 2)
    expected = logits(model.network, inputs)
    scale = max(1.0, float(expected.abs().max()))
    for network in (
        module.load(tmp_path / "m" / "model.safetensors"), load_model(tmp_path / "m").network,
    ):  # fmt: skip
        found = logits(network, inputs)
        torch.testing.assert_close(found / scale, expected / scale, rtol=1e-5, atol=1e-5)
