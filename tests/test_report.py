import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import nas_gym
from nas_gym.errors import NASGymError
from nas_gym.report import best_rows, print_summary, summary, write_files
from nas_gym.search_spaces.cell_genotype import genotype_from_json
from nas_gym.search_spaces.grammar import decode
from nas_gym.search_spaces.nasnet_cell import NASNetCell
from nas_gym.store import RunData, load_run
from nas_gym.testing.evaluators import FailingEvaluator
from nas_gym.testing.landscapes import Landscape
from nas_gym.testing.spaces import LayerChain


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
    assert 0 < failed < 40
    assert all(row.failure is None for row in best_rows(run, 100))


def test_the_files_show_the_best(tmp_path: Path) -> None:
    run = recorded(tmp_path, NASNetCell(blocks=2))
    files = write_files(run, tmp_path / "out")
    assert all(file.stat().st_size > 500 for file in files)
    saved = json.loads((tmp_path / "out" / "best-1.json").read_text())
    best = best_rows(run, 1)[0]
    assert saved["tokens"] == list(best.tokens)
    assert genotype_from_json(saved["architecture"]) == decode(NASNetCell(blocks=2), best.tokens)


def test_words_for_a_run_in_which_everything_failed(tmp_path: Path) -> None:
    run = recorded(tmp_path, NASNetCell(blocks=1), rate=1.0, budget=5)
    console = Console(width=100, record=True)
    print_summary(run, console)
    shown = console.export_text()
    assert "5 x diverged" in shown
    assert "no architecture was evaluated without a failure" in shown
    assert [file.name for file in write_files(run, tmp_path / "out")] == ["learning_curve.png"]


def test_an_unusable_folder_is_refused(tmp_path: Path) -> None:
    run = recorded(tmp_path, NASNetCell(blocks=1), budget=3)
    (tmp_path / "file").write_text("")
    with pytest.raises(NASGymError, match="--out"):
        write_files(run, tmp_path / "file" / "out")
