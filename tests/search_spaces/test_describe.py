import json

import pytest

from nas_gym.networks.task import Task
from nas_gym.search_spaces.describe import describe
from nas_gym.search_spaces.nasnet_cell.published import NASNET_A

# Name, parameters, output channels, output side.
CIFAR = [
    ("stem", 2_784, 96, 32),
    ("normal0", 40_384, 192, 32),
    ("normal1", 25_152, 192, 32),
    *((f"normal{i}", 28_224, 192, 32) for i in range(2, 6)),
    ("reduction0", 87_168, 256, 16),
    ("normal6", 81_024, 384, 16),
    ("normal7", 93_312, 384, 16),
    *((f"normal{i}", 101_504, 384, 16) for i in range(8, 12)),
    ("reduction1", 305_408, 512, 8),
    ("normal12", 301_312, 768, 8),
    ("normal13", 350_464, 768, 8),
    *((f"normal{i}", 383_232, 768, 8) for i in range(14, 18)),
    ("classifier", 7_690, 10, 1),
]
MOBILE = [
    ("stem", 928, 32, 111),
    ("stem0", 8_534, 44, 56),
    ("stem1", 13_948, 88, 28),
    ("normal0", 33_000, 264, 28),
    ("normal1", 42_680, 264, 28),
    ("normal2", 50_424, 264, 28),
    ("normal3", 50_424, 264, 28),
    ("reduction0", 153_648, 352, 14),
    ("normal4", 147_312, 528, 14),
    ("normal5", 170_544, 528, 14),
    ("normal6", 186_032, 528, 14),
    ("normal7", 186_032, 528, 14),
    ("reduction1", 555_104, 704, 7),
    ("normal8", 557_920, 1056, 7),
    ("normal9", 650_848, 1056, 7),
    ("normal10", 712_800, 1056, 7),
    ("normal11", 712_800, 1056, 7),
    ("classifier", 1_057_000, 1000, 1),
]


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("task", "rows"),
    [
        (Task(3, 32, 32, 10, repeats=6, filters=32), CIFAR),
        (Task(3, 224, 224, 1000, repeats=4, filters=44, stem="imagenet"), MOBILE),
    ],
)
def test_published_counts_by_cell(task: Task, rows: list[tuple[str, int, int, int]]) -> None:
    found = describe(NASNET_A, task)
    assert [(p.name, p.parameters, p.channels, p.height) for p in found.parts] == rows
    assert found.parameters == sum(part.parameters for part in found.parts)


@pytest.mark.slow
def test_large_as_json() -> None:
    task = Task(3, 331, 331, 1000, repeats=6, filters=168, stem="imagenet")
    data = json.loads(json.dumps(describe(NASNET_A, task).to_json()))
    assert data["parameters"] == 88_753_150
    assert round(data["multiply_adds"] / 1e8) == 238
    assert data["parts"][0] == {
        "name": "stem",
        "parameters": 2784,
        "channels": 96,
        "height": 165,
        "width": 165,
    }


def test_images_need_not_be_square() -> None:
    parts = describe(NASNET_A, Task(1, 8, 5, 10, filters=4, auxiliary=True)).parts
    assert [(p.name, p.height, p.width) for p in parts][-4:] == [
        ("reduction1", 2, 2),
        ("normal2", 2, 2),
        ("auxiliary", 1, 1),
        ("classifier", 1, 1),
    ]
