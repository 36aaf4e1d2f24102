"""Predictions of files, by the command as a user has it."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nas_gym
from nas_gym.cli.main import main
from nas_gym.errors import InvalidDataset
from nas_gym.models.folder import Model, fresh_model, write_model
from nas_gym.models.predict import predict
from nas_gym.models.preprocessing import ImagePreprocessing, TextPreprocessing
from tests.models.conftest import random_model


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    place = tmp_path / "pictures" / "sub"
    place.mkdir(parents=True)
    for i in range(3):
        values = np.random.default_rng(i).integers(0, 256, (30, 20, 3), dtype=np.uint8)
        Image.fromarray(values).save(place / f"{i}.png")
    return place.parent


def test_classes_of_images_and_folders(
    folder: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = pictures / "sub" / "1.png"
    status, out, _ = run(capsys, "predict", folder, pictures, one, "--json", "--top", "2")
    found = json.loads(out)
    assert status == 0
    assert [Path(each["path"]).name for each in found] == ["0.png", "1.png", "2.png", "1.png"]
    for was, alone in zip(found[1]["classes"], found[3]["classes"], strict=True):
        assert was["class"] == alone["class"]
        assert was["probability"] == pytest.approx(alone["probability"])
    assert all(len(each["classes"]) == 2 for each in found)
    assert run(capsys, "predict", folder, one, "--device", "cpu") == run(
        capsys, "predict", folder, one
    )
    status, out, _ = run(capsys, "predict", folder, one)
    assert status == 0
    assert out.startswith(f"{one}: ")


class Brightest:
    """A network that tells by the mean of the first channel; to see what arrives."""

    def __call__(self, images: Any) -> Any:
        mean = images[:, 0].mean((1, 2))
        import torch

        return torch.stack([mean, -mean], 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_values_are_those_of_the_data(channels: int, tmp_path: Path) -> None:
    preprocessing = ImagePreprocessing(
        4, 4, (0.5,) * channels, (0.25,) * channels, ("light", "dark"), 16.0
    )
    Image.new("RGB", (9, 5), (255, 255, 255)).save(tmp_path / "white.png")
    Image.new("RGB", (5, 9), (0, 0, 0)).save(tmp_path / "black.png")
    values = preprocessing.from_files([tmp_path / "white.png", tmp_path / "black.png"])
    assert values.shape == (2, channels, 4, 4)
    assert values[0].flatten().tolist() == pytest.approx([2.0] * 16 * channels)
    assert values[1].flatten().tolist() == pytest.approx([-2.0] * 16 * channels)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{folder}"], "no file is given"),
        (["{folder}", "nowhere.png"], "nowhere.png is not there"),
        (["{folder}", "{tmp}/empty"], "has no images in it"),
        (["{folder}", "{tmp}/text.png"], "text.png cannot be read as an image"),
        (["{folder}", "{tmp}/text.png", "--top", "0"], "--top is 0"),
        (["{tmp}", "{tmp}/text.png"], "is no model"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], message: str, folder: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.png").write_text("no image")
    given = [argument.format(folder=folder, tmp=tmp_path) for argument in arguments]
    status, out, err = run(capsys, "predict", *given)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_perplexity_of_a_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = random_model("rnn-cell", 0)
    words = ("<unk>", "<eos>", *(f"w{i}" for i in range(21)))
    write_model(
        Model(model.network, model.space, model.genotype, model.task,
              TextPreprocessing("word", words)), tmp_path / "m",
    )  # fmt: skip
    (tmp_path / "text.txt").write_text("w1 w2 w3\nw4 other\n")
    status, out, _ = run(capsys, "predict", tmp_path / "m", tmp_path / "text.txt", "--json")
    (found,) = json.loads(out)
    assert status == 0
    assert (found["entries"], found["unknown"]) == (7, 1)
    assert 1 < found["perplexity"] < 100


def test_export_and_predict_in_one_line_each(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    cell = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"
    to = tmp_path / "m"
    sizes = ["--repeats", "1", "--filters", "4", "--image-size", "8", "--classes", "3"]
    status, out, err = run(capsys, "export", cell, "--to", to, *sizes)
    assert (status, "fresh" in err) == (0, True)
    assert str(to / "model.py") in out.splitlines()
    assert run(capsys, "export", to, "--to", tmp_path / "again")[0] == 0
    weights = [(p / "model.safetensors").read_bytes() for p in (to, tmp_path / "again")]
    assert weights[0] == weights[1]
    assert "has a model in it" in run(capsys, "export", cell, "--to", to)[2]
    monkeypatch.chdir(pictures.parent)
    status, out, err = run(capsys, "predict", to, pictures.name)  # a bare name, as people type it
    assert (status, "fresh" in err) == (0, True)
    assert len(out.splitlines()) == 3


@pytest.mark.few(1)
@pytest.mark.parametrize("given", ["mine", "runs/mine"])
def test_a_run_is_to_be_trained_first(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "mine is no model" in run(capsys, "predict", given, "cat.png")[2]
    table = {"space": "nasbench201", "evaluator": "nasbench201", "agent": "random-search"}
    nas_gym.search(**table, budget=2, run="mine")
    run(capsys, "report", "mine")
    status, out, err = run(capsys, "predict", given, "cat.png")
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert (
        f"{given} is a run, not a model: train its best architecture first, `nas-gym train" in err
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["r", "--filters", "3"], "--filters is only for a network: give --to FOLDER"),
        (["r", "--to", "m"], "best-1.json"),
        (["nasnet-a", "--to", "m", "--hidden", "3"], "--hidden says nothing about nasnet-a"),
        (["nasnet-a", "--to", "m", "--out", "x"], "--out does not go with --to"),
    ],
)
def test_options_of_the_other_kind_are_refused(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    status, _, err = run(capsys, "export", *arguments)
    assert status == 2
    assert message in err
    assert not (tmp_path / "m").exists()


def test_fresh_weights_follow_from_the_seed() -> None:
    from nas_gym.search_spaces.nasbench201.genotype import NASBench201Genotype

    model = random_model("nasbench201", 0)
    assert isinstance(model.genotype, NASBench201Genotype)
    a, b, c = (
        fresh_model(model.space, model.genotype, model.task, seed).network.state_dict()
        for seed in (0, 0, 1)
    )
    assert all(bool((a[n] == b[n]).all()) for n in a)
    assert any(bool((a[n] != c[n]).any()) for n in a)


@pytest.mark.skipif(os.name != "posix", reason="makes pipes and devices")
@pytest.mark.parametrize("name", ["nasnet-cell", "rnn-cell"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_is_not_waited_for(name: str, kind: str, tmp_path: Path) -> None:
    place = tmp_path / "x.png"
    if kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to("/dev/zero")
    with pytest.raises(InvalidDataset, match="is no file"):
        list(predict(random_model(name, 1), [str(place)]))
