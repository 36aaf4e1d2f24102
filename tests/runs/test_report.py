import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import nas_gym
from nas_gym.errors import NASGymError
from nas_gym.evaluators.evaluation import Validation
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.options.durations import time_in_words
from nas_gym.runs.config import space_and_data
from nas_gym.runs.export import write_files
from nas_gym.runs.findings import Findings, best_rows
from nas_gym.runs.findings import summary as summary_of
from nas_gym.runs.report import print_summary
from nas_gym.search_spaces.grammar import decode
from nas_gym.search_spaces.nasnet_cell.genotype import genotype_from_json
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import RunData, load_run
from nas_gym.testing.evaluators import FailingEvaluator
from nas_gym.testing.spaces import LayerChain


def summary(run: RunData, top: int = 5) -> dict[str, Any]:
    return summary_of(Findings.of(run), top)


def recorded(folder: Path, space: Any, rate: float = 0.3, budget: int = 40) -> RunData:
    nas_gym.search(
        space,
        FailingEvaluator(Landscape(space), rate=rate, reason="diverged"),
        "random-search",
        budget=budget,
        run="a-run",
        store=folder / "store.sqlite",
    )
    return load_run("a-run", folder / "store.sqlite")


def test_the_summary_adds_up(tmp_path: Path) -> None:
    run = recorded(tmp_path, LayerChain(max_depth=1))  # 5 architectures: 35 repeats at least
    data = summary(run, top=3)
    assert data["requests"] == 40
    assert data["evaluated"] + data["memo_hits"] == 40
    assert data["evaluated"] <= 5
    rewards = [row["reward"] for row in data["best"]]
    assert rewards == sorted(rewards, reverse=True)
    assert len({tuple(row["tokens"]) for row in data["best"]}) == len(rewards)
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_failures_are_counted_and_never_best(tmp_path: Path) -> None:
    run = recorded(tmp_path, NASNetCell(blocks=1))
    data = summary(run, top=100)
    failed = sum(row.failure is not None for row in run.rows)
    assert data["failures"] == {"diverged": failed}
    (details,) = data["failure_details"]
    first = next(row for row in run.rows if row.failure is not None)
    assert details["first_request"] == first.number + 1
    assert 0 < failed < 40
    assert all(row.failure is None for row in best_rows(run, 100))


def with_failures(run: RunData, *failures: tuple[str, str | None]) -> RunData:
    """The run with the failures, and their details, of its first requests put in place."""
    rows = [
        replace(row, failure=failure, detail=detail, metrics={}, reward=0.0, source="trained")
        for row, (failure, detail) in zip(run.rows, failures, strict=False)
    ]
    return replace(run, rows=(*rows, *run.rows[len(rows) :]))


def test_errors_of_one_type_are_one_group(tmp_path: Path) -> None:
    trace = 'File "cell.py", line 3\nValueError: no room for 7 [channels]'
    run = with_failures(
        recorded(tmp_path, NASNetCell(blocks=1), rate=0, budget=8),
        ("error: ValueError: no room for 7 [channels]", trace),
        ("crashed", "killed by signal 9"),
        ("error: ValueError: no room for 9", "another"),
        ("error: KeyError: 'a'", None),
        ("error: KeyError: 'a'", None),
        ("error: ValueError: no room for 8", None),
    )
    data = summary(run)
    assert data["failures"] == {
        "error: ValueError": 3,
        "error: KeyError: 'a'": 2,
        "crashed (killed by signal 9)": 1,
    }
    assert data["failure_details"][0] == {
        "reason": "error: ValueError",
        "count": 3,
        "first_request": 1,
        "first_failure": "error: ValueError: no room for 7 [channels]",
        "first_detail": trace,
    }
    console = Console(width=100, record=True)
    print_summary(Findings.of(run), console)
    shown = console.export_text()
    assert "3 x error: ValueError" in shown
    assert "the first, request 1: error: ValueError: no room for 7 [channels]" in shown
    assert 'File "cell.py", line 3' in shown
    assert "killed by signal 9" in shown
    assert "another" not in shown


def test_the_cost_is_shown(tmp_path: Path) -> None:
    run = recorded(tmp_path, LayerChain(max_depth=1), rate=0)
    rows = [replace(row, seconds=200.0) for row in run.rows]
    run = replace(run, rows=tuple(rows))
    memo = sum(row.source == "memo" for row in rows)
    data = summary(run)
    assert (data["requests"], data["evaluated"], data["memo_hits"]) == (40, 40 - memo, memo)
    assert data["child_seconds_paid"] == 200.0 * (40 - memo)
    assert data["child_seconds_saved"] == 200.0 * memo
    console = Console(width=100, record=True)
    print_summary(Findings.of(run), console)
    shown = console.export_text()
    paid, saved = time_in_words(8_000 - 200 * memo), time_in_words(200 * memo)
    assert (" min " in paid, " h " in saved) == (True, True)
    assert f"{40 - memo} evaluated in {paid} of child time" in shown
    assert f"{memo} from memo ({saved} saved), 0 failed" in shown
    assert "┃ seconds ┃ request ┃" in shown


def test_the_best_architecture_and_a_traceback_are_shown_line_by_line(tmp_path: Path) -> None:
    run = recorded(tmp_path, NASNetCell(blocks=1), rate=0, budget=3)
    failed = replace(run.rows[0], metrics={}, failure="error: E: x", detail="first\nsecond\x1b[m")
    console = Console(width=100, record=True)
    print_summary(Findings.of(replace(run, rows=(*run.rows[1:], failed))), console)
    lines = [line.rstrip() for line in console.export_text().splitlines()]
    assert "normal cell" in lines
    assert "reduction cell" in lines
    assert [line.strip() for line in lines if line.strip().startswith(("first", "second"))] == [
        "first",
        r"second\x1b[m",
    ]


def validation(run: RunData, rank: int, seed: int, **figures: Any) -> Validation:
    row = best_rows(run, rank)[rank - 1]
    known: dict[str, Any] = {
        "seconds": 1.0,
        "failure": None,
        "detail": None,
        "protocol": {"recipe": {"epochs": 7}},
    }
    return Validation(key=row.key, tokens=row.tokens, seed=seed, **(known | figures))


def test_final_validations_are_shown_apart(tmp_path: Path) -> None:
    run = recorded(tmp_path, NASNetCell(blocks=1), rate=0, budget=6)
    assert summary(run)["validations"] == []
    run = replace(
        run,
        validations=(
            validation(run, 2, 1, accuracy=0.5, test_accuracy=0.25),
            validation(run, 1, 1, accuracy=0.75, test_accuracy=0.5),
            validation(run, 1, 2, accuracy=0.25, test_accuracy=0.625),
            validation(run, 1, 3, accuracy=None, test_accuracy=None, failure="timeout"),
        ),
    )
    first, second = summary(run)["validations"]
    assert (first["rank"], second["rank"]) == (1, 2)
    assert (first["accuracy_mean"], first["test_accuracy_mean"]) == (0.5, 0.5625)
    assert first["accuracy_std"] == pytest.approx(0.125**0.5)  # (2 * 0.25 ** 2) / (2 - 1)
    assert first["failures"] == {"timeout": 1}
    assert first["trainings"] == 3
    assert second["test_accuracy_std"] is None
    assert json.loads(json.dumps(summary(run), allow_nan=False)) == summary(run)
    console = Console(width=120, record=True)
    print_summary(Findings.of(run), console)
    shown = console.export_text()
    assert "final validation: trained again with new seeds" in shown
    assert "0.5000 ± 0.3536" in shown
    assert "0.5625 ± 0.0884" in shown
    assert "another one of 7 epochs" in shown
    assert "rank 1: 1 x timeout" in shown


@pytest.mark.slow
def test_the_files_show_the_best(tmp_path: Path) -> None:
    run = recorded(tmp_path, NASNetCell(blocks=2))
    files = write_files(Findings.of(run), tmp_path / "out")
    assert all(file.stat().st_size > 500 for file in files)
    saved = json.loads((tmp_path / "out" / "best-1.json").read_text())
    best = best_rows(run, 1)[0]
    assert saved["tokens"] == list(best.tokens)
    assert genotype_from_json(saved["architecture"]) == decode(NASNetCell(blocks=2), best.tokens)


def test_words_for_a_run_in_which_everything_failed(tmp_path: Path) -> None:
    run = recorded(tmp_path, NASNetCell(blocks=1), rate=1.0, budget=5)
    console = Console(width=100, record=True)
    print_summary(Findings.of(run), console)
    shown = console.export_text()
    assert "5 x diverged" in shown
    assert "no architecture was evaluated without a failure" in shown
    assert [file.name for file in write_files(Findings.of(run), tmp_path / "out")] == [
        "learning_curve.png",
        "learning_curve.svg",
    ]


def test_an_unusable_folder_is_refused(tmp_path: Path) -> None:
    run = recorded(tmp_path, NASNetCell(blocks=1), budget=3)
    (tmp_path / "file").write_text("")
    with pytest.raises(NASGymError, match="--out"):
        write_files(Findings.of(run), tmp_path / "file" / "out")


def test_a_report_names_presets(tmp_path: Path) -> None:
    space, store = NASNetCell(blocks=1), tmp_path / "store.sqlite"
    agents = {"a": "nsga2/deb2002", "b": "nsga2"}
    for run, agent in agents.items():
        nas_gym.search(space, Landscape(space), agent, budget=2, run=run, store=store)
        console = Console(width=200, record=True, file=io.StringIO())
        print_summary(Findings.of(load_run(run, store)), console)
        assert f"2 of 2 evaluations by {agent} in nasnet-cell\n" in console.export_text()
    nas_gym.resume("a", store, budget=3)
    assert load_run("a", store).config["presets"] == {"agent": "deb2002"}


def test_a_report_names_the_data_or_the_table(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    nas_gym.search("nasbench201", "nasbench201", "random-search", budget=2, run="r", store=store)
    console = Console(width=200, record=True, file=io.StringIO())
    print_summary(Findings.of(load_run("r", store)), console)
    assert "2 of 2 evaluations by random-search in nasbench201 (cifar10)\n" in console.export_text()
    assert space_and_data("mine:Space", None, "tables/mine.csv") == "mine:Space (mine.csv)"
    assert space_and_data("mine:Space", None, {}) == "mine:Space"
