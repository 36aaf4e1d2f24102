"""The page and the CSV of what was measured and judged."""

import csv
import io
from collections.abc import Sequence

import numpy as np

from benchmarks.peers.judge import (
    BETTER,
    EQUAL,
    LEVEL,
    NONE,
    RAISING,
    SAME,
    WORSE,
    Measured,
    Result,
    Verdict,
    at_optimum,
    best_found,
    equal_seeds,
    judge,
    memory,
    overhead,
    paid,
    raised,
    repeats,
)
from nas_gym.runs.markdown import numbers_table, table

# Printed only under a verdict "worse" of the column that starts so.
REASONS = {
    "repeats asked for": (
        "ours may ask again, as the papers' algorithms do (a peer with no repeats refuses them); "
        "the answer to a repeat comes from memory where answers are always the same (column "
        "*repeats paid*), and under noise it is one more sample."
    ),
    "memory": (
        "nas-gym loads numpy and gymnasium, whose environment it is, and its results database."
    ),
    "installed size": (
        "nas-gym comes with torch (on Linux with NVIDIA's libraries), torchvision and "
        "stable-baselines3, which train children and controllers; this peer leaves training to the "
        "user. Its search alone loads none of them (column *memory*)."
    ),
    "": (
        "not known. The algorithms differ in small things: DeepHyper draws a sample without "
        "replacement and may redraw the old option, so that one child in five is its parent (ours: "
        "one in twenty, drawn with replacement); NNI asks for nothing twice."
    ),
}


def means_of(accuracies: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean accuracy of each cell."""
    return [sum(trained) / len(trained) for trained in accuracies]


def page(measured: Measured, accuracies: Sequence[Sequence[float]]) -> str:
    """Return the results in Markdown."""
    means = means_of(accuracies)
    verdicts = judge(measured, means)
    parts = [
        HEAD.format(
            machine=measured["machine"], load=measured["load"], optimum=100 * max(means),
            **measured["probe"],
        ),
        *(f"## {name}\n\n{searches(measured, name, means)}" for name in measured["settings"]),
        f"## Behaviour\n\n{BEHAVIOUR.format(**measured['probe'])}\n\n{behaviour(measured)}",
        f"## Environments\n\n{environments(measured)}",
        JUDGEMENT.format(level=LEVEL, same=100 * SAME) + "\n\n" + matrix(verdicts),
        shortfalls(measured, verdicts),
        "### Figures\n\n" + table(
            ("column", "peer", "verdict", "ours against the peer's"),
            [(v.column, v.peer, v.outcome, v.figures) for v in verdicts],
        ),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def searches(measured: Measured, setting: str, means: Sequence[float]) -> str:
    """Return one setting's table."""
    headings = ("search", "runs", "best found (%)", "at the optimum", "overhead (ms)", "repeats")
    rows = []
    for row in measured["rows"].values():
        if row["failure"]:
            rows.append([row["name"], "0", f"did not run: {row['failure']}", "", "", ""])
        elif setting in row["runs"]:
            rows.append([row["name"], *search_cells(row["runs"][setting], means)])
    return numbers_table(headings, rows)


def search_cells(results: Sequence[Result], means: Sequence[float]) -> list[str]:
    """Return runs, best found, share at the optimum, overhead, repeats."""
    found = [best_found(result, means) for result in results]
    error = np.std(found, ddof=1) / len(found) ** 0.5 if len(found) > 1 else np.nan
    low, middle, high = np.percentile([overhead(result) for result in results], [25, 50, 75])
    return [
        str(len(results)),
        f"{np.mean(found):.3f} ± {error:.3f}",
        f"{100 * np.mean([at_optimum(result, means) for result in results]):.0f} %",
        f"{middle:.3g} ({low:.3g} to {high:.3g})",
        f"{np.mean([repeats(result) for result in results]):.0f} of "
        f"{np.mean([result['answered'] for result in results]):.0f}",
    ]


def behaviour(measured: Measured) -> str:
    """Tabulate what each search does with failures, repeats, seeds and memory."""
    budget = measured["probe"]["budget"]
    headings = ("search", *RAISING.values(), "repeats paid", "same seed, same search")
    rows = [
        (
            row["name"],
            *(raised(row[way], budget) for way in RAISING),
            f"{paid(row):.0f}",
            equal_seeds(row),
            f"{memory(row):.0f}",
        )
        for row in measured["rows"].values()
        if not row["failure"]
    ]
    return table((*headings, "memory (MiB)"), rows, right=(3, 5))


def environments(measured: Measured) -> str:
    """Tabulate what was installed."""
    rows = [
        (
            f"[{name}](../peers/requirements-{name}.txt)",
            f"failed: {made['failure']}" if made["failure"] else "succeeded",
            str(made["packages"]),
            f"{made['size']:.0f}",
        )
        for name, made in measured["environments"].items()
    ]
    return table(("environment", "installation", "packages", "MiB on disk"), rows, right=(2, 3))


def matrix(verdicts: Sequence[Verdict]) -> str:
    """Tabulate columns against peers."""
    peers = list(dict.fromkeys(v.peer for v in verdicts))
    outcomes = {(v.column, v.peer): v.outcome for v in verdicts}
    columns = dict.fromkeys(v.column for v in verdicts)
    rows = [[c, *(outcomes.get((c, peer), "") for peer in peers)] for c in columns]
    return table(["column", *peers], rows)


def shortfalls(measured: Measured, verdicts: Sequence[Verdict]) -> str:
    """Return the sentence that the comparison is made for."""
    counts = [f"{sum(v.outcome == o for v in verdicts)} {o}" for o in (BETTER, EQUAL, NONE, WORSE)]
    worse = [v for v in verdicts if v.outcome == WORSE]
    absent = [f"{r['name']} ({r['failure']})" for r in measured["rows"].values() if r["failure"]]
    lines = [f"Of {len(verdicts)} comparisons: {', '.join(counts)}."]
    if absent:
        lines += ["", f"Not compared, since it did not run: {'; '.join(absent)}."]
    if not worse:
        return "\n".join([*lines, "", "Ours is at least as good in every column."])
    lines += ["", "Ours is not as good in these:", ""]
    for column in dict.fromkeys(v.column for v in worse):
        peers = "; ".join(f"{v.peer} ({v.figures})" for v in worse if v.column == column)
        reason = next(text for start, text in REASONS.items() if column.startswith(start))
        lines.append(f"- **{column}**: {peers}. Why: {reason}")
    return "\n".join(lines)


def csv_of(measured: Measured, accuracies: Sequence[Sequence[float]]) -> str:
    """Return one line per search of the settings' tables."""
    means = means_of(accuracies)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["search", "setting", "seed", "best_found", "at_optimum", "requests", "repeats",
         "overhead_ms"]
    )  # fmt: skip
    for row in measured["rows"].values():
        for setting, results in row["runs"].items():
            for seed, r in enumerate(results):
                found, ms = f"{best_found(r, means):.4f}", f"{overhead(r):.4f}"
                optimum = int(at_optimum(r, means))
                writer.writerow(
                    [row["name"], setting, seed, found, optimum, r["answered"], repeats(r), ms]
                )
    return text.getvalue()


HEAD = """# Side by side with the peers

`python -m benchmarks.peers.run --write`, on {machine}.
[How it is done](../peers/README.md).

The table is NAS-Bench-201 on CIFAR-10 (optimum {optimum:.3f} %). Each request is answered with the
validation accuracy of one training of the cell, drawn from the run's seed and the request's number.
*Best found* is the mean accuracy over all trainings of the architecture with the highest answer:
mean over the runs and its standard error. *Overhead* is processor time per evaluation (all threads)
less that of the look-up: median over the runs, with the quartiles in brackets. *Repeats* are
requests for what the run has asked for before; under noise each is evaluated again, by all.

One search ran at a time, with one thread, the packages in turns. The load average at the end was
{load:.1f} (above 1, others were at work). Wall times are not reported."""

BEHAVIOUR = """*One raising child*: in a search of {budget} requests (P = {population},
S = {sample}) the function that evaluates raises at request {raises}, in the searching process, with
the package's default settings; then with what it offers against that (nas-gym: a worker process;
PyGlove: skip the trial; NNI: `continue_on_failure`; DeepHyper: the function catches, and answers
with a word). nas-gym's own evaluator `training` never raises: a child's exception is its result.
*Repeats paid*: evaluations of what was evaluated before, where an architecture always gets the same
answer (its mean accuracy). *Same seed*: two new processes, the seed given to the search alone; *if
more is seeded*: Python's hashes too, and whatever other generator the search draws from.
*Memory*: peak resident memory of a new process that made one such search."""

JUDGEMENT = """## Judgement

Ours against each peer (regularized evolution against evolution, REINFORCE against PolicyBasedRL).
A column with one number per run is judged by Mann and Whitney's test on the runs (for shares
Fisher's exact test), p-values corrected by Holm over the peers of a column, *no difference found*
from p = {level} on. One with a single number is judged by that number; memory and sizes within
{same:.0f} % are *as good*. A12 is how often one of our runs is above one of the peer's."""
