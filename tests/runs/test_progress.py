import io
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import nas_gym
from nas_gym.envs.recorder import TeeRecorder, Watchers
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.runs.preparing import PreparationProgress
from nas_gym.runs.progress import PATIENCE, PHASES, SearchProgress, TableProgress
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.testing.evaluators import FailingEvaluator
from nas_gym.training.images.sources import load_dataset
from nas_gym.training.preparation import told_to


def test_progress_counts_what_happens() -> None:
    space = NASNetCell(blocks=1)
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=140)
    evaluator = FailingEvaluator(Landscape(space), rate=0.5)
    with SearchProgress(20, "a search begins", console) as progress:
        progress.started()
        env = NASVectorEnv(space, evaluator, record=progress, budget=20)
        rng = np.random.default_rng(0)
        lists = [rng.integers(2, size=10).tolist() for _ in range(9)]
        answers = env.play([*lists, lists[0]])
        assert progress.done == 10
        failed = sum(a.evaluation.failure is not None for a in answers[:9])
        repeats = sum(a.evaluation.source == "memo" for a in answers)
        status = progress.status()
        assert f"{failed} failed, {repeats} from memo" in status
        assert f"best {max(a.reward for a in answers):.4f}" in status
        assert re.search(r"ETA [\d.]+ s", status)
    assert "a search begins" in out.getvalue()
    assert "10/20 evaluations" in out.getvalue().replace("\x1b[1;36m", "").replace("\x1b[0m", "")


@pytest.mark.parametrize("columns", [80, 60])
def test_a_line_fits_the_terminal(columns: int) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=columns, color_system=None)
    space = NASNetCell(blocks=1)
    with SearchProgress(1500, "a search", console) as progress:
        progress.started()
        env = NASVectorEnv(space, FailingEvaluator(Landscape(space), rate=0.5), record=progress)
        rng = np.random.default_rng(0)
        for _ in range(3):
            env.play([rng.integers(2, size=10).tolist() for _ in range(50)])
            progress._bar.refresh()
    lines = re.split(r"[\r\n]", re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", out.getvalue()))
    drawn = [line for line in lines if line.startswith(PHASES)]
    assert len(drawn) > 3
    assert max(map(len, drawn)) <= columns
    assert not any("…" in line for line in drawn)
    assert drawn[0].startswith("starting ")
    assert drawn[-1].startswith("training ")
    assert re.search(r" 150/1500 best 0\.\d{4}[, ]", drawn[-1])
    if columns >= 80:
        assert "/min, ETA " in drawn[-1]


@pytest.mark.parametrize(
    ("children", "said"), [(1, "the first child"), (4, "the first 4 children")]
)
def test_the_bar_says_what_it_is_at_before_the_first_child_ends(children: int, said: str) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, color_system=None)
    with SearchProgress(20, "a search begins", console) as progress:
        progress.started()
        progress.phase(children, 0)
        progress._bar.refresh()
        assert re.search(rf"training .* 0/20 {said} +\d s", out.getvalue())


def test_progress_shows_what_comes_before_the_first_answer() -> None:
    with SearchProgress(20, "a search begins", Console(file=io.StringIO())) as progress:
        progress.started()
        progress.preparing("steps of the supernet", 1200, 4000)
        assert progress.status().startswith("1,200/4,000 steps of the supernet, best -")
        progress.preparing("steps of the supernet", 4000, 4000)
        assert progress.status().startswith("best -")


def test_progress_says_in_which_phase_a_search_is(monkeypatch: pytest.MonkeyPatch) -> None:
    space = NASNetCell(blocks=1)
    phases = []
    with SearchProgress(20, "a search begins", Console(file=io.StringIO())) as progress:

        class Listening(Landscape):
            def evaluate(self, *asked: Any) -> Any:
                phases.append(progress.title())
                return super().evaluate(*asked)

        progress.started()
        phases.append(progress.title())
        records = TeeRecorder(None, Watchers(progress))
        env = NASVectorEnv(space, Listening(space), record=records)
        env.play([[0] * 10, [1] * 10])
        assert phases == ["starting", "training"]
        progress.preparing("steps of the supernet", 1, 2)
        assert progress.title() == "preparing"
        progress.preparing("steps of the supernet", 2, 2)
        assert progress.title() == "training"  # an agent that chooses at once is not worth a word
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 2 * PATIENCE)
        assert progress.title() == "waiting"
        progress.phase(0, 2)
        assert progress.title() == "waiting"
        assert progress.status().startswith("2 in another run, best 0.")
        progress.phase(1, 2)
        assert progress.title() == "training"


@pytest.mark.slow
def test_a_search_in_workers_starts_them_and_then_trains() -> None:
    heard: list[tuple[str, str]] = []

    class Noted(SearchProgress):
        def preparing(self, what: str, done: int, total: int) -> None:
            super().preparing(what, done, total)
            heard.append((f"{done}/{total} {what}", self.title()))

    space = NASNetCell(blocks=1)
    with Noted(8, "a search begins", Console(file=io.StringIO())) as progress:
        nas_gym.search(space, Landscape(space), budget=8, workers=2, watcher=progress)
    assert heard == [("0/2 workers started", "starting"), ("2/2 workers started", "training")]


def test_progress_shows_what_comes_before_the_search() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=140)
    with SearchProgress(20, "a search begins", console) as progress:
        progress.preparing("files of the data set read", 1200, 4000)
    assert "1,200/4,000 files of the data set read" in out.getvalue()
    assert "0/20 evaluations" not in out.getvalue()  # no line is left of what never began


def test_what_a_store_has_is_no_pace_of_a_table() -> None:
    with TableProgress("a table", Console(file=io.StringIO())) as progress:
        progress.show(5, 100, 0)  # of the file
        progress.show(25, 100, 0, 20)
        assert progress.status().startswith("0.0/min, ETA -")
        progress.show(26, 100, 0, 20)
        assert "ETA -" not in progress.status()


def test_progress_of_reading_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(5):
            Image.new("RGB", (4, 4), (number, 0, len(name))).save(tmp_path / name / f"{number}.png")
    told: list[tuple[str, int, int]] = []
    with told_to(lambda *said: told.append(said)):
        load_dataset(tmp_path, image_size=4)
    assert told == [("files of the data set read", done, 10) for done in range(1, 11)]
    out = io.StringIO()
    for patience, said in ((60.0, ""), (0.0, "10/10 files of the data set read")):
        monkeypatch.setattr("nas_gym.runs.preparing.PATIENCE", patience)
        console = Console(file=out, force_terminal=False, width=140)
        with PreparationProgress(console) as progress, told_to(progress.show):
            load_dataset(tmp_path, image_size=4)
        assert out.getvalue().strip() == said
    assert not progress.running
