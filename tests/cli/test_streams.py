"""Output that is closed, full or in ASCII, and settings that no work needs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nas_gym.options.lasting import LastingStream
from nas_gym.store import load_run

COMMAND = f"{sys.executable} -m nas_gym"
CHEAP = (
    "search --space nasbench201 --evaluator nasbench201 --agent random-search --budget 2 "
    "--workers 1 --run r"
)


def shell(line: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, check=False, timeout=200,
        env={**os.environ, **settings},
    )  # fmt: skip


def test_a_stream_that_fails_is_lost_and_nothing_is_raised() -> None:
    with open("/dev/full", "w") as full:
        stream = LastingStream(full)
        print("x" * 10**6, file=stream)
        stream.flush()
        assert isinstance(stream.lost, OSError)
        print("more", file=stream)
    closed = LastingStream(full)
    print("x", file=closed)
    assert isinstance(closed.lost, ValueError)


def test_a_full_disk_behind_stdout_is_one_sentence() -> None:
    done = shell(f"{COMMAND} list >/dev/full")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "nas-gym: the output could not be written (No space left on device); the rest is done"
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirected", "status"),
    [
        ("| head -0", 1), ("2>&1 | head -1", 1), (">&-", 1), (">/dev/full", 1), ("<&-", 0),
        ("2>&-", 0), ("2>/dev/full", 0), ("2>&- >&- <&-", 1),
    ],
)  # fmt: skip
def test_a_search_is_done_wherever_its_output_goes(redirected: str, status: int) -> None:
    done = shell(f"{COMMAND} {CHEAP} {redirected}; exit ${{PIPESTATUS[0]}}")
    assert done.returncode in {status, 0} if "|" in redirected else done.returncode == status
    assert "Traceback" not in done.stdout + done.stderr
    assert Path("runs/r/best-1.json").is_file()
    assert "r: finished, 2" in shell(f"{COMMAND} list").stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"MPLBACKEND": "module://no_such.backend"},
        {"MPLBACKEND": "nonsense"},
        {"MPLCONFIGDIR": "/proc/none"},
        {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
        {"LC_ALL": "xx_YY.nothing"},
        {"PYTHONWARNINGS": "error"},
        {"PYTHONOPTIMIZE": "2"},
        {"COLUMNS": "0"},
        {"COLUMNS": "abc", "TERM": "dumb", "FORCE_COLOR": "1"},
        {"OMP_NUM_THREADS": "abc"},
        {"TZ": "No/where"},
        {"TMPDIR": "/no/where"},
        {"CUDA_VISIBLE_DEVICES": "abc"},
        {"HOME": ""},
        {"PYTHONSAFEPATH": "1"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_settings_that_no_work_needs_end_none(settings: dict[str, str]) -> None:
    Path("matplotlibrc").write_text("text.usetex: true\nnonsense\n")
    done = shell(f"{COMMAND} {CHEAP}", **settings)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert {"learning_curve.png", "best-1.svg"} <= set(os.listdir("runs/r"))


@pytest.mark.slow
def test_files_named_as_modules_of_others_are_left_alone() -> None:
    for name in ("random", "json", "torch", "numpy", "signal", "socket", "mine"):
        Path(f"{name}.py").write_text("raise RuntimeError('the wrong file')\n")
    Path("mine.py").write_text("from nas_gym.testing import BitString\n")
    done = shell(
        f"{COMMAND} search --space nasnet-cell --set space.blocks=1 recipe.epochs=1 --budget 1 "
        "--agent random-search --workers 1 --run r"
    )
    assert done.returncode == 0, done.stderr
    line = f"{COMMAND} search --space mine:BitString --evaluator landscape --budget 2 --run s"
    assert shell(line).returncode == 0


LOUD = """
import os, sys
from nas_gym.cli.streams import kept_for_json, lasting_streams, results
to_the_end = sys.argv[1] == "end"
with lasting_streams() as (out, err, _):
    print("before")
    with kept_for_json(out, err, to_the_end):
        print("printed"); os.system("echo from a command"); os.write(1, b"from C\\n")
        print("result", file=results())
        print("to the first stream", file=sys.__stdout__, flush=True)
    print("after")
os.system("echo at exit")
"""


@pytest.mark.parametrize("until", ["end", "block"])
def test_what_is_printed_is_not_among_the_json(until: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOUD, until], capture_output=True, text=True, check=True
    )
    loud = ["printed", "from a command", "from C", "to the first stream"]
    if until == "block":
        assert done.stdout.splitlines() == ["before", "result", "after", "at exit"]
        assert done.stderr.splitlines() == loud
    else:
        assert done.stdout.splitlines() == ["before", "result", "after"]
        assert done.stderr.splitlines() == [*loud, "at exit"]


PRINTING = """
import atexit, os
from nas_gym.evaluators.evaluation import Evaluation
print("at import")
atexit.register(print, "at exit")
class Printing:
    stateful = False
    def evaluate(self, architectures, seeds):
        for a in architectures:
            print("epoch 1: loss 0.3", flush=True); os.system("echo from a command")
            yield Evaluation(a, {"accuracy": 0.5})
    def close(self): pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("output", ["", ">/dev/full 2>/dev/full", "2>&1 | true"])
def test_an_evaluator_may_print_whatever_it_likes(output: str, tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(PRINTING)
    done = shell(
        f"{COMMAND} search --space nas_gym.testing:BitString --set space.bits=6 --agent "
        f"random-search --budget 3 --workers 1 --evaluator loud:Printing --run u --json {output}",
        PYTHONPATH=f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    )
    if not output:
        assert json.loads(done.stdout)["run"] == "u"
        assert "from a command" in done.stderr
    run = load_run("u")
    assert [row.failure for row in run.rows] == [None] * len(run.rows)
    assert run.status == "finished"


@pytest.mark.slow
def test_a_folder_that_is_gone_or_has_modules_of_known_names(tmp_path: Path) -> None:
    for name in ("numbers", "queue", "random"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
    done = shell(f"cd {tmp_path} && {COMMAND} list")
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "gone").mkdir()
    done = shell(f"cd {tmp_path}/gone && rmdir ../gone && {COMMAND} list")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["search", "describe nasnet-a", "report x", "resume x"])
def test_a_removed_folder_is_one_sentence(
    command: str, run: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    try:
        assert run(*command.split()) == 2
    finally:
        os.chdir(tmp_path)
    said = "nas-gym: the current folder was removed: go to one that is there\n"
    assert capsys.readouterr().err == said
