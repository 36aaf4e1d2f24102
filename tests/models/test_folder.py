"""A model comes back as it was written; what is damaged, or somebody else's, is one sentence."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from nas_gym import load_model
from nas_gym.errors import InvalidModel, NASGymError, UntrustedModule
from nas_gym.models import folder as folders
from nas_gym.models.folder import Model, write_model
from nas_gym.models.preprocessing import preprocessing_of
from tests.models.conftest import SPACES, example, logits, published_model, random_model


@pytest.mark.few(3)
@pytest.mark.parametrize("name", SPACES)
def test_a_model_comes_back(name: str, tmp_path: Path) -> None:
    model = random_model(name, 1)
    write_model(model, tmp_path / "m")
    again = load_model(tmp_path / "m")
    assert (again.space, again.genotype, again.task) == (model.space, model.genotype, model.task)
    assert again.preprocessing == model.preprocessing
    assert not again.network.training
    inputs = example(model, 2)
    assert torch.equal(logits(again.network, inputs), logits(model.network, inputs))


def test_a_trained_model_comes_back_with_the_normalisation_of_its_data(tmp_path: Path) -> None:
    from nas_gym.evaluators.trained.images import TrainingEvaluator

    model = random_model("nasnet-cell", 1)
    trainer = TrainingEvaluator(model.space, "digits", {"name": "quick", "epochs": 1})
    network = trainer.build(model.genotype)
    accuracy = trainer.train(network, 0).final_accuracy
    data = trainer.data
    preprocessing = preprocessing_of(data)
    trained = Model(
        network, model.space, model.genotype, trainer.task, preprocessing, {"accuracy": accuracy}
    )
    write_model(trained, tmp_path / "m")
    again = load_model(tmp_path / "m")
    assert again.figures == {"accuracy": accuracy}
    values = again.preprocessing.normalise(data.validation_images.float() / 16)
    torch.testing.assert_close(values, data.normalise(data.validation_images))
    right = logits(again.network, values).argmax(1) == data.validation_labels
    assert right.float().mean().item() == pytest.approx(accuracy, abs=0.01)
    assert f"| accuracy | {accuracy:.6g} |" in (tmp_path / "m" / "README.md").read_text()


def test_an_older_model_is_replaced_and_other_files_are_left_alone(
    folder: Path, tmp_path: Path
) -> None:
    place = Path(shutil.copytree(folder, tmp_path / "m"))
    (place / "notes.txt").write_text("mine")
    with pytest.raises(InvalidModel, match="has a model in it"):
        write_model(random_model("nasbench201", 0), place)
    write_model(random_model("nasbench201", 0), place, replace=True)
    assert type(load_model(place).space).__name__ == "NASBench201"
    assert (place / "notes.txt").read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m"]


def test_a_folder_of_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("mine")
    with pytest.raises(InvalidModel, match="has files and no model in it"):
        write_model(random_model("nasbench201", 0), tmp_path)
    assert (tmp_path / "model.py").read_text() == "mine"


def flip(place: Path, name: str, position: float) -> None:
    data = bytearray((place / name).read_bytes())
    data[int(position * (len(data) - 1))] ^= 1
    (place / name).write_bytes(data)


@pytest.mark.parametrize("name", ["config.json", "preprocess.json", "model.safetensors"])
@pytest.mark.parametrize("position", [0, 0.1, 0.35, 0.5, 0.77, 1])
def test_a_flipped_bit_is_found(name: str, position: float, folder: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(folder, tmp_path / "m"))
    flip(place, name, position)
    with pytest.raises(InvalidModel, match=re.escape(str(place))) as error:
        load_model(place)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["config.json", "preprocess.json", "model.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "folder", "other"])
def test_damage_is_one_sentence(name: str, damage: str, folder: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(folder, tmp_path / "m"))
    file = place / name
    content = file.read_bytes()
    file.unlink()
    if damage == "folder":
        file.mkdir()
    elif damage != "gone":
        file.write_bytes({"cut": content[:-9], "empty": b"", "other": b"\x80\x04K\x01."}[damage])
    with pytest.raises(InvalidModel) as error:
        load_model(place)
    assert str(place) in str(error.value)
    assert "\n" not in str(error.value)


def forged(place: Path, **changes: Any) -> Path:
    """Change the configuration, under right checksums: they are public."""
    config = json.loads((place / "config.json").read_text()) | changes
    config.pop("checksum")
    config["sha256"] = {n: folders.sha256_of(place / n) for n in config["sha256"]}
    config["checksum"] = folders.checksum(config)
    (place / "config.json").write_text(json.dumps(config))
    return place


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"space": {"name": "os:getcwd"}}, UntrustedModule, "--trust os"),
        ({"space": "nasnet-cell"}, InvalidModel, "does not say of which search space"),
        ({"space": {"name": "unknown"}}, NASGymError, "unknown"),
        ({"architecture": {}}, InvalidModel, "no model that can be built"),
        ({"task": {"channels": 3}}, InvalidModel, "no model that can be built"),
        ({"task": {"channels": 3, "height": 12, "width": 12, "classes": 5, "filters": 8}},
         InvalidModel, "that of another network"),
        ({"format": 2}, InvalidModel, 'does not say "format": 1'),
        ({"format": True}, InvalidModel, 'does not say "format": 1'),
    ],
)  # fmt: skip
def test_what_somebody_forged_is_one_sentence(
    changes: dict[str, Any], error: type, message: str, folder: Path, tmp_path: Path
) -> None:
    place = forged(Path(shutil.copytree(folder, tmp_path / "m")), **changes)
    with pytest.raises(error, match=message):
        load_model(place)


def test_weights_of_another_network_are_refused(folder: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(folder, tmp_path / "m"))
    write_model(published_model("amoebanet-a"), tmp_path / "other")
    shutil.copy(tmp_path / "other" / "model.safetensors", place)
    with pytest.raises(InvalidModel, match="weights of another network"):
        load_model(forged(place))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("how", ["gone", "more", "int8", "float16", "float64", "complex64", "bool"])
def test_no_weight_stays_fresh_or_is_rounded(how: str, tied: bool, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    write_model(random_model("rnn-cell", 1, tied=tied), tmp_path / "m")
    file = tmp_path / "m" / "model.safetensors"
    weights = load_file(file)
    if how == "gone":
        del weights["embedding.weight" if tied else "decoder.weight"]
    elif how == "more":
        weights["decoder.weight" if tied else "more"] = torch.zeros(23, 6)
    else:
        weights["decoder.bias"] = weights["decoder.bias"].to(getattr(torch, how))
    save_file(weights, file)
    with pytest.raises(InvalidModel, match="weights of another network"):
        load_model(forged(tmp_path / "m"))


@pytest.mark.skipif(os.name != "posix", reason="makes pipes and devices")
@pytest.mark.parametrize("name", ["config.json", "preprocess.json", "model.safetensors"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_is_not_waited_for(
    name: str, kind: str, folder: Path, tmp_path: Path
) -> None:
    place = Path(shutil.copytree(folder, tmp_path / "m"))
    (place / name).unlink()
    if kind == "pipe":
        os.mkfifo(place / name)
    else:
        (place / name).symlink_to("/dev/zero")
    with pytest.raises(InvalidModel, match="it is no file"):
        load_model(place)


@pytest.mark.parametrize(
    "giant",
    [{"filters": 2**16}, {"classes": 2**20, "filters": 512}, {"repeats": 100, "filters": 2000}],
)
def test_a_giant_is_refused_before_it_takes_memory(
    giant: dict[str, int], folder: Path, tmp_path: Path
) -> None:
    place = Path(shutil.copytree(folder, tmp_path / "m"))
    task = json.loads((place / "config.json").read_text())["task"] | giant
    preprocess = json.loads((place / "preprocess.json").read_text())
    preprocess["classes"] = list(map(str, range(task["classes"])))
    (place / "preprocess.json").write_text(json.dumps(preprocess))
    with pytest.raises(InvalidModel, match=r"more than|it has"):
        load_model(forged(place, task=task))


def test_model_py_is_never_run(folder: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(folder, tmp_path / "m"))
    (place / "model.py").write_text("raise SystemExit(3)")
    load_model(place)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="limits a file's size")
def test_a_disk_that_fills_leaves_the_old_model(folder: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(folder, tmp_path / "m"))
    code = f"""
import resource, signal, sys
from nas_gym import load_model
from nas_gym.errors import InvalidModel
from nas_gym.models.folder import write_model
model = load_model({str(place)!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    write_model(model, {str(place)!r}, replace=True)
except InvalidModel as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "what was there is unchanged" in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    load_model(place)


def test_no_torch_is_needed_to_refuse() -> None:
    code = """
import sys
from nas_gym.cli.main import main
try:
    main(["predict", "nowhere", "x.png"])
except SystemExit as error:
    assert error.code == 2, error.code
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "nowhere is no model" in done.stderr
