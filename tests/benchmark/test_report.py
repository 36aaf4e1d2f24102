"""Pages and figures, from results with known answers; the README's section is the results'."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import run as experiments
from nas_gym.benchmark.figures import draw_figures, style_of
from nas_gym.benchmark.outcomes import write_csv
from nas_gym.benchmark.reference import reference_page
from nas_gym.benchmark.report import MARKS, pages, readme_section, report_data, with_section
from nas_gym.benchmark.results import Results, read_results
from nas_gym.benchmark.verdict import (
    against_yardstick,
    answer,
    best_of_families,
    best_rl_against_yardstick,
)
from nas_gym.errors import StoreError

ROOT = Path(__file__).parents[2]
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
    assert reference_page(results) is None
    page = reference_page(replace(results, suite={**results.suite, "name": "reference-points"}))
    assert page is not None
    assert "| random search (`random-search`) | 150 | 91.09 |" in page
    section = readme_section(results, "folder")
    assert "| `strong-rl` | RL |" in section
    assert "RL better than regularized-evolution, best observed?** Yes, on every" in section
    json.dumps(report_data(results), allow_nan=False)


def test_figures_are_small_and_lines_differ(results: Results, tmp_path: Path) -> None:
    files = draw_figures(results, tmp_path)
    assert all(0 < file.stat().st_size < 150_000 for file in files)
    styles = [str(style_of(results, agent)) for agent in results.agents]
    assert len(set(styles)) == len(styles)


def test_a_section_goes_between_its_marks() -> None:
    page = f"before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n"
    new = with_section(page, "new")
    assert new == f"before\n{MARKS[0]}\nnew\n{MARKS[1]}\nafter\n"
    assert with_section(new, "new") == new
    with pytest.raises(StoreError, match="needs one line"):
        with_section("no marks", "new")


def test_results_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="run the benchmark first"):
        read_results(tmp_path)


COMMITTED = ROOT / "benchmarks" / "results" / "rl-vs-evolution"


@pytest.mark.skipif(not COMMITTED.exists(), reason="the whole suite was not run yet")
@pytest.mark.slow
def test_all_pages_are_the_committed_results() -> None:
    for page, section in experiments.shown_sections().items():
        text = page.read_text(encoding="utf-8")
        assert with_section(text, section) == text
    for name, text in pages(read_results(COMMITTED)).items():
        assert (COMMITTED / name).read_text(encoding="utf-8") == text
    with (COMMITTED / "results.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) >= 600


def test_experiments_are_listed_with_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert experiments.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines]
    assert {"rl-vs-evolution", "recording", "reinforce-defaults"} <= set(names)
    assert not {"measure", "run"} & set(names)
    assert all(len(line.split()) > 4 for line in lines)
    assert experiments.main(["recordin"]) == 2
    assert "did you mean 'recording'" in capsys.readouterr().err
    assert experiments.main(["recording", "--help"]) == 0
