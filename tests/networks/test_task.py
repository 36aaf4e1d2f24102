import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from nas_gym.errors import InvalidOption, UnknownName
from nas_gym.networks.task import Task, task_from_json, task_to_json

TASK = Task(3, 32, 32, 10, repeats=6, filters=32, drop_path=0.4)
SAVED = {  # as stores and exports hold it from before the fields of convolutional networks
    "channels": 3, "height": 32, "width": 32, "classes": 10, "repeats": 6, "filters": 32,
    "stem": "cifar", "auxiliary": False, "drop_path": 0.4,
}  # fmt: skip


def test_what_older_stores_hold_is_still_what_is_recorded() -> None:
    assert task_to_json(TASK) == SAVED
    assert list(task_to_json(TASK)) == list(SAVED)
    assert task_from_json(SAVED) == TASK


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"width_multiplier": 0.5},
        {"more_filters": 40},
        {"drop_path_by_depth": True, "skip_reduction_input": True, "dropout": 0.5},
        {"batch_norm_eps": 1e-3, "batch_norm_momentum": 0.0003},
    ],
)
def test_tasks_come_back_from_json(change: dict[str, Any]) -> None:
    task = replace(TASK, **change)
    data = json.loads(json.dumps(task_to_json(task)))
    assert data == SAVED | change
    assert task_from_json(data) == task_from_json(asdict(task)) == task


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "a task is a JSON object"),
        ({"channels": 3}, "with the fields channels, height"),
        (SAVED | {"depth": 3}, "not {"),
        (SAVED | {"height": 8.5}, "height of a task is 8.5: give a whole number from 1 to 16384"),
        (SAVED | {"classes": True}, "classes of a task is True"),
        (SAVED | {"stem": 1}, "stem of a task is 1: give one of 'cifar', 'imagenet', 'pooled'"),
        (SAVED | {"auxiliary": 1}, "give true or false"),
        (SAVED | {"skip_reduction_input": "no"}, "give true or false"),
        (SAVED | {"dropout": 1.0}, "dropout of a task is 1.0"),
        (SAVED | {"batch_norm_eps": 0}, "batch_norm_eps of a task is 0"),
        (SAVED | {"batch_norm_momentum": 2}, "batch_norm_momentum of a task is 2"),
        (SAVED | {"width_multiplier": "half"}, "give a number above 0"),
    ],
)
def test_other_data_is_refused_in_a_sentence(data: object, message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        task_from_json(data)


def test_unknown_stems_get_a_hint() -> None:
    with pytest.raises(UnknownName, match="unknown stem of a task 'cifr': did you mean 'cifar'"):
        task_from_json(SAVED | {"stem": "cifr"})
