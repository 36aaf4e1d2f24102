"""A sequence through ENAS's cell as one operation, with its gradient written out.

Nodes that read the same one are a group: one product and a few elementwise operations a step for
all of them. The products of slopes that the way back needs are computed for many steps at once.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nas_gym.networks.fused import ACTIVATE, BLOCK, Array, product, slope, weight_gradient
from nas_gym.networks.recurrent import Sequence, State


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes that read the same one; places are those of the parameters."""

    previous: int  # place of the node that they read; -1: h_{t-1}
    start: int  # place of the first of them
    activations: tuple[str, ...]

    @property
    def places(self) -> slice:
        """Of its nodes."""
        return slice(self.start, self.start + len(self.activations))


class ENASSequence(Sequence):
    """One sequence: ``run`` computes it, ``gradients`` goes back through it.

    Args:
        groups: A group comes after the one that has the node it reads.
        loose: Places of the nodes that no node reads.
        tensors: x, the input weights and the hidden weights.
        state: h before the first step.
        mask: Of h_{t-1}, or None.
    """

    def __init__(
        self,
        groups: tuple[Group, ...],
        loose: tuple[int, ...],
        tensors: tuple[Tensor, Tensor, Tensor],
        state: State,
        mask: Tensor | None,
    ) -> None:
        self.groups, self.loose, self.mask = groups, loose, mask
        self.x, self.inputs, self.hidden = tensors
        time, batch, _ = self.x.shape
        nodes, _, units, _ = self.hidden.shape
        self.weights = [self.hidden[group.places].flatten(0, 2) for group in groups]
        # h before every step and after the last; gates, candidates and outputs of all nodes.
        self.states = self.hidden.new_empty(time + 1, batch, units)
        self.states[0] = state[0]
        self.gates, self.candidates, self.outputs = (
            self.hidden.new_empty(time, nodes, batch, units) for _ in range(3)
        )
        self.arguments: Array | None = None  # of the candidates' activations, where one is sin
        if any("sin" in group.activations for group in groups):
            self.arguments = np.empty_like(self.candidates.numpy())

    def run(self) -> tuple[Tensor, State]:
        """Compute h at every step, and the last state."""
        projected = product(self.x.flatten(0, 1), self.inputs.flatten(0, 1))
        projected = projected.view(*self.x.shape[:2], -1)
        with np.errstate(all="ignore"):  # as torch: what diverges becomes inf or nan
            for step, into in enumerate(projected.unbind()):
                for group, weights in zip(self.groups, self.weights, strict=True):
                    self._forward(step, group, weights, into)
                self._mean(step)
        outputs = self.states[1:]
        return outputs.clone(), (outputs[-1].clone(),)

    def _forward(self, step: int, group: Group, weights: Tensor, projected: Tensor) -> None:
        earlier = self._read(group, step)
        products = product(self._masked(earlier) if group.previous < 0 else earlier, weights)
        if group.previous < 0:
            products += projected
        batch, units = earlier.shape
        both = products.view(batch, -1, 2, units).permute(2, 1, 0, 3)
        gates, candidates = self.gates[step][group.places], self.candidates.numpy()[step]
        torch.sigmoid(both[0], out=gates)
        for i, activation in enumerate(group.activations):
            place = group.start + i
            argument = both[1, i]
            if self.arguments is not None:
                np.copyto(self.arguments[step, place], argument.numpy())
            if activation in ("sigmoid", "relu"):
                ACTIVATE[activation](argument, self.candidates[step, place])
            elif activation == "identity":
                np.copyto(candidates[place], argument.numpy())
            else:
                ACTIVATE[activation](argument.numpy(), candidates[place])
        output, before = self.outputs.numpy()[step][group.places], earlier.numpy()
        np.subtract(candidates[group.places], before, output)
        np.multiply(output, gates.numpy(), output)
        np.add(output, before, output)

    def _read(self, group: Group, step: int) -> Tensor:
        """What the group's nodes read: (batch, units)."""
        return self.states[step] if group.previous < 0 else self.outputs[step, group.previous]

    def _masked(self, hidden: Tensor) -> Tensor:
        return hidden if self.mask is None else hidden * self.mask

    def _mean(self, step: int) -> None:
        outputs, mean = self.outputs.numpy()[step], self.states.numpy()[step + 1]
        np.copyto(mean, outputs[self.loose[0]])
        for place in self.loose[1:]:
            np.add(mean, outputs[place], mean)
        if len(self.loose) > 1:
            np.divide(mean, len(self.loose), mean)

    # ------------------------------------------------------------ backwards

    def gradients(
        self, of_outputs: Tensor, of_last: State, want_x: bool
    ) -> tuple[Tensor | None, Tensor, Tensor, State]:
        """Those of x, of both weights, and of the first state."""
        with np.errstate(all="ignore"):
            of_products, of_first = self._back(of_outputs, of_last[0])
        of_hidden = torch.empty_like(self.hidden)
        for group in self.groups:
            rows = of_products[:, :, group.places].flatten(2).flatten(0, 1)
            if group.previous < 0:
                read = self._masked(self.states[:-1])
                x, first = self.x.flatten(0, 1), rows
            else:
                read = self.outputs[:, group.previous]
            of_weights = weight_gradient(rows, read.flatten(0, 1))
            of_hidden[group.places] = of_weights.reshape_as(of_hidden[group.places])
        of_inputs = weight_gradient(first, x).reshape_as(self.inputs)
        of_x = product(first, self.inputs.flatten(0, 1).t()).view_as(self.x) if want_x else None
        return of_x, of_inputs, of_hidden, (of_first,)

    def _back(self, of_outputs: Tensor, of_last: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of all products, (time, batch, nodes, 2, units), and of the first state."""
        time, nodes, batch, units = self.gates.shape
        of_products = self.gates.new_empty(time, batch, nodes, 2, units)
        transposed = [weights.t() for weights in self.weights]
        of_nodes = np.empty_like(self.gates.numpy()[0])
        of_state = of_last
        size = max(1, BLOCK // (batch * units))
        for stop in range(time, 0, -size):
            start = max(0, stop - size)
            factors, passed = self._factors(slice(start, stop))
            for step in range(stop - 1, start - 1, -1):
                of_hidden = (of_outputs[step] + of_state) / len(self.loose)
                of_nodes.fill(0)
                of_nodes[list(self.loose)] = of_hidden.numpy()
                of_state = torch.zeros_like(of_hidden)
                for group, weights in zip(self.groups[::-1], transposed[::-1], strict=True):
                    here = of_nodes[group.places]
                    into = of_products[step, :, group.places]
                    np.multiply(
                        factors[step - start][:, group.places],
                        here.transpose(1, 0, 2)[:, :, None],
                        into.numpy(),
                    )
                    of_read = product(into.flatten(1), weights)
                    if group.previous < 0 and self.mask is not None:
                        of_read *= self.mask
                    kept = (here * passed[step - start][group.places]).sum(0)
                    target = of_state.numpy() if group.previous < 0 else of_nodes[group.previous]
                    target += kept
                    target += of_read.numpy()
        return of_products, of_state

    def _factors(self, steps: slice) -> tuple[Array, Array]:
        """What a node's gradient is multiplied by for its products, and for what it reads.

        Returns:
            (steps, batch, nodes, 2, units) and (steps, nodes, batch, units)
        """
        gates, candidates = self.gates.numpy()[steps], self.candidates.numpy()[steps]
        count, nodes, batch, units = gates.shape
        factors = np.empty((count, batch, nodes, 2, units), gates.dtype)
        passed = 1 - gates
        gate_slopes = gates * passed
        for group in self.groups:
            earlier = self.states[:-1] if group.previous < 0 else self.outputs[:, group.previous]
            for i, activation in enumerate(group.activations):
                place = group.start + i
                candidate, gate = candidates[:, place], gates[:, place]
                distance = candidate - earlier.numpy()[steps]
                np.multiply(distance, gate_slopes[:, place], factors[:, :, place, 0])
                before = None if self.arguments is None else self.arguments[steps][:, place]
                rise = slope(activation, candidate, before)
                if rise is None:
                    np.copyto(factors[:, :, place, 1], gate)
                else:
                    np.multiply(rise, gate, factors[:, :, place, 1])
        return factors, passed
