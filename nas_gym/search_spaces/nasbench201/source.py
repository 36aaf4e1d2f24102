"""The text of the networks of NAS-Bench-201 and of NATS-Bench's size space."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from nas_gym.networks.source import (
    PLAIN,
    Source,
    description,
    module_call,
    norm_lines,
    operation_call,
)
from nas_gym.networks.task import Task
from nas_gym.search_spaces.nasbench201.genotype import (
    CELL,
    EDGES,
    NASBench201Genotype,
    NATSSizeGenotype,
    genotype_of_string,
)
from nas_gym.search_spaces.nasbench201.network import (
    NODES,
    OPERATIONS_OF_EDGES,
    BenchmarkNetwork,
    NASBench201Cell,
    NASBench201Network,
    NATSSizeNetwork,
)

_CELL = '''\
class GraphCell(nn.Module):
    """Four nodes; each is the sum of what its incoming edges bring, and the last is the output."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.edges = nn.ModuleDict(
            {{
{edges}
            }}
        )

    def forward(self, n0: Tensor) -> Tensor:
        """Compute node by node."""
{nodes}
        return n3
'''
_CLASS = '''\
class Network(nn.Module):
    """{description}"""

    def __init__(self) -> None:
        super().__init__()
        self.stem = {stem}
        self.layers = nn.ModuleDict(
            {{
{layers}
            }}
        )
        self.last_norm = nn.BatchNorm2d({width_of_last})
        self.classifier = nn.Linear({width_of_last}, {classes})
{norms}
    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of normalised images."""
        x = self.stem(images)
        for layer in self.layers.values():
            x = layer(x)
        return self.classifier(F.relu(self.last_norm(x)).mean(dim=(2, 3)))
'''


def source(genotype: NASBench201Genotype | NATSSizeGenotype, task: Task) -> Source:
    """Return the network of a genotype as text."""
    with torch.device("meta"):
        network: BenchmarkNetwork
        if isinstance(genotype, NASBench201Genotype):
            network, operations = NASBench201Network(genotype, task), genotype.operations
        else:
            network = NATSSizeNetwork(genotype, task)
            operations = genotype_of_string(CELL).operations
    cell = _CELL.format(edges="\n".join(_edges(operations)), nodes="\n".join(_nodes(operations)))
    count = sum(isinstance(layer, NASBench201Cell) for layer in network.layers.values())
    text = _CLASS.format(
        description=description(f"{count} cells", task), classes=task.classes,
        stem=module_call(network.stem), layers="\n".join(_layers(network)),
        width_of_last=network.classifier.in_features,
        norms=norm_lines(task),
    )  # fmt: skip
    return Source(f"{cell}\n\n{text}", (PLAIN, "nas_gym.search_spaces.nasbench201.plain"))


def _edges(operations: Sequence[str]) -> Iterator[str]:
    for (start, node), name in zip(EDGES, operations, strict=True):
        channels = "outputs" if start else "inputs"
        if name == "skip_connect":
            yield f'                "{start}{node}": skip({channels}, outputs),'
        elif name != "none":
            call = operation_call(OPERATIONS_OF_EDGES[name], channels, "outputs")
            yield f'                "{start}{node}": {call},'


def _nodes(operations: Sequence[str]) -> Iterator[str]:
    chosen = dict(zip(EDGES, operations, strict=True))
    for node in range(1, NODES):
        arriving = [
            f'self.edges["{start}{node}"](n{start})'
            for start in range(node)
            if chosen[start, node] != "none"
        ]
        zeros = "n0.new_zeros((n0.shape[0], self.outputs, n0.shape[2], n0.shape[3]))"
        yield f"        n{node} = {' + '.join(arriving) or zeros}"


def _layers(network: BenchmarkNetwork) -> Iterator[str]:
    """Yield one line per cell and reduction."""
    before = network.stem_channels
    layers: Any = network.layers
    for name, layer in layers.items():
        cell = isinstance(layer, NASBench201Cell)
        after = layer.channels if cell else layer.shortcut.out_channels
        kind = "GraphCell" if cell else "ResidualHalving"
        yield f'                "{name}": {kind}({before}, {after}),'
        before = after
