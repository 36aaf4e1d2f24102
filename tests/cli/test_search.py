"""A search from the command line, and what the others show of it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tyro

from nas_gym.cli.main import _one_by_one
from nas_gym.cli.search import Search
from nas_gym.store import Store, load_run

Run = Callable[..., int]
CHEAP = ["--evaluator", "landscape", "--workers", "1", "--agent", "random-search"]


def recorded_runs(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    with Store(path) as store:
        return store.runs()


def command(*arguments: str, **options: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "nas_gym", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.slow
def test_a_budget_of_epochs_in_words(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    of = [
        "--space",
        "nasbench201",
        "--evaluator",
        "landscape",
        "--agent",
        "asha",
        "--set",
        "evaluator.epochs=9",
    ]
    assert run("search", *of, "--budget-epochs", "9", "--run", "words") == 0
    assert ", 9 epochs or parts, " in capsys.readouterr().err
    assert run("resume", "words", "--budget-epochs", "12") == 0
    assert "evaluations of 12 epochs, " in capsys.readouterr().err


@pytest.mark.slow
def test_a_real_search_from_the_command_line() -> None:
    process = command(
        *("search", "--budget", "5", "--run", "first", "--workers", "2", "--json"),
        *("--set", "recipe.epochs=1", "agent.batch_size=3"),
    )
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    result = json.loads(out)
    assert result["status"] == "finished"
    assert result["requests"] == result["evaluated"] == 5
    assert result["failures"] == {}
    assert result["config"]["protocol"]["dataset"] == "digits"
    assert result["config"]["protocol"]["recipe"]["epochs"] == 1
    assert all(0.05 < row["accuracy"] <= 1 for row in result["best"])
    assert result["best"][0]["parameters"] > 1000
    folder = Path("runs/first")
    described = subprocess.run(
        [sys.executable, "-m", "nas_gym", "describe", folder / "best-1.json", "--json"],
        check=True,
        capture_output=True,
    )
    assert json.loads(described.stdout)["parameters"] == result["best"][0]["parameters"]
    assert {"learning_curve.png", "best-1.png", "best-1.svg", "best-1.json"} <= {
        file.name for file in folder.iterdir()
    }
    assert "5/5 evaluations" in err


def test_search_report_list_and_describe(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("search", *CHEAP, "--budget", "12", "--run", "mine", "--seed", "3") == 0
    shown = capsys.readouterr()
    assert "12 of 12 evaluations by random-search" in shown.out
    assert "normal cell" in shown.out
    assert "12/12 evaluations" in shown.err
    assert run("report", "mine", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    rewards = [row.reward for row in load_run("mine", "runs/store.sqlite").rows]
    assert report["best"][0]["reward"] == max(rewards)
    assert run("list", "--json") == 0
    listing = json.loads(capsys.readouterr().out)
    assert [(r["name"], r["requests"]) for r in listing["runs"]] == [("mine", 12)]
    assert "NASNetCell-v0" in listing["environments"]
    assert run("describe", "runs/mine/best-1.json", "--json", "--repeats", "1") == 0
    described = json.loads(capsys.readouterr().out)
    assert described["architecture"] == report["best"][0]["architecture"]
    assert run("describe", "runs/mine/best-1.json", "--filters", "8", "--repeats", "2") == 0
    assert "N = 2, F = 8" in capsys.readouterr().out
    assert run("list") == 0
    assert "mine: finished" in capsys.readouterr().out


@pytest.mark.slow
def test_the_same_seed_gives_the_same_search(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    histories = []
    for name in ("one", "two"):
        assert run("search", *CHEAP, "--budget", "9", "--run", name, "--seed", "7") == 0
        rows = load_run(name, "runs/store.sqlite").rows
        histories.append([(row.tokens, row.reward) for row in rows])
    assert histories[0] == histories[1]


OWN_PARTS = """
from dataclasses import dataclass
from torch import nn

@dataclass(frozen=True)
class Widths:
    max_length: int = 2
    max_options: int = 3

    def choose(self, pick):
        return tuple(pick(f"layer{i}.width", (4, 8, 16)) for i in range(2))

    def build(self, genotype, task):
        a, b = genotype
        return nn.Sequential(
            nn.Conv2d(task.channels, a, 3), nn.ReLU(), nn.Conv2d(a, b, 3), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(b, task.classes),
        )

@dataclass(frozen=True)
class Sweep:
    batch_size: int = 3

    def search(self, env):
        while env.remaining:
            env.play([(i, i) for i in range(int(min(3, env.remaining)))])
"""


@pytest.mark.slow
def test_a_users_own_space_and_agent_from_a_file() -> None:
    Path("own_parts.py").write_text(OWN_PARTS)
    process = command(
        *("search", "--space", "own_parts:Widths", "--agent", "own_parts:Sweep", "--budget", "4"),
        *("--set", "recipe.epochs=1", "--run", "own", "--json"),
    )
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    result = json.loads(out)
    assert (result["evaluated"], result["memo_hits"]) == (3, 1)
    assert result["config"]["space"]["name"] == "own_parts:Widths"
    assert {"best-1.png", "best-1.json"} <= {file.name for file in Path("runs/own").iterdir()}


@pytest.mark.slow
def test_a_taken_run_name_is_refused_and_nothing_is_lost(
    run: Run,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("search", *CHEAP, "--budget", "3", "--run", "mine") == 0
    assert run("search", *CHEAP, "--budget", "3", "--run", "mine") == 2
    assert "there is a run 'mine'" in capsys.readouterr().err
    assert len(load_run("mine", "runs/store.sqlite").rows) == 3


@pytest.mark.slow
def test_a_search_in_which_every_child_fails_is_not_done(
    run: Run,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = run(
        *("search", "--budget", "2", "--workers", "1", "--agent", "random-search", "--set"),
        *("recipe.learning_rate=1e30", "recipe.epochs=1"),
    )
    assert code == 1
    assert "2 x diverged" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(("end", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_keeps_the_record(end: signal.Signals, status: int) -> None:
    process = command(
        *("search", "--budget", "500", "--run", "cut", "--workers", "2"),
        *("--set", "recipe.epochs=1"),
        start_new_session=True,
    )
    store, deadline = Path("runs/store.sqlite"), time.monotonic() + 300
    while not any(run["requests"] for run in recorded_runs(store)):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.2)
    os.killpg(process.pid, end)  # as a terminal does: the workers get it, too
    _, err = process.communicate(timeout=200)
    assert process.returncode == status, err
    assert "interrupted: what was evaluated is recorded; go on with `nas-gym resume cut`" in err
    assert "Traceback" not in err
    run_data = load_run("cut", store)
    assert run_data.status == "interrupted"
    assert run_data.rows
    progress = int(err.rpartition("/500 evaluations")[0].split()[-1])
    recorded = len(run_data.rows) + len(run_data.unanswered)
    assert progress <= recorded <= progress + 1  # nothing shown is lost; one may not be shown yet
    deadline = time.monotonic() + 60
    while _group_lives(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _group_lives(process.pid)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_settings_given_in_several_places_count_all() -> None:
    given = "--set agent.a=1 --seed 3 --set agent.b=2 space.c=3 --set=agent.d=4 --json"
    command = tyro.cli(Search, args=_one_by_one(given.split(), {"--set"}))
    assert command.set == ("agent.a=1", "agent.b=2", "space.c=3", "agent.d=4")
    assert (command.seed, command.json) == (3, True)
    assert tyro.cli(Search, args=[]).set == ()


TABLE = ("search", "--space", "nasbench201", "--evaluator", "nasbench201", "--workers", "1")
FEW = ("--agent", "random-search", "--budget", "2")


@pytest.mark.slow
def test_a_new_folder_of_the_store_is_named(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    place = Path("some/new/folder/x.sqlite")
    assert run(*TABLE, *FEW, "--run", "a", "--store", str(place)) == 0
    assert f"recorded in {place}, in the new folder some\n" in capsys.readouterr().err
    assert run(*TABLE, *FEW, "--run", "b", "--store", str(place)) == 0
    assert f"recorded in {place}\n" in capsys.readouterr().err
    assert run(*TABLE, *FEW, "--run", "c") == 0
    assert "recorded in runs/store.sqlite\n" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_that_was_finished_is_said_to_be(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*TABLE, *FEW, "--run", "a") == 0
    capsys.readouterr()
    assert run("resume", "a") == 0
    assert capsys.readouterr().err.startswith(
        "run a was finished before: nothing was done; --budget NUMBER, more than 2, goes on with it"
    )
    assert run("resume", "a", "--budget", "3", "--workers", "1") == 0
    assert "finished before" not in capsys.readouterr().err


def test_children_in_flight_and_rounds_exclude_each_other(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*TABLE, *FEW, "--rounds", "--in-flight", "4") == 2
    assert capsys.readouterr().err == (
        "nas-gym: --in-flight 4 and --rounds are both given: a round is waited for as a whole, "
        "give one of the two\n"
    )


@pytest.mark.slow
def test_a_search_by_edits_goes_on_as_if_it_had_not_been_cut(run: Run) -> None:
    line = ["search", "--space", "nasbench201", "--evaluator", "nasbench201", "--workers", "1"]
    line += ["--agent", "sb3-dqn", "--action", "edit", "--set", "agent.horizon=1"]
    assert run(*line, "--budget", "40", "--run", "whole") == 0
    assert run(*line, "--budget", "15", "--run", "cut") == 0
    assert run("resume", "cut", "--budget", "40") == 0
    whole, cut = (load_run(name) for name in ("whole", "cut"))
    assert [row.tokens for row in whole.rows] == [row.tokens for row in cut.rows]
    assert whole.config["agent"] == {"name": "sb3-dqn", "action": "edit", "horizon": 1}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--agent", "reinforce"], "give --agent with one of sb3, sb3-a2c, sb3-dqn"),
        (["--agent", "sb3-dqn", "--set", "agent.action=token"], "are both given"),
        (["--agent", "sb3-dqn", "--set", "agent.start=worst"], "start of agent 'sb3-dqn' is"),
    ],
)
def test_what_cannot_edit_is_one_sentence(
    run: Run, capsys: pytest.CaptureFixture[str], more: list[str], words: str
) -> None:
    assert run("search", "--space", "nasbench201", "--action", "edit", *more) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1
