"""The page ``table.md``: what every agent found, and what it cost."""

from collections.abc import Iterable

import numpy as np

from nas_gym.benchmark.results import Floats, Results
from nas_gym.benchmark.statistics import mean_ranks, standard_error
from nas_gym.benchmark.suite import FAMILIES
from nas_gym.runs.markdown import numbers_table

NAMES = {"best": "best observed", "recommended": "recommended"}


def table_page(results: Results) -> str:
    """Return the whole page."""
    parts = [f"# {results.suite['name']}: what every agent found", introduction(results)]
    parts += ["## All data sets", ranks_note(results), ranks_table(results)]
    for dataset in results.datasets:
        parts += [_heading(results, dataset), dataset_table(results, dataset)]
    return "\n\n".join(parts) + "\n"


def names_of(results: Results) -> dict[str, str]:
    """Return what the protocols are called."""
    return {"best": "hypervolume"} if results.objectives else NAMES


def _heading(results: Results, dataset: str) -> str:
    if results.rewards:
        return f"## {dataset}"
    if not results.objectives:
        return f"## {dataset}, optimum {results.optimum(dataset):.2f}"
    front = results.suite["datasets"][results.datasets.index(dataset)]["front"]
    return f"## {dataset}, true front of {front} points"


def introduction(results: Results) -> str:
    """Say what the numbers are."""
    suite = results.suite
    if results.objectives:
        return (
            f"{results.seeds} searches of {suite['budget']} evaluations per agent and data set. An "
            "evaluation gives one random seed's validation accuracy; every request is another "
            "training and counts, a repeat too. The objectives are "
            f"{', '.join(results.objectives)}. What a search has found by then is the front of "
            "what it saw; the numbers are the hypervolume of its architectures' mean figures, in "
            "percent of the true front's, from an accuracy of 0 and the largest costs in the "
            f"table. ± is the standard error over the {results.seeds} seeds. Hours are those of "
            f"the table, on one machine and on {suite['workers']} (each batch is shared out, the "
            f"next one waits for it). {suite.get('notes', '')}".rstrip()
        )
    if results.rewards:
        return (
            f"{results.seeds} searches of {suite['budget']} evaluations per agent and data set. "
            "Nobody knows the best architecture: the numbers are rewards, times 100. *Best "
            "observed* is the highest so far; *recommended* is the mean reward, in that search, "
            "of the architecture that the agent would hand over. With noise the highest is too "
            f"high. ± is the standard error over the {results.seeds} seeds. Hours are those that "
            f"the evaluations say, on one machine and on {suite['workers']} (each batch is shared "
            f"out, the next one waits for it). {suite.get('notes', '')}".rstrip()
        )
    return (
        f"{results.seeds} searches of {suite['budget']} evaluations per agent and data set. An "
        "evaluation gives one random seed's validation accuracy; every request is another training "
        "and counts, a repeat too. The numbers are mean validation accuracies over all seeds (in "
        "percent) of one architecture: *best observed* is the one with the highest single reward "
        "so far, as in the papers; *recommended* is the one that the agent would hand over (its "
        "own model's choice, or the best shrunken average of its repeats). ± is the standard error "
        f"over the {results.seeds} seeds. Hours are those of the table, on one machine and on "
        f"{suite['workers']} (each batch is shared out, the next one waits for it). "
        f"{suite.get('notes', '')}".rstrip()
    )


def ranks_note(results: Results) -> str:
    """Say what a rank is, and what the agent's own time is."""
    return (
        f"Mean rank among these {len(results.agents)} agents over all seeds and data sets, 1 is "
        "best, ties share a rank; the agent's own CPU time for an evaluation, without that of the "
        "environment (median over runs, mean over data sets)."
    )


def ranks_table(results: Results) -> str:
    """Tabulate ranks and overhead, the best at the last judged number first."""
    ranks = {protocol: all_ranks(results, protocol) for protocol in results.protocols}
    headings = ["agent", "kind"]
    headings += [
        f"{names_of(results)[p]}, {count}" for p in results.protocols for count in results.judged
    ]
    rows = []
    for i in np.argsort(ranks[results.protocols[-1]][:, -1], kind="stable"):
        agent = results.agents[i]
        numbers = [f"{rank:.2f}" for protocol in results.protocols for rank in ranks[protocol][i]]
        rows.append(
            [agent, FAMILIES[results.family(agent)], *numbers, f"{overhead(results, agent):.3f}"]
        )
    return numbers_table([*headings, "own ms"], rows)


def all_ranks(results: Results, protocol: str) -> Floats:
    """Return (agents, judged) mean ranks over seeds and data sets."""
    found = results.found[protocol]
    columns = [
        mean_ranks(found[..., i].reshape(len(found), -1)) for i in range(len(results.judged))
    ]
    return np.stack(columns, axis=1)


def overhead(results: Results, agent: str) -> float:
    """Return the agent's own milliseconds per evaluation."""
    return float(np.mean([results.overhead[agent, dataset] for dataset in results.datasets]))


def dataset_table(results: Results, dataset: str) -> str:
    """Tabulate what was found on one data set, the best at the last number first."""
    d = results.datasets.index(dataset)
    judged_by = results.found[results.protocols[-1]]
    order = np.argsort(-judged_by[:, d, :, -1].mean(axis=1), kind="stable")
    headings = ["agent"]
    headings += [
        f"{names_of(results)[p]}, {count}" for p in results.protocols for count in results.judged
    ]
    headings += [
        f"at the optimum, {names_of(results)[p]}, {_slashed(results.judged)}"
        for p in results.at_best
    ]
    headings += [
        f"distinct of {results.suite['budget']}",
        "hours",
        f"hours, {results.suite['workers']} machines",
    ]
    return numbers_table(headings, (_row(results, int(i), d) for i in order))


def _row(results: Results, a: int, d: int) -> list[str]:
    cells = [results.agents[a]]
    for protocol in results.protocols:
        found = results.found[protocol][a, d]  # (seeds, judged)
        cells += [f"{column.mean():.2f} ± {standard_error(column):.2f}" for column in found.T]
    for protocol in results.at_best:
        shares = results.at_optimum[protocol][a, d].mean(axis=0)
        cells.append(_slashed([f"{share:.0%}" for share in shares]))
    cells += [
        _count(results.cost(column)[a, d].mean())
        for column in ("distinct", "hours", "hours_cluster")
    ]
    return cells


def _count(number: float) -> str:
    """Return a whole number, or two digits of hours that are hardly any."""
    return f"{number:,.0f}" if number >= 1 or number == 0 else f"{number:.2g}"


def _slashed(values: Iterable[object]) -> str:
    return " / ".join(map(str, values))
