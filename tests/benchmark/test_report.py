"""Pages and figures, from results with known answers."""

import json
from pathlib import Path

import numpy as np
import pytest

from nas_gym.benchmark.figures import draw_figures, style_of
from nas_gym.benchmark.outcomes import write_csv
from nas_gym.benchmark.report import pages, report_data
from nas_gym.benchmark.results import Results, read_results
from nas_gym.benchmark.verdict import (
    against_yardstick,
    answer,
    best_of_families,
    best_rl_against_yardstick,
)
from nas_gym.errors import StoreError

AGENTS = {
    "random-search": ("other", 91.0),
    "regularized-evolution": ("evolution", 91.3),
    "genetic": ("evolution", 91.3),
    "weak-rl": ("rl", 91.2),
    "strong-rl": ("rl", 91.5),
}
SEEDS = 40


def write_made_up(folder: Path) -> None:
    """Results of normal noise around known means; genetic does what regularized evolution does."""
    rng = np.random.default_rng(0)
    noise = {agent: rng.normal(0, 0.1, SEEDS) for agent in AGENTS}
    noise["genetic"] = noise["regularized-evolution"]
    rows, curves, overhead = [], [], []
    for agent, (_, mean) in AGENTS.items():
        place = {"agent": agent, "dataset": "cifar10"}
        overhead.append(place | {"milliseconds": "0.5"})
        for seed in range(SEEDS):
            found = f"{min(91.607, mean + noise[agent][seed]):.3f}"
            flags = "11" if found == "91.607" else "00"
            rows.append(
                place
                | {"seed": seed, "best_150": found, "best_300": found, "optimum_best": flags}
                | {"recommended_150": found, "recommended_300": found}
                | {"optimum_recommended": flags, "distinct": 100, "hours": 9, "hours_cluster": 2}
            )
        for axis in ("evaluations", "recommended", "hours", "hours_cluster"):
            for x in (1, 150, 300):
                curves.append(
                    place
                    | {"axis": axis, "x": x, "regret": 1 / x, "low": 0, "high": 2 / x}
                    | {"optimum": 0.1, "entropy": 0.5, "repeats": 0.5}
                )
    write_csv(folder / "results.csv", rows)
    write_csv(folder / "curves.csv", curves)
    write_csv(folder / "overhead.csv", overhead)
    suite = {
        "name": "rl-vs-evolution",
        "entries": [{"label": a, "family": family} for a, (family, _) in AGENTS.items()],
        "datasets": [{"label": "cifar10", "optimum": 91.607}],
        "judged": [150, 300],
        "seeds": SEEDS,
        "budget": 300,
        "workers": 8,
        "yardstick": "regularized-evolution",
    }
    (folder / "suite.json").write_text(json.dumps(suite))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("results")
    write_made_up(folder)
    return read_results(folder)


def test_the_verdict_is_what_is_true(results: Results) -> None:
    found = {c.one: c.verdict for c in against_yardstick(results, "best") if c.evaluations == 150}
    assert found == {
        "random-search": "worse",
        "genetic": "no difference found",
        "weak-rl": "worse",
        "strong-rl": "better",
    }
    assert answer(best_rl_against_yardstick(results, "best")) == (
        "Yes, on every data set at every number of evaluations."
    )


def test_the_best_is_chosen_on_other_seeds_than_it_is_measured_on(results: Results) -> None:
    for comparison in best_of_families(results, "recommended"):
        assert comparison.one == "strong-rl"
        assert comparison.seeds == SEEDS // 2
        even = results.found["best"][results.agents.index("strong-rl"), 0, 1::2, 0]
        assert comparison.means[0] == pytest.approx(even.mean())


def test_the_pages(results: Results) -> None:
    made = pages(results)
    assert list(made) == ["table.md", "verdict.md"]
    assert "| strong-rl | RL | 1." in made["table.md"]
    assert "Is an RL agent better than regularized-evolution?" in made["verdict.md"]
    json.dumps(report_data(results), allow_nan=False)


def test_figures_are_small_and_lines_differ(results: Results, tmp_path: Path) -> None:
    files = draw_figures(results, tmp_path)
    assert all(0 < file.stat().st_size < 150_000 for file in files)
    styles = [str(style_of(results, agent)) for agent in results.agents]
    assert len(set(styles)) == len(styles)


def test_results_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="run the benchmark first"):
        read_results(tmp_path)
