"""Judge who is ahead in which column, from what was measured, the same way for everybody."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import fisher_exact, mannwhitneyu

LEVEL = 0.05  # of significance, after Holm's correction over the peers of a column
SAME = 0.05  # relative difference up to which memory and size are called equal
BETTER, EQUAL, NONE, WORSE = "better", "as good", "no difference found", "worse"

Result = dict[str, Any]
Measured = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """Ours against one peer in one column."""

    column: str
    ours: str  # names of rows
    peer: str
    outcome: str
    figures: str  # what it rests on


# ------------------------------------------------------------------ of one search


def best_found(result: Result, means: Sequence[float]) -> float:
    """Return the mean accuracy (%) of the architecture with the highest reward."""
    rewards = [-1.0 if reward is None else reward for reward in result["rewards"]]
    return float(100 * means[result["cells"][int(np.argmax(rewards))]])


def at_optimum(result: Result, means: Sequence[float]) -> bool:
    """Return whether that is the table's best architecture."""
    return best_found(result, means) > 100 * max(means) - 1e-6


def overhead(result: Result) -> float:
    """Return the milliseconds of processor time that the search took per evaluation."""
    return float(1000 * result["strategy_seconds"] / result["answered"])


def repeats(result: Result) -> int:
    """Count the evaluations of an architecture that was evaluated before."""
    return len(result["cells"]) - len(set(result["cells"]))


def goes_on(result: Result, budget: int) -> bool:
    """Return whether everything was asked for in spite of the child that raised.

    One more is answered if nas-gym asked again for that child alone, to tell it from its batch.
    """
    return result["error"] is None and result["answered"] >= budget


def equal_seeds(row: Measured) -> str:
    """Return ``yes``, ``only if …`` (see the page) or ``no``."""
    if row["plain"]["cells"] == row["plain again"]["cells"]:
        return "yes"
    again = row["seeded"]["cells"] == row["seeded again"]["cells"]
    return "only if more is seeded" if again else "no"


# ------------------------------------------------------------------ comparisons


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the adjusted p-values."""
    order = np.argsort(p_values)
    adjusted = np.empty(len(p_values))
    highest = 0.0
    for rank, position in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[position]))
        adjusted[position] = highest
    return [float(p) for p in adjusted]


def stochastically_larger(a: Sequence[float], b: Sequence[float]) -> float:
    """Return Vargha and Delaney's A12: how often ``a`` is above ``b``; ties count half."""
    x, y = np.array(a)[:, None], np.array(b)[None, :]
    return float((x > y).mean() + (x == y).mean() / 2)


def rank_test(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the two-sided p-value of Mann and Whitney's test."""
    return 1.0 if len({*a, *b}) == 1 else float(mannwhitneyu(a, b).pvalue)


def share_test(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the two-sided p-value of Fisher's exact test on two lists of 0 and 1."""
    counts = [[sum(x), len(x) - sum(x)] for x in (a, b)]
    return float(fisher_exact(counts).pvalue)


def by_run(
    column: str,
    measured: Measured,
    setting: str,
    value: Callable[[Result], float],
    *,
    high: bool,
    p_value: Callable[[Sequence[float], Sequence[float]], float] = rank_test,
    centre: Callable[[Sequence[float]], Any] = np.mean,
) -> list[Verdict]:
    """Judge a column with one number per run: significance decides."""
    pairs = [
        (peer, [value(r) for r in ours["runs"][setting]], [value(r) for r in peer["runs"][setting]])
        for ours, peer in compared(measured, setting)
    ]
    p_values = holm([p_value(a, b) for _, a, b in pairs])
    verdicts = []
    for (peer, a, b), p in zip(pairs, p_values, strict=True):
        above = stochastically_larger(a, b)
        ahead = above > 0.5 if high else above < 0.5
        outcome = NONE if p >= LEVEL else BETTER if ahead else WORSE
        figures = f"{centre(a):.4f} against {centre(b):.4f}, A12 {above:.2f}, p {p:.2g}"
        verdicts.append(Verdict(column, peer["against"], peer["name"], outcome, figures))
    return verdicts


def compared(measured: Measured, setting: str) -> list[tuple[Measured, Measured]]:
    """Return our row and the peer's, if both ran."""
    rows = measured["rows"]
    pairs = [(rows[row["against"]], row) for row in rows.values() if row["against"]]
    return [
        (ours, peer)
        for ours, peer in pairs
        if not ours["failure"] and not peer["failure"] and setting in peer["runs"]
    ]


def by_row(
    column: str,
    measured: Measured,
    value: Callable[[Measured], float],
    shown: Callable[[Measured], str],
    *,
    high: bool,
    same: float = 0.0,
) -> list[Verdict]:
    """Judge a column with one number per row: the number decides."""
    verdicts = []
    for ours, peer in compared(measured, next(iter(measured["settings"]))):
        a, b = value(ours), value(peer)
        if abs(a - b) <= same * max(abs(a), abs(b)):
            outcome = EQUAL
        else:
            outcome = BETTER if (a > b) == high else WORSE
        figures = f"{shown(ours)} against {shown(peer)}"
        verdicts.append(Verdict(column, peer["against"], peer["name"], outcome, figures))
    return verdicts


def judge(measured: Measured, means: Sequence[float]) -> list[Verdict]:
    """Return all verdicts, column by column."""
    verdicts = []
    for setting, sizes in measured["settings"].items():
        where = f"({sizes['budget']} requests)"
        verdicts += by_run(
            f"best found {where}", measured, setting, lambda r: best_found(r, means), high=True
        )
        verdicts += by_run(
            f"share at the optimum {where}",
            measured,
            setting,
            lambda r: float(at_optimum(r, means)),
            high=True,
            p_value=share_test,
        )
        verdicts += by_run(
            f"overhead {where}", measured, setting, overhead, high=False, centre=np.median
        )
        verdicts += by_run(f"repeats asked for {where}", measured, setting, repeats, high=False)
    budget = measured["probe"]["budget"]
    orders = {"no": 0, "only if more is seeded": 1, "yes": 2}
    verdicts += by_row("repeats paid", measured, paid, lambda r: f"{paid(r):.3g}", high=False)
    for way, column in RAISING.items():
        verdicts += by_row(
            column,
            measured,
            lambda row, way=way: goes_on(row[way], budget),  # type: ignore[misc]
            lambda row, way=way: raised(row[way], budget),  # type: ignore[misc]
            high=True,
        )
    verdicts += by_row(
        "same seed, same search", measured, lambda r: orders[equal_seeds(r)], equal_seeds, high=True
    )
    verdicts += by_row(
        "memory", measured, memory, lambda r: f"{memory(r):.0f} MiB", high=False, same=SAME
    )

    def size(row: Measured) -> float:
        return float(measured["environments"][row["environment"]]["size"])

    return verdicts + by_row(
        "installed size", measured, size, lambda r: f"{size(r):.0f} MiB", high=False, same=SAME
    )


RAISING = {"raises": "one raising child, by default", "raises, survived": "… with its switch"}


def paid(row: Measured) -> float:
    """Return the mean number of repeats evaluated again, if answers are always the same."""
    return float(np.mean([repeats(result) for result in row["repeats"]]))


def raised(result: Result, budget: int) -> str:
    """Say what one raising child did."""
    if goes_on(result, budget):
        return "goes on"
    return f"{'dies' if result['error'] else 'stops'} ({result['answered']} of {budget})"


def memory(row: Measured) -> float:
    """Return the MiB of a new process that made one search."""
    return float(row["seeded"]["memory"])
