"""Cells from papers, by name."""

from types import MappingProxyType

from nas_gym.search_spaces.nasnet_cell.genotype import (
    CONCATS,
    Block,
    Cell,
    CellGenotype,
    with_concat,
)
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell


def _published(
    normal: str, normal_concat: tuple[int, ...], reduction: str, reduction_concat: tuple[int, ...]
) -> CellGenotype:
    """Read cells from a text, ``op(state)+op(state); ...``, all combined by addition."""

    def blocks(text: str) -> tuple[Block, ...]:
        parsed = []
        for block in text.split(";"):
            (op_a, a), (op_b, b) = (
                part.strip().rstrip(")").split("(") for part in block.split("+")
            )
            parsed.append(Block(int(a), int(b), op_a, op_b))
        return tuple(parsed)

    return CellGenotype(
        Cell(blocks(normal), normal_concat), Cell(blocks(reduction), reduction_concat)
    )


# Zoph et al. 2017, figure 4, with the concatenation of the published network (TensorFlow slim,
# nasnet_utils.py), which the paper's parameter counts follow; its text would concatenate less.
NASNET_A = _published(
    "sep_conv_5x5(1)+sep_conv_3x3(0); sep_conv_5x5(0)+sep_conv_3x3(0);"
    "avg_pool_3x3(1)+identity(0); avg_pool_3x3(0)+avg_pool_3x3(0); sep_conv_3x3(1)+identity(1)",
    (0, 2, 3, 4, 5, 6),
    "sep_conv_5x5(1)+sep_conv_7x7(0); max_pool_3x3(1)+sep_conv_7x7(0);"
    "avg_pool_3x3(1)+sep_conv_5x5(0); identity(3)+avg_pool_3x3(2); sep_conv_3x3(2)+max_pool_3x3(1)",
    (3, 4, 5, 6),
)
# Real et al. 2018, figure 5, as written in the DARTS authors' genotypes.py.
AMOEBANET_A = _published(
    "avg_pool_3x3(0)+max_pool_3x3(1); sep_conv_3x3(0)+sep_conv_5x5(2);"
    "sep_conv_3x3(0)+avg_pool_3x3(3); sep_conv_3x3(1)+identity(1); identity(0)+avg_pool_3x3(1)",
    (4, 5, 6),
    "avg_pool_3x3(0)+sep_conv_3x3(1); max_pool_3x3(0)+sep_conv_7x7(2);"
    "sep_conv_7x7(0)+avg_pool_3x3(1); max_pool_3x3(0)+max_pool_3x3(1);"
    "conv_1x7_7x1(0)+sep_conv_3x3(5)",
    (3, 4, 6),
)
# Liu et al. 2018 (DARTS), first and second order, as the authors' genotypes.py has them. Built by
# NASNet's rules here: an identity of stride 2 is one 1x1 convolution, not two.
DARTS_V1 = _published(
    "sep_conv_3x3(1)+sep_conv_3x3(0); identity(0)+sep_conv_3x3(1);"
    "identity(0)+sep_conv_3x3(1); sep_conv_3x3(0)+identity(2)",
    (2, 3, 4, 5),
    "max_pool_3x3(0)+max_pool_3x3(1); identity(2)+max_pool_3x3(0);"
    "max_pool_3x3(0)+identity(2); identity(2)+avg_pool_3x3(0)",
    (2, 3, 4, 5),
)
DARTS_V2 = _published(
    "sep_conv_3x3(0)+sep_conv_3x3(1); sep_conv_3x3(0)+sep_conv_3x3(1);"
    "sep_conv_3x3(1)+identity(0); identity(0)+dilated_sep_conv_3x3(2)",
    (2, 3, 4, 5),
    "max_pool_3x3(0)+max_pool_3x3(1); identity(2)+max_pool_3x3(1);"
    "max_pool_3x3(0)+identity(2); identity(2)+max_pool_3x3(1)",
    (2, 3, 4, 5),
)

PUBLISHED = MappingProxyType(
    {
        "nasnet-a": NASNET_A,
        "amoebanet-a": AMOEBANET_A,
        "darts-v1": DARTS_V1,
        "darts-v2": DARTS_V2,
    }
)


def space_of(genotype: CellGenotype) -> NASNetCell:
    """Return a space of NASNet's kind that offers the cells, so that they have tokens.

    Its number of blocks, its operations and its concat rule are theirs. No rule gives the
    concatenation of NASNet-A as it was published: with ``with_concat(NASNET_A, "unused")``, which
    is the paper's text, it has tokens.
    """
    used = {op for cell in genotype for block in cell.blocks for op in block[2:4]}
    offered = NASNetCell().operations
    fitting = [r for r in CONCATS if with_concat(genotype, r) == genotype]
    return NASNetCell(
        blocks=len(genotype.normal.blocks),
        operations=(*offered, *sorted(used - set(offered))),
        concat=fitting[0] if fitting else NASNetCell().concat,
    )
