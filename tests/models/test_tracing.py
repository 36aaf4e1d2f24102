"""torch traces and exports our networks and those of ``model.py``, for any batch."""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from nas_gym import load_model
from nas_gym.models.folder import write_model
from tests.models.conftest import example, logits, published_model, random_model, unusual_fields
from tests.models.test_source import plain_network

NETWORKS = ["nasnet-a", "nas-v1", "nasbench201"]


def both(name: str) -> tuple[Any, Any, Any]:
    """A model, the network that trains, and that of ``model.py``."""
    fields = unusual_fields(name)
    random = name == "nasbench201"
    model = random_model(name, 2, **fields) if random else published_model(name, **fields)
    return model, model.network, plain_network(model)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch's own: what is traced is a constant; deprecations
@pytest.mark.parametrize("name", NETWORKS)
def test_traced(name: str) -> None:
    model, *networks = both(name)
    for network in networks:
        traced = torch.jit.trace(network, example(model, 2), check_trace=False)
        for batch in (1, 70):  # with 70 other fast paths would be taken than with 2
            inputs = example(model, batch)
            expected = logits(model.network, inputs)
            torch.testing.assert_close(logits(traced, inputs), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fields", [{}, unusual_fields("nasnet-a")], ids=["usual", "unusual"])
def test_scripted(fields: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "m"
    write_model(published_model("nasnet-a", **fields), folder)
    monkeypatch.syspath_prepend(folder)  # scripting reads the source
    monkeypatch.delitem(sys.modules, "model", raising=False)
    network = importlib.import_module("model").load(str(folder / "model.safetensors"))
    model = load_model(folder)
    scripted, inputs = torch.jit.script(network), example(model, 3)
    expected = logits(model.network, inputs)
    torch.testing.assert_close(scripted(inputs), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NETWORKS)
def test_exported_with_a_dynamic_batch(name: str) -> None:
    model, *networks = both(name)
    for network in networks:
        shapes = ({0: torch.export.Dim("batch")},)
        program = torch.export.export(network, (example(model, 2),), dynamic_shapes=shapes)
        for batch in (1, 70):
            inputs = example(model, batch)
            expected = logits(model.network, inputs)
            found = logits(program.module(), inputs)
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
