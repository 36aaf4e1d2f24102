"""The controller with its gradient written out, for agents that make many small updates.

With 8 to 32 architectures per minibatch, the time of an update is that of calling torch: autograd
calls it for every step and every weight. Here the embeddings go through the LSTM's input weights
once, as a table with a row per token; what the steps do not need from each other is computed for
all of them at once; and gradients are added in place, as ``FlatAdam`` keeps them. The numbers are
autograd's but for rounding (``tests/agents/lstm/test_fused_controller.py``).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import linear

from nas_agents.lstm.controller import Controller, last_inputs
from nas_agents.lstm.vocabulary import Episodes


class FusedController(Controller):
    """A controller with the same policy, whose gradient takes less time.

    That is so with one layer, no ``tanh_constant`` and no attention; else autograd does it.
    """

    def differentiate(
        self, episodes: Episodes, slopes: Callable[[Tensor], Tensor], of_entropy: float
    ) -> None:
        """Add a loss's gradient to that of the weights.

        Args:
            episodes: What the loss is of.
            slopes: From the log-probabilities of the architectures, (episodes,), to the loss's
                derivatives by them.
            of_entropy: The loss's derivative by the entropy, summed over tokens, of each of them.
        """
        settings = self.settings
        if settings.layers > 1 or settings.tanh_constant or self.selection is not None:
            sampled, entropies = (each.sum(dim=1) for each in self.log_probabilities(episodes))
            across = torch.full_like(entropies, of_entropy)
            torch.autograd.backward([sampled, entropies], [slopes(sampled.detach()), across])
            return
        with torch.no_grad():
            self._differentiate(episodes, slopes, of_entropy)

    def _differentiate(
        self, episodes: Episodes, slopes: Callable[[Tensor], Tensor], of_entropy: float
    ) -> None:
        # Steps come first here: (max_length, episodes, ...).
        tokens, opened = episodes.tokens, episodes.opened
        chosen, inputs = tokens.t()[..., None], last_inputs(opened, tokens).t()
        columns, names = opened.columns.transpose(0, 1), opened.names.t()
        embedding, softmaxes = self.embedding.weight, self.softmaxes
        input_weight, hidden_weight, *lstm_biases = self.lstm.all_weights[0]

        table = linear(embedding, input_weight, lstm_biases[0] + lstm_biases[1])
        gates, cells, squashed, hidden = _lstm(table, inputs, hidden_weight)
        logits = linear(hidden, softmaxes.weight, softmaxes.bias).gather(-1, columns)
        if self.settings.choice_bias:
            logits += self.bias[names]
        logits /= self.settings.temperature
        every = logits.add_(opened.closed.transpose(0, 1)).log_softmax(-1)
        probabilities = every.exp()

        # Of the logits: d log p(chosen) = [chosen] - p, d entropy = -p (log p + entropy).
        down = slopes(every.gather(-1, chosen).sum(dim=(0, 2)))[None, :, None]
        of_logits = probabilities * -down
        if of_entropy:
            negative_entropies = (probabilities * every).sum(-1, keepdim=True)
            every.sub_(negative_entropies).mul_(probabilities)
            of_logits.sub_(every, alpha=of_entropy)
        of_logits.scatter_add_(-1, chosen, down.expand(chosen.shape))
        of_logits /= self.settings.temperature
        if self.settings.choice_bias:
            _grad(self.bias).index_add_(0, names.flatten(), of_logits.flatten(0, 1))
        of_softmaxes = of_logits.new_zeros(*inputs.shape, len(softmaxes.weight))
        of_softmaxes = of_softmaxes.scatter_(-1, columns, of_logits).flatten(0, 1)
        outputs = hidden.flatten(0, 1)
        _grad(softmaxes.weight).addmm_(of_softmaxes.t(), outputs)
        _grad(softmaxes.bias).add_(of_softmaxes.sum(0))

        of_hidden = (of_softmaxes @ softmaxes.weight).view_as(hidden)
        of_gates = _back_through_lstm(of_hidden, gates, cells, squashed, hidden_weight)
        of_gates = of_gates.flatten(0, 1)
        after = len(tokens)  # the first step comes from zeros
        _grad(hidden_weight).addmm_(of_gates[after:].t(), outputs[:-after])
        of_table = of_gates.new_zeros(len(embedding), of_gates.shape[1])
        of_table.index_add_(0, inputs.flatten(), of_gates)
        _grad(embedding).addmm_(of_table, input_weight)
        _grad(input_weight).addmm_(of_table.t(), embedding)
        of_bias = of_table.sum(0)
        for bias in lstm_biases:
            _grad(bias).add_(of_bias)


def _grad(parameter: Tensor) -> Tensor:
    """Return the gradient that ``FlatAdam`` gives to every parameter that is learnt."""
    assert parameter.grad is not None
    return parameter.grad


def _lstm(
    table: Tensor, inputs: Tensor, hidden_weight: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return gates, cells, their tanh and outputs, from each token's part of the gates.

    NumPy, on the tensors' memory, calls small functions in a third of torch's time, and has the
    faster tanh; products of matrices stay with torch, which keeps them to one thread. A sigmoid is
    (1 + tanh(x / 2)) / 2, so that one tanh does for all gates.
    """
    size = hidden_weight.shape[1]
    halves = torch.full((4, size), 0.5)
    halves[2] = 1.0  # of the candidate
    halves = halves.flatten()
    gates = (table * halves)[inputs]
    recurrent = hidden_weight.t() * halves
    factors, shifts = halves.numpy(), 1 - halves.numpy()
    cells, squashed, hidden = (table.new_empty(*inputs.shape, size) for _ in range(3))
    outputs = hidden.unbind()
    steps = zip(
        gates.unbind(),
        gates.numpy(),
        cells.numpy(),
        squashed.numpy(),
        hidden.numpy(),
        strict=True,
    )
    earlier: npt.NDArray[np.float32] | None = None
    for step, (into, gate, cell, squash, output) in enumerate(steps):
        if step:
            into.addmm_(outputs[step - 1], recurrent)
        np.tanh(gate, out=gate)
        gate *= factors
        gate += shifts
        np.multiply(gate[:, :size], gate[:, 2 * size : 3 * size], out=cell)
        if earlier is not None:
            cell += gate[:, size : 2 * size] * earlier
        np.tanh(cell, out=squash)
        np.multiply(gate[:, 3 * size :], squash, out=output)
        earlier = cell
    return gates, cells, squashed, hidden


def _back_through_lstm(
    of_hidden: Tensor, gates: Tensor, cells: Tensor, squashed: Tensor, hidden_weight: Tensor
) -> Tensor:
    """Return the gradient of the gates before sigmoid or tanh, from that of the outputs."""
    length, episodes, size = cells.shape
    every, squash = gates.numpy(), squashed.numpy()
    write, keep, candidate, read = np.moveaxis(every.reshape(length, episodes, 4, size), 2, 0)
    # What a cell's and an output's gradient are multiplied by, at all steps at once.
    slopes = every - every * every  # of the sigmoids
    factors = slopes.reshape(length, episodes, 4, size)
    factors[:, :, 0] *= candidate
    factors[1:, :, 1] *= cells.numpy()[:-1]
    factors[0, :, 1] = 0
    factors[:, :, 2] = write - write * candidate * candidate
    factors[:, :, 3] *= squash
    through_cell = read - read * squash * squash

    of_gates = torch.from_numpy(slopes)  # what follows multiplies in place
    following, outputs, of_outputs = of_gates.unbind(), of_hidden.unbind(), of_hidden.numpy()
    of_cell = np.zeros((episodes, size), np.float32)
    for step in range(length - 1, -1, -1):
        if step + 1 < length:
            outputs[step].addmm_(following[step + 1], hidden_weight)
            of_cell *= keep[step + 1]
        of_cell += of_outputs[step] * through_cell[step]
        factors[step, :, :3] *= of_cell[:, None]
        factors[step, :, 3] *= of_outputs[step]
    return of_gates
