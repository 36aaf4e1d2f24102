"""The page of a run: complete, escaped, self-contained, of bounded size."""

import json
import math
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import nas_gym
from nas_gym.cli.main import main
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.runs.findings import Findings
from nas_gym.runs.html import Baseline, Shown, html_page, write_page
from nas_gym.runs.html.behaviour import COLLAPSED, WINDOW, behaviour_of
from nas_gym.runs.html.curves import POINTS, reward_curve
from nas_gym.runs.html.story import setting
from nas_gym.search_spaces.nasbench201 import NASBench201
from nas_gym.search_spaces.nasnet_cell import NASNetCell
from nas_gym.store import Row, RunData, load_run
from nas_gym.testing import BitString
from nas_gym.testing.evaluators import FailingEvaluator


def searched(folder: Path, run: str = "a-run", space: Any = None, **options: Any) -> RunData:
    space = NASNetCell(blocks=1) if space is None else space
    evaluator = options.pop("evaluator", Landscape(space))
    settings = {"budget": 40, "run": run, "store": folder / "store.sqlite", **options}
    agent = settings.pop("agent", "random-search")
    nas_gym.search(space, evaluator, agent, **settings)
    return load_run(run, folder / "store.sqlite")


@pytest.mark.slow
def test_the_command_that_goes_on_does_and_the_objectives_are_shown(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    agent = {"name": "nsga2", "objectives": ["accuracy", "-parameters"]}
    table = {"space": NASBench201(), "evaluator": "nasbench201", "store": store}
    nas_gym.search(**table, agent=agent, budget=4, run="front")
    facts = setting(Findings.of(load_run("front", store)), store)
    assert facts["objectives"] == "accuracy, -parameters"
    assert f"gymnasium {version('gymnasium')}" in facts["versions"]  # in print, too
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(facts["go on"])[1:])
    assert (ended.value.code, len(load_run("front", store).rows)) == (0, 8)
    nas_gym.search(
        **table | {"evaluator": Landscape(NASBench201(), epochs=3)},
        agent="asha", budget_epochs=9, run="epochs",
    )  # fmt: skip
    assert "--budget-epochs 18" in setting(Findings.of(load_run("epochs", store)), store)["go on"]
    nas_gym.search(**table, agent="random-search", budget_seconds=5_000, run="clock")
    assert "go on" not in setting(Findings.of(load_run("clock", store)), store)  # it cannot


class Outline(HTMLParser):
    """Checks that elements are closed in order, and keeps ids, links and texts."""

    VOID = ("meta", "link", "img", "rect")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.feed(page)
        assert self.open == []
        assert len(set(self.ids)) == len(self.ids)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        self.addresses += [given[name] for name in ("src", "href") if name in given]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def data_of(page: str) -> Any:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return json.loads(text)


def test_a_page_has_everything_and_asks_nobody(tmp_path: Path) -> None:
    failing = FailingEvaluator(Landscape(NASNetCell(blocks=1)), rate=0.3, reason="diverged")
    run = searched(tmp_path, evaluator=failing)
    page = html_page([Shown(Findings.of(run), tmp_path / "store.sqlite")])
    outline = Outline(page)
    for address in outline.addresses:
        assert re.match(r"data:|#run\d", address), address
    for said in (
        "random-search",
        "diverged",
        "Failures",
        "<span>resume</span> <span>a-run</span>",
        "failed",
    ):
        assert said in page
    assert page.count("<img ") == 3
    curve = data_of(page)["runs"][0]["curve"]
    assert curve["request"] == list(range(1, 41))
    good = [row.reward for row in run.rows if row.failure is None]
    assert max(r for r in curve["reward"] if r is not None) == pytest.approx(max(good), rel=1e-5)
    assert [b for b in curve["best"] if b is not None] == sorted(
        b for b in curve["best"] if b is not None
    )


def test_no_text_of_anybodys_becomes_markup(tmp_path: Path) -> None:
    run = searched(tmp_path, budget=5)
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    rows = [
        replace(row, failure=f"error: {evil}", detail=evil) if row.number == 0 else row
        for row in run.rows
    ]
    config = {**run.config, "protocol": {"dataset": evil, "note": evil}}
    found = Findings.of(replace(run, name=evil, rows=rows, config=config))
    page = html_page([Shown(found, tmp_path / "s.sqlite")], [Baseline(evil, [0.5, None])])
    assert evil not in page
    assert "<img src=x" not in page
    assert data_of(page)["runs"][0]["name"] == evil  # as a text
    Outline(page)


@pytest.mark.slow
def test_several_runs_stand_side_by_side_and_baselines_beside_one(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    table = {"space": NASBench201(), "evaluator": "nasbench201", "budget": 30}
    names = ("one", "two", "three")
    for seed, name in enumerate(names):
        searched(tmp_path, name, seed=seed, **table)
    searched(tmp_path, "another-question", budget=5)
    found = {name: Findings.of(load_run(name, store)) for name in names}
    both = write_page([found["one"], found["two"]], store, tmp_path / "both.html").read_text()
    assert [run["name"] for run in data_of(both)["runs"]] == ["one", "two"]
    assert data_of(both)["baselines"] == []
    Outline(both)
    alone = write_page([found["one"]], store, tmp_path / "one.html").read_text()
    assert {run["name"] for run in data_of(alone)["baselines"]} == {"two", "three"}


def test_a_run_without_a_good_child_has_a_page(tmp_path: Path) -> None:
    space = NASNetCell(blocks=1)
    failing = FailingEvaluator(Landscape(space), rate=1.0, reason="diverged")
    found = Findings.of(searched(tmp_path, evaluator=failing, budget=3))
    page = html_page([Shown(found, tmp_path / "store.sqlite")])
    assert "No architecture was evaluated without a failure" in page
    Outline(page)


@pytest.mark.slow
def test_a_thousand_evaluations_stay_below_500_kb(tmp_path: Path) -> None:
    run = searched(tmp_path, space=NASNetCell(), budget=1000)
    assert len(html_page([Shown(Findings.of(run), "runs/store.sqlite")]).encode()) < 500_000


def test_long_curves_are_thinned_without_losing_a_better_one() -> None:
    rewards = [0.5 + 0.4 * math.sin(n) * n / 1e5 for n in range(100_000)]
    curve = reward_curve(rewards)
    assert len(curve["request"]) < 2 * POINTS
    best = max(r for r in curve["best"] if r is not None)
    assert best == pytest.approx(max(rewards), rel=1e-5)
    assert curve["request"][-1] == 100_000


def row(number: int, tokens: tuple[int, ...], reward: float) -> Row:
    return Row(number, tokens, None, str(tokens), 0, {}, 1.0, "landscape", reward, None, None)


def test_entropy_and_repeats_are_counted() -> None:
    space = BitString(3)
    rows = [row(n, (n % 2, 0, 1), 0.5 + 0.1 * (n % 2)) for n in range(2 * WINDOW)]
    told = behaviour_of(rows, space)
    assert [window.distinct for window in told.windows] == [2, 2]
    for window in told.windows:
        assert window.entropies == pytest.approx((1.0, 0.0, 0.0))
    assert told.positions == ("bit0", "bit1", "bit2")
    assert COLLAPSED * WINDOW > 2
    assert told.warning is not None
    assert f"requests {WINDOW + 1} to {2 * WINDOW} only 2" in told.warning
    all_of_them = [row(n, (n >> 2 & 1, n >> 1 & 1, n & 1), 0.1) for n in range(40)]
    assert behaviour_of(all_of_them, space).warning is None  # too few to say


def test_the_worth_of_a_choice_is_a_difference_of_means() -> None:
    space = BitString(2)
    rows = [row(n, (n % 2, n // 2 % 2), 0.2 + 0.4 * (n % 2)) for n in range(8)]
    worths = {(w.choice, w.option): w for w in behaviour_of(rows, space).worths}
    assert {choice for choice, _ in worths} == {"bit0", "bit1", "bit#"}
    of_choices = {
        place: (worth.count, pytest.approx(worth.difference))
        for place, worth in worths.items()
        if "#" not in place[0]
    }
    assert of_choices == {
        ("bit0", "0"): (4, -0.2), ("bit0", "1"): (4, 0.2),
        ("bit1", "0"): (4, 0.0), ("bit1", "1"): (4, 0.0),
    }  # fmt: skip
    # Both bits are one kind: of bit0 the ones have 0.6, of bit1 the mean, 0.4.
    of_kinds = [worth for (choice, _), worth in worths.items() if choice == "bit#"]
    assert [worth.count for worth in of_kinds] == [8, 8]
    assert sorted(w.difference for w in of_kinds) == pytest.approx([-0.1, 0.1])


def test_a_choice_without_a_like_is_no_kind() -> None:
    worths = behaviour_of([row(n, (n % 2,), 0.2 + 0.4 * n) for n in range(2)], BitString(1)).worths
    assert {worth.choice for worth in worths} == {"bit0"}
