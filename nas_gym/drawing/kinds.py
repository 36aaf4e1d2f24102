"""How each kind of architecture is drawn and written: one entry a kind."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from nas_gym.drawing import cell_graphs, cells, conv_nets, enas_rnn_cells, rnn_cells, words
from nas_gym.search_spaces.cell_genotype import CELLS, Block, Cell, CellGenotype, concat_by_rule
from nas_gym.search_spaces.conv_net import ConvLayer, ConvNet, ConvNetGenotype
from nas_gym.search_spaces.enas_rnn_cell import ENASNode, ENASRNNCell, ENASRNNCellGenotype
from nas_gym.search_spaces.nasbench201 import NASBench201, NASBench201Genotype
from nas_gym.search_spaces.nasnet_cell import NASNetCell
from nas_gym.search_spaces.rnn_cell import RNNCell, RNNCellGenotype

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Picked = Mapping[str, Any]  # the option picked for each choice so far, by its name


class Kind(NamedTuple):
    """The drawings and words of the genotypes of one kind of space."""

    space: type
    genotype: type
    draw: Callable[[Any, str | None], "Figure"]  # of a genotype, with a title
    to_text: Callable[[Any], str]
    draw_begun: Callable[[Any, Picked, str | None], "Figure"]  # of a space; finished or not
    frame_size: Callable[[Any], tuple[float, float]]  # of ``draw_begun``, inches, by the space


def kind_of(part: object) -> Kind | None:
    """The kind of a space or a genotype; None where this package has no drawing of its own."""
    return next((kind for kind in KINDS if isinstance(part, (kind.space, kind.genotype))), None)


def _begun_cells(space: NASNetCell, picked: Picked, title: str | None) -> "Figure":
    """The finished blocks; a cell has its output when all its blocks are finished."""
    if len(space.combines) == 1:
        combines = {f"{c}.block{b}.combine" for c in CELLS for b in range(space.blocks)}
        picked = {**picked, **dict.fromkeys(combines, space.combines[0])}
    begun = []
    for cell in CELLS:
        blocks: list[Block] = []
        for b in range(space.blocks):
            names = [f"{cell}.block{b}.{field}" for field in Block._fields]
            if all(name in picked for name in names):
                blocks.append(Block(*(picked[name] for name in names)))
        concat = concat_by_rule(blocks, space.concat) if len(blocks) == space.blocks else ()
        begun.append(Cell(tuple(blocks), concat))
    return cells.draw_unfinished_cells(CellGenotype(*begun), blocks=space.blocks, title=title)


def _begun_network(space: ConvNet, picked: Picked, title: str | None) -> "Figure":
    """The layers of which everything is chosen."""
    depth = picked.get("depth", max(space.depths))
    layers: list[ConvLayer] = []
    while len(layers) < depth and (layer := _begun_layer(space, picked, len(layers))) is not None:
        layers.append(layer)
    pools = tuple(place for place in space.pools if place < depth)
    return conv_nets.draw_unfinished_network(
        ConvNetGenotype(tuple(layers), space.block_layers, pools),
        rows=_rows(space),
        finished=len(layers) == depth,
        title=title,
    )


def _begun_layer(space: ConvNet, picked: Picked, i: int) -> ConvLayer | None:
    """Layer ``i``, or None while a choice of it is open."""
    kind = picked.get(f"layer{i}.type", space.types[0] if len(space.types) == 1 else None)
    fields = ["filter_height", "filter_width"] + ["filters"] * (kind == "conv")
    strides = ("stride_height", "stride_width")
    fields += strides if len(space.strides) > 1 else ()
    skips = [f"layer{i}.skip{j}" for j in range(i)]
    names = [f"layer{i}.{field}" for field in fields]
    if kind is None or not all(name in picked for name in (*names, *skips)):
        return None
    given = {"filters": 0, **dict.fromkeys(strides, space.strides[0])}
    given |= {field: picked[name] for field, name in zip(fields, names, strict=True)}
    inputs = tuple(j for j, skip in enumerate(skips) if picked[skip])
    return ConvLayer(type=kind, inputs=inputs, **given)


def _rows(space: ConvNet) -> int:
    """Layers and pools of its deepest network."""
    deepest = max(space.depths)
    return deepest + sum(place < deepest for place in space.pools)


def _begun_tree(space: RNNCell, picked: Picked, title: str | None) -> "Figure":
    """The whole tree; what is open is pale."""

    def node(name: str) -> rnn_cells.PartialNode:
        return rnn_cells.PartialNode(
            picked.get(f"{name}.combination"), picked.get(f"{name}.activation")
        )

    nodes = tuple(node(f"node{i}") for i in range(space.node_count))
    tree = rnn_cells.PartialTree(
        nodes, node("inject"), picked.get("cell.output"), picked.get("cell.input")
    )
    return rnn_cells.draw_unfinished_tree(tree, title=title)


def _begun_chain(space: ENASRNNCell, picked: Picked, title: str | None) -> "Figure":
    """The nodes of which everything is chosen."""
    chosen = [i for i in range(space.nodes) if f"node{i}.activation" in picked]
    nodes = [
        ENASNode(picked.get(f"node{i}.previous", -1), picked[f"node{i}.activation"]) for i in chosen
    ]
    return enas_rnn_cells.draw_chain(nodes, room=space.nodes, title=title)


KINDS = (
    Kind(
        NASNetCell,
        CellGenotype,
        lambda genotype, title: cells.draw_cells(genotype, title=title),
        words.cells_as_text,
        _begun_cells,
        lambda space: cells.figure_size(space.blocks),
    ),
    Kind(
        NASBench201,
        NASBench201Genotype,
        lambda genotype, title: cell_graphs.draw_cell_graph(genotype.operations, title=title),
        str,
        lambda _, picked, title: cell_graphs.draw_cell_graph([*picked.values()], title=title),
        lambda _: (cell_graphs.WIDTH, cell_graphs.HEIGHT),
    ),
    Kind(
        ConvNet,
        ConvNetGenotype,
        lambda genotype, title: conv_nets.draw_network(genotype, title=title),
        words.network_as_text,
        _begun_network,
        lambda space: conv_nets.figure_size(_rows(space)),
    ),
    Kind(
        RNNCell,
        RNNCellGenotype,
        lambda genotype, title: rnn_cells.draw_tree(genotype, title=title),
        words.tree_as_text,
        _begun_tree,
        lambda space: rnn_cells.figure_size(space.base),
    ),
    Kind(
        ENASRNNCell,
        ENASRNNCellGenotype,
        lambda genotype, title: enas_rnn_cells.draw_chain(genotype.nodes, title=title),
        words.chain_as_text,
        _begun_chain,
        lambda space: enas_rnn_cells.figure_size(space.nodes),
    ),
)
