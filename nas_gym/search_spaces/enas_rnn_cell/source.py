"""The text of a language model with ENAS's cell: two lines per node."""

from collections.abc import Iterator

import torch

from nas_gym.networks.language_source import language_model
from nas_gym.networks.source import Source
from nas_gym.networks.task import LanguageTask
from nas_gym.search_spaces.enas_rnn_cell.genotype import ENASRNNCellGenotype
from nas_gym.search_spaces.enas_rnn_cell.network import ENASLayer
from nas_gym.search_spaces.rnn_cell.source import ACTIVATED

_LAYER = '''\
class Layer(nn.Module):
    """A recurrent cell of {count} highway layers, run along a sequence; gates come first."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.input_weights = nn.Parameter(torch.zeros(2, units, inputs))
        self.hidden_weights = nn.Parameter(torch.zeros({count}, 2, units, units))

    def forward(self, x: Tensor, state: tuple[Tensor]) -> tuple[Tensor, tuple[Tensor]]:
        """Return h at every step (time, batch, units), and h after the last."""
        h = state[0]
        outputs = []
        weights = self.hidden_weights.flatten(1, 2)
        for projected in F.linear(x, self.input_weights.flatten(0, 1)).unbind(0):
{steps}
            outputs.append(h)
        return torch.stack(outputs), (h,)
'''


def source(genotype: ENASRNNCellGenotype, task: LanguageTask) -> Source:
    """Return the language model of a cell as text."""
    with torch.device("meta"):
        layer = ENASLayer(genotype, 1, 1)
    steps = "\n".join(f"            {line}" for line in _steps(layer))
    text = _LAYER.format(count=len(genotype.nodes), steps=steps)
    return Source(f"{text}\n\n{language_model(task, states=1)}", ())


def _steps(layer: ENASLayer) -> Iterator[str]:
    """Yield the lines of every node, in the order in which the weights keep them."""
    for place, node in enumerate(layer.places):
        does = layer.genotype.nodes[node]
        before = "h" if does.previous < 0 else f"y{does.previous}"
        products = f"F.linear({before}, weights[{place}])"
        added = f"projected + {products}" if does.previous < 0 else products
        value = ACTIVATED[does.activation].format("candidate")
        yield f"gate, candidate = ({added}).chunk(2, 1)"
        yield f"y{node} = {before} + torch.sigmoid(gate) * ({value} - {before})"
    loose = [f"y{layer.places[place]}" for place in layer.loose]
    mean = loose[0] if len(loose) == 1 else f"({' + '.join(loose)}) / {len(loose)}"
    yield f"h = {mean}"
