"""Measure how fast children train: nas-gym's NASNet networks against the same written plainly.

    python benchmarks/speed/training_step.py [--write]

Plain means contiguous NCHW and one module per operation. Both sides get the same weights and are
first shown to give the same logits and gradients (in double precision). Then training steps of
both (forward, backward, SGD with Nesterov momentum) are timed in turns on one thread; the table has
medians of processor time. ``--write`` also writes ``benchmarks/results/training_step.md``.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.measure import machine, report
from nas_gym.networks.task import Task
from nas_gym.runs.markdown import numbers_table
from nas_gym.search_spaces.grammar import decode
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasnet_cell.genotype import Cell, CellGenotype
from nas_gym.search_spaces.nasnet_cell.published import NASNET_A
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell

CHILDREN = 12
REPEATS = 9
BATCH = 128
PROFILED = 14  # rows of the profiler's table
Size = tuple[int, int]
Row = tuple[str, str, str, str]

# ------------------------------------------------------------------------- the plain side


def plain_convolution(
    channels: int, filters: int, kernel: Size, strides: Size, size: Size, more: dict[str, int]
) -> list[nn.Module]:
    """Return a convolution, after a padding layer if "SAME" padding is uneven."""
    pads = []
    for k, stride, n in zip(kernel, strides, size, strict=True):
        reach = more.get("dilation", 1) * (k - 1) // 2
        pads.append((reach - (stride == 2 and n % 2 == 0 and reach > 0), reach))
    (top, bottom), (left, right) = pads
    even = top == bottom and left == right
    padding = (top, left) if even else (0, 0)
    layer = nn.Conv2d(channels, filters, kernel, strides, padding, bias=False, **more)  # type: ignore[arg-type]
    return [layer] if even else [nn.ZeroPad2d((left, right, top, bottom)), layer]


def relu_conv_bn(layers: Iterable[nn.Module], filters: int) -> list[nn.Module]:
    """Return ReLU, the layers, batch normalisation."""
    return [nn.ReLU(), *layers, nn.BatchNorm2d(filters)]


def plain_operation(name: str, channels: int, filters: int, stride: int, size: Size) -> nn.Module:
    """Return one operation made of torch's own modules."""
    kernel = 1 if name == "identity" else int(name[-1])
    same = channels == filters
    if name == "identity" and stride == 1 and same:
        return nn.Identity()
    if "pool" in name:
        height, width = (kernel // 2 - (stride == 2 and n % 2 == 0) for n in size)
        options = {"kernel_size": kernel, "stride": stride, "padding": (height, width)}
        pool = (
            nn.MaxPool2d(**options, ceil_mode=True)  # type: ignore[arg-type]
            if "max" in name
            else nn.AvgPool2d(**options, ceil_mode=True, count_include_pad=False)  # type: ignore[arg-type]
        )
        adapt = [nn.Conv2d(channels, filters, 1, bias=False), nn.BatchNorm2d(filters)]
        return pool if same else nn.Sequential(pool, *adapt)
    outputs = (-(-size[0] // stride), -(-size[1] // stride))
    dilation = {"dilation": 2} if "dilated" in name else {}
    if "sep" in name:
        layers: list[nn.Module] = []
        for step, n in ((stride, size), (1, outputs))[: 1 if dilation else 2]:
            groups = dilation | {"groups": channels}
            depthwise = plain_convolution(
                channels, channels, (kernel, kernel), (step, step), n, groups
            )
            pointwise = nn.Conv2d(channels, filters, 1, bias=False)
            layers += relu_conv_bn((*depthwise, pointwise), filters)
            channels = filters
        return nn.Sequential(*layers)
    if name in ("conv_1x3_3x1", "conv_1x7_7x1"):
        k = 3 if "3x1" in name else 7
        across = plain_convolution(channels, filters, (1, k), (1, stride), size, {})
        down = plain_convolution(filters, filters, (k, 1), (stride, 1), (size[0], outputs[1]), {})
        return nn.Sequential(*relu_conv_bn(across, filters), *relu_conv_bn(down, filters))
    square = plain_convolution(
        channels, filters, (kernel, kernel), (stride, stride), size, dilation
    )
    return nn.Sequential(*relu_conv_bn(square, filters))


class PlainHalving(nn.Module):
    """The factorized reduction."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.relu, self.pool, self.pad = nn.ReLU(), nn.AvgPool2d(1, 2), nn.ZeroPad2d((0, 1, 0, 1))
        self.a = nn.Conv2d(channels, filters // 2, 1, bias=False)
        self.b = nn.Conv2d(channels, filters // 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(filters)

    def forward(self, x: Tensor) -> Tensor:
        """Concatenate two subsampled paths."""
        x = self.relu(x)
        shifted = self.pad(x)[:, :, 1:, 1:]
        return self.norm(torch.cat([self.a(self.pool(x)), self.b(self.pool(shifted))], dim=1))  # type: ignore[no-any-return]


class PlainCell(nn.Module):
    """One cell; its modules come in the order of nas-gym's."""

    def __init__(
        self,
        cell: Cell,
        previous: tuple[int, Size],
        current: tuple[int, Size],
        filters: int,
        stride: int,
        first: bool,
    ) -> None:
        super().__init__()
        self.cell, size = cell, current[1]
        used = {state for block in cell.blocks for state in block[:2]} | set(cell.concat)
        self.previous: nn.Module = nn.Identity()
        if 0 in used and previous[1] != size:
            self.previous = PlainHalving(previous[0], filters)
        elif 0 in used and previous[0] != filters and not first:
            self.previous = plain_operation("identity", previous[0], filters, 1, size)
        self.current: nn.Module = nn.Identity()
        if 1 in used:
            layer = nn.Conv2d(current[0], filters, 1, bias=False)
            self.current = nn.Sequential(*relu_conv_bn([layer], filters))
        channels = [previous[0] if first else filters, filters]
        small = (-(-size[0] // stride), -(-size[1] // stride))
        self.operations = nn.ModuleList()
        for block in cell.blocks:
            for state, name in zip(block[:2], block[2:4], strict=True):
                where = (stride, size) if state < 2 else (1, small)
                operation = plain_operation(name, channels[state], filters, *where)
                self.operations.append(operation)
            channels.append(filters if block.combine == "add" else 2 * filters)
        self.shortcut: nn.Module = nn.Identity()  # only NASNet-A's normal cell puts out an input
        if 0 in cell.concat and channels[0] != filters:
            layer = nn.Conv2d(channels[0], filters, 1, bias=False)
            self.shortcut = nn.Sequential(layer, nn.BatchNorm2d(filters))
        self.shape = (sum(channels[s] if s else filters for s in cell.concat), small)

    def forward(self, previous: Tensor, current: Tensor) -> Tensor:
        """Compute the blocks in turn, then the concatenation."""
        states = [self.previous(previous), self.current(current)]
        for b, block in enumerate(self.cell.blocks):
            x = self.operations[2 * b](states[block.input_a])
            y = self.operations[2 * b + 1](states[block.input_b])
            states.append(x + y if block.combine == "add" else torch.cat([x, y], dim=1))
        return torch.cat(
            [states[s] if s else self.shortcut(states[0]) for s in self.cell.concat], dim=1
        )


class PlainNASNet(nn.Module):
    """The CIFAR network."""

    def __init__(self, genotype: CellGenotype, task: Task) -> None:
        super().__init__()
        filters = 3 * task.filters
        self.stem = nn.Sequential(
            nn.Conv2d(task.channels, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters)
        )
        shapes = [(filters, (task.height, task.width))] * 2
        self.cells = nn.ModuleList()
        for stack in range(3):
            kinds = [(genotype.reduction, 2)] if stack else []
            for cell, stride in [*kinds, *[(genotype.normal, 1)] * task.repeats]:
                filters, first = task.filters * 2**stack, not self.cells
                module = PlainCell(cell, shapes[-2], shapes[-1], filters, stride, first)
                self.cells.append(module)
                shapes.append(module.shape)
        self.head = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Linear(shapes[-1][0], task.classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        previous = current = self.stem(images)
        for cell in self.cells:
            previous, current = current, cell(previous, current)
        return self.classifier(self.head(current))  # type: ignore[no-any-return]


# ------------------------------------------------------------------------------ measuring


class Pair:
    """A pair of equal networks, ours and the plain one, with equal weights.

    Args:
        genotype: What to build.
        task: Its size.
        batch: Images per step.
    """

    def __init__(self, genotype: CellGenotype, task: Task, batch: int) -> None:
        torch.manual_seed(0)
        ours = NASNetCell().build(genotype, task)
        plain = PlainNASNet(genotype, task)
        weights = zip(plain.state_dict(), ours.state_dict().values(), strict=True)
        plain.load_state_dict(dict(weights))
        images = torch.randn(batch, task.channels, task.height, task.width)
        self.labels = torch.randint(task.classes, (batch,))
        ours.to(memory_format=torch.channels_last)
        self.sides = [
            (plain, images),
            (ours, images.contiguous(memory_format=torch.channels_last)),
        ]
        self.check()
        self.optimizers = [
            torch.optim.SGD(
                network.parameters(),
                1e-3,
                momentum=0.9,
                nesterov=True,
                weight_decay=1e-4,
                fused=fused,
            )
            for (network, _), fused in zip(self.sides, (False, True), strict=True)
        ]

    def check(self) -> None:
        """Assert equal logits and gradients, in double precision."""
        results = []
        for network, images in self.sides:
            logits = network.double()(images[:64].double())
            F.cross_entropy(logits, self.labels[:64]).backward()  # type: ignore[no-untyped-call]
            gradients = [p.grad for p in network.parameters() if p.grad is not None]
            results.append([logits, *gradients])
            network.zero_grad()
            network.float()
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)

    def step(self, side: int) -> None:
        """Make one training step of the plain network (0) or ours (1)."""
        network, images = self.sides[side]
        F.cross_entropy(network(images), self.labels).backward()  # type: ignore[no-untyped-call]
        self.optimizers[side].step()
        self.optimizers[side].zero_grad()

    def milliseconds(self, repeats: int) -> tuple[float, float]:
        """Return the median processor time of a step on each side, measured in turns."""
        times: list[list[float]] = [[], []]
        for _ in range(repeats + 1):
            for side in (0, 1):
                start = time.thread_time()
                self.step(side)
                times[side].append(1e3 * (time.thread_time() - start))
        plain, ours = (statistics.median(side[1:]) for side in times)  # the first one warms up
        return plain, ours


def random_genotypes(count: int) -> list[CellGenotype]:
    """Draw cells as random search does."""
    space, rng = NASNetCell(), np.random.default_rng(0)
    return [decode(space, random_tokens(space, rng)) for _ in range(count)]


def children(genotypes: Sequence[CellGenotype], task: Task) -> tuple[list[Row], list[float]]:
    """Return table rows and ratios of random children."""
    rows: list[Row] = []
    ratios = []
    for index, genotype in enumerate(genotypes):
        plain, ours = Pair(genotype, task, BATCH).milliseconds(REPEATS)
        ratios.append(plain / ours)
        name = f"random child {index}, F = {task.filters}"
        rows.append((name, f"{plain:.1f}", f"{ours:.1f}", f"{plain / ours:.2f}"))
    rows.append((f"**median, F = {task.filters}**", "", "", f"**{statistics.median(ratios):.2f}**"))
    return rows, ratios


def profile(steps: Sequence[Callable[[], None]]) -> list[Row]:
    """Find where the time of our steps goes: table rows by torch operator."""
    from torch.profiler import ProfilerActivity

    with torch.profiler.profile(activities=[ProfilerActivity.CPU]) as profiler:
        for step in steps:
            step()
    events = sorted(profiler.key_averages(), key=lambda e: -e.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    return [
        (
            f"`{e.key.removeprefix('aten::')}`",
            f"{100 * e.self_cpu_time_total / total:.1f}",
            str(e.count // len(steps)),
            f"{e.self_cpu_time_total / e.count:.0f}",
        )
        for e in events[:PROFILED]
    ]


def main() -> None:
    """Measure, print, write."""
    torch.set_num_threads(1)
    genotypes = random_genotypes(CHILDREN)
    tables: list[Row] = []
    everything: list[float] = []
    for filters in (8, 4):
        rows, ratios = children(genotypes, Task(1, 8, 8, 10, repeats=1, filters=filters))
        tables += rows
        everything += ratios
    large = Pair(NASNET_A, Task(3, 32, 32, 10, repeats=6, filters=32), 8)
    plain, ours = large.milliseconds(3)
    tables.append(
        (
            "**NASNet-A (6 @ 768), 32 x 32, batch 8**",
            *(f"{plain:.0f}", f"{ours:.0f}", f"**{plain / ours:.2f}**"),
        )
    )
    task = Task(1, 8, 8, 10, repeats=1, filters=8)
    pairs = [Pair(genotype, task, BATCH) for genotype in genotypes[:6]]
    for pair in pairs:
        pair.step(1)
    spent = profile([lambda pair=pair: pair.step(1) for pair in pairs])  # type: ignore[misc]
    report(
        "training_step",
        f"""# Training step: nas-gym's networks against the same ones written plainly

`python benchmarks/speed/training_step.py --write`, on {machine()}, one thread; children with N = 1
on 8 x 8 images, batch {BATCH}. Milliseconds of processor time per step, medians of {REPEATS} in
turns. Logits and gradients of both sides were equal. The target is a ratio of 2; the lowest of all
children is {min(everything):.2f}.

{numbers_table(("network", "plain", "nas-gym", "ratio"), tables)}

Where the rest of our time goes (children of F = 8, torch profiler, self time):

{numbers_table(("operator", "%", "calls per step", "microseconds per call"), spent)}
""",
    )


if __name__ == "__main__":
    main()
