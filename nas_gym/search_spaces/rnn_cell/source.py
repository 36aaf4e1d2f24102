"""The text of a language model whose cell is a tree: one line per node."""

from collections.abc import Iterator

from nas_gym.networks.language_source import language_model
from nas_gym.networks.source import Source
from nas_gym.networks.task import LanguageTask
from nas_gym.search_spaces.rnn_cell.genotype import RNNCellGenotype, check_cell, group_leaves

_LAYER = '''\
class Layer(nn.Module):
    """A recurrent cell, a tree with {base} leaves, run along a sequence.

    Leaf i has two matrices: one for x, one for the h of the step before.
    """

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.input_weights = nn.Parameter(torch.zeros({base}, units, inputs))
        self.hidden_weights = nn.Parameter(torch.zeros({base}, units, units))

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return h at every step (time, batch, units), and h and c after the last."""
        h, c = state
        outputs = []
        for projected in F.linear(x, self.input_weights.flatten(0, 1)).unbind(0):
            w = projected.chunk({base}, 1)
            m = F.linear(h, self.hidden_weights.flatten(0, 1)).chunk({base}, 1)
{steps}
            outputs.append(h)
        return torch.stack(outputs), (h, c)
'''
COMBINED = {"add": "{} + {}", "elem_mult": "{} * {}", "max": "torch.maximum({}, {})"}
ACTIVATED = {
    "identity": "{}",
    "tanh": "torch.tanh({})",
    "sigmoid": "torch.sigmoid({})",
    "relu": "torch.relu({})",
    "sin": "torch.sin({})",
}


def source(genotype: RNNCellGenotype, task: LanguageTask) -> Source:
    """Return the language model of a cell as text."""
    check_cell(genotype)
    steps = "\n".join(f"            {line}" for line in _steps(genotype))
    layer = _LAYER.format(base=genotype.base, steps=steps)
    return Source(f"{layer}\n\n{language_model(task, states=2)}", ())


def _steps(genotype: RNNCellGenotype) -> Iterator[str]:
    """Yield a line per node: leaves by number, then level by level to the root."""
    places = [leaf for group in group_leaves(genotype) for leaf in group.leaves]
    root = len(genotype.nodes) - 1
    for i, node in enumerate(genotype.nodes):
        if i < genotype.base:
            place = places.index(i)
            pair = f"w[{place}]", f"m[{place}]"
        else:
            left, right = genotype.children(i)
            pair = f"n{left}", f"n{right}"
        value = COMBINED[node.combination].format(*pair)
        if i == genotype.cell_output:
            yield f"new_c = {value}"
            value = "new_c"
        value = ACTIVATED[node.activation].format(value)
        if i == genotype.cell_input:
            yield f"n{i} = {value}"
            combined = COMBINED[genotype.inject.combination].format(f"n{i}", "c")
            value = ACTIVATED[genotype.inject.activation].format(combined)
        yield f"n{i} = {value}"
    yield f"h, c = n{root}, new_c"
