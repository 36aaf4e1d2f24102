"""What is made of raw trials, against slow definitions."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_gym.agent import Observed
from nas_gym.benchmark import chunks
from nas_gym.benchmark.narrowing import narrowed
from nas_gym.benchmark.outcome import Outcome, windowed
from nas_gym.benchmark.outcomes import curve_rows, run_rows
from nas_gym.benchmark.suite import DataSet, Entrant, shares, suite_named
from nas_gym.benchmark.trials import Chunk, Trials, known, run_chunk, truth_of
from nas_gym.envs.clock import makespan
from nas_gym.errors import InvalidOption, StoreError
from nas_gym.evaluators.tables.tabular import Entry, NotInTable, TabularEvaluator
from nas_gym.testing import LayerChain

SUITE = narrowed(suite_named("rl-vs-evolution"), datasets=["cifar10"], budget=40)
CIFAR10 = SUITE.datasets[0]
CHUNK = Chunk(
    {"name": "regularized-evolution", "population_size": 5},
    CIFAR10.space,
    CIFAR10.evaluator,
    seeds=(0, 1, 7),
    budget=40,
    checkpoints=(10, 40),
    workers=3,
)


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return Outcome(run_chunk(CHUNK), known(CHUNK.space, CHUNK.evaluator))


def test_the_truth_is_the_benchmarks() -> None:
    truth = known(CIFAR10.space, CIFAR10.evaluator)
    assert len(truth.accuracies) == 15_625
    assert round(truth.optimum, 3) == 91.607
    assert sorted(truth.numbers.values()) == list(range(15_625))
    assert tuple(truth.tokens[9930]) == next(t for t, n in truth.numbers.items() if n == 9930)


def test_a_trial_depends_on_its_seed_alone(outcome: Outcome) -> None:
    alone = run_chunk(replace(CHUNK, seeds=(7,)))
    for name in ("numbers", "rewards", "seconds", "finished", "recommended"):
        assert getattr(outcome.trials, name)[2].tolist() == getattr(alone, name)[0].tolist()
    assert outcome.trials.numbers[0].tolist() != outcome.trials.numbers[1].tolist()
    assert (outcome.trials.overhead > 0).all()


def test_agents_with_the_same_seed_get_the_same_answers(outcome: Outcome) -> None:
    other = run_chunk(replace(CHUNK, agent={"name": "random-search"}))
    known = dict(zip(other.numbers[1].tolist(), other.rewards[1].tolist(), strict=True))
    mine = dict(
        zip(outcome.trials.numbers[1][::-1].tolist(), outcome.trials.rewards[1][::-1], strict=True)
    )  # of repeats the first
    shared = known.keys() & mine.keys()
    assert len(shared) >= 5  # the first population is drawn alike
    assert all(known[number] == mine[number] for number in shared)


def test_best_so_far(outcome: Outcome) -> None:
    for row, (numbers, rewards) in enumerate(
        zip(outcome.trials.numbers, outcome.trials.rewards, strict=True)
    ):
        for count in (1, 2, 17, 40):
            first = max(range(count), key=lambda i: rewards[i])
            assert outcome.best[row, count - 1] == numbers[first]
            assert outcome.found[row, count - 1] == outcome.truth.accuracies[numbers[first]]


def test_new_requests(outcome: Outcome) -> None:
    for row, numbers in enumerate(outcome.trials.numbers.tolist()):
        assert outcome.new[row].tolist() == [n not in numbers[:i] for i, n in enumerate(numbers)]


def test_entropy_is_that_of_the_window(outcome: Outcome) -> None:
    entropy = outcome.entropy(8)
    for row, column in ((0, 0), (0, 5), (1, 20), (2, 39)):
        asked = outcome.trials.numbers[row, max(0, column - 7) : column + 1]
        tokens = outcome.truth.tokens[asked]
        slow = np.mean(
            [
                -sum(n / len(p) * math.log(n / len(p)) for n in Counter(p.tolist()).values())
                for p in tokens.T
            ]
        ) / math.log(5)
        assert entropy[row, column] == pytest.approx(slow)


def test_windowed_means() -> None:
    values = np.arange(12.0).reshape(2, 6)
    assert windowed(values, 3)[1].tolist() == [6, 6.5, 7, 8, 9, 10]


def test_the_cluster_waits_for_each_batch(outcome: Outcome) -> None:
    seconds = outcome.trials.seconds[0].astype(float)
    # The population of 5 is drawn first, then batches of 8.
    batches = [seconds[:5], *(seconds[i : i + 8] for i in range(5, 40, 8))]
    clock = np.cumsum([makespan(batch, 3) for batch in batches])
    finished = np.repeat(clock, [len(batch) for batch in batches])
    assert outcome.trials.finished[0] == pytest.approx(finished, rel=1e-5)
    assert outcome.hours(cluster=False)[0, -1] == pytest.approx(seconds.sum() / 3600)


def test_rows_of_runs_and_curves(outcome: Outcome) -> None:
    suite = replace(SUITE, seeds=3, checkpoints=(10, 40), judged=(40,))
    rows = list(run_rows(suite, outcome))
    assert [row["seed"] for row in rows] == [0, 1, 2]
    assert rows[1]["best_40"] == f"{outcome.found[1, -1]:.3f}"
    assert rows[1]["distinct"] == len(set(outcome.trials.numbers[1].tolist()))
    assert rows[1]["optimum_best"] == str(int(outcome.best[1, -1] == 9930))
    curves = list(curve_rows(suite, outcome))
    assert {row["axis"] for row in curves} == {
        "evaluations", "recommended", "hours", "hours_cluster",
    }  # fmt: skip
    last = [row for row in curves if row["axis"] == "evaluations"][-1]
    mean = outcome.truth.optimum - outcome.found[:, -1].mean()
    assert float(last["regret"]) == pytest.approx(mean, abs=1e-4)
    assert last["low"] == last["high"] == ""  # three searches say nothing of a band
    many = replace(outcome, trials=Trials.joined([outcome.trials] * 7))
    of_many = [row for row in curve_rows(replace(suite, seeds=21), many) if row["axis"] == "hours"]
    for row in of_many:
        assert float(row["low"]) <= float(row["regret"]) <= float(row["high"])


@dataclass(frozen=True)
class Recommender:
    """Recommends its first request."""

    batch_size: int = 1

    def search(self, env: Any) -> None:
        while env.remaining:
            env.play([(0, 0, 0, 0, 0, int(env.remaining) % 5)])

    def recommend(self, space: Any, observed: Sequence[Observed]) -> tuple[int, ...]:
        return observed[0].tokens


def test_an_agents_own_recommendation_is_taken() -> None:
    name = f"{__name__}:Recommender"
    import sys

    assert __name__ in sys.modules
    trials = run_chunk(replace(CHUNK, agent={"name": name}, seeds=(0,)))
    assert trials.recommended[0].tolist() == [trials.numbers[0, 0]] * 2


def test_raw_files_hold_what_was_written(tmp_path: Path, outcome: Outcome) -> None:
    file = tmp_path / "a.npz"
    chunks.write(outcome.trials, file)
    read = chunks.read(file)
    assert read.rewards.tolist() == outcome.trials.rewards.tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    assert Trials.joined([read, read]).numbers.shape == (6, 40)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(StoreError, match="delete it and run the benchmark again"):
        chunks.read(file)


def test_a_file_is_named_by_all_that_it_depends_on(tmp_path: Path) -> None:
    suite = replace(SUITE, seeds=2)
    names = {unit.file.name for unit in chunks.units(suite, tmp_path)}
    again = {unit.file.name for unit in chunks.units(suite, tmp_path)}
    assert names == again
    changed = [
        replace(suite, budget=41),
        replace(suite, checkpoints=(20, 40)),
        replace(suite, workers=2),
        replace(suite, seeds=3),
        replace(suite, entries=(Entrant("x", {"name": "random-search", "batch_size": 9}, "rl"),)),
    ]
    for other in changed:
        assert names.isdisjoint(unit.file.name for unit in chunks.units(other, tmp_path))


def test_shares() -> None:
    assert [list(piece) for piece in shares(5, 2)] == [[0, 1], [2, 3], [4]]


@dataclass(frozen=True)
class Depths(TabularEvaluator):
    """A user's own table of a small conditional space: the deeper, the better."""

    seeds: str | int = "random"
    least: int = 1

    @property
    def protocol(self) -> dict[str, Any]:
        return {"evaluator": "depths"}

    def entry(self, tokens: tuple[int, ...]) -> Entry:
        if len(tokens) < self.least:
            raise NotInTable(f"no row for {tokens}")
        return Entry((0.1 * len(tokens), 0.1 * len(tokens) + 0.01))


def test_a_users_own_table_of_a_conditional_space(tmp_path: Path) -> None:
    space = {"name": "nas_gym.testing:LayerChain", "max_depth": 2}
    mine = DataSet("mine", space, {"name": f"{__name__}:Depths"})
    suite = replace(SUITE, datasets=(mine,), entries=SUITE.entries[:1], seeds=2, judged=(40,))
    parts = chunks.units(suite, tmp_path)
    truth = known(space, mine.evaluator)
    outcome = Outcome(run_chunk(parts[0].chunk), truth)
    assert outcome.trials.seconds.sum() == 0
    assert len(list(curve_rows(suite, outcome))) > 100
    with pytest.raises(InvalidOption, match="does not know the whole space: no row for"):
        truth_of(LayerChain(2), Depths(least=3))
