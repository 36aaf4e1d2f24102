"""The page of a run: complete, escaped, self-contained, of bounded size."""

import io
import json
import math
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest

import nas_gym
from nas_gym.cli.main import main
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.runs.findings import Findings
from nas_gym.runs.html import Baseline, Shown, html_page, write_page
from nas_gym.runs.html.behaviour import COLLAPSED, LEAST, WINDOW, behaviour_of
from nas_gym.runs.html.best import fronts
from nas_gym.runs.html.curves import POINTS, best_curve, reward_curve
from nas_gym.runs.html.pictures import kept_picture
from nas_gym.runs.html.story import setting, time_of_day
from nas_gym.runs.html.svg import svg_address
from nas_gym.search_spaces.nasbench201 import NASBench201
from nas_gym.search_spaces.nasnet_cell import NASNetCell
from nas_gym.search_spaces.rendering import draw_genotype
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
    page = html_page([Shown(found, tmp_path / "s.sqlite")], [Baseline(evil, evil, [0.5, None])])
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
def test_a_thousand_evaluations_beside_five_other_runs_stay_below_350_kb(tmp_path: Path) -> None:
    space, store = NASNetCell(), tmp_path / "store.sqlite"
    for seed in range(5):
        searched(tmp_path, f"random-{seed}", space, budget=1000, seed=seed)
    found = Findings.of(searched(tmp_path, space=space, budget=1000, agent="reinforce"))
    page = write_page([found], store, tmp_path / "report.html")
    assert len(data_of(page.read_text(encoding="utf-8"))["baselines"]) == 5
    assert page.stat().st_size < 350_000


def test_of_a_baseline_only_the_steps_are_kept() -> None:
    rewards = [None, 0.5, 0.4, math.inf, 0.7, 0.7, 0.123456789, None]
    assert best_curve(rewards) == {"request": [2, 5, 8], "best": [0.5, 0.7, 0.7]}
    assert best_curve([None]) == {"request": [], "best": []}


def test_a_drawing_is_shorter_and_says_the_same(tmp_path: Path) -> None:
    space = NASNetCell()
    tokens = searched(tmp_path, space=space, budget=1).rows[0].tokens
    text = io.StringIO()
    draw_genotype(space, tokens).savefig(text, format="svg")
    address = svg_address(text.getvalue())
    assert len(address) < 0.6 * len(text.getvalue())
    short, long = (
        ET.fromstring(svg) for svg in (unquote(address.partition(",")[2]), text.getvalue())
    )
    kinds = ("path", "use")

    def parts(root: Any, kind: str) -> list[Any]:
        return [each for each in root.iter() if each.tag.endswith("}" + kind)]

    assert [len(parts(short, kind)) for kind in kinds] == [len(parts(long, kind)) for kind in kinds]
    # Letters are the same ones, at the same places.
    glyphs = {each.get("id"): each.get("d") for each in parts(short, "path") if each.get("id")}
    for mine, other in zip(parts(short, "use"), parts(long, "use"), strict=True):
        moved = re.findall(r"[-\d.]+", other.get("transform", ""))
        place = [float(mine.get(name, 0)) for name in "xy"]
        assert place == pytest.approx([float(n) for n in moved] or [0, 0], abs=0.06)
        assert mine.get("href")[1:] in glyphs
    # And so are lines, but for digits that no screen has.
    for mine, other in zip(parts(short, "path"), parts(long, "path"), strict=True):
        numbers = [
            [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", each.get("d", ""))]
            for each in (mine, other)
        ]
        assert numbers[0] == pytest.approx(numbers[1], abs=0.051)


def test_best_architectures_have_cards(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    found = Findings.of(searched(tmp_path, space=NASBench201(), evaluator="nasbench201", budget=20))
    page = html_page([Shown(found, store)])
    best = found.ranked[0]
    for name, value in {
        "reward": f"{best.reward:.4f}",
        "parameters": f"{best.metrics['parameters']:,.0f}",
        "multiply-adds": f"{best.metrics['multiply_adds']:,.0f}",
        "request": str(best.number + 1),
        "seed of the child": str(best.seed),
    }.items():
        assert f"<dt>{name}</dt><dd>{value}</dd>" in page
    assert f"Best reward <strong>{best.reward:.4f} (request {best.number + 1})</strong>" in page
    plain = re.sub(r"</?span>", "", page)
    for command in ("export", "train"):
        assert f"nas-gym {command} a-run --store {store}</code>" in plain
    assert f"nas-gym export a-run --store {store} --best 2</code>" in plain
    assert f"nas-gym train a-run --store {store} --best" not in plain  # it would train both
    line = next(each for each in re.findall(r"nas-gym export [^<]*", plain) if "--best" in each)
    with pytest.raises(SystemExit) as ended:
        main([*shlex.split(line)[1:], "--out", str(tmp_path / "out")])
    assert ended.value.code == 0
    assert (tmp_path / "out" / "best-2.json").exists()
    for image in re.findall(r"<img [^>]*>", page):
        width, height = map(int, re.findall(r' (?:width|height)="(\d+)"', image))
        assert width > height > 100
    # Numbers stand right, and so do their headings.
    assert '<th scope="col" class="n">training, s</th>' in page
    assert "T" not in setting(found, store)["started"].removesuffix("UTC")
    assert setting(found, store)["started"] == time_of_day(found.started)
    assert time_of_day("2026-11-30T23:10:59+01:00") == "2026-11-30 22:10 UTC"


def test_a_front_is_shown_of_what_was_measured(tmp_path: Path) -> None:
    known = searched(tmp_path, "known", NASBench201(), evaluator="nasbench201", budget=30)
    page = html_page([Shown(Findings.of(known), tmp_path / "store.sqlite")])
    assert "For high reward and low parameters" in page
    assert "For high reward and low latency" in page
    front = fronts(Findings.of(known))[0]
    picture = str(front["pictures"][0].svg)
    assert picture.count("<circle ") == front["count"] == len(front["rows"])
    shown = len(re.findall(r"h0", picture))
    assert 0 < shown <= 30
    rewards = [row[1][1] for row in front["rows"]]
    sizes = [row[2][1] for row in front["rows"]]
    assert rewards == sorted(rewards, reverse=True)
    assert sizes == sorted(sizes, reverse=True)
    unknown = searched(tmp_path, "unknown")  # a landscape counts no parameters
    assert fronts(Findings.of(unknown)) == []


def test_the_heat_map_is_a_table_with_names(tmp_path: Path) -> None:
    found = Findings.of(searched(tmp_path, budget=120))
    page = html_page([Shown(found, tmp_path / "store.sqlite")])
    heat = page[page.index('<table class="heat">') :]
    heat = heat[: heat.index("</table>")]
    told = behaviour_of(found.rows, found.space)
    for name in told.positions:
        assert f'<th scope="col" class="t"><span>{name}</span></th>' in heat
    assert '<th scope="row">101 to 120</th>' in heat
    first = told.windows[0].entropies
    cells = re.findall(r'<td class="h(\d+)">(\d+)</td>', heat)[: len(first)]
    assert [int(percent) for _, percent in cells] == [round(100 * share) for share in first]
    assert [int(strength) for strength, _ in cells] == [round(10 * share) for share in first]
    assert "darker" not in page


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
    rows = [row(n, (n % 2, n // 2 % 2), 0.2 + 0.4 * (n % 2)) for n in range(16)]
    worths = {(w.choice, w.option): w for w in behaviour_of(rows, space).worths}
    assert {choice for choice, _ in worths} == {"bit0", "bit1", "bit#"}
    of_choices = {
        place: (worth.count, pytest.approx(worth.difference))
        for place, worth in worths.items()
        if "#" not in place[0]
    }
    assert of_choices == {
        ("bit0", "0"): (8, -0.2), ("bit0", "1"): (8, 0.2),
        ("bit1", "0"): (8, 0.0), ("bit1", "1"): (8, 0.0),
    }  # fmt: skip
    # Both bits are one kind: of bit0 the ones have 0.6, of bit1 the mean, 0.4.
    of_kinds = [worth for (choice, _), worth in worths.items() if choice == "bit#"]
    assert [worth.count for worth in of_kinds] == [16, 16]
    assert sorted(w.difference for w in of_kinds) == pytest.approx([-0.1, 0.1])
    assert behaviour_of(rows[: LEAST - 1], space).worths == ()  # too few picks to say


def test_a_choice_without_a_like_is_no_kind() -> None:
    rows = [row(n, (n % 2,), 0.2 + 0.4 * (n % 2)) for n in range(2 * LEAST)]
    worths = behaviour_of(rows, BitString(1)).worths
    assert {worth.choice for worth in worths} == {"bit0"}


def test_a_kept_drawing_with_hatches_is_shortened_and_one_that_was_cut_is_left_out() -> None:
    style = "fill: url(#h1); stroke: #00f000; stroke-width: 1"
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 30 20"><defs><pattern id="h1"/>'
        f'</defs><rect style="{style}"/></svg>'
    )
    whole = kept_picture(svg)
    assert whole is not None
    short = unquote(whole.address)
    assert "fill:url(#a);stroke:#00f000;stroke-width:1" in short
    assert "id='a'" in short
    assert kept_picture(svg[:-20]) is None
