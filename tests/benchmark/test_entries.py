"""Entries of a leaderboard: made from results, checked by searching again, put side by side."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nas_gym.benchmark import chunks
from nas_gym.benchmark.entries import (
    check_entry,
    joined,
    read_entry,
    sample_of,
    write_entries,
)
from nas_gym.benchmark.narrowing import narrowed
from nas_gym.benchmark.outcomes import write_outcomes
from nas_gym.benchmark.results import Results, read_results
from nas_gym.benchmark.suite import SUITES, suite_named
from nas_gym.benchmark.tables import all_ranks
from nas_gym.benchmark.trials import run_chunk
from nas_gym.cli.main import main
from nas_gym.errors import InvalidOption, StoreError, UnknownName, UntrustedModule

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "rl-vs-evolution"
BOARD = ROOT / "benchmarks" / "leaderboard"
SUITE = narrowed(
    suite_named("rl-vs-evolution"),
    agents=["random-search", "softmax-reinforce"],
    datasets=["cifar10", "cifar100"],
    seeds=3,
    budget=20,
)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    return int(exit_.value.code or 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a small suite."""
    place = tmp_path_factory.mktemp("results")
    parts = chunks.units(SUITE, place / "raw")
    for part in parts:
        chunks.write(run_chunk(part.chunk), part.file)
    write_outcomes(SUITE, parts, place)
    return place


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    return read_results(folder)


@pytest.fixture
def files(results: Results, tmp_path: Path) -> list[Path]:
    return write_entries(results, tmp_path / "board")


def test_an_entry_holds_all_that_is_needed(files: list[Path], results: Results) -> None:
    assert [file.name for file in files] == ["random-search.json", "softmax-reinforce.json"]
    assert {file.parent.name for file in files} == {"rl-vs-evolution"}
    entry = read_entry(files[1])
    assert entry.agent.agent == {"name": "softmax-reinforce"}
    assert entry.settings.startswith("SoftmaxReinforce(batch_size=1")
    assert (entry.suite.seeds, entry.suite.budget, entry.suite.judged) == (3, 20, (20,))
    row = results.rows["softmax-reinforce", "cifar100"][2]
    assert entry.log["cifar100"][2] == {
        column: value for column, value in row.items() if column not in ("agent", "dataset", "seed")
    }
    assert sample_of(entry, 9) == [0, 1, 2]
    assert len(set(sample_of(entry, 2))) == 2


@pytest.mark.slow
def test_a_check_finds_the_one_digit_that_is_wrong(files: list[Path]) -> None:
    entry = read_entry(files[1])
    rows = [dict(row) for row in entry.log["cifar100"]]
    rows[2]["best_20"] = "99.999"
    told = replace(entry, log={**entry.log, "cifar100": rows})
    (sentence,) = check_entry(told, [1, 2], workers=1)
    assert sentence.startswith("softmax-reinforce on cifar100, seed 2: best_20 is ")
    assert sentence.endswith("and the entry says 99.999")


def test_what_an_entry_names_is_imported_only_if_it_is_trusted(files: list[Path]) -> None:
    entry = read_entry(files[0])
    agent = replace(entry.agent, agent={"name": "their_agents:Theirs"})
    theirs = replace(entry, suite=replace(entry.suite, entries=(agent,)))
    with pytest.raises(UntrustedModule, match="--trust their_agents"):
        check_entry(theirs, [0], workers=1)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("version", 2, "its version is 2, and this nas-gym reads 1"),
        ("seeds", 4, "its log is not of 4 seeds"),
        ("budget", 10, "a checkpoint is beyond the budget"),
        ("budget", "many", "budget is 'many'"),
        ("judged", [5], "is none of the checkpoints"),
        ("agent", {"label": "a", "agent": {}, "family": "x"}, "its family is 'x'"),
        ("datasets", 3, "TypeError"),
        ("columns", ["best_20"], "ValueError"),
    ],
)
def test_a_broken_entry(files: list[Path], key: str, value: object, message: str) -> None:
    data = json.loads(files[0].read_text())
    files[0].write_text(json.dumps({**data, key: value}))
    with pytest.raises(StoreError, match="is no entry of a leaderboard") as error:
        read_entry(files[0])
    assert message in str(error.value)


def test_entries_side_by_side_are_the_results(files: list[Path], results: Results) -> None:
    entries = [read_entry(file) for file in files]
    together = joined(entries, SUITE)
    for protocol in ("best", "recommended"):
        assert np.array_equal(all_ranks(together, protocol), all_ranks(results, protocol))
    with pytest.raises(InvalidOption, match="is not of the whole benchmark"):
        joined(entries, SUITES["rl-vs-evolution"])
    with pytest.raises(InvalidOption, match="two entries are of 'random-search'"):
        joined([entries[0], entries[0]], SUITE)
    with pytest.raises(UnknownName, match="agent in these results 'random-searc'"):
        write_entries(results, files[0].parent, ["random-searc"])


def test_more_seeds_than_the_benchmarks_are_left_out_and_fewer_refused(files: list[Path]) -> None:
    entries = [read_entry(file) for file in files]
    fewer = joined(entries, replace(SUITE, seeds=2))
    whole = joined(entries, SUITE)
    assert np.array_equal(fewer.found["best"], whole.found["best"][:, :, :2])
    with pytest.raises(InvalidOption, match="with the seeds that it has or more"):
        joined(entries, replace(SUITE, seeds=4))


def test_ours_are_the_committed_results(tmp_path: Path) -> None:
    for file in write_entries(read_results(RESULTS), tmp_path):
        assert file.read_bytes() == (BOARD / "rl-vs-evolution" / file.name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["genetic", "softmax-reinforce", "model-based-reinforce"])
def test_ours_can_be_checked(agent: str) -> None:
    entry = read_entry(BOARD / "rl-vs-evolution" / f"{agent}.json")
    assert check_entry(entry, sample_of(entry, 1), workers=1) == []


@pytest.mark.slow
def test_the_command(
    folder: Path,
    files: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder, "mine")
    assert run("benchmark", "entry", "mine", "--agents", "random-search") == 2
    said = "no leaderboard takes what is in mine: the entry of 'random-search' is not of the whole"
    assert said in capsys.readouterr().err
    assert not Path("benchmarks").exists()
    assert run("benchmark", "entry", str(RESULTS), "--agents", "random-search") == 0
    written = capsys.readouterr().out.strip()
    assert written == "benchmarks/leaderboard/rl-vs-evolution/random-search.json"
    assert Path(written).is_file()
    file = str(files[0])  # of the small suite
    line = ("benchmark", "check", file, "--seeds", "1", "--workers", "1")
    assert run(*line) == 0
    assert f"{file}: the same with 1 seed (" in capsys.readouterr().out
    text = Path(file).read_text()
    Path(file).write_text(text.replace('"hours"', '"days"'))
    assert run(*line, "--json") == 1
    shown = capsys.readouterr()
    (found,) = json.loads(shown.out)
    assert len(found["wrong"]) == 2
    assert "and the entry says nothing" in shown.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("check", "no entry is given: name one or more"),
        ("check here.json", "here.json is no entry of a leaderboard"),
        ("check here.json --seeds 0", "--seeds is 0: give 1 or more"),
        ("check here.json --agents ppo", "the benchmark 'check' has no --agents"),
        ("entry", "0 folders of results are given: name one"),
        ("entry nowhere", "run the benchmark first"),
        ("entry nowhere --budget 3", "the benchmark 'entry' has no --budget"),
        ("rl-vs-evolution here.json", "the benchmark 'rl-vs-evolution' takes no 'here.json'"),
        ("proxies --trust json", "the benchmark 'proxies' has no --trust"),
    ],
)
def test_bad_input(
    line: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("benchmark", *line.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (sentence,) = shown.err.splitlines()
    assert message in sentence
