"""Fast path; read ``network.py`` first. A sequence through ENAS's cell as one operation.

Its gradient is written out. Nodes that read the same one are a group: one product and a few
elementwise operations per step for all of them. The products of slopes that the way back needs are
computed for many steps at once.
"""

from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from nas_gym.networks.kernels.elementwise import (
    BLOCK,
    Array,
    Slab,
    apply,
    product,
    sigmoid,
    slope,
    weight_gradient,
)
from nas_gym.networks.recurrent import RecurrentSequence, State


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes that read the same one; places are those of the parameters."""

    previous: int  # place of the node that they read; -1: h_{t-1}
    start: int  # place of the first of them
    activations: tuple[str, ...]

    @property
    def places(self) -> slice:
        """The places of its nodes."""
        return slice(self.start, self.start + len(self.activations))


class ENASSequence(RecurrentSequence):
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
        slab = Slab(self.hidden, (3 * nodes + 1) * (time + 1) * batch * units)
        # h before every step and after the last; gates, candidates and outputs of all nodes.
        self.states = slab.take(time + 1, batch, units)
        self.states[0] = state[0]
        self.gates, self.candidates, self.outputs = (
            slab.take(time, nodes, batch, units) for _ in range(3)
        )
        self.arguments: Tensor | None = None  # of the candidates' activations, if one is sin
        if any("sin" in group.activations for group in groups):
            self.arguments = torch.empty_like(self.candidates)

    def run(self) -> tuple[Tensor, State]:
        """Compute h at every step, and the last state."""
        projected = product(self.x.flatten(0, 1), self.inputs.flatten(0, 1))
        projected = projected.view(*self.x.shape[:2], -1)
        states = self.states.unbind()
        gates, candidates, outputs = (
            list(x.numpy()) for x in (self.gates, self.candidates, self.outputs)
        )
        with np.errstate(all="ignore"):  # as torch: what diverges becomes inf or nan
            for step, into in enumerate(projected.unbind()):
                read = self.outputs[step].unbind()
                for group, weights in zip(self.groups, self.weights, strict=True):
                    if group.previous < 0:
                        earlier = states[step]
                        products = product(self._masked(earlier), weights).add_(into)
                    else:
                        earlier = read[group.previous]
                        products = product(earlier, weights)
                    self._activate(step, group, products, gates[step], candidates[step])
                    output, before = outputs[step][group.places], earlier.numpy()
                    np.subtract(candidates[step][group.places], before, output)
                    np.multiply(output, gates[step][group.places], output)
                    np.add(output, before, output)
                self._mean(outputs[step], states[step + 1].numpy())
        return self.states[1:].clone(), (states[-1].clone(),)

    def _activate(
        self, step: int, group: Group, products: Tensor, gates: Array, candidates: Array
    ) -> None:
        """Compute gates and candidates of a group, (nodes, batch, units), from their products."""
        count = len(group.activations)
        both = products.numpy().reshape(len(products), count, 2, -1).transpose(2, 1, 0, 3)
        # One call for the gates, and one for neighbours with the same activation.
        sigmoid(both[0], gates[group.places])
        start = 0
        for activation, same in groupby(group.activations):
            stop = start + len(list(same))
            argument = both[1, start:stop]
            places = slice(group.start + start, group.start + stop)
            if activation == "sin":
                assert self.arguments is not None
                np.copyto(self.arguments.numpy()[step, places], argument)
            apply(activation, argument, candidates[places])
            start = stop

    def _masked(self, hidden: Tensor) -> Tensor:
        return hidden if self.mask is None else hidden * self.mask

    def _mean(self, outputs: Array, mean: Array) -> None:
        np.copyto(mean, outputs[self.loose[0]])
        for place in self.loose[1:]:
            np.add(mean, outputs[place], mean)
        if len(self.loose) > 1:
            np.multiply(mean, 1 / len(self.loose), mean)

    # ------------------------------------------------------------ backwards

    def gradients(
        self, of_outputs: Tensor, of_last: State, want_x: bool
    ) -> tuple[Tensor | None, Tensor, Tensor, State]:
        """Return those of x, of both weights, and of the first state."""
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
        """Return gradients of products, (time, batch, nodes, 2, units), and of the first state."""
        time, nodes, batch, units = self.gates.shape
        of_products = Slab(self.gates, 2 * self.gates.numel()).take(time, batch, nodes, 2, units)
        transposed = [weights.t() for weights in self.weights]
        of_nodes = np.empty_like(self.gates.numpy()[0])
        of_state = of_last.numpy().copy()
        mask = None if self.mask is None else self.mask.numpy()
        groups = list(zip(self.groups, transposed, strict=True))[::-1]
        others = [place for place in range(nodes) if place not in self.loose]
        upstream, share = of_outputs.numpy(), 1 / len(self.loose)
        size = max(1, BLOCK // (batch * units))
        for stop in range(time, 0, -size):
            start = max(0, stop - size)
            factors, passed = self._factors(slice(start, stop))
            for step in range(stop - 1, start - 1, -1):
                here, kept = factors[step - start], passed[step - start]
                of_hidden = (upstream[step] + of_state) * share
                for place in others:
                    of_nodes[place] = 0
                for place in self.loose:
                    of_nodes[place] = of_hidden
                of_state.fill(0)
                rows = of_products[step].flatten(1)
                into = rows.numpy().reshape(batch, nodes, 2, units)
                for group, weights in groups:
                    places = group.places
                    of_group = of_nodes[places]
                    np.multiply(
                        here[:, places], of_group.swapaxes(0, 1)[:, :, None], into[:, places]
                    )
                    columns = slice(2 * units * places.start, 2 * units * places.stop)
                    of_read = product(rows[:, columns], weights).numpy()
                    first = group.previous < 0
                    if first and mask is not None:
                        np.multiply(of_read, mask, of_read)
                    target = of_state if first else of_nodes[group.previous]
                    np.add(target, of_read, target)
                    for place in range(places.start, places.stop):
                        np.add(target, of_nodes[place] * kept[place], target)
        return of_products, torch.from_numpy(of_state)

    def _factors(self, steps: slice) -> tuple[Array, Array]:
        """Compute what a node's gradient is multiplied by for its products and for what it reads.

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
                before = None
                if self.arguments is not None:
                    before = self.arguments.numpy()[steps, place]
                rise = slope(activation, candidate, before)
                if rise is None:
                    np.copyto(factors[:, :, place, 1], gate)
                else:
                    np.multiply(rise, gate, factors[:, :, place, 1])
        return factors, passed
