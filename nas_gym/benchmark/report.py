"""From the CSV files of a benchmark to its pages, figures and JSON data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas_gym.benchmark.figures import draw_figures
from nas_gym.benchmark.results import Results
from nas_gym.benchmark.tables import all_ranks, overhead, table_page
from nas_gym.benchmark.verdict import (
    against_yardstick,
    best_of_families,
    best_rl_against_yardstick,
    pairs_compared,
    verdict_page,
)
from nas_gym.errors import StoreError


def write_report(results: Results, folder: Path, formats: Sequence[str] = ()) -> list[Path]:
    """Write ``table.md``, ``verdict.md`` and the figures (PNG and ``formats``); return the files.

    Raises:
        StoreError: A file cannot be written.
    """
    files = []
    try:
        for name, text in pages(results).items():
            (folder / name).write_text(text, encoding="utf-8")
            files.append(folder / name)
    except OSError as error:
        raise StoreError(f"cannot write to {folder}: {error.strerror or error}") from error
    return files + draw_figures(results, folder, formats)


def pages(results: Results) -> dict[str, str]:
    """Return the pages by file name."""
    return {"table.md": table_page(results), "verdict.md": verdict_page(results)}


def report_data(results: Results) -> dict[str, Any]:
    """Return the report as JSON data."""
    return {
        "suite": dict(results.suite),
        "agents": [_agent_data(results, agent) for agent in results.agents],
        "comparisons": {
            name: {p: [c.to_json() for c in compare(results, p)] for p in results.protocols}
            for name, compare in (
                ("best rl against the yardstick", best_rl_against_yardstick),
                ("best rl against best evolution", best_of_families),
                ("every agent against the yardstick", against_yardstick),
                *([("pairs", pairs_compared)] if results.pairs else []),
            )
        },
    }


def _agent_data(results: Results, agent: str) -> dict[str, Any]:
    a = results.agents.index(agent)
    return {
        "agent": agent,
        "family": results.family(agent),
        "own_milliseconds": overhead(results, agent),
        "mean_rank": {p: all_ranks(results, p)[a].tolist() for p in results.protocols},
        "datasets": {
            dataset: {
                **{p: results.found[p][a, d].mean(axis=0).tolist() for p in results.protocols},
                **{
                    f"at_optimum_{p}": results.at_optimum[p][a, d].mean(axis=0).tolist()
                    for p in results.at_best
                },
                **{
                    column: float(results.cost(column)[a, d].mean())
                    for column in ("distinct", "hours", "hours_cluster")
                },
            }
            for d, dataset in enumerate(results.datasets)
        },
    }
