"""The numbers that the browser draws: rewards by request, and accuracies by epoch."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nas_gym.drawing.curves import running_mean, running_mean_window
from nas_gym.evaluators.evaluation import rank as rank_of
from nas_gym.runs.findings import Findings
from nas_gym.store.long_runs import column

POINTS = 3_000  # of a curve, at most; every better one is kept
LEARNING_CURVES = 6  # of the best architectures

Numbers = list[float | None]


def comparable_rewards(found: Findings) -> list[float | None]:
    """Return the reward of each evaluation; None of failures and of children trained in part.

    Rewards of different epochs do not compare: those of the children trained furthest are given.
    """
    columns = (column(found.evaluated, name) for name in ("reward", "failure", "epochs"))
    answers = list(zip(*columns, strict=True))
    furthest = min((rank_of(epochs, 0.0) for _, _, epochs in answers), default=(0, 0.0))
    return [
        None if failure or rank_of(epochs, 0.0) != furthest else reward
        for reward, failure, epochs in answers
    ]


def reward_curve(rewards: Sequence[float | None]) -> dict[str, Numbers]:
    """Return ``request`` (from 1), ``reward``, ``mean`` (running) and ``best`` (so far), thinned.

    Args:
        rewards: By request; None if there is none to be drawn.
    """
    values = np.array([np.nan if r is None else r for r in rewards], dtype=np.float64)
    values[~np.isfinite(values)] = np.nan
    good = np.flatnonzero(~np.isnan(values))
    best = np.fmax.accumulate(values) if len(values) else values
    mean = np.full(len(values), np.nan)
    if len(good):
        mean[good] = running_mean(values[good], running_mean_window(len(good)))
    shown = _thinned(best)
    return {
        "request": [int(n) + 1 for n in shown],
        **{
            name: [_plain(numbers[n]) for n in shown]
            for name, numbers in (("reward", values), ("mean", mean), ("best", best))
        },
    }


def best_curve(rewards: Sequence[float | None]) -> dict[str, Numbers]:
    """Return ``request`` and ``best``: where the best so far changes, and where the run ends."""
    values = np.array([np.nan if r is None else r for r in rewards], dtype=np.float64)
    values[~np.isfinite(values)] = np.nan
    if np.isnan(values).all():
        return {"request": [], "best": []}
    best = np.fmax.accumulate(values)
    shown = sorted({*_steps(best), len(best) - 1})
    return {"request": [n + 1 for n in shown], "best": [_plain(best[n]) for n in shown]}


def learning_curves(found: Findings) -> list[dict[str, Any]]:
    """Return ``rank`` and ``curve`` (by epoch) of the best architectures whose curve was kept."""
    return [
        {"rank": rank, "curve": [_plain(value) for value in row.curve]}
        for rank, row in enumerate(found.ranked[:LEARNING_CURVES], start=1)
        if len(row.curve) > 1
    ]


def _thinned(best: Any) -> Sequence[int]:
    """Return the positions that are drawn: evenly many, and wherever the best changes."""
    count = len(best)
    if count <= POINTS:
        return range(count)
    some = set(range(0, count, math.ceil(count / POINTS))) | {count - 1}
    return sorted(some | set(_steps(best)))


def _steps(best: Any) -> list[int]:
    """Return the positions where the best so far changes, its first one too."""
    filled = np.nan_to_num(best, nan=-np.inf)
    before = np.concatenate([[-np.inf], filled[:-1]])
    return [int(n) for n in np.flatnonzero(filled != before)]


def _plain(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None
