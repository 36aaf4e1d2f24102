"""``nas-gym resume`` after a real kill of a search that really trains."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
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


HELD = Path(__file__).with_name("held.py")


def start(*arguments: str, most: int | None = None) -> "subprocess.Popen[str]":
    """Start a command; it stops for good when it has recorded ``most`` evaluations, if given."""
    how = ["-m", "nas_gym"] if most is None else [str(HELD), str(most)]
    return subprocess.Popen(
        [sys.executable, *how, *arguments],
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
        _kill_after(paid, search)
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
def test_a_run_goes_on_with_more_epochs_as_if_it_had_had_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    parts = (
        {"name": "nasnet-cell", "blocks": 1},
        {"name": "landscape", "noise": 0.01, "epochs": 9},
        {"name": "asha", "proposer": "regularized-evolution"},
    )
    nas_gym.search(*parts, budget_epochs=120, run="whole")
    nas_gym.search(*parts, budget_epochs=40, run="short")
    few = len(load_run("short").rows)
    assert run("resume", "short", "--budget-epochs", "120", "--json") == 0
    assert "120 epochs" in capsys.readouterr().err
    histories = [
        [(row.tokens, row.epochs, row.metrics, row.reward) for row in load_run(name).rows]
        for name in ("short", "whole")
    ]
    assert histories[0] == histories[1]
    assert len(histories[0]) > few > 0
    assert load_run("short").config["simulated"]["budget_epochs"] == 120
    nas_gym.search(*parts, budget=3, run="counted")
    for name, given, said in (
        (
            "short",
            "119",
            "--budget-epochs is 119, and run 'short' was begun with 120: give as many",
        ),
        (
            "counted",
            "9",
            "--budget-epochs is 9, and run 'counted' has no budget of epochs: leave it",
        ),
    ):
        assert run("resume", name, "--budget-epochs", given) == 2
        assert said in capsys.readouterr().err
    assert run("resume", "short", "--budget", "500") == 2
    assert "(give more with --budget-epochs)" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_search_is_resumed_with_the_identical_history(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _kill_after(6, (*SEARCH, "--run", "killed", "--workers", "2"))
    kept = _paid("killed")
    assert 6 <= kept < 10
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


@pytest.mark.slow
def test_a_killed_search_that_does_not_wait_goes_on_as_far_as_it_went() -> None:
    """Children in flight are asked for again; nothing that was recorded is trained twice."""
    search = (
        *("search", "--budget", "24", "--agent", "regularized-evolution", "--workers", "2"),
        *("--async", "--in-flight", "3", "--run", "killed", "--resume"),
        *("--set", "space.blocks=1", "recipe.epochs=1", "agent.population_size=4"),
    )
    seen: list[object] = []
    for requests in (5, 11, 17):
        _kill_when(lambda r=requests: _requests("killed") >= r, requests + 5, search)
        now = [(row.tokens, row.reward) for row in load_run("killed").rows]
        assert now[: len(seen)] == seen
        seen = list(now)
    resumed = start("resume", "killed", "--workers", "1", "--json")
    out, err = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, err
    assert json.loads(out)["requests"] == 24
    run = load_run("killed")
    assert [(row.tokens, row.reward) for row in run.rows][: len(seen)] == seen
    trained = [row.key for row in run.rows if row.source == "trained"]
    assert len(set(trained)) == len(trained) == _paid("killed")
    assert run.config["in_flight"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["regularized-evolution", "reinforce", "sb3-maskable-ppo"])
def test_a_killed_search_within_limits_has_the_identical_history(agent: str) -> None:
    """Twice killed; masks close what they closed before, and policies learn what they learnt."""
    search = (
        *("search", "--budget", "18", "--num-envs", "3", "--agent", agent, "--workers", "2"),
        *("--limit", "parameters=2000..6000", "--run", "killed", "--resume"),
        *("--set", "space.blocks=1", "recipe.epochs=1", "recipe.filters=4", "agent.batch_size=3"),
    )
    for paid in (5, 11):
        _kill_after(paid, search)
    resumed = start("resume", "killed", "--workers", "1", "--json")
    out, err = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, err
    config = json.loads(out)["config"]
    whole = nas_gym.search(
        config["space"], config["evaluator"], config["agent"], budget=18, num_envs=3,
        limits=config["cost_limits"],
    ).answers  # fmt: skip
    rows = load_run("killed").rows
    assert [(row.tokens, row.metrics, row.reward, row.source) for row in rows] == [
        (e.architecture.tokens, e.metrics, reward, e.source) for e, reward in whole
    ]
    assert all(2000 <= row.metrics["parameters"] <= 6000 for row in rows)
    assert _paid("killed") == sum(e.source == "trained" for e, _ in whole)


def _requests(name: str) -> int:
    if not Path("runs/store.sqlite").exists():
        return 0
    with Store("runs/store.sqlite") as store:
        return next((run["requests"] for run in store.runs() if run["name"] == name), 0)


def _kill_after(paid: int, search: Sequence[str]) -> None:
    """Start the search of the run "killed", and kill it when so many evaluations are paid."""
    _kill_when(lambda: _paid("killed") >= paid, paid + 3, search)


def _kill_when(reached: Callable[[], bool], most: int, search: Sequence[str]) -> None:
    """Kill the run "killed" when something is reached, which it is before ``most`` are paid."""
    process = start(*search, most=most - _paid("killed"))
    deadline = time.monotonic() + 300
    while not reached():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def _paid(name: str) -> int:
    if not Path("runs/store.sqlite").exists():
        return 0
    with Store("runs/store.sqlite") as store:
        if name not in [row["name"] for row in store.runs()]:
            return 0
    run = load_run(name)
    return len(run.unanswered) + sum(row.source == "trained" for row in run.rows)


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("resume none", "there is no run 'none'"),
        ("resume mine --workers 0", "--workers is 0"),
        ("resume mine --budget 2", "has 3 evaluations already"),
        ("resume mine --store other.sqlite", "there is no results database other.sqlite"),
        ("search --run mine --resume --budget 3", "begun with"),
        ("search --resume", "--resume needs the name"),
        ("search --async --rounds", "--async and --rounds exclude each other"),
        ("search --async --agent genetic", "waits for whole batches and cannot search"),
        ("search --rounds --in-flight 3", "--in-flight 3 and --rounds are both given"),
        ("search --in-flight 0", "--in-flight is 0: give a whole number"),
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
