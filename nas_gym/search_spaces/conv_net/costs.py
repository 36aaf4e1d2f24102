"""What convolutional networks cost, choice by choice.

A layer costs what follows from its filters and the channels that it reads; the classifier, what
the layers have that none reads. A layer's channels are charged to the classifier when it comes into
being, and that is taken back when a later layer reads it first.
"""

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from nas_gym.networks.operation_costs import Sides, strided
from nas_gym.networks.task import Task
from nas_gym.search_spaces.limits.costs import Amount, CostStep, End

if TYPE_CHECKING:
    from nas_gym.search_spaces.conv_net.space import ConvNet


class SeenLayer(NamedTuple):
    """A finished layer, as later ones see it."""

    channels: int
    sides: Sides  # (0, 0) if they do not matter
    read: bool


class Begun(NamedTuple):
    """A network under construction; of the layer that is being chosen, what is chosen so far."""

    depth: int  # 0: not chosen yet
    image: Sides
    layers: tuple[SeenLayer, ...] = ()
    field: int = 0  # place among the names of a layer's choices; the skips come after all of them
    pool: bool = False
    area: int = 1  # pixels of a filter
    stride: Sides = (1, 1)
    filters: int = 0  # of each convolution
    reads: int = 0  # channels of the layers that are read
    seen: Sides = (0, 0)  # the largest sides of these layers
    bits: int = 0  # skips that are chosen


FIELDS = ("type", "height", "width", "down", "across", "filters")


class ConvNetCosts:
    """The costs of layers and classifier.

    Args:
        space: The space.
        task: Shape of the images, classes, ``width_multiplier`` and ``more_filters``.
        metrics: Those that are counted.
    """

    exits = ((None,),)

    def __init__(self, space: "ConvNet", task: Task, metrics: Sequence[str]) -> None:
        self.space, self.task, self.metrics = space, task, metrics
        self.sized = "multiply_adds" in metrics
        several = {
            "type": len(space.types) > 1,
            "down": len(space.strides) > 1,
            "across": len(space.strides) > 1,
        }
        self.fields = [name for name in FIELDS if several.get(name, True)]
        scaled = [max(1, round(f * task.width_multiplier)) for f in space.filters]
        self.filters = [filters + task.more_filters for filters in scaled]
        # The fewest weights that a layer can have for each channel that it reads.
        smallest = min(space.heights) * min(space.widths) * min(self.filters)
        self.cheapest = smallest * space.block_layers
        self.pools = "pool" in space.types
        self.short = not self.sized and not self.pools and self.cheapest >= task.classes

    def start(self, part: int) -> Begun:
        """Return the network before its first choice."""
        depth = self.space.depths[0] if len(self.space.depths) == 1 else 0
        return self._layer_begun(Begun(depth, self._sides((self.task.height, self.task.width))))

    def joint(self, exits: tuple[None, ...]) -> Amount:
        """Return the biases of the classifier."""
        return self._of(self.task.classes, 0)

    def step(self, state: Begun) -> CostStep:
        """Return the choices in the order of the space: depth; then layer by layer."""
        if not state.depth:
            depths = [self._layer_begun(state._replace(depth=d)) for d in self.space.depths]
            return self._free(depths)
        if state.field == len(self.fields):
            return self._skip(state)
        name = self.fields[state.field]
        after = state._replace(field=state.field + 1)
        if name == "type":
            kinds = [kind == "pool" for kind in self.space.types]
            return self._free([after._replace(pool=pool) for pool in kinds])
        if name in ("height", "width"):
            sizes = self.space.heights if name == "height" else self.space.widths
            chosen = [after._replace(area=after.area * size) for size in sizes]
        elif name in ("down", "across"):
            down = name == "down"
            pairs = [(s, 1) if down else (after.stride[0], s) for s in self.space.strides]
            chosen = [after._replace(stride=pair if self.sized else (1, 1)) for pair in pairs]
        else:
            chosen = [after._replace(filters=filters) for filters in self.filters]
        return self._closing([self._without_filters(each) for each in chosen])

    def extreme(self, state: Begun, least: bool) -> Sequence[int] | None:
        """Return the smallest filters and largest strides, or the reverse; of skips see below.

        With the same skips a network with these is the cheapest in both metrics, whatever comes
        before. A layer that has an input gains nothing by another one if reading it costs more than
        the classifier would; where only parameters count, it has to cost more than any later layer
        would pay.
        """
        if not state.depth:
            return None
        if state.field == len(self.fields):
            return self._extreme_skip(state, least)
        name, best = self.fields[state.field], min if least else max
        options: dict[str, Sequence[int]] = {
            "height": self.space.heights,
            "width": self.space.widths,
            "filters": self.filters,
            "down": [-stride for stride in self.space.strides],
            "across": [-stride for stride in self.space.strides],
        }
        if name == "type":
            return None
        return (options[name].index(best(options[name])),)

    def key(self, state: Begun, least: bool | None) -> Hashable:
        """Return the state with its layers in no order; of those that cannot matter, nothing."""
        undecided = state.layers[state.bits :] if state.field == len(self.fields) else ()
        decided = state.layers[: len(state.layers) - len(undecided)]
        rest = state._replace(layers=(), reads=self._read_key(state))
        count = len(state.layers)
        least = self.short and least
        return (rest, count, _what_matters(decided, least), _what_matters(undecided, least))

    # ---------------------------------------------------------------- steps

    def _free(self, states: Sequence[Begun | End]) -> CostStep:
        return CostStep((self._of(0, 0),) * len(states), tuple(states))

    def _closing(self, states: Sequence[Begun]) -> CostStep:
        """Return the step to these states, of which those with no choice left finish the layer."""
        finished = [self._finished(state) for state in states]
        costs, following = zip(*finished, strict=True)
        return CostStep(costs, following)

    def _without_filters(self, state: Begun) -> Begun:
        """Return the state after the choice of filters, which a pool does not have."""
        last = state.field == len(self.fields) - 1
        return state._replace(field=len(self.fields)) if state.pool and last else state

    def _skip(self, state: Begun) -> CostStep:
        """Return the step that says whether the layer reads an earlier one."""
        layer = state.layers[state.bits]
        without = state._replace(bits=state.bits + 1)
        seen = (max(state.seen[0], layer.sides[0]), max(state.seen[1], layer.sides[1]))
        layers = list(state.layers)
        layers[state.bits] = layer._replace(read=True)
        reading = without._replace(
            layers=tuple(layers), reads=state.reads + layer.channels, seen=seen
        )
        step = self._closing([without, reading])
        back = 0 if layer.read else -layer.channels * self.task.classes
        weights = self._rate(state) * layer.channels if self._at_once(state) else 0
        cost = _sum(step.costs[1], self._of(back + weights, back))
        return CostStep((step.costs[0], cost), step.states)

    def _finished(self, state: Begun) -> tuple[Amount, Begun | End]:
        """Return what finishing the layer costs, and the next one, if no choice of it is left."""
        if state.field < len(self.fields) or state.bits < len(state.layers):
            return self._of(0, 0), state
        task, times = self.task, self.space.block_layers
        channels = state.reads or task.channels
        outside = strided(state.seen if state.reads else state.image, state.stride)
        if state.pool:
            weights = norms = 0
            width = channels
        else:
            within = sum(channels + n * state.filters for n in range(times))
            weights = state.area * state.filters * within
            norms = 2 * times * state.filters
            width = times * state.filters
        loose = width * task.classes
        pixels = outside[0] * outside[1]
        charged = self._rate(state) * state.reads if self._at_once(state) else 0
        cost = self._of(weights - charged + norms + loose, weights * pixels + loose)
        layers = (*state.layers, SeenLayer(width, self._sides(outside), read=False))
        if len(layers) == state.depth:
            return cost, End()
        return cost, self._layer_begun(Begun(state.depth, state.image, layers))

    def _layer_begun(self, state: Begun) -> Begun:
        """Return the state before a layer's first choice: after the pool before it, if any."""
        if state.depth and len(state.layers) in self.space.pools and self.sized:
            layers = [each._replace(sides=strided(each.sides, (2, 2))) for each in state.layers]
            state = state._replace(image=strided(state.image, (2, 2)), layers=tuple(layers))
        stride = self.space.strides[0] if len(self.space.strides) == 1 else 1
        pool = self.space.types[0] == "pool" and len(self.space.types) == 1
        return state._replace(stride=(stride, stride), pool=pool)

    # ---------------------------------------------------------------- what matters

    def _extreme_skip(self, state: Begun, least: bool) -> Sequence[int] | None:
        rate, classes = self._rate(state), self.task.classes
        if self.pools:
            return None
        if not least:
            return (1,) if state.reads and rate >= classes else None
        follow = len(state.layers) + 1 < state.depth
        worth = classes
        if follow and not self.sized:
            worth = min(classes, self.cheapest)
        if rate > worth or (self.sized and rate == worth):
            return (0,) if state.reads else None
        if self.sized:
            return None
        # Reading it now is no dearer than at any later time; the last layer is always such a one.
        return (0,) if state.layers[state.bits].read else (1,)

    def _at_once(self, state: Begun) -> bool:
        """Return whether a layer's weights are charged skip by skip: where sizes do not matter."""
        return not self.sized and not state.pool

    def _rate(self, state: Begun) -> int:
        """Return the weights for each channel that the layer reads."""
        return state.area * state.filters * self.space.block_layers

    def _read_key(self, state: Begun) -> int:
        """Return what matters of the channels that are read so far."""
        return int(state.reads > 0) if self._at_once(state) else state.reads

    def _sides(self, sides: Sides) -> Sides:
        return sides if self.sized else (0, 0)

    def _of(self, parameters: int, multiply_adds: int) -> Amount:
        both = {"parameters": parameters, "multiply_adds": multiply_adds}
        return tuple([both[metric] for metric in self.metrics])


def _what_matters(layers: Sequence[SeenLayer], short: bool | None) -> Hashable:
    """Return what matters of layers: all of them, in no order, or only the smallest.

    Where only the fewest parameters count and reading costs more than the classifier would, a layer
    reads one other at most, the smallest; the next layer may want the next smallest, and all after
    it have one that is as small as any.
    """
    if not short:
        return tuple(sorted(layers))
    unread = sorted(layer.channels for layer in layers if not layer.read)
    read = [layer.channels for layer in layers if layer.read]
    return (*unread[:2], -1, min(read, default=0))


def _sum(one: Amount, other: Amount) -> Amount:
    return tuple([a + b for a, b in zip(one, other, strict=True)])
