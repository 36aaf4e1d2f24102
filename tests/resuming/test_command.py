"""``nas-gym resume`` after a real kill of a search that really trains."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import nas_gym
from nas_gym.cli.main import main
from nas_gym.store import Store, load_run

SEARCH = (
    *("search", "--budget", "10", "--num-envs", "4", "--agent", "regularized-evolution"),
    *("--set", "space.blocks=1", "recipe.epochs=1", "agent.population_size=4"),
)


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def start(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "nas_gym", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: str) -> int:
    """Exit status of a command in this process."""
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    return int(exit_.value.code or 0)


@pytest.mark.slow
def test_a_killed_search_in_parts_is_resumed_with_the_identical_history() -> None:
    """Three times killed among children that go on; what is kept of them is found again."""
    search = (
        *("search", "--budget", "24", "--num-envs", "3", "--agent", "asha", "--workers", "2"),
        *("--run", "killed", "--resume", "--set", "space.blocks=1", "recipe.epochs=4"),
        *("recipe.filters=2", "agent.reduction_factor=2", "evaluator.checkpoints=kept"),
    )
    for paid in (5, 11, 17):
        process = start(*search)
        deadline = time.monotonic() + 200
        while not (Path("runs/store.sqlite").exists() and _paid("killed") >= paid):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert list(Path("kept").glob("*/*.child"))
    resumed = start("resume", "killed", "--workers", "1", "--json")
    out, err = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, err
    config = json.loads(out)["config"]
    whole = nas_gym.search(
        config["space"], config["evaluator"], config["agent"], budget=24, num_envs=3
    ).answers
    assert len({answer.evaluation.epochs for answer in whole}) == 3
    assert [
        (row.tokens, row.epochs, row.metrics, row.reward) for row in load_run("killed").rows
    ] == [(e.architecture.tokens, e.epochs, e.metrics, reward) for e, reward in whole]
    assert not list(Path("kept").glob("*/*"))  # the search is finished


@pytest.mark.slow
def test_a_killed_search_is_resumed_with_the_identical_history(
    capsys: pytest.CaptureFixture[str],
) -> None:
    process = start(*SEARCH, "--run", "killed", "--workers", "2")
    deadline = time.monotonic() + 120
    while not (Path("runs/store.sqlite").exists() and _paid("killed") >= 6):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = _paid("killed")
    capsys.readouterr()
    assert run("list") == 0
    assert "killed: cut" in capsys.readouterr().out
    assert run(*SEARCH, "--run", "killed") == 2
    err = capsys.readouterr().err
    assert err.startswith("nas-gym: there is a run 'killed'")
    assert "`nas-gym resume killed`" in err

    resumed = start("resume", "killed", "--workers", "1", "--json")
    out, err = resumed.communicate(timeout=200)
    assert resumed.returncode == 0, err
    assert "from the record" in err
    report = json.loads(out)
    assert (report["status"], report["requests"]) == ("finished", 10)
    config = report["config"]
    whole = nas_gym.search(
        config["space"], config["evaluator"], config["agent"], budget=10, num_envs=4
    ).answers
    assert [
        (row.tokens, row.metrics, row.reward, row.source) for row in load_run("killed").rows
    ] == [(e.architecture.tokens, e.metrics, reward, e.source) for e, reward in whole]
    assert kept <= _paid("killed") == sum(e.source == "trained" for e, _ in whole)
    assert run("resume", "killed", "--json") == 0  # finished: the report again
    assert json.loads(capsys.readouterr().out) == report


def _paid(name: str) -> int:
    with Store("runs/store.sqlite") as store:
        if name not in [row["name"] for row in store.runs()]:
            return 0
    run = load_run(name)
    return len(run.unanswered) + sum(row.source == "trained" for row in run.rows)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("resume none", "there is no run 'none'"),
        ("resume mine --workers 0", "--workers is 0"),
        ("resume mine --budget 2", "has 3 evaluations already"),
        ("resume mine --store other.sqlite", "there is no results database other.sqlite"),
        ("search --run mine --resume --budget 3", "begun with"),
        ("search --resume", "--resume needs the name"),
    ],
)
def test_bad_input_to_resume_is_one_sentence(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    nas_gym.search(evaluator="landscape", agent="random-search", budget=3, run="mine")
    with pytest.raises(SystemExit) as exit_:
        main(line.split())
    assert exit_.value.code == 2
    err = capsys.readouterr().err.strip()
    assert err.splitlines()[-1].startswith("nas-gym: ")
    assert message in err
    assert len(load_run("mine").rows) == 3
