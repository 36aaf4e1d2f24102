import json
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nas_gym.errors import InvalidGenotype, InvalidOption, UnknownName
from nas_gym.networks.convolutions import Convolution, SeparableConvolution
from nas_gym.networks.operations import (
    FactorizedReduction,
    LinearProjection,
    PassThrough,
    Pool,
    ReLUConvolutions,
)
from nas_gym.networks.task import Task
from nas_gym.search_spaces.grammar import decode, tokens_of
from nas_gym.search_spaces.moves import random_tokens, space_size
from nas_gym.search_spaces.nasnet_cell.canonical import canonical_cell, canonical_key
from nas_gym.search_spaces.nasnet_cell.genotype import (
    AMOEBANET_OPERATIONS,
    ENAS_OPERATIONS,
    OPERATIONS,
    Block,
    Cell,
    CellGenotype,
    genotype_from_json,
    with_concat,
)
from nas_gym.search_spaces.nasnet_cell.layers import CellModule
from nas_gym.search_spaces.nasnet_cell.network import NASNet
from nas_gym.search_spaces.nasnet_cell.published import NASNET_A, PUBLISHED
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell


class TestSize:
    def test_nasnet(self) -> None:
        space = NASNetCell()
        assert len(space.operations) == 13
        assert space.max_length == 50
        assert f"{space_size(space):.2e}" == "5.23e+36"

    def test_amoebanet(self) -> None:
        space = NASNetCell(operations=AMOEBANET_OPERATIONS, combines=("add",))
        assert space.max_length == 40
        assert f"{space_size(space):.2e}" == "3.10e+29"

    def test_enas(self) -> None:
        space = NASNetCell(operations=ENAS_OPERATIONS, combines=("add",))
        assert f"{space_size(space):.1e}" == "2.6e+25"


@pytest.mark.parametrize("name", ["nasnet-a", "amoebanet-a", "darts-v1"])
def test_published_cells_survive_json_and_tokens(name: str) -> None:
    genotype = PUBLISHED[name]
    assert genotype_from_json(json.loads(json.dumps(genotype.to_json()))) == genotype
    by_rule = with_concat(genotype, "unused")
    space = NASNetCell(blocks=len(genotype.normal.blocks), combines=("add",), operations=OPERATIONS)
    assert decode(space, tokens_of(space, by_rule)) == by_rule


def test_a_concatenation_that_no_rule_gives_has_no_tokens() -> None:
    with pytest.raises(InvalidGenotype, match="concat rule"):
        tokens_of(NASNetCell(combines=("add",)), NASNET_A)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blocks": 0}, "blocks is 0"),
        ({"operations": ()}, "operations is"),
        ({"operations": ("identity", "identity")}, "each once"),
    ],
)
def test_wrong_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        NASNetCell(**options)  # type: ignore[arg-type]


def test_unknown_operation() -> None:
    with pytest.raises(UnknownName, match="did you mean 'conv_3x3'"):
        NASNetCell(operations=("conv_3x",))


# ---------------------------------------------------------------- canonical keys


def random_cell(
    rng: np.random.Generator, operations: tuple[str, ...], blocks: int, explicit: bool
) -> Cell:
    made: list[Block] = []
    for b in range(blocks):
        (i, j), (x, y) = rng.integers(b + 2, size=2), rng.integers(len(operations), size=2)
        combine = ("add", "concat")[rng.integers(2)]
        made.append(Block(int(i), int(j), operations[x], operations[y], combine))
    states = range(2 + blocks)
    if explicit:
        count = int(rng.integers(1, blocks + 1))
        return Cell(tuple(made), tuple(int(s) for s in rng.choice(states, count, replace=False)))
    used = {state for block in made for state in block[:2]}
    return Cell(tuple(made), tuple(s for s in states if s > 1 and s not in used))


def variant(cell: Cell, rng: np.random.Generator) -> Cell:
    """The same function: other names, other order of additions, other dead blocks."""
    alive = set(cell.concat)
    for b in reversed(range(len(cell.blocks))):
        if b + 2 in alive:
            alive.update(cell.blocks[b][:2])
    place = {0: 0, 1: 1}
    blocks: list[Block] = []
    waiting = list(range(len(cell.blocks)))
    while waiting:
        ready = [b for b in waiting if set(cell.blocks[b][:2]) <= set(place)]
        b = int(rng.choice(ready))
        waiting.remove(b)
        i, j, x, y, combine = cell.blocks[b]
        block = Block(place[i], place[j], x, y, combine)
        if b + 2 not in alive:
            i, j = (int(state) for state in rng.integers(len(place), size=2))
            block = Block(i, j, *rng.choice(OPERATIONS, size=2).tolist(), combine)
        elif combine == "add" and rng.random() < 0.5:
            block = Block(block[1], block[0], y, x, combine)
        place[b + 2] = len(place)
        blocks.append(block)
    return Cell(
        tuple(blocks), tuple(int(s) for s in rng.permutation([place[s] for s in cell.concat]))
    )


FEW = ("identity", "max_pool_3x3", "sep_conv_3x3")


@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(1, 6), st.sampled_from([1, 2, 13]))
@settings(max_examples=300, deadline=None)
def test_variants_share_the_key(seed: int, explicit: bool, blocks: int, operations: int) -> None:
    rng = np.random.default_rng(seed)
    cells = [random_cell(rng, OPERATIONS[:operations], blocks, explicit) for _ in "nr"]
    genotype = CellGenotype(*cells)
    other = CellGenotype(*(variant(cell, rng) for cell in cells))
    assert canonical_key(genotype) == canonical_key(other)
    form = CellGenotype(*(canonical_cell(cell).cell for cell in cells))
    assert form == CellGenotype(*(canonical_cell(cell).cell for cell in other))
    assert canonical_key(form) == canonical_key(genotype)


def slow_form(cell: Cell) -> tuple[object, ...]:
    """The smallest description of the live part over all namings: what equality means."""
    alive = set(cell.concat)
    for b in reversed(range(len(cell.blocks))):
        if b + 2 in alive:
            alive.update(cell.blocks[b][:2])
    live = [b for b in range(len(cell.blocks)) if b + 2 in alive]
    forms = []
    for order in permutations(live):
        place = {0: 0, 1: 1} | {b + 2: 2 + i for i, b in enumerate(order)}
        rows = []
        for b in order:
            i, j, x, y, combine = cell.blocks[b]
            branches = [(place[i], x), (place[j], y)]
            rows.append((combine, *(sorted(branches) if combine == "add" else branches)))
        forms.append((tuple(rows), tuple(sorted(place[s] for s in cell.concat))))
    return min(forms)


def test_keys_are_equal_exactly_where_cells_are_isomorphic() -> None:
    """Against trying all namings, in a space so small that most cells meet again."""
    rng = np.random.default_rng(0)
    forms: dict[str, tuple[object, ...]] = {}
    for _ in range(3000):
        cell = random_cell(rng, ("identity", "conv_1x1"), int(rng.integers(1, 4)), explicit=True)
        key = canonical_key(CellGenotype(cell, NASNET_A.reduction))
        form = slow_form(cell)
        assert forms.setdefault(key, form) == form
    assert len(set(forms.values())) == len(forms) < 2500


def test_swapped_inputs_of_different_operations_are_different() -> None:
    def key(*block: object) -> str:
        cell = Cell((Block(*block),), (2,))  # type: ignore[arg-type]
        return canonical_key(CellGenotype(cell, cell))

    assert key(0, 1, "conv_1x1", "conv_3x3") == key(1, 0, "conv_3x3", "conv_1x1")
    assert key(0, 1, "conv_1x1", "conv_3x3") != key(1, 0, "conv_1x1", "conv_3x3")
    assert key(0, 1, "conv_1x1", "conv_3x3") != key(0, 1, "conv_1x1", "conv_3x3", "concat")
    assert key(0, 1, "conv_1x1", "conv_3x3", "concat") != key(
        1, 0, "conv_3x3", "conv_1x1", "concat"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("space", "least", "most"),
    [
        (NASNetCell(), 0, 5),
        (NASNetCell(operations=ENAS_OPERATIONS, combines=("add",)), 0, 50),
        (NASNetCell(blocks=2, operations=FEW[:2], combines=("add",)), 2000, 2700),
        # One block: 36 inputs and operations, ordered, concatenated or (21 pairs) added.
        (NASNetCell(blocks=1, operations=FEW), 10_000 - (36 + 21) ** 2, 7400),
    ],
    ids=["nasnet", "enas", "two blocks", "one block"],
)
def test_how_many_of_10000_random_cells_collapse(space: NASNetCell, least: int, most: int) -> None:
    """Requests that the memo answers because a design with the same function came before."""
    rng = np.random.default_rng(0)
    keys = {canonical_key(decode(space, random_tokens(space, rng))) for _ in range(10_000)}
    print(f"{10_000 - len(keys)} of 10,000 random architectures collapse")
    assert least <= 10_000 - len(keys) <= most


# ------------------------------------- equal keys compute the same: weights can be transplanted

Order = Tensor  # channel of the source at each channel of the target


def copy_convolution(to: nn.Module, of: nn.Module, into: Order, out: Order) -> None:
    """Weights of one layer, channels permuted on both sides."""
    if isinstance(to, Convolution) and isinstance(of, Convolution):
        to.convolution.weight.data = of.convolution.weight.data[out][:, into]
    elif isinstance(to, SeparableConvolution) and isinstance(of, SeparableConvolution):
        to.depthwise.weight.data = of.depthwise.weight.data[into]
        to.pointwise.weight.data = of.pointwise.weight.data[out][:, into]
    else:
        raise TypeError(type(of))
    to.norm.weight.data, to.norm.bias.data = of.norm.weight.data[out], of.norm.bias.data[out]


def copy_operation(to: nn.Module, of: nn.Module, into: Order, out: Order) -> None:
    """Weights of an operation or projection, channels permuted on both sides."""
    assert type(to) is type(of)
    if isinstance(to, ReLUConvolutions) and isinstance(of, ReLUConvolutions):
        for to_stage, of_stage in zip(to.stages, of.stages, strict=True):
            copy_convolution(to_stage, of_stage, into, out)
            into = out
    elif isinstance(to, Pool | LinearProjection) and isinstance(of, Pool | LinearProjection):
        if isinstance(to.projection, Convolution):
            copy_convolution(to.projection, of.projection, into, out)
        else:
            assert torch.equal(into, out)
    elif isinstance(to, FactorizedReduction) and isinstance(of, FactorizedReduction):
        assert torch.equal(out, torch.arange(len(out)))
        to.straight.weight.data = of.straight.weight.data[:, into]
        to.shifted.weight.data = of.shifted.weight.data[:, into]
        to.norm.load_state_dict(of.norm.state_dict())
    else:
        assert isinstance(to, PassThrough)
        assert torch.equal(into, out)


def copy_cell(to: CellModule, of: CellModule, cell: Cell, previous: Order, current: Order) -> Order:
    """Weights of a cell into its canonical form; returns the order of its output's channels."""
    form = canonical_cell(cell)
    width = to.filters
    plain = torch.arange(width)
    # An older input that stays as it is imposes its order on all states of the cell.
    inner = previous if isinstance(of.previous, PassThrough) and len(previous) == width else plain
    if not isinstance(of.previous, PassThrough):
        copy_operation(to.previous, of.previous, previous, inner)
        previous = inner
    if not isinstance(of.current, PassThrough):
        copy_operation(to.current, of.current, current, inner)
    orders = {0: previous, 1: inner}  # by state of the given cell
    for place, (b, swapped) in enumerate(zip(form.order, form.swapped, strict=True)):
        to_block, of_block = to.blocks[str(place)], of.blocks[str(b)]
        pairs = [("a", "b"), ("b", "a")] if swapped else [("a", "a"), ("b", "b")]
        for to_branch, of_branch in pairs:
            state = getattr(cell.blocks[b], f"input_{of_branch}")
            copy_operation(
                getattr(to_block, f"operation_{to_branch}"),
                getattr(of_block, f"operation_{of_branch}"),
                orders[state],
                inner,
            )
        both = torch.cat((inner, inner + width))
        orders[b + 2] = inner if cell.blocks[b].combine == "add" else both
    names = {0: 0, 1: 1} | {b + 2: place + 2 for place, b in enumerate(form.order)}
    for state in (0, 1):
        if str(state) in of.shortcuts:
            copy_operation(to.shortcuts[str(state)], of.shortcuts[str(state)], orders[state], plain)
            orders[state] = plain
    starts, start = {}, 0
    for state in cell.concat:
        starts[state] = start
        start += len(orders[state])
    given = {names[state]: state for state in cell.concat}
    return torch.cat([starts[given[s]] + orders[given[s]] for s in form.cell.concat])


def transplant(to: NASNet, of: NASNet, genotype: CellGenotype) -> None:
    """All weights of a network into that of its genotype's canonical form."""
    to.stem.load_state_dict(of.stem.state_dict())
    stem = torch.arange(of.shapes[0].channels)
    orders = [stem, stem]
    for name, cell in of.cells.items():
        form = genotype.normal if name.startswith("normal") else genotype.reduction
        orders.append(copy_cell(to.cells[name], cell, form, orders[-2], orders[-1]))  # type: ignore[arg-type]
    to.classifier.weight.data = of.classifier.weight.data[:, orders[-1]]
    to.classifier.bias.data = of.classifier.bias.data


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([1, 2]))
@settings(max_examples=40, deadline=None)
def test_equal_keys_give_equal_networks(seed: int, explicit: bool, repeats: int) -> None:
    """A random cell and a variant of it both compute what their common form computes."""
    torch.set_num_threads(1)
    torch.manual_seed(seed % 1000)
    rng = np.random.default_rng(seed)
    task = Task(1, 8, 8, 3, repeats=repeats, filters=4)
    cells = [random_cell(rng, OPERATIONS, int(rng.integers(1, 5)), explicit) for _ in "nr"]
    genotype = CellGenotype(*cells)
    form = CellGenotype(*(canonical_cell(cell).cell for cell in cells))
    common = NASNet(form, task).double()
    images = torch.randn(4, 1, 8, 8, dtype=torch.float64)
    for same in (genotype, CellGenotype(*(variant(cell, rng) for cell in cells))):
        network = NASNet(same, task).double()
        for parameter in network.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)  # batch norms differ by channel
        transplant(common, network, same)
        torch.testing.assert_close(common(images), network(images))
