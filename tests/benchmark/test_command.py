"""A small suite, whole: from the command to its pages; cut by kill -9 and gone on with."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from nas_gym.benchmark import chunks, trials
from nas_gym.benchmark.narrowing import narrowed
from nas_gym.benchmark.outcomes import write_outcomes
from nas_gym.benchmark.rewards import rewards_of
from nas_gym.benchmark.suite import suite_named
from nas_gym.benchmark.trials import Chunk, Trials, prepared, run_chunk
from nas_gym.cli.main import main
from nas_gym.search_spaces.moves import enumerate_tokens
from nas_gym.testing import LayerChain

OWN = """
import time
from dataclasses import dataclass
from pathlib import Path
from nas_agents.random_search import RandomSearch

@dataclass(frozen=True)
class Slow(RandomSearch):
    batch_size: int = 5
    family = "rl"

    def search(self, env):
        time.sleep(0.1)
        super().search(env)
        while Path("hold").exists() and len(list(Path("cut/raw").glob("*.npz"))) >= 2:
            time.sleep(0.01)

@dataclass(frozen=True)
class Broken(RandomSearch):
    name = "Mended"

    def search(self, env):
        raise ValueError("no idea")

@dataclass(frozen=True)
class Plain(RandomSearch):
    pass

@dataclass(frozen=True)
class Odd(RandomSearch):
    family = "swarm"

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
from nas_gym.benchmark import chunks, trials
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
    Path("mine.csv").write_text("architecture,accuracy\n,1\n")


def begun(*arguments: str) -> "subprocess.Popen[str]":
    """The command in a process of its own, which has written two chunks, and never all."""
    Path("driver.py").write_text(DRIVER)
    Path("hold").touch()
    process = subprocess.Popen(
        [sys.executable, "driver.py", *SMALL, "--out", "cut", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while len(list(Path("cut/raw").glob("*.npz"))) < 2:
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


@pytest.mark.slow
def test_a_small_suite_cut_and_gone_on_with(capsys: pytest.CaptureFixture[str]) -> None:
    process = begun("--workers", "1")
    process.kill()
    process.communicate()
    Path("hold").unlink()
    done = {file: file.stat().st_mtime_ns for file in Path("cut/raw").glob("*.npz")}
    assert 2 <= len(done) < 12
    assert not Path("cut/results.csv").exists()
    assert run(*SMALL, "--out", "cut", "--workers", "2") == 0
    shown = capsys.readouterr()
    assert {file: file.stat().st_mtime_ns for file in done} == done  # nothing was run again
    assert "12/12 parts done" in shown.err
    assert re.search(r"^Slow +RL +\d", shown.out, re.M)
    assert "Reference points" not in shown.out  # they are for 150 evaluations and more
    files = {file.name for file in Path("cut").iterdir() if file.is_file()}
    assert {"results.csv", "curves.csv", "table.md", "verdict.md", "regret.png"} <= files
    assert len(Path("cut/results.csv").read_text().splitlines()) == 1 + 3 * 4

    uncut(Path("whole"))
    for name in ("results.csv", "curves.csv"):
        assert Path("cut", name).read_bytes() == Path("whole", name).read_bytes()


@pytest.mark.slow
def test_an_agent_that_cannot_search_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    agents = ("random-search", "own_agents:Broken", "own_agents:Lazy")
    options = ("--datasets", "cifar10", "cifar100", "--seeds", "2", "--budget", "3", "--json")
    small = ("--agents", *agents, *options, "--workers", "1", "--out", "out")
    assert run("benchmark", "rl-vs-evolution", *small) == 1
    shown = capsys.readouterr()
    place = Path("own_agents.py").resolve()
    said = "left out: Mended on cifar10 and cifar100, seeds 0 to 1: ValueError: no idea; raised at "
    assert f"{said}{place}:" in shown.err
    assert shown.err.count("left out: ") == 2
    assert "Lazy on cifar10 and cifar100, seeds 0 to 1: 'own_agents:Lazy'" in shown.err
    assert "'own_agents:Lazy' asked for 1 evaluations and had a budget of 3" in shown.err
    data = json.loads(shown.out)
    assert [(a["agent"], a["family"]) for a in data["agents"]] == [("random-search", "other")]
    assert data["suite"]["budget"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_says_how_to_go_on_and_leaves_nothing_running(number: int) -> None:
    process = begun("--workers", "2")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) >= 2
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 128 + number
    assert out == ""
    assert "go on with the same command" in err
    assert "Traceback" not in err
    deadline = time.monotonic() + 60
    while any(map(runs, children)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def runs(pid: str) -> bool:
    try:
        state = Path("/proc", pid, "stat").read_text()
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] not in "ZX"


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
        ("rl-vs-evolution --agents own_agents:Odd", "unknown family of 'Odd' 'swarm'"),
        ("rl-vs-evolution --families ppo=swarm", "unknown family of 'ppo' 'swarm'"),
        ("rl-vs-evolution --families pp=rl", "agent with a family 'pp'"),
        ("rl-vs-evolution --families rl", "'rl' is not AGENT=FAMILY: write it as MyPPO=rl"),
        ('rl-vs-evolution --agents {"name":1}', "give its name as"),
        ('rl-vs-evolution --agents {"name":"reinforce","hiden_size":1}', "mean 'hidden_size'"),
        ("rl-vs-evolution --agents {", "is no JSON"),
        ("rl-vs-evolution --datasets cifar1", "did you mean 'cifar10'"),
        ('rl-vs-evolution --datasets {"label":1}', "has other keys than"),
        (f"rl-vs-evolution --datasets {LANDSCAPE}", "with --seeds and --budget, e.g. --seeds 5"),
        (f"pareto --datasets {LANDSCAPE}", "is about complete tables, and 'a' is none"),
        (
            f"rl-vs-evolution --datasets cifar10 {LANDSCAPE} --seeds 2 --budget 2",
            "a: nobody knows the best architecture, while it is known of the other data sets",
        ),
        ("rl-vs-evolution --table mine.npz", "need the space that they are about: --space"),
        ("rl-vs-evolution --table a.npz --space b --evaluator c", "are both given: leave one"),
        ("rl-vs-evolution --table a.npz --space nasbench201", "a.npz"),
        (
            "rl-vs-evolution --table mine.csv --space nasbench201",
            """--table '{"file": …, "unit": …}'""",
        ),
        ("rl-vs-evolution --formats gif", "unknown format of figures 'gif'"),
        ("proxies --table a.npz", "the benchmark 'proxies' has no --table"),
        ("rl-vs-evolution --seeds 1", "--seeds is 1: give 2 or more"),
        ("rl-vs-evolution --budget 0", "--budget is 0: give 1 or more"),
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


@pytest.mark.slow
def test_results_go_to_the_folder_of_the_runs(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--agents", "random-search", "--datasets", "cifar10", "--seeds", "2")
    command = ("benchmark", "rl-vs-evolution", *options, "--budget", "3", "--workers", "1")
    assert run(*command) == 0
    assert Path("runs/benchmarks/rl-vs-evolution-part/table.md").is_file()
    assert "kept in runs/benchmarks/rl-vs-evolution-part" in capsys.readouterr().err


@pytest.mark.slow
def test_one_agent_more_runs_that_one_alone(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--datasets", "cifar10", "--seeds", "2", "--budget", "5", "--workers", "1")
    line = ("benchmark", "rl-vs-evolution", *options, "--agents", "regularized-evolution")
    assert run(*line) == 0
    raw = Path("runs/benchmarks/rl-vs-evolution-part/raw")
    done = {file: file.stat().st_mtime_ns for file in raw.glob("*.npz")}
    assert run(*line, "own_agents:Plain", "--families", "Plain=rl") == 0
    assert {file: file.stat().st_mtime_ns for file in done} == done
    assert len(list(raw.glob("*.npz"))) == 2 * len(done)
    page = capsys.readouterr().out
    assert "Is an RL agent better than regularized-evolution?" in page
    assert "best evolution" not in page  # there is one
    assert "(Plain " in page


@pytest.mark.slow
def test_what_a_terminal_shows_is_text_and_no_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    line = (
        "benchmark",
        "rl-vs-evolution",
        "--datasets",
        "cifar10",
        "--seeds",
        "2",
        "--budget",
        "5",
    )
    assert run(*line, "--workers", "1", "--agents", "random-search,genetic", "--out", "out") == 0
    said = capsys.readouterr().out
    assert not re.search(r"^#|\*\*|`|\|", said, re.M)
    words = {word.rstrip(",") for word in said.replace("*", " ").split()}  # headings are broken
    for name in ("table.md", "verdict.md"):
        page = Path("out", name).read_text()
        told = re.sub(r"[#*|]|---:?", " ", page).replace("`", "").split()
        assert {word.rstrip(",") for word in told} <= words
    cells = re.findall(r"^\| random-search \|.*", Path("out/verdict.md").read_text(), re.M)
    assert cells
    for row in cells:  # whole, however narrow the terminal is
        assert row.strip("| ").split(" | ")[1].strip("*") in said


@pytest.mark.slow
def test_results_of_another_selection_are_not_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    line = ("benchmark", "rl-vs-evolution", "--workers", "1", "--datasets")
    three = ("--seeds", "3", "--budget", "4")
    assert run(*line, "cifar10", *three, "--agents", "random-search") == 0
    folder = Path("runs/benchmarks/rl-vs-evolution-part")
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    capsys.readouterr()
    for changed, lost in (
        (("cifar10", *three, "--agents", "genetic"), "agents random-search"),
        (("cifar100", *three, "--agents", "random-search"), "data sets cifar10"),
        (("cifar10", "--seeds", "2", "--budget", "4", "--agents", "random-search"), "seeds 3"),
        (("cifar10", "--seeds", "3", "--budget", "5", "--agents", "random-search"), "budget 4"),
    ):
        assert run(*line, *changed) == 2
        assert capsys.readouterr().err == (
            f"nas-gym: {folder} has results of another selection, which would be replaced "
            f"({lost}): give another folder with --out, or ask for all of those as well\n"
        )
        assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
    more = (*three, "--agents", "random-search,genetic")
    assert run(*line, "cifar10,cifar100", *more) == 0
    assert "cifar100" in (folder / "table.md").read_text()


def test_all_of_the_suite_and_ones_own() -> None:
    suite = suite_named("rl-vs-evolution")
    labels = [e.label for e in narrowed(suite, agents=["all", "own_agents:Slow"]).entries]
    assert labels == [*(e.label for e in suite.entries), "Slow"]
    mine = '{"name": "own_agents:Slow", "batch_size": 2}'
    assert narrowed(suite, agents=[mine]).entries[0].label == "Slow,2"


CHAIN = '{"name":"nas_gym.testing:LayerChain","max_depth":2}'


@pytest.mark.slow
def test_ones_own_table(capsys: pytest.CaptureFixture[str]) -> None:
    space = LayerChain(2)
    rows = [
        f"{' '.join(map(str, tokens))},{20 + n},{21 + n}"
        for n, tokens in enumerate(enumerate_tokens(space))
    ]
    Path("mine.csv").write_text("\n".join(["architecture,first,second", *rows]))
    table = json.dumps(
        {"file": "mine.csv", "unit": "percent", "form": "tokens", "accuracy": ["first", "second"]}
    )
    line = (
        *("benchmark", "rl-vs-evolution", "--agents", "random-search,own_agents:Slow"),
        *("--table", table, "--space", CHAIN, "--seeds", "2", "--budget", "4"),
    )
    assert run(*line, "--workers", "1", "--out", "out", "--formats", "svg,pdf") == 0
    assert f"\nmine, optimum {20.5 + len(rows) - 1:.2f}\n" in capsys.readouterr().out
    figures = {file.name for file in Path("out").iterdir()}
    assert {"regret.png", "regret.svg", "regret.pdf", "overview.pdf"} <= figures
    assert "CIFAR-10" not in Path("out/table.md").read_text()  # the suite's notes are not about it
    before = len(list(Path("out/raw").iterdir()))
    Path("mine.csv").write_text(Path("mine.csv").read_text().replace(",20,", ",30,"))
    trials._KEPT.clear()  # another process would not have it
    assert run(*line, "--workers", "1", "--out", "out") == 0
    assert len(list(Path("out/raw").iterdir())) == 2 * before  # another table, other searches


@pytest.mark.slow
def test_rewards_where_nobody_knows_the_best(capsys: pytest.CaptureFixture[str]) -> None:
    line = (
        *("benchmark", "rl-vs-evolution", "--agents", "random-search,own_agents:Slow", "--json"),
        *("--space", "nasnet-cell", "--evaluator", "landscape"),
        *("--seeds", "2", "--budget", "6"),
    )
    assert run(*line, "--workers", "1", "--out", "out") == 0
    shown = capsys.readouterr()
    assert re.search(r"4 searches x 6 evaluations to do, at most about \d+ s", shown.err)
    data = json.loads(shown.out)
    found = data["agents"][0]["datasets"]["nasnet-cell landscape"]
    assert "at_optimum_best" not in found
    table = prepared({"name": "nasnet-cell"}, {"name": "landscape"})
    parts = {"name": "random-search"}, {"name": "nasnet-cell"}, {"name": "landscape"}
    found_by = run_chunk(Chunk(*parts, (0, 1), 6, (6,), 8))
    assert table[2] is None
    assert found["best"] == pytest.approx([100 * found_by.rewards.max(axis=1).mean()], abs=1e-3)
    assert found["recommended"] == pytest.approx(found["best"])  # a landscape has no noise
    assert "no optimum" not in Path("out/table.md").read_text()
    assert Path("out/reward.png").is_file()
    assert not Path("out/reward_hours.png").exists()  # a landscape knows no seconds
    assert run(*line, "--workers", "1", "--out", "out") == 0
    assert "to do" not in capsys.readouterr().err


def test_numbers_of_requests_become_those_of_architectures() -> None:
    asked = np.array([["1 0", "2", "1 0"], ["2", "2", "3 1 1"]])
    rewards = np.array([[0.1, 0.3, 0.2], [0.5, 0.4, 0.2]])
    none = np.zeros((2, 3), np.float32)
    noted = Trials(
        np.array([[0, 1, 0], [0, 0, 2]], np.int32), rewards, none, none,
        np.array([[0, 0], [0, 2]], np.int32), none[:, 0], asked,
    )  # fmt: skip
    outcome = rewards_of(noted, (2, 3))
    assert outcome.truth.tokens.tolist() == [[1, 0, -1], [2, -1, -1], [3, 1, 1]]
    assert outcome.trials.numbers.tolist() == [[0, 1, 0], [1, 1, 2]]
    assert outcome.found == pytest.approx(np.array([[10, 30, 30], [50, 50, 50]]))
    assert outcome.recommended == pytest.approx(np.array([[10, 15], [45, 20]]))


def test_agents_are_compared_with_the_evolution_that_is_there() -> None:
    suite = suite_named("rl-vs-evolution")
    for agents, yardstick in (
        ([], "regularized-evolution/tabular"),
        (["random-search", "genetic", "reinforce"], "genetic"),
        (["random-search", "reinforce"], "random-search"),
    ):
        assert narrowed(suite, agents=agents).yardstick == yardstick
