"""The text of a NASNet: two classes of cells, and the network that stacks them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from nas_gym.networks.operations import FactorizedReduction
from nas_gym.networks.source import (
    PLAIN,
    Source,
    description,
    module_call,
    norm_lines,
    operation_call,
)
from nas_gym.networks.task import Task
from nas_gym.search_spaces.nasnet_cell.genotype import Cell, CellGenotype
from nas_gym.search_spaces.nasnet_cell.layers import needed_states
from nas_gym.search_spaces.nasnet_cell.network import NASNet

_INIT = """\
class {name}(nn.Module):
    \"\"\"The cell that {does}; h1 is the output of the cell before it, h0 of the one before.

    Args:
        previous: Channels of h0.
        current: Channels of h1.
        filters: Of every operation.
        first: Whether h0 is h1 itself.
        halve: Whether h0 is twice as large as h1.
    \"\"\"

    def __init__(
        self, previous: int, current: int, filters: int, first: bool = False, halve: bool = False
    ) -> None:
        super().__init__()"""
_CLASS = '''\
class Network(nn.Module):
    """{description}"""

    def __init__(self) -> None:
        super().__init__()
        self.stem = {stem}
        self.cells = nn.ModuleDict(
            {{
{places}
            }}
        )
        self.classifier = nn.Linear({width_of_last}, {classes})
{norms}
    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of normalised images."""
{steps}        return self.classifier(F.relu(current).mean(dim=(2, 3)))
'''
_STEPS = """\
        previous = current = self.stem(images)
        for cell in self.cells.values():
            previous, current = current, cell(previous, current)
"""
_SKIPPING_STEPS = """\
        older = previous = current = self.stem(images)
        for name, cell in self.cells.items():
            # The first cell after a reduction takes a state that is one cell older.
            h0 = older if name in [{names}] else previous
            older, previous, current = previous, current, cell(h0, current)
"""


def source(genotype: CellGenotype, task: Task) -> Source:
    """Return the network of a genotype as text."""
    with torch.device("meta"):
        network = NASNet(genotype, replace(task, auxiliary=False, drop_path=0.0))
    reducing: list[Any] = [
        cell for name, cell in network.cells.items() if not name.startswith("normal")
    ]
    shrinks = all(
        isinstance(s, FactorizedReduction) for c in reducing for s in c.shortcuts.values()
    )
    classes = [
        "\n".join(_cell("NormalCell", "keeps the sides", genotype.normal, False)),
        "\n".join(_cell("ReductionCell", "halves the sides", genotype.reduction, shrinks)),
    ]
    stem = network.stem
    text = _CLASS.format(
        description=description(f"{len(network.cells)} cells", task), classes=task.classes,
        stem=module_call(stem), places="\n".join(_places(network)),
        width_of_last=network.classifier.in_features, norms=norm_lines(task), steps=_steps(network),
    )  # fmt: skip
    modules = (PLAIN, "nas_gym.search_spaces.nasnet_cell.plain")
    return Source("\n\n\n".join([*classes, text]), modules)


def _steps(network: NASNet) -> str:
    """Return the lines that run the cells."""
    names = [
        f'"{name}"' for place, name in enumerate(network.cells) if network.previous(place) < place
    ]
    return _SKIPPING_STEPS.format(names=", ".join(names)) if names else _STEPS


def _places(network: NASNet) -> Iterator[str]:
    """Yield one line per cell of the network."""
    for place, (name, cell) in enumerate(network.cells.items()):
        previous = network.shapes[network.previous(place)].channels
        current = network.shapes[place + 1].channels
        kind = "NormalCell" if name.startswith("normal") else "ReductionCell"
        flags = ", first=True" if place == 0 else ""
        flags += ", halve=True" if isinstance(cell.previous, FactorizedReduction) else ""
        yield f'                "{name}": {kind}({previous}, {current}, {cell.filters}{flags}),'


def _cell(name: str, does: str, cell: Cell, shrinks: bool) -> Iterator[str]:
    """Yield the class of one of the two cells."""
    needed, reduction = needed_states(cell), name == "ReductionCell"
    yield _INIT.format(name=name, does=does)
    channels = {0: "c0", 1: "filters"}
    if 0 in needed:
        yield "        self.previous = adjusted(previous, filters, first, halve)"
        yield "        c0 = previous if first else filters"
    if 1 in needed:
        yield "        self.current = conv(current, filters, 1)"
    yield "        self.blocks = nn.ModuleDict("
    yield "            {"
    for b, block in enumerate(cell.blocks):
        if b + 2 not in needed:
            continue
        calls = [
            operation_call(op, channels[state], "filters", 2 if reduction and state < 2 else 1)
            for state, op in zip(block[:2], block[2:4], strict=True)
        ]
        concatenates = block.combine == "concat"
        channels[b + 2] = "2 * filters" if concatenates else "filters"
        yield f'                "{b}": TwoOperations('
        yield f"                    {calls[0]},"
        yield f"                    {calls[1]},"
        if concatenates:
            yield "                    concatenate=True,"
        yield "                ),"
    yield "            }"
    yield "        )"
    direct = [state for state in (0, 1) if state in cell.concat and (state == 0 or reduction)]
    if direct:
        halves = ", halve=True" if reduction and shrinks else ""
        entries = [f'"{s}": shortcut({channels[s]}, filters{halves})' for s in direct]
        yield f"        self.shortcuts = nn.ModuleDict({{{', '.join(entries)}}})"
    yield ""
    yield "    def forward(self, previous: Tensor, current: Tensor) -> Tensor:"
    yield '        """Return the output of the cell."""'
    if 0 in needed:
        yield "        h0 = self.previous(previous)"
    if 1 in needed:
        yield "        h1 = self.current(current)"
    for b, block in enumerate(cell.blocks):
        if b + 2 in needed:
            yield f'        h{b + 2} = self.blocks["{b}"](h{block.input_a}, h{block.input_b})'
    parts = [f'self.shortcuts["{s}"](h{s})' if s in direct else f"h{s}" for s in cell.concat]
    yield f"        return torch.cat([{', '.join(parts)}], 1)"
