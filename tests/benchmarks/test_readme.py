"""Our own pages are those of the committed results; experiments are found by name."""

import csv
import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import run as experiments
from benchmarks.excerpts import EXCERPTS, Excerpt
from benchmarks.readme import (
    FURTHER,
    MARKS,
    agent_section,
    agents_pages,
    families_section,
    readme_section,
    shown_sections,
    signal_pages,
    with_section,
)
from benchmarks.reference import reference_page, write_reference
from nas_gym.benchmark.report import pages
from nas_gym.benchmark.results import Results, read_results
from nas_gym.benchmark.suite import SUITES
from nas_gym.errors import StoreError

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"


def made_up_results() -> ModuleType:
    """The module that makes results with known answers up."""
    source = ROOT / "tests" / "benchmark" / "test_report.py"
    spec = importlib.util.spec_from_file_location("made_up_results", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("results")
    made_up_results().write_made_up(folder)
    return read_results(folder)


def test_a_section_goes_between_its_marks() -> None:
    page = f"before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n"
    new = with_section(page, "new")
    assert new == f"before\n{MARKS[0]}\nnew\n{MARKS[1]}\nafter\n"
    assert with_section(new, "new") == new
    with pytest.raises(StoreError, match="needs one line"):
        with_section("no marks", "new")


def test_the_sections_say_what_the_results_say(results: Results, tmp_path: Path) -> None:
    assert reference_page(results) is None
    page = reference_page(replace(results, suite={**results.suite, "name": "reference-points"}))
    assert page is not None
    assert "| random search (`random-search`) | 150 | 91.09 |" in page
    assert "the best RL agent is better than the best evolution in" in readme_section(results, "f")
    section = families_section(results, "folder")
    assert "| `strong-rl` | RL |" in section
    assert "RL better than regularized-evolution, best observed?** Yes, on every" in section
    made_up_results().write_made_up(tmp_path)
    assert write_reference(tmp_path) is None


COMMITTED = RESULTS / "rl-vs-evolution"


@pytest.mark.skipif(not COMMITTED.exists(), reason="the whole suite was not run yet")
@pytest.mark.slow
def test_all_pages_are_the_committed_results() -> None:
    for page, section in shown_sections().items():
        text = page.read_text(encoding="utf-8")
        assert with_section(text, section) == text
    for folder in (COMMITTED, *(RESULTS / name for name in FURTHER)):
        for name, text in pages(read_results(folder)).items():
            assert (folder / name).read_text(encoding="utf-8") == text
    points = RESULTS / "reference-points"
    assert (points / "reference.md").read_text(encoding="utf-8") == reference_page(
        read_results(points)
    )
    with (COMMITTED / "results.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) >= 600


def test_every_agent_of_the_benchmark_has_its_result_on_its_page(results: Results) -> None:
    suite = SUITES["rl-vs-evolution"]
    of_suite = replace(results, suite={"entries": [{"label": e.label} for e in suite.entries]})
    pages = agents_pages(of_suite)
    found = sorted(label for labels in pages.values() for label in labels)
    assert found == sorted(entry.label for entry in suite.entries)
    assert all("## Result\n" in page.read_text(encoding="utf-8") for page in pages)
    section = agent_section(results, ["strong-rl"], "folder")
    assert "[all agents](folder/table.md)" in section
    assert section.count("| `strong-rl` |") == len(results.datasets)


def test_every_agent_has_its_result_on_its_page_or_the_page_says_that_there_is_none() -> None:
    others = {excerpt.page for excerpt in EXCERPTS}
    for page in (ROOT / "docs" / "agents").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        if page.stem not in ("index", "sb3"):
            assert "## Result\n" in text, page
            section = text.partition(MARKS[0])[2].partition(MARKS[1])[0]
            assert "../../benchmarks/results/" in section, page
            assert ("nas-gym benchmark rl-vs-evolution" in section) or page.stem in others, page
    sb3 = (ROOT / "docs" / "agents" / "sb3.md").read_text(encoding="utf-8")
    assert "## Result\n\nNone: no command of ours measures `sb3` itself" in sb3


@pytest.mark.parametrize("excerpt", EXCERPTS, ids=lambda excerpt: excerpt.page)
def test_excerpts_are_rows_of_committed_results(excerpt: Excerpt) -> None:
    page = ROOT / "docs" / "agents" / f"{excerpt.page}.md"
    assert excerpt.text() in page.read_text(encoding="utf-8")
    committed = (RESULTS / excerpt.result).read_text(encoding="utf-8").splitlines()
    rows = excerpt.text().splitlines()[2:]
    assert len(rows) > 2
    assert set(rows) <= set(committed)


def test_an_excerpt_of_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("| a | b |\n| --- | --- |\n| 1 | 2 |\n", encoding="utf-8")
    excerpt = Excerpt("agent", "page.md", "a | b", "1", "Words", "command")
    assert excerpt.text(tmp_path).endswith("| a | b |\n| --- | --- |\n| 1 | 2 |")
    with pytest.raises(StoreError, match="no rows of 3"):
        excerpt._replace(rows="3").text(tmp_path)
    with pytest.raises(StoreError, match="no table that begins with"):
        excerpt._replace(heading="c").text(tmp_path)


def test_the_pages_of_the_signals_are_those_of_their_results() -> None:
    for page, text in signal_pages().items():
        assert page.read_text(encoding="utf-8") == text


@pytest.mark.slow
def test_experiments_are_listed_with_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert experiments.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines]
    assert {"rl-vs-evolution", "recording", "reinforce-defaults"} <= set(names)
    assert not {"measure", "run", "readme", "reference"} & set(names)
    assert all(len(line.split()) > 4 for line in lines)
    assert experiments.main(["recordin"]) == 2
    assert "did you mean 'recording'" in capsys.readouterr().err
    assert experiments.main(["recording", "--help"]) == 0
