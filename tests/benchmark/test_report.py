"""Pages and figures, from results with known answers."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nas_gym.benchmark.figures import _regret, draw_figures, panels, style_of
from nas_gym.benchmark.outcomes import write_csv
from nas_gym.benchmark.report import pages, report_data
from nas_gym.benchmark.results import Curve, Results, read_results
from nas_gym.benchmark.statistics import FEWEST_SAMPLED
from nas_gym.benchmark.verdict import (
    against_yardstick,
    answer,
    best_of_families,
    best_rl_against_yardstick,
    pairs_compared,
)
from nas_gym.errors import StoreError

AGENTS = {
    "random-search": ("other", 91.0),
    "regularized-evolution": ("evolution", 91.3),
    "genetic": ("evolution", 91.3),
    "weak-rl": ("rl", 91.2),
    "strong-rl": ("rl", 91.5),
}
YARDSTICK = "regularized-evolution"
SEEDS = 40


def write_made_up(folder: Path, seeds: int = SEEDS, agents: Sequence[str] = tuple(AGENTS)) -> None:
    """Results of normal noise around known means; genetic does what regularized evolution does."""
    rng = np.random.default_rng(0)
    noise = {agent: rng.normal(0, 0.1, seeds) for agent in AGENTS}
    noise["genetic"] = noise["regularized-evolution"]
    rows, curves, overhead = [], [], []
    band = seeds >= FEWEST_SAMPLED
    for agent in agents:
        mean = AGENTS[agent][1]
        place = {"agent": agent, "dataset": "cifar10"}
        overhead.append(place | {"milliseconds": "0.5"})
        for seed in range(seeds):
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
                    | {
                        "axis": axis,
                        "x": x,
                        "regret": 1 / x,
                        "low": 0 if band else "",
                        "high": 2 / x if band else "",
                    }
                    | {"optimum": 0.1, "entropy": 0.5, "repeats": 0.5}
                )
    write_csv(folder / "results.csv", rows)
    write_csv(folder / "curves.csv", curves)
    write_csv(folder / "overhead.csv", overhead)
    suite = {
        "name": "rl-vs-evolution",
        "entries": [{"label": a, "family": AGENTS[a][0]} for a in agents],
        "datasets": [{"label": "cifar10", "optimum": 91.607}],
        "judged": [150, 300],
        "seeds": seeds,
        "budget": 300,
        "workers": 8,
        "yardstick": YARDSTICK if YARDSTICK in agents else agents[0],
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


def test_where_nothing_is_chosen_all_seeds_count(tmp_path: Path) -> None:
    write_made_up(tmp_path, 12, ["random-search", YARDSTICK, "strong-rl"])
    alone = read_results(tmp_path)
    for compare in (best_of_families, best_rl_against_yardstick):
        (comparison, _) = compare(alone, "best")
        found = alone.found["best"][2, 0, :, 0]
        assert (comparison.seeds, comparison.means[0]) == (12, pytest.approx(found.mean()))
    page = pages(alone)["verdict.md"]
    assert "odd ones" not in page
    assert page.count("\n## ") == 2  # the yardstick is the best evolution
    write_made_up(tmp_path, 12, [YARDSTICK, "genetic", "strong-rl"])
    one_kind = read_results(tmp_path)
    assert [c.seeds for c in best_rl_against_yardstick(one_kind, "best")] == [12, 12]
    assert [c.seeds for c in best_of_families(one_kind, "best")] == [6, 6]
    page = pages(one_kind)["verdict.md"]
    assert "measured on the 6 odd ones" in page
    assert "Where no kind has more than one agent, all 12 seeds count" in page


@pytest.mark.parametrize("agent", list(AGENTS))
def test_of_one_agent_there_is_no_verdict_and_no_empty_section(agent: str, tmp_path: Path) -> None:
    write_made_up(tmp_path, 3, [agent])
    assert pages(read_results(tmp_path))["verdict.md"] == (
        f"# rl-vs-evolution: verdict\n\nThere is no verdict: {agent} alone was run. What it found, "
        "and what it cost: `table.md`.\n"
    )


@pytest.mark.parametrize("agents", list(itertools.combinations(AGENTS, 2)))
def test_no_section_of_two_agents_is_empty(agents: tuple[str, str], tmp_path: Path) -> None:
    write_made_up(tmp_path, 3, agents)
    page = pages(read_results(tmp_path))["verdict.md"]
    for section in page.split("\n## ")[1:]:
        assert "| 150 |" in section or "cifar10, 150" in section


def test_the_pages(results: Results) -> None:
    made = pages(results)
    assert list(made) == ["table.md", "verdict.md"]
    assert "| strong-rl | RL | 1." in made["table.md"]
    assert "Is an RL agent better than regularized-evolution?" in made["verdict.md"]
    json.dumps(report_data(results), allow_nan=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seeds", "least"), [(2, "1"), (3, "1"), (5, "0.5"), (11, "0.0625"), (12, None)]
)
def test_few_seeds_claim_nothing_and_say_so(seeds: int, least: str | None, tmp_path: Path) -> None:
    write_made_up(tmp_path, seeds)
    few = read_results(tmp_path)
    page = pages(few)["verdict.md"]
    compared = best_of_families(few, "best")
    if least is not None:
        assert f"The least p of {seeds // 2} pairs is {least}: with so few seeds" in page
        assert all(c.p >= float(least) and c.verdict == "no difference found" for c in compared)
    else:
        assert "The least p" not in page
    of_all = f"The least p of {seeds} pairs is {2.0 ** (1 - seeds):.4g}: with so few seeds"
    assert (of_all in page) == (seeds <= 5)
    errors = {type(c.error) for c in compared}
    assert errors == {float if seeds // 2 > 1 else type(None)}
    assert "nan" not in page
    json.dumps(report_data(few), allow_nan=False)
    if seeds == 2:
        assert draw_figures(few, tmp_path)  # without bands


@pytest.mark.slow
def test_figures_are_small_and_lines_differ(results: Results, tmp_path: Path) -> None:
    files = draw_figures(results, tmp_path)
    assert all(0 < file.stat().st_size < 150_000 for file in files)
    styles = [str(style_of(results, agent)) for agent in results.agents]
    assert len(set(styles)) == len(styles)


def _with_curves(results: Results, x: Sequence[float], best_first: float) -> Results:
    """The same, with regrets that are the greater the later the agent is listed."""
    at, none = np.array(x, float), np.array([])
    values = {agent: best_first * 10**i for i, agent in enumerate(results.agents)}
    curves = {
        key: Curve(at, np.full(at.shape, values[key[0]]), none, none, at, at, at)
        for key in results.curves
    }
    return replace(results, curves=curves)


def test_every_agents_curve_is_within_its_panel(results: Results) -> None:
    drawn = _with_curves(results, [1, 150, 300], best_first=0.01)
    (axes,) = panels(drawn, [("evaluations", _regret)], "regret").axes
    bottom, top = axes.get_ylim()
    for line in axes.lines:
        assert bottom < min(line.get_ydata()) <= max(line.get_ydata()) < top


def test_one_checkpoint_is_drawn_as_points_at_whole_evaluations(results: Results) -> None:
    drawn = _with_curves(results, [20], best_first=0.01)
    (axes,) = panels(drawn, [("recommended", _regret)], "regret").axes
    assert {line.get_marker() for line in axes.lines} == {"o"}
    assert all(tick == int(tick) for tick in axes.get_xticks())
    (axes,) = panels(results, [("recommended", _regret)], "regret").axes
    assert {line.get_marker() for line in axes.lines} == {"None"}


def test_results_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="run the benchmark first"):
        read_results(tmp_path)


def test_pairs_of_a_suite_are_compared_at_the_end_on_all_seeds(tmp_path: Path) -> None:
    write_made_up(tmp_path)
    file = tmp_path / "suite.json"
    suite = json.loads(file.read_text())
    asked = {
        "question": "Strong or weak?",
        "pairs": [["strong-rl", "weak-rl"], ["strong-rl", "no"]],
    }
    file.write_text(json.dumps(suite | asked))
    made = read_results(tmp_path)
    (found,) = pairs_compared(made, "best")  # of the other pair one was not run
    assert (found.one, found.other, found.evaluations) == ("strong-rl", "weak-rl", 300)
    assert (found.seeds, found.verdict) == (SEEDS, "better")
    section = pages(made)["verdict.md"].partition("## Strong or weak?")[2]
    assert "Yes: cifar10 at 300 (strong-rl" in section
    data = report_data(made)["comparisons"]["pairs"]["best"]
    assert [each["verdict"] for each in data] == ["better"]
    file.write_text(json.dumps(suite))
    assert "pairs" not in report_data(read_results(tmp_path))["comparisons"]
