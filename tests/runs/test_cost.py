"""The cost of a run: which epochs are paid for, which are saved, and where nobody knows."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from nas_gym import search
from nas_gym.envs.ledger import Ledger
from nas_gym.envs.rewards import Accuracy
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.options.durations import time_in_words
from nas_gym.runs.cost import PAPERS, PaidEpochs, RunCost
from nas_gym.runs.findings import Findings, summary
from nas_gym.runs.html import story
from nas_gym.runs.report import print_summary
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.store import Row, load_run
from nas_gym.testing import BitString

DIGITS = {"name": "nasbench201", "dataset": "digits"}


def found(run: str, store: Path) -> Findings:
    return Findings.of(load_run(run, store))


def shown(of: Findings) -> str:
    """Return what a report prints of a run, and the facts of its page."""
    console = Console(width=300, record=True, file=io.StringIO())
    print_summary(of, console)
    return console.export_text() + "".join(f"{n}: {v}\n" for n, v in story.counts(of).items())


def test_only_new_epochs_of_a_child_are_paid() -> None:
    paid = PaidEpochs(9)
    totals = []
    for child, epochs in [("a", 1), ("b", 3), ("a", 3), ("a", 0), ("b", 9), ("c", 0)]:
        paid.add(child, epochs)
        totals.append(paid.total)
    assert totals == [1, 4, 6, 12, 18, 27]


def test_a_child_that_is_asked_for_less_is_trained_once_more() -> None:
    paid = PaidEpochs(9)
    for epochs in (3, 1, 9):  # 3 new ones; 1 of another training; the first one goes on
        paid.add("a", epochs)
    assert paid.total == 3 + 1 + 6


def test_a_report_counts_what_a_budget_counts() -> None:
    space = NASBench201()
    landscape = Landscape(space, epochs=9)
    agent = {"name": "hyperband", "proposer": "regularized-evolution/tabular"}
    result = search(space, landscape, agent, budget=300, seed=1)
    ledger, paid = Ledger(landscape, Accuracy()), PaidEpochs(9)
    for answer in result.answers:
        of = answer.evaluation
        ledger.request([of.architecture], [of.epochs or 9])
        if of.source != "memo":
            paid.add(of.architecture.key, of.epochs)
    assert paid.total == ledger.budget.paid_epochs


@pytest.mark.few(1)
@pytest.mark.parametrize("length", [{"epochs": 4}, {"steps": 30}])
def test_no_epochs_of_children_are_told_where_weights_are_shared(
    tmp_path: Path, length: dict[str, int]
) -> None:
    images = np.random.default_rng(0).integers(0, 255, (60, 8, 8)).astype(np.uint8)
    np.savez(tmp_path / "noise.npz", images=images, labels=np.arange(60) % 3)
    recipe = {"name": "supernet", "repeats": 1, "filters": 4, "batch_size": 10, **length}
    evaluator = {"name": "weight-sharing", "dataset": tmp_path / "noise.npz", "recipe": recipe}
    store = tmp_path / "s.sqlite"
    search("nasbench201", evaluator, "random-search", budget=3, run="shared", store=store)
    shared = found("shared", store)
    assert (shared.cost.epochs, shared.cost.epochs_saved) == (None, None)
    cost = [line for line in shown(shared).splitlines() if "evaluated in" in line]
    assert len(cost) == 1
    assert "epochs" not in cost[0]
    assert "parts" not in cost[0]
    assert not {"epochs", "parts"} & story.counts(shared).keys()


def table_of_bits(folder: Path) -> dict[str, Any]:
    curves = np.linspace(0.1, 0.9, 4 * 9).reshape(4, 1, 9)
    words = np.array(["0,0", "0,1", "1,0", "1,1"])
    seconds = np.full(4, 9.0)
    columns = {"architecture": words, "accuracy": curves[:, :, -1], "curves": curves}
    np.savez(folder / "t.npz", **columns, seconds=seconds)
    options = {"unit": "fraction", "form": "tokens", "curves": "curves", "seconds": "seconds"}
    return {"name": "table", "file": folder / "t.npz", **options}


@pytest.mark.parametrize(("name", "most"), [("digits", 6), ("cifar100", 200), ("own", 9)])
def test_epochs_hours_and_papers_are_told_of_a_table(tmp_path: Path, name: str, most: int) -> None:
    store = tmp_path / "s.sqlite"
    own = name == "own"
    search(
        BitString(2) if own else NASBench201(),
        table_of_bits(tmp_path) if own else {"name": "nasbench201", "dataset": name},
        "random-search", budget=3, seed=1, run="table", store=store,
    )  # fmt: skip
    looked_up = found("table", store)
    cost = looked_up.cost
    assert cost.epochs == most * cost.evaluations > 0
    assert cost.epochs_saved == most * cost.evaluations_saved
    assert summary(looked_up)["cost"]["epochs"] == cost.epochs
    text = shown(looked_up)
    time = time_in_words(cost.seconds)
    assert f"evaluated in {time} and {cost.epochs:,} epochs of child time" in text
    assert f"epochs: {cost.epochs:,}\n" in text
    assert text.count(f"{cost.device_hours:.2g} device-hours by the table (") == 2
    assert all(text.count(paper) == 2 for paper in PAPERS)


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (0.0521, "0.052"),
        (9.94, "9.9"),
        (9.97, "10"),
        (54.4, "54"),
        (99.7, "100"),
        (16_644, "16,644"),
    ],
)
def test_hours_are_said_in_figures_that_a_person_reads(hours: float, said: str) -> None:
    told = RunCost(1, 0, 3600 * hours, 0.0, None, None, "cuda", False).beside_the_papers()
    assert str(told).startswith(f"{said} GPU-hours (the search of ")


def test_seconds_that_nobody_measured_are_no_device_hours(tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    space = NASBench201()
    search(space, Landscape(space, epochs=9), "random-search", budget=3, run="made", store=store)
    made = found("made", store)
    assert made.cost.epochs == 27
    assert made.cost.beside_the_papers() is None
    assert "hours" not in shown(made)


def test_a_run_that_is_answered_from_memory_saves_what_the_first_one_paid(tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    for run in ("first", "again"):
        search("nasbench201", DIGITS, "asha", budget_epochs=100, run=run, store=store)
    first, again = (found(run, store).cost for run in ("first", "again"))
    assert first.epochs is not None
    assert first.epochs > 100
    assert first.epochs_saved is not None
    assert (again.epochs, again.epochs_saved) == (0, first.epochs + first.epochs_saved)
    assert again.seconds_saved == pytest.approx(first.seconds + first.seconds_saved)


@pytest.mark.parametrize(
    ("asked", "paid", "saved"),
    [
        ([("a", 1, True), ("a", 3, True), ("a", 0, True)], 0, 9),
        ([("a", 1, False), ("a", 3, False), ("a", 3, True)], 3, 2),  # as long as the second took
        ([("a", 0, False), ("a", 3, True), ("b", 3, True)], 9, 3 + 3),
        ([("a", 1, True), ("a", 3, False)], 3, 0),  # it was trained from its beginning here
        ([("a", 3, True), ("a", 1, False), ("a", 0, True)], 1, 3 + 6),
        ([("a", 0, False), ("a", 0, True), ("a", 0, True)], 9, 18),
    ],
)
def test_memory_saves_what_would_have_been_paid_without_it(
    asked: list[tuple[str, int, bool]], paid: int, saved: int
) -> None:
    rows = [
        Row(n, (0,), None, key, 0, {}, 1.0, "memo" if known else "table", 0.0, None, None, epochs)
        for n, (key, epochs, known) in enumerate(asked)
    ]
    cost = RunCost.of(rows, {}, 9)
    assert (cost.epochs, cost.epochs_saved) == (paid, saved)
    assert cost.evaluations + cost.evaluations_saved == cost.seconds + cost.seconds_saved
