"""What the page of shared weights says, on orders that are known."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.learning.weight_sharing import (
    KINDS,
    Answers,
    agreement,
    random_orders,
    read_table,
    section,
    subsets,
)
from nas_gym.search_spaces.nasbench201.space import NASBench201


def rows(count: int, shared: list[float], parameters: list[float]) -> list[dict[str, str]]:
    return [
        {
            "space": "s", "sampling": sampling, "norms": norms, "seed": "0", "recipe": "{}",
            "tokens": str(cell), "shared": str(shared[cell]),
            "parameters": str(parameters[cell]), "multiply_adds": "1", "seconds": "1.0",
        }
        for sampling, norms in KINDS for cell in range(count)
    ]  # fmt: skip


@pytest.mark.slow
def test_the_gate_is_passed_only_above_parameters() -> None:
    count = 30
    truth = {(cell,): cell / 100 for cell in range(count)}
    right, wrong = [float(c) for c in range(count)], [float(-c) for c in range(count)]
    page = "\n".join(section("s", truth, rows(count, right, wrong)))
    assert "is passed" in page
    assert "| 1.00 \\| 1.00 |" in page
    assert "| -1.00 \\| -1.00 |" in page
    for shared, parameters in ((right, right), (wrong, wrong)):
        assert "NOT passed" in "\n".join(section("s", truth, rows(count, shared, parameters)))
    assert "no answers of supernets yet" in "\n".join(section("s", truth, []))


def test_subsets_are_the_best_by_the_truth_and_constants_say_nothing() -> None:
    truth = np.arange(60) / 100
    parts = subsets(truth)
    assert [len(part) for part in parts] == [60, 20, 6]
    assert set(parts[2]) == set(range(54, 60))
    assert agreement(truth, np.zeros(60)) == (0.0, 0.0)
    assert abs(float(np.mean(random_orders(20)))) < 0.05


def test_a_table_is_read_with_its_gaps(tmp_path: Path) -> None:
    texts = [
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "|nor_conv_1x1~0|+|none~0|none~1|+|none~0|none~1|none~2|",
    ]
    accuracy = np.array([[0.5, 0.7], [0.4, np.nan], [np.nan, np.nan]])
    np.savez(tmp_path / "t.npz", architecture=texts, accuracy=accuracy)
    known = read_table(tmp_path / "t.npz", NASBench201())
    assert known == {(0,) * 6: pytest.approx(0.6), (3, 0, 0, 0, 0, 0): pytest.approx(0.4)}


def test_answers_go_on_from_their_file_and_recipes_are_kept_apart(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    for steps in (1, 2):
        row: dict[str, object] = dict(rows(1, [0.5], [1.0])[0])
        Answers(file).add({**row, "recipe": json.dumps({"steps": steps})})
    again = Answers(file)
    assert len(again.rows) == 2
    (only,) = again.of({"steps": 2})
    assert only["shared"] == "0.5"
