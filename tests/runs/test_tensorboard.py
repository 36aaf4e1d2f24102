"""TensorBoard's files, read by TensorBoard."""

import logging
import sys
from pathlib import Path
from typing import Any

import pytest

import nas_gym
from nas_gym.cli.main import main
from nas_gym.envs.recorder import Recorder
from nas_gym.errors import InvalidOption
from nas_gym.runs.tensorboard import TensorBoard, steps_in

PARTS = ("nasbench201", "nasbench201", "regularized-evolution")


class Cut(Recorder):
    """A watcher that ends a search after so many requests."""

    def __init__(self, after: int) -> None:
        self.after = after

    def started(self) -> None:
        pass

    def requested(self, first: int, answers: Any) -> None:
        if first + len(answers) >= self.after:
            raise KeyboardInterrupt


def read(folder: Path) -> Any:
    event_accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="pip install tensorboard"
    )
    everything = {"scalars": 0, "images": 0, "tensors": 0}
    found = event_accumulator.EventAccumulator(str(folder), size_guidance=everything)
    found.Reload()
    return found


def numbers(files: Any, tag: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in files.Scalars(tag)]


def test_it_shows_what_was_answered(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="pip install tensorboard")
    with TensorBoard(tmp_path) as board:
        result = nas_gym.search(*PARTS, budget=60, seed=1, watcher=board)
    files = read(tmp_path)
    rewards = [answer.reward for answer in result.answers]
    assert numbers(files, "reward") == [
        (step, pytest.approx(reward)) for step, reward in enumerate(rewards)
    ]
    best = [max(rewards[: n + 1]) for n in range(60)]
    assert [value for _, value in numbers(files, "best_reward")] == pytest.approx(best)
    parameters = [answer.evaluation.metrics["parameters"] for answer in result.answers]
    assert [v for _, v in numbers(files, "metrics/parameters")] == pytest.approx(parameters)
    memo = sum(answer.evaluation.source == "memo" for answer in result.answers)
    assert numbers(files, "search/from_memo")[-1] == (59, memo)
    different = len({answer.evaluation.architecture.key for answer in result.answers})
    assert numbers(files, "search/different_of_100")[-1] == (59, different)
    (*_, last) = files.Images("best_architecture")
    assert last.step == rewards.index(max(rewards))  # drawn at the end, if not before
    assert last.encoded_image_string.startswith(b"\x89PNG")
    (*_, words) = files.Tensors("best_architecture_in_words")
    assert b"|+|" in words.tensor_proto.string_val[0]
    metadata = files.SummaryMetadata("_hparams_/session_start_info")
    from tensorboard.plugins.hparams.metadata import parse_session_start_info_plugin_data

    shown = parse_session_start_info_plugin_data(metadata.plugin_data.content).hparams
    assert shown["agent"].string_value == "regularized-evolution"
    assert shown["agent.population_size"].number_value == 20  # a default
    assert shown["seed"].number_value == 1


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 0.5, 1], ids=["nothing", "half", "all"])
def test_a_run_that_goes_on_has_each_step_once(lost: float, tmp_path: Path) -> None:
    """A kill may keep the last points from the files."""
    pytest.importorskip("tensorboard", reason="pip install tensorboard")
    store, folder = tmp_path / "store.sqlite", tmp_path / "board"
    with TensorBoard(folder) as board, pytest.raises(KeyboardInterrupt):
        nas_gym.search(
            *PARTS, budget=80, run="cut", store=store, watcher=[board, Cut(40)], num_envs=4
        )
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: round(len(whole) * (1 - lost))])
    had = steps_in(folder)
    recorded = len(nas_gym.load_run("cut", store).rows)
    assert {0: had == recorded, 0.5: 0 < had < recorded, 1: had == 0}[lost]
    with TensorBoard(folder) as board:
        result = nas_gym.resume("cut", store, watcher=board)
    files = read(folder)
    rewards = [answer.reward for answer in result.answers]
    assert numbers(files, "reward") == [
        (step, pytest.approx(reward)) for step, reward in enumerate(rewards)
    ]
    best = [max(rewards[: n + 1]) for n in range(80)]
    assert [value for _, value in numbers(files, "best_reward")] == pytest.approx(best)
    assert numbers(files, "search/different_of_100")[-1][1] == len(
        {answer.evaluation.architecture.key for answer in result.answers}
    )


def test_trouble_with_the_files_ends_no_search(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("tensorboard", reason="pip install tensorboard")
    folder = tmp_path / "a file"
    folder.write_text("")
    with caplog.at_level(logging.WARNING, "nas_gym"), TensorBoard(folder) as board:
        result = nas_gym.search(*PARTS, budget=20, watcher=board)
    assert len(result.answers) == 20
    (said,) = [record.message for record in caplog.records]
    assert str(folder) in said


def test_what_is_missing_is_said_before_a_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "tensorboard.summary", raising=False)
    with pytest.raises(InvalidOption, match=r"nas-gym\[tensorboard\]"):
        TensorBoard(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["search", "--space", "nasbench201", "--evaluator", "nasbench201", "--tensorboard"])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'nas-gym[tensorboard]'" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_command_writes_beside_the_runs_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard", reason="pip install tensorboard")
    monkeypatch.chdir(tmp_path)
    table = ("--space", "nasbench201", "--evaluator", "nasbench201", "--run", "a")
    for command in (("search", *table, "--budget", "20"), ("resume", "a", "--budget", "30")):
        with pytest.raises(SystemExit) as ended:
            main([*command, "--tensorboard"])
        assert ended.value.code == 0
    assert [step for step, _ in numbers(read(Path("runs/a/tensorboard")), "reward")] == [*range(30)]
