"""The benchmark of several objectives, against slow definitions, and whole."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_gym.benchmark.fronts import FrontOutcome, accuracy_among, true_front_of
from nas_gym.benchmark.narrowing import narrowed
from nas_gym.benchmark.outcomes import curve_rows, run_rows
from nas_gym.benchmark.suite import suite_named
from nas_gym.benchmark.trials import Chunk, known, prepared, run_chunk
from nas_gym.cli.main import main
from nas_gym.envs.objectives import pareto_front
from nas_gym.errors import InvalidOption

SUITE = narrowed(suite_named("pareto"), datasets=["cifar10"], seeds=2, budget=30)
(DATASET,) = SUITE.datasets


@pytest.fixture(scope="module")
def outcome() -> FrontOutcome:
    agent = {"name": "nsga2", "objectives": SUITE.objectives, "population_size": 8}
    chunk = Chunk(agent, DATASET.space, DATASET.evaluator, (0, 1), 30, SUITE.checkpoints, 8)
    truth = known(DATASET.space, DATASET.evaluator)
    front = true_front_of(DATASET, SUITE.objectives)
    return FrontOutcome(run_chunk(chunk), truth, front, accuracy_among(SUITE.objectives))


def test_what_is_found_is_the_front_of_what_was_seen_by_mean_figures(outcome: FrontOutcome) -> None:
    table = prepared(DATASET.space, DATASET.evaluator)[1]
    for seed in (0, 1):
        cells = [table.tokens_at(n) for n in outcome.trials.numbers[seed].tolist()]
        entries = [table.entry(cell) for cell in cells]
        costs = [(-e.metrics["parameters"], -e.metrics["latency"]) for e in entries]
        rewards = outcome.trials.rewards[seed].tolist()
        for count in (1, 7, 30):
            seen = [(r, *cost) for r, cost in zip(rewards[:count], costs[:count], strict=True)]
            true = [(table.mean_accuracy(cells[i]), *costs[i]) for i in pareto_front(seen).tolist()]
            expected = 100 * outcome.truth_of_fronts.share(np.array(true))
            assert outcome.found[seed, count - 1] == pytest.approx(expected)
    assert (outcome.found > 0).all()
    assert (outcome.found <= 100).all()


def test_its_rows_have_the_form_of_the_other_suites(outcome: FrontOutcome) -> None:
    rows = list(run_rows(SUITE, outcome))
    assert [row["seed"] for row in rows] == [0, 1]
    assert float(rows[0]["best_30"]) == pytest.approx(outcome.found[0, -1], abs=1e-3)
    assert not any(name.startswith("recommended") for name in rows[0])
    axes = {row["axis"] for row in curve_rows(SUITE, outcome)}
    assert axes == {"evaluations", "hours", "hours_cluster"}


def test_a_suite_without_accuracy_is_refused() -> None:
    with pytest.raises(InvalidOption, match="give accuracy"):
        accuracy_among(("-parameters", "-latency"))


@pytest.mark.slow
def test_every_agent_of_the_suite_can_be_made_and_spends_its_budget() -> None:
    for entry in SUITE.entries:
        chunk = Chunk(entry.agent, DATASET.space, DATASET.evaluator, (0,), 20, (20,), 8)
        assert run_chunk(chunk).numbers.shape == (1, 20)


@pytest.mark.slow
def test_the_command_writes_tables_figures_and_a_verdict(
    tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    line = ["benchmark", "pareto", "--agents", "nsga2", "random-search", "ppo-linear"]
    line += ["--datasets", "cifar10", "--seeds", "6", "--budget", "20", "--workers", "1"]
    with pytest.raises(SystemExit) as exit_:
        main([*line, "--out", "out", "--json"])
    assert exit_.value.code in (0, None)
    data = json.loads(capsys.readouterr().out)
    assert data["suite"]["objectives"] == list(SUITE.objectives)
    assert [agent["agent"] for agent in data["agents"]] == ["nsga2", "random-search", "ppo-linear"]
    assert all(0 < a["datasets"]["cifar10"]["best"][-1] <= 100 for a in data["agents"])
    against = data["comparisons"]["every agent against the yardstick"]["best"]
    assert {each["one"] for each in against} == {"random-search", "ppo-linear"}
    with open("out/results.csv", newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 18
    names = {path.name for path in Path("out").iterdir()}
    assert {"hypervolume.png", "hypervolume_hours.png", "policy.png", "verdict.md"} <= names
    page = Path("out/table.md").read_text(encoding="utf-8")
    assert "true front of" in page
    assert "recommended" not in page
    assert "nsga2" in Path("out/verdict.md").read_text(encoding="utf-8")
