"""Measure how fast recurrent layers train: a step of a sequence, both ways, on one thread.

    python benchmarks/speed/recurrent_speed.py [--write] [--compile]

Prints medians of ratios; the sides of a ratio are measured in turns in the same run, by the
process's own time. ``--compile`` adds ``torch.compile`` and TorchScript, which need minutes and,
the first, a C++ compiler. ``--write`` also writes ``benchmarks/results/recurrent_speed.md``.
"""

import statistics
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.measure import machine, report
from nas_gym.networks.recurrent import ACTIVATE, COMBINE, RecurrentLayer
from nas_gym.runs.markdown import table
from nas_gym.search_spaces.enas_rnn_cell.network import ENASLayer
from nas_gym.search_spaces.enas_rnn_cell.space import ENASRNNCell
from nas_gym.search_spaces.grammar import decode_valid
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.rnn_cell.network import TreeLayer
from nas_gym.search_spaces.rnn_cell.published import NAS_CELL
from nas_gym.search_spaces.rnn_cell.space import RNNCell

TIME = 35
SIZES = ((16, 32), (16, 64), (32, 64), (32, 128), (20, 200))  # batch, units
TURNS = 7
SECONDS = 0.05  # of a turn, at least
Step = Callable[[], object]


class NaiveTree(nn.Module):
    """A tree computed node by node: a product for every W and every M at every step."""

    def __init__(self, layer: TreeLayer) -> None:
        super().__init__()
        self.genotype, base = layer.genotype, layer.genotype.base
        self.w = nn.ModuleList(nn.Linear(layer.inputs, layer.units, False) for _ in range(base))
        self.m = nn.ModuleList(nn.Linear(layer.units, layer.units, False) for _ in range(base))

    def forward(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Compute what ``TreeLayer`` does."""
        (h, c), outputs, genotype = state, [], self.genotype
        for x_t in x:
            values: list[Tensor] = []
            for i, node in enumerate(genotype.nodes):
                if i < genotype.base:
                    a, b = self.w[i](x_t), self.m[i](h)
                else:
                    a, b = (values[child] for child in genotype.children(i))
                before = COMBINE[node.combination](a, b)
                value = ACTIVATE[node.activation](before)
                if i == genotype.cell_output:
                    new_c = before
                if i == genotype.cell_input:
                    inject = genotype.inject
                    value = ACTIVATE[inject.activation](COMBINE[inject.combination](value, c))
                values.append(value)
            h, c = values[-1], new_c
            outputs.append(h)
        return torch.stack(outputs), (h, c)


class NaiveENAS(nn.Module):
    """A chain computed node by node: two products per node, for gate and candidate."""

    def __init__(self, layer: ENASLayer) -> None:
        super().__init__()
        self.nodes, units = layer.genotype.nodes, layer.units
        self.inputs = nn.ModuleList(nn.Linear(layer.inputs, units, False) for _ in range(2))
        count = len(self.nodes)
        self.gates = nn.ModuleList(nn.Linear(units, units, False) for _ in range(count))
        self.candidates = nn.ModuleList(nn.Linear(units, units, False) for _ in range(count))
        self.loose = set(range(count)) - {node.previous for node in self.nodes}

    def forward(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Compute what ``ENASLayer`` does."""
        (h,), outputs = state, []
        for x_t in x:
            values: list[Tensor] = []
            for i, node in enumerate(self.nodes):
                into = values[node.previous] if i else h
                gate, candidate = self.gates[i](into), self.candidates[i](into)
                if not i:
                    gate = gate + self.inputs[0](x_t)
                    candidate = candidate + self.inputs[1](x_t)
                c = torch.sigmoid(gate)
                values.append(c * ACTIVATE[node.activation](candidate) + (1 - c) * into)
            h = torch.stack([values[i] for i in self.loose]).mean(0)
            outputs.append(h)
        return torch.stack(outputs), (h,)


def layers(units: int) -> dict[str, RecurrentLayer]:
    """Make the cells that are measured."""
    made: dict[str, RecurrentLayer] = {"NAS cell": TreeLayer(NAS_CELL, units, units)}
    for seed in range(3):
        tokens = random_tokens(RNNCell(), np.random.default_rng(seed))
        made[f"random tree {seed}"] = TreeLayer(decode_valid(RNNCell(), tokens), units, units)
    for seed in range(2):
        tokens = random_tokens(ENASRNNCell(), np.random.default_rng(seed))
        made[f"random ENAS {seed}"] = ENASLayer(decode_valid(ENASRNNCell(), tokens), units, units)
    return made


def training_step(run: Callable[..., tuple[Tensor, object]], state: object, x: Tensor) -> Step:
    """Return a step: forward, and backward from a gradient of the outputs."""
    upstream = torch.randn(TIME, x.shape[1], x.shape[2])

    def step() -> None:
        run(x, state)[0].backward(upstream)

    return step


def sides_of(layer: RecurrentLayer, batch: int) -> dict[str, Step]:
    """Return the ways of computing a layer, and an LSTM of its size."""
    x = torch.randn(TIME, batch, layer.units, requires_grad=True)
    state = layer.first_state(batch)
    naive = NaiveTree(layer) if isinstance(layer, TreeLayer) else NaiveENAS(layer)  # type: ignore[arg-type]
    lstm = nn.LSTM(layer.units, layer.units)
    zeros = torch.zeros(1, batch, layer.units)

    def eager(x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        return layer.unfused(x, layer.input_weights, layer.hidden_weights, state, None)

    return {
        "fused": training_step(layer, state, x),
        "naive": training_step(naive, state, x),
        "eager": training_step(eager, state, x),
        "lstm": training_step(lstm, (zeros, zeros), x),
    }


def in_turns(sides: dict[str, Step]) -> dict[str, list[float]]:
    """Measure the microseconds per step of the sequence, TURNS times each."""
    repeats = {}
    for name, step in sides.items():
        step()
        start = time.process_time()
        step()
        repeats[name] = max(1, round(SECONDS / max(time.process_time() - start, 1e-4)))
    measured: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(TURNS):
        for name, step in sides.items():
            start = time.process_time()
            for _ in range(repeats[name]):
                step()
            spent = time.process_time() - start
            measured[name].append(spent / repeats[name] / TIME * 1e6)
    return measured


def ratio(measured: dict[str, list[float]], of: str, to: str) -> str:
    """Return median and range."""
    ratios = [a / b for a, b in zip(measured[of], measured[to], strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def main_table() -> str:
    """Tabulate every cell at every size."""
    rows: list[list[str]] = []
    for batch, units in SIZES:
        for name, layer in layers(units).items():
            measured = in_turns(sides_of(layer, batch))
            rows.append(
                [
                    *(name, str(batch), str(units), f"{statistics.median(measured['fused']):.0f}"),
                    *(ratio(measured, side, "fused") for side in ("naive", "eager")),
                    ratio(measured, "fused", "lstm"),
                ]
            )
            print(*rows[-1], sep=" | ", file=sys.stderr)
    headings = (
        *("cell", "batch", "units", "µs per step, fused", "naive / fused"),
        *("merged products, autograd / fused", "fused / `nn.LSTM`"),
    )
    return table(headings, rows) + "\n"


def compiled_table(batch: int = 32, units: int = 64) -> str:
    """Tabulate the same layer by torch's compilers, and the seconds until their first step."""
    layer = TreeLayer(NAS_CELL, units, units)
    x, state = torch.randn(TIME, batch, units, requires_grad=True), layer.first_state(batch)

    def eager(x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        return layer.unfused(x, layer.input_weights, layer.hidden_weights, state, None)

    weights = layer.input_weights, layer.hidden_weights

    def traced(x: Tensor, inputs: Tensor, hidden: Tensor, h: Tensor, c: Tensor) -> Tensor:
        return layer.unfused(x, inputs, hidden, (h, c), None)[0]

    sides = {"fused": training_step(layer, state, x)}
    seconds = {"fused": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript is deprecated
        start = time.perf_counter()
        script = torch.jit.trace(traced, (x, *weights, *state), check_trace=False)
        sides["TorchScript"] = training_step(lambda x, s: (script(x, *weights, *s), s), state, x)
        for _ in range(3):  # it optimises what it has seen
            sides["TorchScript"]()
        seconds["TorchScript"] = time.perf_counter() - start
        start = time.perf_counter()
        sides["torch.compile"] = training_step(torch.compile(eager), state, x)
        sides["torch.compile"]()
        seconds["torch.compile"] = time.perf_counter() - start
    measured = in_turns(sides)
    rows = [[name, ratio(measured, name, "fused"), f"{seconds[name]:.0f}"] for name in sides]
    return (
        f"\nThe NAS cell, batch {batch}, {units} units, by torch's compilers:\n\n"
        f"{table(('way', 'time / fused', 'seconds to compile'), rows)}\n"
    )


def main() -> None:
    """Measure, print, and write if asked to."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    text = (
        f"# Speed of the recurrent layers\n\nForward and backward of {TIME} steps, float32, one "
        f"thread; medians and ranges of {TURNS} turns ({machine()}); printed by "
        "`python benchmarks/speed/recurrent_speed.py --compile`. *Naive* computes node by node "
        "with a "
        "product for each weight matrix. The NAS cell and trees have 8 weight matrices for x and 8 "
        "for h where an LSTM has 4, ENAS's cells 2 and 24.\n\n" + main_table()
    )
    report("recurrent_speed", text + (compiled_table() if "--compile" in sys.argv else ""))


if __name__ == "__main__":
    main()
