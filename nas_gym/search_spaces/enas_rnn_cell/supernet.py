"""The supernet of ENAS's recurrent cells (Pham et al. 2018, section 2.1).

Each (layer, node, node that it reads) has its matrices U and M; the activations, which have none,
share them.
"""

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nas_gym.networks.language_model import EMBEDDING_RANGE, LanguageModel
from nas_gym.networks.supernet import Supernet, put
from nas_gym.networks.task import LanguageTask
from nas_gym.search_spaces.enas_rnn_cell.genotype import ENASNode, ENASRNNCellGenotype
from nas_gym.search_spaces.enas_rnn_cell.genotype import canonical_key as key_of_cell
from nas_gym.search_spaces.enas_rnn_cell.network import ENASLayer

if TYPE_CHECKING:
    from nas_gym.networks.language_model import State
    from nas_gym.search_spaces.enas_rnn_cell.space import ENASRNNCell


class ENASSupernet(Supernet):
    """The shared weights of all cells of a space, and of the language model around them.

    Args:
        space: Of the cells.
        task: Sizes and dropouts.
        seed: Of the initial weights.
    """

    def __init__(self, space: "ENASRNNCell", task: LanguageTask, seed: int = 0) -> None:
        super().__init__(seed)
        self.space, self.task = space, task
        first = space.activations[0]
        self.make_whole(
            ENASRNNCellGenotype(
                tuple([ENASNode(min(i - 1, read), first) for i in range(space.nodes)])
            )
            for read in range(max(1, space.nodes - 1))
        )

    def path(self, genotype: ENASRNNCellGenotype) -> LanguageModel:
        """Return the language model of a genotype, with the shared weights in it."""
        task = self.task
        with torch.random.fork_rng(devices=[]):  # what it draws is thrown away
            model = LanguageModel(task, partial(ENASLayer, genotype))
        draw = partial(nn.init.uniform_, a=-EMBEDDING_RANGE, b=EMBEDDING_RANGE)
        embedding = self.slice("embedding", model.embedding.weight.shape, draw)
        put(model.embedding, "weight", embedding)
        own = embedding
        if not task.tied:
            own = self.slice("decoder.weight", model.decoder.weight.shape, draw)
        put(model.decoder, "weight", own)
        bias = self.slice("decoder.bias", model.decoder.bias.shape, nn.init.zeros_)
        put(model.decoder, "bias", bias)
        for number, layer in enumerate(model.layers):
            assert isinstance(layer, ENASLayer)
            self._fill(layer, f"layer{number}")
        return model

    def canonical(self, genotype: ENASRNNCellGenotype) -> ENASRNNCellGenotype:
        """Return the same cell with its nodes numbered along its tree, branches by their keys."""
        return canonical(genotype)

    def distinct(self, genotype: ENASRNNCellGenotype) -> str:
        """Return the canonical key."""
        return key_of_cell(genotype)

    def first_state(self, batch: int) -> "State":
        """Return zeros for ``batch`` streams."""
        return self.choose_any().first_state(batch)

    def choose_any(self) -> LanguageModel:
        """Return the chosen path, or any if none was chosen yet."""
        if not self._chosen:
            self.choose(self.space.choose(lambda name, options: options[0]))
        model: LanguageModel = self._chosen[0]
        return model

    def _fill(self, layer: ENASLayer, place: str) -> None:
        draw = partial(nn.init.uniform_, a=-(layer.units**-0.5), b=layer.units**-0.5)
        shape = (2, layer.units, layer.units)
        put(
            layer,
            "input_weights",
            self.slice(f"{place}.input", (2, layer.units, layer.inputs), draw),
        )
        nodes = layer.genotype.nodes
        hidden: list[Tensor] = [
            self.slice(f"{place}.node{node}.from{nodes[node].previous}", shape, draw)
            for node in layer.places
        ]
        put(layer, "hidden_weights", torch.stack(hidden))


def canonical(genotype: ENASRNNCellGenotype) -> ENASRNNCellGenotype:
    """Return the cell with its nodes numbered along its tree from the root, branches by their keys.

    It is equal for all cells that differ in the numbers of their nodes alone.
    """
    nodes = genotype.nodes
    readers: list[list[int]] = [[] for _ in nodes]
    keys = ["" for _ in nodes]
    for i in range(len(nodes) - 1, -1, -1):
        readers[i].sort(key=lambda node: keys[node])
        below = ", ".join(keys[node] for node in readers[i])
        keys[i] = f"{nodes[i].activation}({below})" if below else nodes[i].activation
        if i:
            readers[nodes[i].previous].append(i)
    renumbered: list[ENASNode] = []
    waiting = [(0, -1)]  # node, and the new number of the one that it reads
    while waiting:
        node, previous = waiting.pop()
        number = len(renumbered)
        renumbered.append(ENASNode(previous, nodes[node].activation))
        waiting += [(reader, number) for reader in reversed(readers[node])]
    return ENASRNNCellGenotype(tuple(renumbered))
