"""``model.py`` gives the numbers of our own network, for every space, without this package."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_gym.errors import InvalidOption
from nas_gym.models.folder import Model, write_model
from nas_gym.models.loading import load_model
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


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_architectures(name: str) -> None:
    check_equal(published_model(name))


@pytest.mark.parametrize("name", SPACES)
@given(seed=st.integers(0, 2**31), side=st.integers(1, 12), layers=st.integers(1, 2))
@settings(max_examples=4, deadline=None, derandomize=True)
def test_random_architectures(name: str, seed: int, side: int, layers: int) -> None:
    language = name in LANGUAGE
    tied = {"layers": layers, "tied": seed % 2 == 0}
    check_equal(random_model(name, seed, **(tied if language else {"height": side, "width": 7})))


@pytest.mark.parametrize("stem", ["cifar", "imagenet", "pooled"])
def test_stems(stem: str) -> None:
    check_equal(random_model("nasnet-cell", 3, stem=stem, height=70, width=66, repeats=2))


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


def test_a_space_without_a_text_of_its_networks_is_refused_in_one_sentence() -> None:
    class Own:
        pass

    with pytest.raises(InvalidOption, match="give it a method to_source"):
        model_source(Own(), None, None, "A model.")
