"""``model.py``: a network as one file of plain PyTorch that imports torch alone."""

import ast
import inspect
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from typing import Any

from nas_gym import __version__
from nas_gym.models.genotypes import has_source
from nas_gym.networks.source import Source

_HEAD = '''\
"""{title}

Written by nas-gym {version}; needs PyTorch alone. In the folder of this file:

    import model

    network = model.load("model.safetensors")  # in evaluation mode
"""

import json
import struct

import torch
import torch.nn.functional as F
from torch import Tensor, nn
'''
_LOAD = '''\
def load(path: str) -> Network:
    """Return the network in evaluation mode, with the weights of a safetensors file."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    header.pop("__metadata__", None)
    types = {"F32": torch.float32, "I64": torch.int64}
    weights = {}
    for name, of in header.items():
        first, end = of["data_offsets"]
        values = torch.frombuffer(data[first:end], dtype=types[of["dtype"]])
        weights[name] = values.reshape(of["shape"])
    network = Network()
    missing, unexpected = network.load_state_dict(weights, strict=False)
    if unexpected or MISSING:
        raise ValueError(f"{path} has weights of another network")
    return network.eval()
'''


def model_source(space: Any, genotype: Any, task: Any, title: str) -> str | None:
    """Return the text of ``model.py``; None if the space has no ``to_source``.

    Args:
        space: May have ``to_source(genotype, task)``, which returns a ``Source``.
        genotype: The architecture.
        task: The shape of the data and the size of the network.
        title: One line that says what it is.
    """
    if not has_source(space):
        return None
    source: Source = space.to_source(genotype, task)
    tied = getattr(task, "tied", False)  # the file has the tensor once
    missing = 'set(missing) - {"decoder.weight"}' if tied else "missing"
    texts = [
        _HEAD.format(title=title, version=__version__),
        *_definitions(source),
        source.text.strip() + "\n",
        _LOAD.replace("MISSING", missing),
    ]
    return "\n\n".join(texts)


def _definitions(source: Source) -> Iterator[str]:
    """Yield the definitions that the text uses, and those that they use, in order."""
    known: dict[str, tuple[str, set[str]]] = {}
    for module in source.modules:
        known |= _texts(module)
    wanted, waiting = set(), list(_names(source.text))
    while waiting:
        name = waiting.pop()
        if name in known and name not in wanted:
            wanted.add(name)
            waiting += known[name][1]
    yield from (text for name, (text, _) in known.items() if name in wanted)


@cache
def _texts(module: str) -> dict[str, tuple[str, set[str]]]:
    """Return the text of each class and function of a module, and the names in it."""
    text = inspect.getsource(import_module(module))
    nodes = [n for n in ast.parse(text).body if isinstance(n, ast.ClassDef | ast.FunctionDef)]
    found = {node.name: ast.get_source_segment(text, node) or "" for node in nodes}
    return {name: (f"{_plain(each)}\n", set(_names(each))) for name, each in found.items()}


def _plain(text: str) -> str:
    """Return the text without the remarks for our own checkers."""
    return "\n".join(line.split("  # ")[0].rstrip() if _remark(line) else line
                     for line in text.splitlines())  # fmt: skip


def _remark(line: str) -> bool:
    return any(mark in line for mark in ("# type: ignore", "# noqa", "# fmt:"))


def _names(text: str) -> Iterable[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
