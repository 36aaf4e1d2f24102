"""A small suite, whole: from the command to its pages; cut by kill -9 and gone on with."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nas_gym.benchmark import chunks
from nas_gym.benchmark.outcomes import write_outcomes
from nas_gym.benchmark.suite import narrowed, suite_named
from nas_gym.benchmark.trials import run_chunk
from nas_gym.cli.main import main

OWN = """
import time
from dataclasses import dataclass
from nas_agents.random_search import RandomSearch

@dataclass(frozen=True)
class Slow(RandomSearch):
    batch_size: int = 5

    def search(self, env):
        time.sleep(0.1)
        super().search(env)

@dataclass(frozen=True)
class Broken(RandomSearch):
    def search(self, env):
        raise ValueError("no idea")

@dataclass(frozen=True)
class Lazy(RandomSearch):
    def search(self, env):
        env.play([(0,) * 6])
"""
SMALL = (
    *("benchmark", "rl-vs-evolution", "--agents", "random-search,regularized-evolution"),
    *("own_agents:Slow", "--datasets", "cifar10", "--seeds", "4", "--budget", "30"),
)
LANDSCAPE = '{"label":"a","space":"nasnet-cell","evaluator":"landscape"}'
DRIVER = """
import sys
from nas_gym.benchmark import chunks
from nas_gym.cli.main import main
if __name__ == "__main__":
    chunks.CHUNK = 1
    main(sys.argv[1:])
"""


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    return int(exit_.value.code or 0)


@pytest.fixture(autouse=True)
def _own_agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(chunks, "CHUNK", 1)
    Path("own_agents.py").write_text(OWN)


def begun(out: str, *arguments: str) -> "subprocess.Popen[str]":
    """The command in a process of its own, until it has written two chunks."""
    Path("driver.py").write_text(DRIVER)
    process = subprocess.Popen(
        [sys.executable, "driver.py", *SMALL, "--out", out, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while len(list(Path(out, "raw").glob("*.npz"))) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return process


def uncut(folder: Path) -> None:
    """The same suite without a pool."""
    suite = narrowed(
        suite_named("rl-vs-evolution"),
        agents=["random-search", "regularized-evolution", "own_agents:Slow"],
        datasets=["cifar10"],
        seeds=4,
        budget=30,
    )
    parts = chunks.units(suite, folder / "raw")
    for part in parts:
        chunks.write(run_chunk(part.chunk), part.file)
    write_outcomes(suite, parts, folder)


def test_a_small_suite_cut_and_gone_on_with(capsys: pytest.CaptureFixture[str]) -> None:
    process = begun("cut", "--workers", "1")
    process.kill()
    process.communicate()
    done = {file: file.stat().st_mtime_ns for file in Path("cut/raw").glob("*.npz")}
    assert 2 <= len(done) < 12
    assert not Path("cut/results.csv").exists()
    assert run(*SMALL, "--out", "cut", "--workers", "2") == 0
    shown = capsys.readouterr()
    assert {file: file.stat().st_mtime_ns for file in done} == done  # nothing was run again
    assert "12/12 parts done" in shown.err
    assert "| own_agents.Slow | other |" in shown.out
    assert "Reference points" not in shown.out  # they are for 150 evaluations and more
    files = {file.name for file in Path("cut").iterdir() if file.is_file()}
    assert {"results.csv", "curves.csv", "table.md", "verdict.md", "regret.png"} <= files
    assert len(Path("cut/results.csv").read_text().splitlines()) == 1 + 3 * 4

    uncut(Path("whole"))
    for name in ("results.csv", "curves.csv"):
        assert Path("cut", name).read_bytes() == Path("whole", name).read_bytes()


def test_an_agent_that_cannot_search_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    agents = ("random-search", "own_agents:Broken", "own_agents:Lazy")
    options = ("--datasets", "cifar10", "--seeds", "2", "--budget", "3", "--workers", "1", "--json")
    assert run("benchmark", "rl-vs-evolution", "--agents", *agents, *options, "--out", "out") == 1
    shown = capsys.readouterr()
    assert "left out: own_agents.Broken on cifar10, seeds 0 to 0: ValueError: no idea" in shown.err
    assert "'own_agents:Lazy' asked for 1 evaluations and had a budget of 3" in shown.err
    data = json.loads(shown.out)
    assert [(a["agent"], a["family"]) for a in data["agents"]] == [("random-search", "other")]
    assert data["suite"]["budget"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_says_how_to_go_on_and_leaves_nothing_running(number: int) -> None:
    process = begun("cut", "--workers", "2")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) >= 2
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert out == ""
    assert "go on with the same command" in err
    assert "Traceback" not in err
    deadline = time.monotonic() + 20
    while any(Path("/proc", child, "cmdline").is_file() for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("rl-vs-evolutio", "unknown benchmark 'rl-vs-evolutio': did you mean 'rl-vs-evolution'"),
        ("rl-vs-evolution --agents reinforc", "unknown agent 'reinforc': did you mean 'reinforce'"),
        (
            "rl-vs-evolution --agents regularized-evolution/tabula",
            "did you mean 'tabular'",
        ),
        ("rl-vs-evolution --agents reinforce/x", "unknown preset of agent 'reinforce' 'x'"),
        ("rl-vs-evolution --agents reinforce,reinforce", "reinforce is given twice"),
        ("rl-vs-evolution --agents own_agents:Nobody", "has no 'Nobody'"),
        ('rl-vs-evolution --agents {"name":1}', "give its name as"),
        ('rl-vs-evolution --agents {"name":"reinforce","hiden_size":1}', "mean 'hidden_size'"),
        ("rl-vs-evolution --agents {", "is no JSON"),
        ("rl-vs-evolution --datasets cifar1", "did you mean 'cifar10'"),
        ('rl-vs-evolution --datasets {"label":1}', "has other keys than"),
        (f"rl-vs-evolution --datasets {LANDSCAPE}", "Landscape cannot be benchmarked on"),
        ("rl-vs-evolution --seeds 1", "seeds is 1: give 2 or more"),
        ("rl-vs-evolution --budget 0", "budget is 0: give 1 or more"),
        ("rl-vs-evolution --seeds 99999999999999", "99999999999999: give 1000000 or less"),
        ("rl-vs-evolution --budget 99999999999999", "99999999999999: give 10000000 or less"),
        ("rl-vs-evolution --workers 0", "--workers is 0: give 1 or more"),
        ("rl-vs-evolution --out own_agents.py", "cannot write"),
    ],
)
def test_bad_input_gets_one_clear_sentence(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("benchmark", *line.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err.splitlines()[-1]
    assert shown.err.splitlines()[-1].startswith("nas-gym: ")
    assert not Path("benchmarks").exists()
    assert not Path("runs").exists()


def test_results_go_to_the_folder_of_the_runs(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--agents", "random-search", "--datasets", "cifar10", "--seeds", "2")
    command = ("benchmark", "rl-vs-evolution", *options, "--budget", "3", "--workers", "1")
    assert run(*command) == 0
    assert Path("runs/benchmarks/rl-vs-evolution-part/table.md").is_file()
    assert "kept in runs/benchmarks/rl-vs-evolution-part" in capsys.readouterr().err


def test_agents_are_compared_with_the_evolution_that_is_there() -> None:
    suite = suite_named("rl-vs-evolution")
    for agents, yardstick in (
        ([], "regularized-evolution/tabular"),
        (["random-search", "genetic", "reinforce"], "genetic"),
        (["random-search", "reinforce"], "random-search"),
    ):
        assert narrowed(suite, agents=agents).yardstick == yardstick
