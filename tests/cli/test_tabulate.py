"""The command ``nas-gym tabulate``: what it says, and that its table is searched in one line."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

MINE = """
from nas_gym.testing import BitString
from nas_gym.evaluators.landscapes import Landscape

BITS = BitString(6)
MANY = BitString(90)
"""
BITS = ("tabulate", "mine:BITS", "--evaluator", "landscape", "--workers", "1")


@pytest.fixture(autouse=True)
def own_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.slow
def test_a_table_of_ones_own_space_in_one_line(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*BITS, "--to", "bits.npz") == 0
    shown = capsys.readouterr()
    assert shown.out == "bits.npz has 128 trainings of 64 architectures x 2 seeds, 0 failed: " \
        "complete\n"  # fmt: skip
    assert "table bits.npz: architectures of mine:BITS, all that differ, 2 seeds" in shown.err
    command = re.search(r"search it with `nas-gym (.*)`", shown.err)
    assert command is not None
    search = (*command[1].split(), "--agent", "random-search", "--budget", "30", "--json")
    assert run(*search) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["requests"] == 30
    assert run(*BITS, "--to", "bits.npz", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": "bits.npz",
        "architectures": 64,
        "seeds": 2,
        "trained": 128,
        "failed": 0,
        "complete": True,
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            "tabulate mine:MANY --evaluator landscape --to t.npz",
            "give a number of random ones, --sample N",
        ),
        ("tabulate nasnet-cell --to t.npz", "about 5.2e+36 architectures, more than can be"),
        ("tabulate nope --to t.npz", "unknown space 'nope'"),
        ("tabulate nasbench201 --to t.xlsx", "save the sheet as CSV"),
        ("tabulate nasbench201 --to none/t.npz", "there is no folder"),
        ("tabulate nasbench201 --to t.npz --sample 0", "--sample is 0: give 1 or more"),
        ("tabulate nasbench201 --to t.npz --seeds 0", "--seeds is 0: give 1 or more"),
        ("tabulate nasbench201 --to t.npz --time soon", "--time is 'soon': give seconds above 0"),
        ("tabulate nasbench201 --to t.npz --recipe nope", "unknown recipe 'nope'"),
        ("tabulate nasbench201 --to t.npz --set agent.batch_size=2", "part for --set 'agent'"),
        ("tabulate nasbench201 --to t.npz --evaluator landscape --recipe quick", "does not train"),
        ("tabulate nasbench201 --to t.npz --run .x", "cannot name a folder"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: str, says: str, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments.split()) == 2
    *_, last = capsys.readouterr().err.strip().splitlines()
    assert last.startswith("nas-gym: ")
    assert says in last
    assert not Path("t.npz").exists()
    assert not Path("runs").exists()


@pytest.mark.slow
def test_a_time_limit_says_how_to_go_on(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    slow = [
        "mine:BITS",
        "--evaluator",
        "mine:SLOW",
        "--to",
        "t.csv",
        "--workers",
        "1",
        "--time",
        "0.5s",
    ]
    text = Path("mine.py").read_text()
    Path("mine.py").write_text(
        text
        + "import time\n"
        + "from nas_gym.evaluators.evaluation import Evaluation\n"
        + "class Slow:\n"
        + "    stateful = False\n"
        + "    instant = True\n"
        + "    def evaluate(self, architectures, seeds):\n"
        + "        for architecture in architectures:\n"
        + "            time.sleep(0.05)\n"
        + "            yield Evaluation(architecture, {'accuracy': 0.5}, 0.05)\n"
        + "    def close(self):\n"
        + "        pass\n"
        + "SLOW = Slow()\n"
    )
    import sys

    sys.modules.pop("mine", None)
    assert run("tabulate", *slow) == 0
    shown = capsys.readouterr()
    assert "x 2 seeds, 0 failed: not complete" in shown.out
    assert "go on with the same command" in shown.err
    assert Path("t.csv").read_text().startswith("architecture,accuracy0,accuracy1,")
