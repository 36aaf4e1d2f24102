"""The benchmark of ways of paying less: what is charged, who reaches the yardstick, and when."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.learning import cheapest
from benchmarks.learning.cheapest import Job, Way, searched
from benchmarks.learning.cheapest_parts.losses import PARTS, Found, least, page, verdict
from benchmarks.learning.fidelity import QUICK
from benchmarks.learning.weight_sharing import FIELDS
from nas_gym.registry import make

SETTING = replace(QUICK, evaluations=6)
YARDSTICK = Way("whole", {"name": "random-search"})


def test_a_way_pays_within_its_share_of_its_own_yardstick() -> None:
    whole = searched(Job(SETTING, YARDSTICK, 1))
    assert whole.trained.tolist() == [54.0]  # 6 x 9 epochs of a second
    asha = {"name": "asha", "proposer": "random-search"}
    found = searched(Job(SETTING, Way("asha", asha), 1, 0.0, float(whole.trained[0])))
    limits = [54 / part for part in PARTS]
    assert (found.trained <= limits).all()
    assert found.trained[-1] > found.trained[-3] > 0
    for paid, (unseen, last) in zip(found.trained, found.quality, strict=True):
        assert np.isnan(unseen) == (paid == 0)  # before the first answer nothing is handed over
        assert paid == 0 or unseen == last > 0.5
    assert not found.scoring.any()


@pytest.mark.slow
def test_scoring_is_charged_whether_values_are_kept_or_not(tmp_path: Path) -> None:
    way = next(
        way for way in cheapest.ways(3, 4, str(tmp_path / "kept.jsonl"))
        if way.name == "best of 4 by parameters, whole trainings"
    )  # fmt: skip
    first, again = (searched(Job(SETTING, way, 1, 2.0, 54.0)) for _ in range(2))
    assert first.scoring[-1] == again.scoring[-1]
    assert 2 * 45 < first.scoring[-1] <= 2 * 54  # a pool of 50 and 4, few of them drawn twice


def test_every_way_can_be_made() -> None:
    for way in cheapest.ways(3, 30, "kept.jsonl"):
        make("agent", dict(way.agent))


def found(*unseen: float) -> Found:
    """Return what a search hands over at the latest shares."""
    missing = [np.nan] * (len(PARTS) - len(unseen))
    column = np.array([*missing, *unseen])
    return Found(np.stack([column, column], axis=1), np.ones(len(PARTS)), np.ones(len(PARTS)))


def test_the_least_share_is_one_from_which_on_nothing_is_lost() -> None:
    yardstick = np.full((20, 2), 0.9)
    assert least([found(0.9, 0.9)] * 20, yardstick) == len(PARTS) - 2
    assert least([found(0.9, 0.8, 0.91)] * 20, yardstick) == len(PARTS) - 1
    assert least([found(0.8)] * 20, yardstick) is None
    one_has_none = [*[found(0.9, 0.9)] * 19, found(0.9)]
    assert least(one_has_none, yardstick) == len(PARTS) - 1
    assert least([found(0.9, 0.9)] * 19, yardstick[:19]) is None  # too few to say that none is lost


def test_the_page_says_what_each_way_costs() -> None:
    whole = [Found(np.full((1, 2), 0.9), np.full(1, 300.0), np.zeros(1))] * 20
    good, bad = [found(*[0.9] * len(PARTS))] * 20, [found(0.8)] * 20
    alone = [Found(np.full((1, 2), 0.7), np.zeros(1), np.full(1, 5.0))] * 20
    text = page(QUICK, whole, {"good": good, "bad": bad}, {"alone": alone}, {("parameters",): 0.25})
    assert "| good | 1/1000 | 1 | 1/300 | 1/150 | +0.00 (+0.00 to +0.00) |" in text
    assert "| bad | more than 1/3 | - | - | - | -10.00 (" in text
    assert "| alone | 5 | -20.00 (" in text
    assert "is reached: the cheapest found, with 1/1000 at most: `good`." in text
    assert "0.25 s by parameters" in text
    assert "1/100 of the seconds paid, 1 of the ways lose nothing significant" in text
    assert "| good | 1 | 1 | +0.00 (+0.00 to +0.00) | +0.00 (+0.00 to +0.00) | yes |" in text
    assert "| bad | 1 | 1 | - | - | no |" in text
    assert "MISSED" in verdict({"x": 50})


def test_a_supernet_pays_for_its_training_and_its_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cheapest, "RESULTS", tmp_path)
    whole = [Found(np.full((1, 2), 0.9), np.full(1, 300.0), np.zeros(1))] * 2
    assert cheapest.supernets(SETTING, [1, 2], whole) == {}
    cells = [(3, 3, 3, 3, 3, 3), (3, 0, 0, 1, 2, 4), (0, 1, 2, 3, 4, 0)]
    with (tmp_path / "weight_sharing.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, FIELDS)
        rows.writeheader()
        for seed, seconds in ((0, 50.5), (1, 60.5)):
            for place, cell in enumerate(cells):
                rows.writerow({
                    "space": "nasbench201", "sampling": "uniform", "norms": "batch", "seed": seed,
                    "recipe": "{}", "tokens": " ".join(map(str, cell)),
                    "shared": 1.0 * (place == seed),
                    "seconds": 0.5 if place else seconds,
                })  # fmt: skip
            rows.writerow({"space": "nasnet-cell", "recipe": "{}"})
    ((name, each),) = cheapest.supernets(SETTING, [1, 2], whole).items()
    assert name == "shared weights, uniform, norms batch"
    # 60 seconds of training, the longer one, and 3 answers: more than a fifth of 300, not a third.
    for search, best in zip(each, (cells[1], cells[0]), strict=True):
        assert search.trained.tolist() == [0.0] * (len(PARTS) - 1) + [61.5]
        assert np.isnan(search.quality[:-1]).all()
        evaluator = cheapest.evaluator_of(json.dumps(SETTING.evaluator))
        assert search.quality[-1].tolist() == [evaluator.accuracy(best)] * 2
