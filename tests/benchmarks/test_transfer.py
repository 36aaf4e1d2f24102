"""What the benchmark of transfer concludes from records, and that it survives being killed."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "learning" / "transfer.py"
PARTS = "benchmarks.learning.transfer_parts"


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)


def load(name: str) -> Any:
    return importlib.import_module(f"{PARTS}.{name}")


# ---------------------------------------------------------------- what the records say


def test_differences_are_judged_by_the_interval_of_a_paired_t_test():
    from scipy.stats import ttest_rel

    own, other = [0.91, 0.93, 0.92], [0.90, 0.89, 0.91]
    found = load("page").compared("x", [a - b for a, b in zip(own, other, strict=True)])
    interval = ttest_rel(own, other).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.mean == pytest.approx(0.02)
    assert found.verdict == "cannot be told"


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        ([0.010, 0.011, 0.012], "wins"),
        ([-0.010, -0.011, -0.012], "loses"),
        ([0.010, -0.011, 0.012], "cannot be told"),
        ([0.010, 0.030, 0.001], "cannot be told"),  # each seed better, and still
        ([0.0, 0.0, 0.0], "cannot be told"),
        ([0.1], "cannot be told"),  # one seed has no interval
    ],
)
def test_verdicts(differences, verdict):
    assert load("page").compared("x", differences).verdict == verdict


def record(name: str, seed: int, test: float | None, **more: Any) -> dict[str, Any]:
    network = {"kind": "cell", "tokens": [], "repeats": 2, "width": 12}
    return {
        "what": "final", "name": name, "seed": seed, "test": test, "validation": test,
        "network": network, "parameters": 1000, "multiply_adds": 2_500_000, "seconds": 7.0,
        "machine": "a machine", "images": [54_000, 6_000, 10_000],
    } | more  # fmt: skip


def finals(**means: float) -> list[dict[str, Any]]:
    page = load("page")
    names = {"found": page.FOUND, "nasnet": page.NASNET, "residual": page.RESIDUAL}
    names |= {"mobile": page.MOBILE} | {f"random{n}": f"{page.RANDOM} {n}" for n in range(1, 6)}
    return [
        record(names[name], seed, mean + (0.001 if (seed == 1) == (name == "found") else 0.0))
        for seed in range(3)
        for name, mean in means.items()
    ]


MEANS = {
    "found": 0.90, "nasnet": 0.88, "residual": 0.92, "mobile": 0.9005,
    "random1": 0.81, "random2": 0.95, "random3": 0.84, "random4": 0.83, "random5": 0.82,
}  # fmt: skip


def test_the_verdict_says_where_the_found_cell_wins_and_where_it_loses():
    page = load("page")
    found = page.accuracies(finals(**MEANS), 10)
    assert found[page.MEDIAN] == pytest.approx({0: 0.831, 1: 0.830, 2: 0.831})
    made = {each.other: each for each in page.comparisons(found)}
    assert made[page.NASNET].verdict == made[page.MEDIAN].verdict == "wins"
    assert made[page.RESIDUAL].verdict == "loses"
    assert made[page.MOBILE].verdict == "cannot be told"
    said = page.verdict(list(made.values()), found)
    assert f"It **wins** against {page.NASNET} and {page.MEDIAN}." in said
    assert f"It **loses** against {page.RESIDUAL}." in said
    assert f"Against {page.MOBILE} it **cannot be told** which is better." in said
    assert "above that of 4 of 5 random cells" in said


def test_what_is_not_paired_is_not_compared():
    page = load("page")
    some = [r for r in finals(**MEANS) if (r["name"], r["seed"]) != (f"{page.RANDOM} 3", 2)]
    found = page.accuracies(some, 10)
    assert set(found[page.MEDIAN]) == {0, 1}  # the seeds that all random cells have
    lengths = {each.other: len(each.differences) for each in page.comparisons(found)}
    assert lengths[page.MEDIAN] == 2
    assert lengths[page.NASNET] == 3


def test_a_training_that_diverged_counts_as_a_guess():
    page = load("page")
    assert page.accuracies([record(page.FOUND, 0, None)], 10) == {page.FOUND: {0: 0.1}}


def test_the_child_with_the_best_mean_reward_is_chosen_when_all_are_trained():
    page, setting = load("page"), load("setting").QUICK
    space = load("networks").SPACE
    one, two = ([n] + [0] * (space.max_length - 1) for n in (0, 1))
    search = {"tokens": [one, two], "target": 1000}

    def check(tokens: list[int], accuracy: float | None, parameters: int = 1000) -> dict[str, Any]:
        return {"network": {"tokens": tokens}, "validation": accuracy, "parameters": parameters}

    assert page.chosen(setting, search, [check(one, 0.5)]) == []
    assert page.chosen(setting, search, [check(one, 0.5), check(two, 0.6)]) == [two, one]
    # Twice the parameters cost about 5 % of the reward; a failure is worth nothing.
    assert page.chosen(setting, search, [check(one, 0.59), check(two, 0.6, 2000)]) == [one, two]
    assert page.chosen(setting, search, [check(one, 0.55), check(two, 0.6, 2000)]) == [two, one]
    assert page.chosen(setting, search, [check(one, None), check(two, 0.1)]) == [two, one]


def test_the_page_says_that_it_is_not_finished():
    page, setting = load("page"), load("setting").FULL
    text = page.page(setting, None, [], [], 27, 10)
    assert "**Not finished**: 0 of 27 final trainings are over" in text
    assert "The search is not over yet." in text


def test_the_page_is_made_of_the_records():
    page, setting = load("page"), load("setting").FULL
    text = page.page(setting, None, [], finals(**MEANS), 27, 10)
    assert "Not finished" not in text
    assert "54,000 train, 6,000 validate and 10,000 test" in text
    row = f"| {page.FOUND} | N = 2, F = 12 | 1,000 (+0.0%) | 2.50 | 0.9003 | 0.9003 |"
    assert f"{row} 0.9000, 0.9010, 0.9000 | 7 |" in text
    assert f"| {page.RESIDUAL} | -2.03 | -2.32 to -1.75 |" in text


# ---------------------------------------------------------------- networks of one size


@pytest.mark.slow
def test_networks_come_within_five_percent_of_the_parameters():
    networks, setting = load("networks"), load("setting").FULL
    shape, recipe = (1, 28, 28), setting.final
    target = networks.Network("nasnet-a", (), 2, 12).cost(recipe, shape, 10).parameters
    tokens = [0] * networks.SPACE.max_length
    for kind, given in (("residual", ()), ("inverted-residual", ()), ("cell", tokens)):
        network = networks.sized(kind, given, target, 0.05, recipe, shape, 10)
        cost = network.cost(recipe, shape, 10)
        assert abs(cost.parameters / target - 1) <= 0.05
        assert cost.multiply_adds > 500_000
    assert networks.sized("residual", (), 3, 0.05, recipe, shape, 10) is None


def test_networks_made_by_hand_have_the_stacks_that_cells_have():
    import torch

    networks, recipe = load("networks"), load("setting").FULL.final
    for kind in networks.HAND_MADE:
        network = networks.Network(kind, width=8.25).build(recipe, (1, 28, 28), 10)
        states = [network.stem(torch.zeros(2, 1, 28, 28)).relu()]
        for block in network.blocks:
            states.append(block(states[-1]))
        assert [state.shape[-1] for state in states[1:]] == [7, 7, 4, 4, 2, 2]
        assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_the_search_sees_none_of_the_images_that_are_measured():
    trainings, setting = load("trainings"), load("setting").QUICK
    data = trainings.whole(setting.dataset, None)
    part = trainings.part(setting.dataset, None, setting.part)
    seen = {i.numpy().tobytes() for i in (*part.train_images, *part.validation_images)}
    assert len(part.train_labels) + len(part.validation_labels) == setting.part
    assert not len(part.test_labels)
    assert seen <= {i.numpy().tobytes() for i in data.train_images}
    for images in (data.validation_images, data.test_images):
        assert not seen & {i.numpy().tobytes() for i in images}


# ---------------------------------------------------------------- bad input


def test_records_that_cannot_be_read_are_refused(tmp_path, capsys):
    transfer = importlib.import_module("benchmarks.learning.transfer")
    (tmp_path / "transfer.json").write_text('[{"key": ', encoding="utf-8")
    assert transfer.main(["--quick", "--results", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "has no records that can be read" in said
    assert len(said.splitlines()) == 1
    assert transfer.main(["--time", "soon"]) == 2
    assert "--time is 'soon'" in capsys.readouterr().err


def test_data_that_is_nowhere_is_one_sentence(tmp_path, capsys):
    transfer = importlib.import_module("benchmarks.learning.transfer")
    given = ["--folder", str(tmp_path / "none"), "--results", str(tmp_path)]
    assert transfer.main(given) == 2
    said = capsys.readouterr().err
    assert "dataset-fashion-mnist" in said
    assert len(said.splitlines()) == 1


# ---------------------------------------------------------------- all of it, killed and gone on


def command(folder: Path) -> list[str]:
    return [sys.executable, str(SCRIPT), "--quick", "--write", "--results", str(folder),
            "--store", str(folder / "store.sqlite")]  # fmt: skip


def recorded(folder: Path) -> list[dict[str, Any]]:
    file = folder / "transfer.json"
    return json.loads(file.read_text("utf-8")) if file.exists() else []


# Stops for good when six of the twelve final trainings are recorded.
HELD = """
import sys, time
from benchmarks.learning import transfer
from benchmarks.learning.transfer_parts.trainings import Records

add, finals = Records.add, []

def held(self, record):
    add(self, record)
    finals.extend([record] * (record["what"] == "final"))
    if len(finals) == 6:
        time.sleep(1000)

Records.add = held
if __name__ == "__main__":
    sys.exit(transfer.main(sys.argv[1:]))
"""


def begun(folder: Path, held: bool = False) -> subprocess.Popen[bytes]:
    places = [str(ROOT), str(ROOT / "agents"), os.environ.get("PYTHONPATH", "")]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(places)}
    words = command(folder)
    if held:
        words[1:2] = ["-c", HELD]
    return subprocess.Popen(
        words, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def children(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(line) for line in listed.stdout.split()]


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_killed_in_the_middle_it_goes_on_and_the_page_is_made_of_the_records(tmp_path):
    process = begun(tmp_path, held=True)
    while sum(r["what"] == "final" for r in recorded(tmp_path)) < 3:
        assert process.poll() is None, process.stdout.read().decode()
        time.sleep(0.1)
    workers = children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = recorded(tmp_path)
    assert workers
    deadline = time.monotonic() + 60
    while any(map(alive, workers)):  # nobody trains for one who is gone
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert not (tmp_path / "transfer.md").exists()

    again = begun(tmp_path)
    printed = again.communicate()[0].decode()
    assert again.returncode == 0, printed
    after = recorded(tmp_path)
    assert after[: len(before)] == before
    assert "searching" not in printed
    done = [r for r in after if r["what"] == "final"]
    assert len(done) == 6 * 2
    assert len({r["key"] for r in after}) == len(after) == 1 + 2 + 12

    page = (tmp_path / "transfer.md").read_text("utf-8")
    assert page in printed
    assert "Not finished" not in page
    for name in {r["name"] for r in done}:
        tests = [r["test"] for r in sorted(done, key=lambda r: r["seed"]) if r["name"] == name]
        rows = [line for line in page.splitlines() if line.startswith(f"| {name} | ")]
        row = next(line for line in rows if "F = " in line or "filters" in line)
        assert f"| {sum(tests) / 2:.4f} | {tests[0]:.4f}, {tests[1]:.4f} |" in row

    # Nothing is left to do: the same page, without a training.
    third = begun(tmp_path)
    assert third.communicate()[0].decode() == page + "\n"
    assert recorded(tmp_path) == after


@pytest.mark.slow
def test_nothing_is_begun_when_the_time_is_over(tmp_path, capsys):
    transfer = importlib.import_module("benchmarks.learning.transfer")
    given = ["--quick", "--time", "0.001s", "--results", str(tmp_path)]
    assert transfer.main([*given, "--store", str(tmp_path / "store.sqlite")]) == 0
    assert "The search is not over yet." in capsys.readouterr().out
    assert recorded(tmp_path) == []
