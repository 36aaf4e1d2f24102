"""The Pareto front in reports and exports, and its share of a table's true front."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import unescape
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nas_gym
from nas_gym.cli.main import main
from nas_gym.envs.objectives import Objective, objectives_of, pareto_front
from nas_gym.errors import InvalidOption
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.evaluators.tables.nasbench201 import NASBench201Table
from nas_gym.runs.console import PlainConsole
from nas_gym.runs.findings import Findings, summary
from nas_gym.runs.fronts import default_objectives, front_of
from nas_gym.runs.html.page import Shown, html_page
from nas_gym.runs.report import print_summary
from nas_gym.runs.true_front import TrueFront, known_to
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.store import load_run

SPACE = NASBench201()
STORE = "runs/store.sqlite"
WATTS = {"name": "nsga2", "objectives": ["accuracy", "-watts"], "population_size": 8}


@dataclass(frozen=True)
class Metered:
    """A user's evaluator with a metric of its own; each tenth architecture fails."""

    stateful = False

    def evaluate(self, architectures: Sequence[Any], seeds: Sequence[int]) -> Iterator[Evaluation]:
        for evaluation in Landscape(SPACE).evaluate(architectures, seeds):
            tokens = evaluation.architecture.tokens
            if sum(tokens) % 10 == 9:
                yield replace(evaluation, failure="diverged", metrics={})
                continue
            watts = sum(token**2 for token in tokens) / 7
            yield replace(evaluation, metrics={**evaluation.metrics, "watts": watts})

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fronts") / "store.sqlite"
    for run, agent in (("watts", WATTS), ("plain", "random-search")):
        nas_gym.search(SPACE, Metered(), agent, budget=40, run=run, store=path)
    return path


def found(store: Path, run: str = "watts") -> Findings:
    return Findings.of(load_run(run, store))


def test_the_front_is_what_nothing_beats(store: Path) -> None:
    run = found(store)
    assert run.front is not None
    fine = [row for row in run.rows if row.failure is None]
    assert len(fine) < 40
    values = [(row.metrics["accuracy"], -row.metrics["watts"]) for row in fine]
    keys = {fine[i].key for i in pareto_front(values)}
    assert {row.key for row in run.front.rows} == keys
    assert len(run.front.rows) == len(keys) > 1
    accuracies = [row.metrics["accuracy"] for row in run.front.rows]
    assert accuracies == sorted(accuracies, reverse=True)
    assert run.front.share is None  # no table knows the truth


def test_the_summary_has_it_with_all_metrics(store: Path) -> None:
    data = summary(found(store))["front"]
    assert data["objectives"] == ["accuracy", "-watts"]
    assert all({"accuracy", "watts", "tokens", "number"} <= set(a) for a in data["architectures"])
    assert "front" not in summary(found(store, "plain"))


def test_people_see_it_and_their_own_metric(store: Path, capsys: Any) -> None:
    print_summary(found(store), PlainConsole(soft_wrap=False, width=70))
    shown = capsys.readouterr().out
    count = len(found(store).front.rows)  # type: ignore[union-attr]
    assert f"Pareto front of accuracy, -watts: {count} architectures" in shown
    row = found(store).front.rows[0]  # type: ignore[union-attr]
    assert f"{row.metrics['watts']:.5g}" in shown
    assert "…" not in shown


def test_the_page_has_it(store: Path) -> None:
    page = html_page([Shown(found(store), store)])
    assert "For high accuracy and low watts" in page
    assert page.count('<svg class="front" role="img" aria-label="accuracy against watts') == 1
    row = found(store).front.rows[0]  # type: ignore[union-attr]
    assert f">{row.metrics['watts']:.5g}</td>" in page
    assert "Pareto front" not in html_page([Shown(found(store, "plain"), store)])


def test_a_users_metric_is_in_the_table_of_the_best(store: Path, capsys: Any) -> None:
    print_summary(found(store, "plain"), PlainConsole(soft_wrap=False, width=100))
    shown = capsys.readouterr().out
    assert "Pareto" not in shown
    assert "watts" in shown.partition("best architecture:")[0]


def test_nothing_to_compare_is_no_front(store: Path) -> None:
    run = found(store)
    empty = replace(run, config={**run.config, "agent": {"name": "nsga2", "objectives": ["a"]}})
    assert empty.front is None
    assert default_objectives(found(store, "plain")) == (Objective("reward"),)
    with pytest.raises(InvalidOption, match="latency"):
        front_of(run, objectives_of(("accuracy", "-latency")))


def test_an_agent_that_need_not_have_several_has_none_by_default(store: Path) -> None:
    run = found(store)
    assert replace(run, config={**run.config, "agent": {"name": "reinforce"}}).front is None


def test_an_agent_that_is_not_trusted_is_not_imported(store: Path) -> None:
    run = found(store)
    theirs = {"name": "no_such_module:Theirs", "objectives": ["accuracy", "-watts"]}
    assert replace(run, config={**run.config, "agent": theirs}).front is not None
    before = {"name": "with-proxy", "agent": WATTS}
    assert replace(run, config={**run.config, "agent": before}).front is not None


def command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    return int(exit_.value.code or 0)


@pytest.mark.slow
def test_the_command_writes_and_reports_it(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    agent = {**WATTS, "objectives": ["reward", "-parameters"]}
    table = NASBench201Table()
    nas_gym.search(SPACE, table, agent, budget=30, run="mo", store=STORE)
    run = found(Path(STORE), "mo")
    front = run.front
    assert front is not None
    assert command("report", "mo", "--json") == 0
    told = json.loads(capsys.readouterr().out)["front"]
    assert 0 < told["share_of_true_hypervolume"] <= 1
    assert Path("runs/mo/front.svg").is_file()
    print_summary(run, PlainConsole(soft_wrap=False, width=80))
    table = capsys.readouterr().out.partition("Pareto front")[2].partition("hypervolume")[0]
    assert "multiply-adds" in table
    assert "latency, s" in table
    assert max(map(len, table.splitlines())) <= 80
    assert command("export", "mo", "--front", "--out", "here", "--json") == 0
    documents = json.loads(capsys.readouterr().out)
    assert [tuple(each["tokens"]) for each in documents] == [row.tokens for row in front.rows]
    with open("here/front.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["parameters"]) for row in rows] == [
        row.metrics["parameters"] for row in front.rows
    ]
    assert {"here/front.png", "here/front-1.md"} <= {str(p) for p in Path("here").iterdir()}
    assert command("export", "mo", "--front", "--best", "2") == 2
    assert "exclude each other" in capsys.readouterr().err


# ---------------------------------------------------------------- the truth


@pytest.mark.slow
def test_a_run_with_limits_is_measured_against_what_keeps_them(tmp_path: Path) -> None:
    nas_gym.search(
        "nasbench201",
        "nasbench201",
        {"name": "nsga2", "objectives": ["accuracy", "-parameters"], "population_size": 8},
        budget=24,
        run="few",
        store=tmp_path / "s.sqlite",
        limits={"parameters": 101_306},  # at most one convolution, of 1x1
    )
    recorded = Findings.of(load_run("few", tmp_path / "s.sqlite"))
    front = recorded.front
    assert front is not None
    wanted = objectives_of(("accuracy", "-parameters"))
    kept = [
        each
        for each in known_to(SPACE, NASBench201Table())
        if each.tokens.count(3) == 0 and each.tokens.count(2) <= 1
    ]
    truth = TrueFront(kept, wanted)
    points = truth.values_at([row.tokens for row in front.rows])
    assert front.share == pytest.approx(truth.share(points))
    told = StringIO()
    print_summary(recorded, PlainConsole(file=told, width=200))
    said = f"{100 * front.share:.2f} % of the true front's within the limits, by mean figures"
    assert said in told.getvalue()
    page = html_page([Shown(recorded, tmp_path / "s.sqlite")])
    assert f"Their hypervolume is {said}." in unescape(page)


def test_the_true_front_has_all_of_itself() -> None:
    wanted = objectives_of(("accuracy", "-parameters"))
    truth = TrueFront(known_to(SPACE, NASBench201Table()), wanted)
    assert truth.values.shape == (15_625, 2)
    assert truth.reference[0] == 0  # an accuracy cannot be less
    assert truth.reference[1] == truth.values[:, 1].min()
    assert truth.share(truth.front) == 1
    slow = {
        tuple(point)
        for point in truth.front
        if not ((truth.values >= point).all(1) & (truth.values > point).any(1)).any()
    }
    assert len(slow) == len(truth.front)
    assert truth.share(truth.front[::3]) < 1
    all_skips = truth.values_at([(1,) * 6])
    assert truth.share(all_skips) == pytest.approx(
        np.prod(all_skips[0] - truth.reference) / truth.volume
    )
