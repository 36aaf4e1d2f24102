"""``nas-gym benchmark proxies``: from the command to its pages; cut, and gone on with."""

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nas_gym.benchmark import scoring
from nas_gym.benchmark.scoring import FILE, SECONDS, ScoringJob, work
from nas_gym.benchmark.study import Study
from nas_gym.cli.main import main
from nas_gym.evaluators.tables.nasbench201 import NASBench201Table

SMALL = ("benchmark", "proxies", "--cells", "20", "--proxies", "synflow")
DATASETS = ("--datasets", "cifar10,cifar100")
# The command, whose worker process, which imports this as well, stops for good at the fifth cell.
DRIVER = """
import itertools, time
from nas_gym.benchmark.scoring import ValueCache
from nas_gym.cli.main import main

add, numbers = ValueCache.add, itertools.count(1)

def held(self, *told):
    add(self, *told)
    if next(numbers) == 5:
        time.sleep(1000)

ValueCache.add = held
if __name__ == "__main__":
    main()
"""


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    return int(exit_.value.code or 0)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def kept(folder: str) -> dict[str, dict[str, float]]:
    """What the file has, by cell."""
    found: dict[str, dict[str, float]] = {}
    for line in Path(folder, "raw", FILE).read_text().splitlines():
        row = json.loads(line)
        found.setdefault(row["key"], {}).update(row["values"])
    return found


@pytest.mark.slow
def test_only_what_is_missing_is_computed(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    cells = tuple(Study(cells=20).drawn[:3])
    job = ScoringJob(folder, ("parameters",), cells)
    work(job)
    table = NASBench201Table()
    lines = (folder / FILE).read_bytes().splitlines(keepends=True)
    assert len(lines) == 3
    for cell, found in zip(cells, kept(str(tmp_path)).values(), strict=True):
        assert found["parameters"] == table.entry(cell).metrics["parameters"]
        assert found[f"{SECONDS}parameters"] > 0
    (folder / FILE).write_bytes(b"".join(lines[:2]) + lines[2][:30])  # cut while it wrote
    scoring._cache.cache_clear()
    assert [bool(missing) for missing in scoring._lacking(job).values()] == [False, False, True]
    work(job)
    work(job)
    work(ScoringJob(folder, ("parameters", "multiply_adds"), cells[:1]))
    after = (folder / FILE).read_bytes()
    assert after.startswith(b"".join(lines[:2]))
    last = json.loads(after.splitlines()[-1])["values"]
    assert set(last) == {"multiply_adds", f"{SECONDS}multiply_adds"}  # parameters were known
    assert after.count(b'"parameters"') == 4  # one of them in what was cut


@pytest.mark.slow
def test_a_small_one_cut_and_gone_on_with(capsys: pytest.CaptureFixture[str]) -> None:
    Path("driver.py").write_text(DRIVER)
    process = subprocess.Popen(
        [sys.executable, "driver.py", *SMALL, *DATASETS, "--workers", "1", "--out", "cut"],
        stderr=subprocess.PIPE,
    )
    file = Path("cut/raw", FILE)
    while not file.exists() or file.read_bytes().count(b"\n") < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.kill()
    process.communicate()
    before = file.read_bytes()
    assert len(before.splitlines()) < 20
    assert not Path("cut/table.md").exists()

    assert run(*SMALL, *DATASETS, "--out", "cut", "--workers", "2") == 0
    shown = capsys.readouterr()
    assert file.read_bytes().startswith(before[: before.rindex(b"\n") + 1])  # nothing again
    assert len(kept("cut")) == 20
    assert "4/4 parts done" in shown.err
    assert "\nanother training on cifar10  " in shown.out
    names = {"table.md", "verdict.md", "results.csv", "results.json", "signals.png"}
    assert names == {path.name for path in Path("cut").iterdir() if path.is_file()}
    with Path("cut/results.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    signals = ["parameters", "multiply-adds", "random", "synflow"]
    assert [(row["dataset"], row["signal"]) for row in rows] == [
        *(("cifar10", name) for name in signals),
        *(("cifar10", f"{name}") for name in ("a training on cifar100",)),
        ("cifar10", "another training on cifar10"),
        *(("cifar100", name) for name in signals),
        ("cifar100", "a training on cifar10"),
        ("cifar100", "another training on cifar100"),
    ]
    assert float(rows[5]["spearman"]) > 0.8  # really trained cells

    other = ("benchmark", "proxies", "--cells", "20", "--proxies", "nwot", *DATASETS)
    assert run(*other, "--out", "cut") == 2
    assert "would be replaced (signals synflow): give another" in capsys.readouterr().err
    assert run(*SMALL, "--json", "--out", "cut") == 0  # other truths: all is known
    shown = capsys.readouterr()
    assert "0 of them in these 0 s" in shown.err
    data = json.loads(shown.out)
    assert {finding["dataset"] for finding in data["findings"]} == {
        *("cifar10", "cifar100", "imagenet16-120", "digits")
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("proxie", "unknown benchmark 'proxie': did you mean 'proxies'"),
        ("proxies --cells 19", "cells is 19: give a whole number from 20 to 15625"),
        ("proxies --cells 15626", "cells is 15626: give a whole number from 20 to 15625"),
        ("proxies --proxies synflo", "did you mean 'synflow'"),
        ("proxies --proxies nwot,nwot", "nwot"),
        ("proxies --datasets cifar1", "did you mean 'cifar10'"),
        ("proxies --agents reinforce", "the benchmark 'proxies' has no --agents: leave it out"),
        ("proxies --seeds 0", "the benchmark 'proxies' has no --seeds: leave it out"),
        ("proxies --budget 3", "the benchmark 'proxies' has no --budget: leave it out"),
        ("proxies --workers 0", "--workers is 0: give 1 or more"),
        ("rl-vs-evolution --cells 30", "the benchmark 'rl-vs-evolution' has no --cells"),
        ("rl-vs-evolution --proxies nwot", "has no --proxies: leave it out"),
        ("rl-vs-evolution --shared-weights", "has no --shared-weights: leave it out"),
        ("proxies --cells 20 --out a-file", "cannot write"),
    ],
)
def test_bad_input_gets_one_clear_sentence(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a-file").touch()
    assert run("benchmark", *line.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err.splitlines()[-1]
    assert shown.err.splitlines()[-1].startswith("nas-gym: ")
    assert not Path("runs").exists()
