"""A limit of memory that is too little for the data is named, whatever reads the data."""

import pickle
from pathlib import Path

import numpy as np
import pytest

import nas_gym
from nas_gym.errors import InvalidDataset, InvalidOption, NASGymError
from nas_gym.evaluators.workers.worker import _of_the_limit


def test_the_option_is_named_when_data_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 255, (600, 64, 64)).astype(np.uint8)
    np.savez("images.npz", images=images, labels=np.arange(600) % 3)
    evaluator = {"name": "training", "dataset": "images.npz"}
    with pytest.raises(InvalidOption) as refused:
        nas_gym.search(
            "nasbench201", evaluator, "random-search", budget=1, workers=1, memory_limit=0.001
        )
    said = str(refused.value)
    assert said.startswith("a child may allocate 0.001 GiB, which is too little to read its data (")
    assert said.endswith("give more with --memory-limit (memory_limit), or inf for no limit")


def test_other_errors_stay_what_they_are() -> None:
    def raised(cause: BaseException) -> NASGymError:
        try:
            raise InvalidDataset("it cannot be read") from cause
        except InvalidDataset as error:
            return error

    for cause in (ValueError("no number"), OSError(2, "No such file")):
        error = raised(cause)
        assert _of_the_limit(error, 1.0) is error
    for cause in (MemoryError(), OSError(12, "Cannot allocate memory")):
        found = _of_the_limit(raised(cause), 1.0)
        assert "--memory-limit" in str(pickle.loads(pickle.dumps(found)))
