"""``nas-gym train --executor``: several seeds, each a job of an engine."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from nas_gym.cli.main import main
from nas_gym.errors import NASGymError
from nas_gym.models.training.many import train_many
from nas_gym.training.images import sources

OPTIONS = [
    "--recipe", "modern", "--epochs", "2", "--repeats", "1", "--filters", "4",
    "--set", "recipe.batch_size=16",
]  # fmt: skip
THREADS = [
    "--executor", "concurrent.futures:ThreadPoolExecutor", "--set", "executor.max_workers=2",
]  # fmt: skip


def trained(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["train", "darts-v1", *arguments, *OPTIONS])
    return (int(ended.value.code or 0), *capsys.readouterr())


@pytest.mark.slow
def test_seeds_as_jobs_are_the_same_as_one_after_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many, one = tmp_path / "many", tmp_path / "one"
    seeds = ("--seed", "4", "--seeds", "2", "--to", str(many), *THREADS)
    status, out, err = trained(*seeds, "--json", capsys=capsys)
    assert status == 0, err
    found = json.loads(out)
    assert [each["seed"] for each in found] == [4, 5]
    assert [Path(each["folder"]) for each in found] == [many / "seed-4", many / "seed-5"]
    assert trained("--seed", "5", "--to", str(one), "--threads", "1", capsys=capsys)[0] == 0
    weights = "model.safetensors"
    assert (many / "seed-5" / weights).read_bytes() == (one / weights).read_bytes()
    status, _, err = trained(*seeds, capsys=capsys)
    assert status == 2
    assert "has a training: go on with it with --resume" in err
    assert trained(*seeds, "--resume", capsys=capsys)[0] == 0


@pytest.mark.slow
def test_a_folder_is_decoded_once_for_all_seeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for label, name in enumerate(("cat", "dog")):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(15):
            picture = Image.new("RGB", (8, 8), (label * 100, number, 7))
            picture.save(tmp_path / "pets" / name / f"{number}.png")
    loaded: list[object] = []

    def noting(*args: Any, **options: Any) -> Any:
        loaded.append(load_dataset(*args, **options))
        return loaded[-1]

    load_dataset = sources.load_dataset
    monkeypatch.setattr(sources, "load_dataset", noting)
    options = ("--dataset", str(tmp_path / "pets"), "--image-size", "8", "--threads", "1")
    both = ("--seeds", "2", "--to", str(tmp_path / "m"), *options)
    status, _, err = trained(*both, capsys=capsys)
    assert (status, len(loaded)) == (0, 1), err
    assert (tmp_path / "m" / "seed-1" / "model.safetensors").is_file()


@pytest.mark.slow
def test_what_is_wrong_with_a_training_is_said(tmp_path: Path) -> None:
    engine = {"name": "concurrent.futures:ThreadPoolExecutor", "max_workers": 1}
    options = {"model": "darts-v1", "to": tmp_path / "m", "recipe": {"name": "no such"}}
    with pytest.raises(NASGymError, match="unknown recipe 'no such'"):
        train_many([options], engine)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--seeds", "2"], "--seeds is 2: say where the folders go"),
        (["--seeds", "0"], "--seeds is 0"),
        (THREADS, "give a folder that all share with --to"),
        ([*THREADS, "--to", "m", "--force"], "instead of --force remove what is in it"),
        (["--set", "executor.cpus=2"], "executor.cpus is given without an engine"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = trained(*arguments, capsys=capsys)
    assert status == 2
    assert err.count("\n") == 1
    assert says in err
