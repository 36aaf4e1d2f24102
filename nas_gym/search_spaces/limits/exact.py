"""Exact masks: which options leave a completion that keeps every limit."""

from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any

import numpy as np

from nas_gym.errors import InvalidOption
from nas_gym.search_spaces.grammar import Tokens
from nas_gym.search_spaces.limits.costs import Amount, CostStates, End, State, TooManyStates
from nas_gym.search_spaces.limits.fronts import NEVER, Fronts, Ints, Sets, Smallest
from nas_gym.search_spaces.limits.wanted import Limits

PLACES = 20_000  # prefixes that are remembered; one takes about 1.5 kB
KEPT = 30_000  # states of which it is remembered what is open
MOST_STATES = 40_000  # that are looked at before a search begins; NASNet's cells have 5,000
KNOWN_STATES = 200_000  # that are remembered


class _Node:
    """A state after certain exits, its options, and the nodes that these lead to."""

    __slots__ = ("exits", "following", "moves", "needs", "states")

    def __init__(
        self, exits: tuple[int, ...], moves: tuple[Amount, ...], states: tuple[State, ...]
    ) -> None:
        self.exits = exits  # places of the exits of the parts that are finished
        self.moves = moves  # coordinates, by option
        self.states = states  # one per option, or a single one
        self.following: list[_Node | None] = [None] * len(moves)  # as far as they were met
        self.needs: Any = None  # what is spent from here to the end, by option


_COMPLETE = _Node((), (), ())
_Place = tuple[_Node, Amount]  # where a prefix ends, and what it has spent


class ExactLimits:
    """Tells which tokens are open, by dynamic programming over the space's states.

    What a state may still cost is computed once, backwards, when it is first asked for.

    Args:
        costs: How the costs add up, in the metrics of ``limits``.
        limits: What is to be kept.

    Raises:
        InvalidOption: No architecture keeps the limits; says what the smallest possible is.
        TooManyStates: The space has more of them than can be looked at.
    """

    def __init__(self, costs: CostStates, limits: Limits) -> None:
        self.costs, self.limits = costs, limits
        sides = [(i, 1, limit.most) for i, limit in enumerate(limits.limits)]
        sides += [(i, -1, _negative(limit.least)) for i, limit in enumerate(limits.limits)]
        given = [side for side in sides if side[2] is not None]
        self._signs = [(metric, sign) for metric, sign, _ in given]
        self._bounds = tuple([int(bound) for *_, bound in given if bound is not None])
        self._sets: Sets = self._kind_of_sets()
        signs = {sign for _, sign in self._signs}
        # Limits of one kind ask only for the cheapest, or only for the dearest.
        self._least = signs.pop() > 0 if len(signs) == 1 else None
        self._values: dict[Hashable, Ints] = {}  # of states: what they cost up to each exit
        self._bests: dict[tuple[Amount, ...], Any] = {}
        self._exits = [{exit_: i for i, exit_ in enumerate(exits)} for exits in costs.exits]
        self._after: dict[tuple[int, ...], list[Any]] = {}  # what comes after each exit of a part
        self._tails: dict[Hashable, Any] = {}
        self._nodes: dict[Hashable, _Node] = {}
        self._moves_known: dict[tuple[Amount, ...], tuple[Amount, ...]] = {}
        self._places: dict[Tokens, _Place] = {}
        self._begins = True
        self._check()
        self._begins = False
        if isinstance(self._sets, Fronts):
            self._sets.work = None  # a later state has about as many points as the first, at most

    @property
    def extreme(self) -> int:
        """The smallest cost of all architectures if the only limit is a most, else the largest."""
        assert isinstance(self._sets, Smallest)
        return int(self._tail((), self.costs.start(0))) * self._signs[0][1]

    def open_tokens(self, prefix: Tokens, most: int | None = None) -> tuple[int, ...]:
        """Return the tokens after which every limit can still be kept, in order.

        Args:
            prefix: The tokens so far.
            most: Another bound in the place of the only limit's: what is known of states does not
                depend on it.
        """
        node, spent = self._place(prefix)
        if node is _COMPLETE:
            return (0,)
        needs = node.needs
        if needs is None:
            needs = node.needs = self._needs(node)
        if isinstance(needs, list):
            slack = (self._bounds[0] if most is None else most) - spent[0]
            return tuple([token for token, need in enumerate(needs) if need <= slack])
        owners, points = needs
        fits = (points <= np.array(self._bounds) - np.array(spent)).all(axis=1)
        return tuple(np.flatnonzero(np.bincount(owners[fits])).tolist())

    # ---------------------------------------------------------------- walking

    def _place(self, prefix: Tokens) -> _Place:
        place = self._places.get(prefix)
        if place is not None:
            return place
        if prefix:
            node, spent = self._place(prefix[:-1])
            token = prefix[-1] % len(node.moves)
            move = node.moves[token]
            if len(move) == 1:
                spent = (spent[0] + move[0],)
            else:
                spent = tuple(map(sum, zip(spent, move, strict=True)))
            place = (node.following[token] or self._follow(node, token), spent)
        else:
            place = (self._node((), self.costs.start(0)), (0,) * len(self._bounds))
        if len(self._places) >= PLACES:
            self._places.clear()
        self._places[prefix] = place
        return place

    def _follow(self, node: _Node, token: int) -> _Node:
        """Return the node to which a token leads."""
        single = len(node.states) == 1
        state, exits = node.states[0 if single else token], node.exits
        if isinstance(state, End):
            exits = (*exits, self._exits[len(exits)][state.exit])
            state = None if len(exits) == len(self._exits) else self.costs.start(len(exits))
        following = _COMPLETE if state is None else self._node(exits, state)
        if single:
            node.following = [following] * len(node.moves)
        else:
            node.following[token] = following
        return following

    def _node(self, exits: tuple[int, ...], state: State) -> _Node:
        node = self._nodes.get((exits, state))
        if node is None:
            costs, states = self.costs.step(state)
            moves = self._moves_known.get(costs)
            if moves is None:
                moves = self._moves_known[costs] = tuple(map(self._coordinates, costs))
            if len(self._nodes) >= KEPT:
                self._nodes.clear()
                self._places.clear()
            node = self._nodes[exits, state] = _Node(exits, moves, states)
        return node

    def _needs(self, node: _Node) -> Any:
        """Return what is spent in the end, at least, by option; or (points,), (points, …)."""
        tails = [self._tail(node.exits, state) for state in node.states]
        if len(tails) == 1:
            tails *= len(node.moves)
        if isinstance(self._sets, Smallest):
            return [move[0] + tail for move, tail in zip(node.moves, tails, strict=True)]
        points = [np.array(move) + tail for move, tail in zip(node.moves, tails, strict=True)]
        owners = np.repeat(np.arange(len(points)), [len(each) for each in points])
        return owners, np.concatenate(points)

    # ---------------------------------------------------------------- backwards

    def _tail(self, exits: tuple[int, ...], state: State) -> Any:
        """Return what is still to come in all, after the exits of the finished parts."""
        part = len(exits)
        if isinstance(state, End):
            return self._after_exits(exits)[self._exits[part][state.exit]]
        key = (exits, self.costs.key(state, self._least))
        tail = self._tails.get(key)
        if tail is None:
            value = self._value(part, state)
            tail = self._tails[key] = self._sets.closed(value, self._after_exits(exits))
        return tail

    def _after_exits(self, exits: tuple[int, ...]) -> list[Any]:
        """Return, by exit of the next part, what comes after it."""
        if exits not in self._after:
            ends = [(*exits, i) for i in range(len(self.costs.exits[len(exits)]))]
            self._after[exits] = list(map(self._after_end, ends))
        return self._after[exits]

    def _after_end(self, exits: tuple[int, ...]) -> Any:
        if len(exits) < len(self._exits):
            return self._tail(exits, self.costs.start(len(exits)))
        names = tuple([self.costs.exits[part][place] for part, place in enumerate(exits)])
        return self._sets.best([self._coordinates(self.costs.joint(names))])

    def _value(self, part: int, state: State) -> Ints:
        """Return what a state may still cost, up to each exit of its part."""
        if isinstance(state, End):
            return self._sets.end(self._exits[part][state.exit], len(self._exits[part]))
        key = (part, self.costs.key(state, self._least))
        value = self._values.get(key)
        if value is None:
            value = self._sets.union(list(map(partial(self._option, part), *self._moves(state))))
            if self._begins and len(self._values) >= MOST_STATES:
                raise TooManyStates
            if len(self._values) >= KNOWN_STATES:
                self._values.clear()
                self._tails.clear()
            self._values[key] = value
        return value

    def _option(self, part: int, costs: tuple[Amount, ...], state: State) -> Ints:
        best = self._bests.get(costs)
        if best is None:
            best = self._bests[costs] = self._sets.best([self._coordinates(c) for c in costs])
        return self._sets.moved(self._value(part, state), best)

    def _moves(self, state: State) -> tuple[Sequence[tuple[Amount, ...]], Sequence[State]]:
        """Return the steps out of a state that matter, each with the costs of its options."""
        costs, states = self.costs.step(state)
        if self._least is not None:
            chosen = self.costs.extreme(state, self._least)
            if chosen is not None:
                costs = tuple([costs[token] for token in chosen])
                states = tuple([states[token] for token in chosen]) if len(states) > 1 else states
        if len(states) == 1:
            return [costs], states
        return [(cost,) for cost in costs], states

    # ---------------------------------------------------------------- limits

    def _coordinates(self, cost: Amount) -> Amount:
        return tuple([cost[metric] * sign for metric, sign in self._signs])

    def _kind_of_sets(self) -> Sets:
        if len(self._signs) == 1:
            return Smallest()
        metrics = [metric for metric, _ in self._signs]
        columns = [metrics.index(metric) for metric in range(len(self.limits.limits))]
        windows = [
            None if each.least is None or each.most is None else each.most - each.least
            for each in self.limits.limits
        ]
        return Fronts(columns, windows)

    def _check(self) -> None:
        """Raise InvalidOption if no architecture keeps the limits."""
        tail = self._tail((), self.costs.start(0))
        points = np.array([[tail]]) if isinstance(tail, int) else tail
        if (points <= np.array(self._bounds)).all(axis=1).any():
            return
        parts = []
        for column, (metric, sign) in enumerate(self._signs):
            extreme = int(points[:, column].min()) * sign
            name = self.limits.limits[metric].metric
            parts.append(f"the {'fewest' if sign > 0 else 'most'} possible {name} are {extreme:,}")
        raise InvalidOption(
            f"no architecture of the space has {self.limits}: {', '.join(parts)}"
            + (", but not at once" if len(parts) > 1 else "")
            + "; give wider limits"
        )


def _negative(number: int | None) -> int | None:
    return None if number is None else -number


assert NEVER > 2**60  # beyond any limit that ``limits_of`` takes
