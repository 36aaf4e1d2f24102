from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nas_gym.errors import InvalidGenotype, InvalidOption, UnknownName
from nas_gym.networks.cost import count_parameters
from nas_gym.networks.task import Task
from nas_gym.search_spaces.grammar import decode
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasnet_cell.genotype import (
    OPERATIONS,
    Block,
    Cell,
    CellGenotype,
    with_concat,
)
from nas_gym.search_spaces.nasnet_cell.layers import drop_path, needed_states
from nas_gym.search_spaces.nasnet_cell.network import NASNet
from nas_gym.search_spaces.nasnet_cell.published import AMOEBANET_A, NASNET_A, PUBLISHED
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell

DIGITS = Task(1, 8, 8, 10, repeats=1, filters=4)
CIFAR = Task(3, 32, 32, 10, repeats=6, filters=32)
MOBILE = Task(3, 224, 224, 1000, repeats=4, filters=44, stem="imagenet")
LARGE = Task(3, 331, 331, 1000, repeats=6, filters=168, stem="imagenet")


def on_meta(build: Callable[[], NASNet]) -> NASNet:
    with torch.device("meta"):
        return build()


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("task", "parameters"),
    [
        (LARGE, 88_753_150),
        (MOBILE, 5_289_978),
        (CIFAR, 3_346_538),
        (Task(3, 32, 32, 10, repeats=2, filters=32), 1_294_698),
        (Task(3, 32, 32, 10, repeats=2, filters=24), 757_906),
        (Task(3, 331, 331, 1001, repeats=6, filters=168, stem="imagenet"), 88_757_183),
        (Task(3, 224, 224, 1001, repeats=4, filters=44, stem="imagenet"), 5_291_035),
    ],
)
def test_published_parameter_counts(task: Task, parameters: int) -> None:
    assert count_parameters(on_meta(lambda: NASNet(NASNET_A, task))) == parameters


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("task", "parameters"), [(CIFAR, 3_076_906), (MOBILE, 4_772_516), (LARGE, 80_732_326)]
)
def test_the_concatenation_of_the_papers_text(task: Task, parameters: int) -> None:
    genotype = with_concat(NASNET_A, "unused")
    assert count_parameters(on_meta(lambda: NASNet(genotype, task))) == parameters


@pytest.mark.parametrize(
    ("task", "parameters"), [(CIFAR, 1_631_498), (MOBILE, 2_411_240), (LARGE, 4_567_784)]
)
def test_auxiliary_classifier(task: Task, parameters: int) -> None:
    network = on_meta(lambda: NASNet(NASNET_A, replace(task, auxiliary=True)))
    assert network.auxiliary is not None
    assert count_parameters(network.auxiliary) == parameters


def test_batch_statistics_of_the_large_network() -> None:
    network = on_meta(lambda: NASNet(NASNET_A, LARGE))
    statistics = sum(b.numel() for b in network.buffers() if b.dim())
    assert count_parameters(network) + statistics == 88_949_818  # Keras counts these as well


@pytest.mark.few(1)
@pytest.mark.parametrize(("skip", "skipped"), [(False, "cell_5"), (True, "cell_4")])
def test_previous_input_after_a_reduction(skip: bool, skipped: str) -> None:
    """Large alone takes the cell before the last one (cell_4 of six) as its older input."""
    task = Task(3, 8, 8, 10, repeats=6, filters=2, skip_reduction_input=skip)
    network = NASNet(NASNET_A, task)
    outputs: dict[int, str] = {}
    seen: list[str] = []
    for name, cell in network.cells.items():
        cell.register_forward_hook(
            lambda _, __, output, name=name: outputs.__setitem__(id(output), name)
        )
    network.cells["normal6"].register_forward_pre_hook(
        lambda _, inputs: seen.append(outputs[id(inputs[0].tensor)])
    )
    network(torch.randn(2, 3, 8, 8))
    assert seen == [skipped.replace("cell_", "normal")]
    without = NASNet(NASNET_A, replace(task, skip_reduction_input=False))
    assert count_parameters(network) == count_parameters(without)


@pytest.mark.few(1)
@pytest.mark.parametrize("size", [(8, 8), (1, 1), (3, 6)])
def test_random_cells_train(size: tuple[int, int]) -> None:
    space, rng = NASNetCell(operations=OPERATIONS), np.random.default_rng(0)
    for _ in range(8):
        genotype = decode(space, random_tokens(space, rng))
        task = Task(1, *size, 10, filters=4, auxiliary=True, drop_path=0.3)
        network = space.build(genotype, task)
        network.set_progress(1.0)
        logits, auxiliary = network(torch.randn(4, 1, *size))
        assert logits.shape == auxiliary.shape == (4, 10)
        (logits.sum() + auxiliary.sum()).backward()
        missing = [n for n, p in network.named_parameters() if p.grad is None]
        if all(1 in needed_states(cell) for cell in genotype):
            assert not missing  # every part takes part
        assert network.eval()(torch.randn(4, 1, *size)).shape == (4, 10)


def test_memory_formats_agree() -> None:
    space, rng = NASNetCell(), np.random.default_rng(1)
    x = torch.randn(60, 1, 8, 8, dtype=torch.float64)
    for _ in range(3):
        network = NASNet(decode(space, random_tokens(space, rng)), DIGITS).double()
        plain = network(x)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        torch.testing.assert_close(network(x.to(memory_format=torch.channels_last)), plain)


def test_combining_by_concatenation_doubles_the_filters() -> None:
    block = Block(1, 1, "conv_1x1", "conv_3x3", "concat")
    cell = Cell((block, Block(2, 1, "identity", "identity", "add")), (2, 3))
    network = NASNet(CellGenotype(cell, cell), DIGITS)
    assert [shape.channels for shape in network.shapes[2:]] == [12, 24, 24, 48, 48]
    network(torch.randn(2, 1, 8, 8))


def test_a_cell_may_output_its_inputs() -> None:
    cell = Cell((Block(0, 1, "conv_1x1", "conv_3x3"),), (0, 1, 2))
    network = NASNet(CellGenotype(cell, cell), DIGITS)
    assert [shape[:2] for shape in network.shapes[2:]] == [
        (12, 8),
        (24, 4),
        (24, 4),
        (48, 2),
        (48, 2),
    ]
    assert network(torch.randn(2, 1, 8, 8)).shape == (2, 10)


def test_what_the_output_does_not_depend_on_is_not_built() -> None:
    used = Block(1, 1, "conv_1x1", "conv_3x3")
    lean = Cell((used,), (2,))
    wasteful = Cell((used, Block(0, 0, "sep_conv_7x7", "conv_3x3")), (2,))
    assert count_parameters(NASNet(CellGenotype(lean, lean), DIGITS)) == count_parameters(
        NASNet(CellGenotype(wasteful, wasteful), DIGITS)
    )


def test_the_seed_decides_the_weights() -> None:
    def weights(seed: int) -> Tensor:
        torch.manual_seed(seed)
        network = NASNet(NASNET_A, DIGITS)
        return torch.nn.utils.parameters_to_vector(network.parameters())

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


class TestDropPath:
    def test_whole_examples_are_dropped_and_the_mean_is_kept(self) -> None:
        torch.manual_seed(0)
        x = torch.rand(20_000, 3, 2, 2) + 1
        y = drop_path(x, 0.3)
        factors = (y / x).flatten(1)
        assert torch.allclose(factors.amin(1), factors.amax(1))
        kept = factors[:, 0] > 0
        assert torch.allclose(factors[kept], torch.tensor(1 / 0.7))
        assert kept.float().mean().item() == pytest.approx(0.7, abs=0.015)

    def test_identities_are_never_dropped(self) -> None:
        cell = Cell((Block(1, 1, "identity", "identity"),), (2,))
        network = NASNet(CellGenotype(cell, cell), Task(1, 8, 8, 10, filters=4, drop_path=0.9))
        x = torch.randn(5, 1, 8, 8)
        before = network(x)
        network.set_progress(1.0)
        torch.testing.assert_close(network(x), before)

    def test_grows_with_progress_and_stops_in_evaluation(self) -> None:
        probabilities: list[float] = []

        def run(by_depth: bool, progress: float, training: bool) -> list[float]:
            task = Task(1, 8, 8, 10, filters=4, drop_path=0.4, drop_path_by_depth=by_depth)
            network = NASNet(NASNET_A, task).train(training)
            network.set_progress(progress)
            probabilities.clear()
            for cell in network.cells.values():
                cell.register_forward_pre_hook(lambda _, inputs: probabilities.append(inputs[2]))
            network(torch.randn(2, 1, 8, 8))
            return list(probabilities)

        assert run(False, 0.0, True) == [0.0] * 5
        assert run(False, 0.5, True) == pytest.approx([0.2] * 5)
        assert run(True, 0.5, True) == pytest.approx([0.04, 0.08, 0.12, 0.16, 0.2])
        assert run(False, 1.0, False) == [0.0] * 5

    @pytest.mark.few(2)
    @pytest.mark.parametrize("progress", [0.0, 0.25, 1.0])
    @pytest.mark.parametrize(("stem", "cells"), [("cifar", 3 * 2 + 2), ("imagenet", 3 * 2 + 4)])
    def test_the_published_form_for_each_cell(self, stem: Any, cells: int, progress: float) -> None:
        """The authors' code, version 3: scaled by depth, of all cells, and by the progress."""
        task = Task(3, 32, 32, 10, repeats=2, filters=8, stem=stem, drop_path=0.3)
        network = NASNet(NASNET_A, replace(task, drop_path_by_depth=True))
        network.set_progress(progress)
        dropped: list[float] = []
        for cell in network.cells.values():
            cell.register_forward_pre_hook(lambda _, inputs: dropped.append(inputs[2]))
        network(torch.randn(2, 3, 32, 32))
        keep = [1 - (cell_num + 1) / cells * (1 - 0.7) for cell_num in range(cells)]
        kept = [1 - progress * (1 - keep_l) for keep_l in keep]
        assert [1 - p for p in dropped] == pytest.approx(kept, abs=1e-12)

    def test_the_papers_form_is_equal_for_all_cells(self) -> None:
        task = Task(3, 32, 32, 10, repeats=2, filters=8, stem="imagenet", drop_path=0.3)
        network = NASNet(NASNET_A, task)
        network.set_progress(0.25)
        dropped: list[float] = []
        for cell in network.cells.values():
            cell.register_forward_pre_hook(lambda _, inputs: dropped.append(inputs[2]))
        network(torch.randn(2, 3, 32, 32))
        assert dropped == pytest.approx([0.25 * 0.3] * 10, abs=1e-12)

    def test_blocks_lose_paths_as_often_as_their_cell_says(self) -> None:
        """Zeros of whole examples, counted in a cell whose paths are never zero by themselves."""
        block = Block(1, 1, "conv_1x1", "identity")
        cell = Cell((block,), (2,))
        task = Task(1, 8, 8, 10, filters=4, drop_path=0.4, drop_path_by_depth=True)
        network = NASNet(CellGenotype(cell, cell), task)
        network.set_progress(0.5)
        lost: list[float] = []

        def count(module: Any, inputs: Any, output: Tensor) -> None:
            states, path = inputs[0], output - module.operation_b(inputs[0][1])
            assert states[1].tensor.shape[0] == 4000
            lost.append(float((path.flatten(1).abs().amax(1) < 1e-6).float().mean()))

        for each in network.cells.values():
            each.blocks["0"].register_forward_hook(count)  # type: ignore[union-attr,operator,index]
        torch.manual_seed(0)
        network.train()
        for each in network.modules():
            if isinstance(each, torch.nn.BatchNorm2d):
                each.eval()  # and so linear: an example is zero only if it was dropped
        network(torch.randn(4000, 1, 8, 8))
        assert lost == pytest.approx([0.04, 0.08, 0.12, 0.16, 0.2], abs=0.025)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (
            {"height": 64, "width": 64, "filters": 3, "stem": "imagenet"},
            "filters is 3.*give 4 or more",
        ),
        ({"height": 2, "width": 9, "filters": 8, "stem": "imagenet"}, "2 x 9 pixels"),
        ({"repeats": 0}, "repeats is 0"),
        ({"filters": 0}, "filters is 0"),
        ({"drop_path": 1.0}, "drop_path is 1.0"),
    ],
)
def test_sizes_that_do_not_fit(sizes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        NASNet(NASNET_A, replace(Task(3, 8, 8, 10), **sizes))


@pytest.mark.slow
def test_the_published_size_of_amoebanet_a() -> None:
    """Real et al. 2018, table 2: F = 190, of which the stem's cells have a quarter and a half."""
    large = Task(3, 331, 331, 1000, repeats=6, filters=190, stem="imagenet")
    network = on_meta(lambda: NASNet(AMOEBANET_A, large))
    assert [network.cells[name].filters for name in ("stem0", "stem1", "normal0")] == [47, 95, 190]
    halves = network.cells["stem1"].previous
    assert (halves.straight.out_channels, halves.shifted.out_channels) == (47, 48)
    # For multiples of 4 the count is a polynomial of the second degree; 47 for 47.5 changes little.
    few, some, many = (
        count_parameters(on_meta(lambda f=f: NASNet(AMOEBANET_A, replace(large, filters=f))))
        for f in (184, 188, 192)
    )
    between = (-few + 6 * some + 3 * many) / 8  # Lagrange's, at 190
    assert count_parameters(network) == pytest.approx(between, rel=2e-4)
    assert count_parameters(network) < between


@pytest.mark.few(4)
@pytest.mark.parametrize("filters", [4, 5, 6, 7, 9, 11])
@pytest.mark.parametrize("name", PUBLISHED)
def test_any_number_of_filters_is_built_and_trained(name: str, filters: int) -> None:
    """With the published concatenation, and with cell inputs that go straight to the output."""
    cells = PUBLISHED[name]
    direct = CellGenotype(cells.normal, cells.reduction._replace(concat=(0, 1, 2)))
    for genotype in (cells, direct) if filters > 7 else (cells,):
        task = Task(3, 21, 20, 10, repeats=1, filters=filters, stem="imagenet", auxiliary=True)
        logits, other = NASNet(genotype, task).train()(torch.randn(3, 3, 21, 20))
        assert logits.shape == other.shape == (3, 10)
        assert (logits.sum() + other.sum()).isfinite()


def test_a_single_filter_cannot_be_halved() -> None:
    NASNet(NASNET_A, Task(1, 8, 8, 10, filters=1))
    with pytest.raises(InvalidOption, match="share the filters, which are 1"):
        NASNet(
            CellGenotype(NASNET_A.normal, NASNET_A.reduction._replace(concat=(0, 2))),
            Task(3, 64, 64, 10, filters=5, stem="imagenet"),
        )


def test_wrong_names_and_genotypes() -> None:
    with pytest.raises(UnknownName, match="did you mean 'imagenet'"):
        NASNet(NASNET_A, Task(3, 64, 64, 10, stem="imagenett"))
    forward = Cell((Block(0, 2, "identity", "identity"),), (2,))
    with pytest.raises(InvalidGenotype, match="block 0 takes hidden state 2"):
        NASNet(CellGenotype(forward, forward), DIGITS)
