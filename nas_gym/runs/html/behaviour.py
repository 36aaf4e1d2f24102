"""The behaviour of a policy: how it spreads its picks, repeats itself, what a pick is worth.

All of it is counted in what was asked for, so it holds for every agent, evolution as well.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nas_gym.runs.spread import mean_of
from nas_gym.search_spaces.grammar import trace
from nas_gym.search_spaces.rendering import picked_options
from nas_gym.store import Row
from nas_gym.store.long_runs import choose

WINDOW = 100  # requests
WINDOWS = 40  # that are looked at, at most; evenly over a longer run
TRACED = 1_500  # requests whose choices are named, at most
SHOWN = 60  # options whose worth is shown, at most
LEAST = 5  # picks of an option whose worth is shown
COLLAPSED = 0.1  # share of different architectures in a window below which a policy has settled


@dataclass(frozen=True)
class Window:
    """Some requests in a row."""

    first: int  # from 0
    count: int
    distinct: int  # different architectures, by canonical key
    entropies: tuple[float, ...]  # by position, as shares of the most that is possible


@dataclass(frozen=True)
class OptionWorth:
    """The rewards of all architectures with one option of a choice, or of a kind of choices."""

    choice: str  # of a kind of several with # for their numbers
    option: str
    count: int  # picks; an architecture may have several of one kind
    mean: float  # reward
    difference: float  # from the mean of all picks of this choice or kind


@dataclass(frozen=True)
class Behaviour:
    """What an agent did."""

    windows: tuple[Window, ...]
    positions: tuple[str, ...]  # names of the tokens
    worths: tuple[OptionWorth, ...]  # the largest differences first
    warning: str | None  # that the policy asks for hardly anything new


def behaviour_of(rows: Sequence[Row], space: Any) -> Behaviour:
    """Count it.

    Args:
        rows: The requests, in the agent's order.
        space: The search space; None if it cannot be had, and options then have no names.
    """
    groups = [(first, list(choose(rows, members))) for first, members in _windows(len(rows))]
    options = _options_by_position(row for _, group in groups for row in group)
    windows = tuple(_window(first, group, options) for first, group in groups)
    return Behaviour(
        windows=windows,
        positions=_positions(space, groups[0][1] if groups else [], len(options)),
        worths=() if space is None else tuple(_worths(space, [r for _, g in groups for r in g])),
        warning=_warning(windows),
    )


def _windows(count: int) -> Iterator[tuple[int, range]]:
    """Yield windows of ``WINDOW`` requests; the last one may be shorter."""
    firsts = range(0, count, WINDOW)
    step = max(1, math.ceil(len(firsts) / WINDOWS))
    for first in firsts[::step]:
        yield first, range(first, min(first + WINDOW, count))


def _options_by_position(rows: Iterator[Row]) -> list[int]:
    """Return how many different tokens were seen at each position."""
    seen: list[set[int]] = []
    for row in rows:
        seen += [set() for _ in range(len(row.tokens) - len(seen))]
        for tokens, token in zip(seen, row.tokens, strict=False):
            tokens.add(token)
    return [len(tokens) for tokens in seen]


def _window(first: int, rows: Sequence[Row], options: Sequence[int]) -> Window:
    counts: list[Counter[int]] = [Counter() for _ in options]
    for row in rows:
        for counter, token in zip(counts, row.tokens, strict=False):
            counter[token] += 1
    entropies = tuple(_entropy(c, most) for c, most in zip(counts, options, strict=True))
    return Window(first, len(rows), len({row.key for row in rows}), entropies)


def _entropy(counts: Counter[int], options: int) -> float:
    """Return the entropy as a share of that of ``options`` equally frequent ones."""
    total = sum(counts.values())
    most = math.log(min(options, total)) if min(options, total) > 1 else 0.0
    if not most:
        return 0.0
    return max(0.0, -sum(n / total * math.log(n / total) for n in counts.values()) / most)


def _positions(space: Any, rows: Sequence[Row], count: int) -> tuple[str, ...]:
    if space is not None and rows and getattr(space, "static", False):
        return tuple(choice.name for choice in trace(space, rows[0].tokens)[1])
    return tuple(f"token {position}" for position in range(1, count + 1))


def _worths(space: Any, rows: Sequence[Row]) -> list[OptionWorth]:
    """Return the options whose architectures differ most from all that had the choice."""
    rewards: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    fine = [row for row in rows if row.failure is None and math.isfinite(row.reward)]
    for row in fine[:: max(1, math.ceil(len(fine) / TRACED))]:
        for name, option in picked_options(trace(space, row.tokens)[1], row.tokens):
            rewards[name][option].append(row.reward)
    found = []
    for choice, options in (*rewards.items(), *_kinds(rewards).items()):
        if len(options) > 1:
            overall = mean_of([reward for values in options.values() for reward in values])
            for option, values in options.items():
                mean = mean_of(values)
                if len(values) >= LEAST and mean is not None and overall is not None:
                    found.append(OptionWorth(choice, option, len(values), mean, mean - overall))
    # A difference of few is mostly luck.
    return sorted(found, key=lambda w: -abs(w.difference) * math.sqrt(w.count))[:SHOWN]


def _kinds(rewards: Mapping[str, Mapping[str, list[float]]]) -> dict[str, dict[str, list[float]]]:
    """Return the same by kind: of choices whose names differ in their numbers alone."""
    members: dict[str, list[str]] = defaultdict(list)
    for name in rewards:
        members[re.sub(r"\d+", "#", name)].append(name)
    kinds: dict[str, dict[str, list[float]]] = {}
    for kind, names in members.items():
        if len(names) > 1:
            kinds[kind] = defaultdict(list)
            for name in names:
                for option, values in rewards[name].items():
                    kinds[kind][option] += values
    return kinds


def _warning(windows: Sequence[Window]) -> str | None:
    if not windows or windows[-1].count < WINDOW // 2:
        windows = windows[:-1]
    if not windows:
        return None
    last = windows[-1]
    if last.distinct >= COLLAPSED * last.count:
        return None
    return (
        f"of requests {last.first + 1} to {last.first + last.count} only {last.distinct} are "
        "different architectures: the policy has settled and explores no more; a longer search "
        "needs a larger entropy bonus, a smaller learning rate or another seed"
    )
