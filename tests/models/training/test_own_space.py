"""A space of the user's own with ``build`` alone: trained, loaded, predicted, exported."""

import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import nas_gym
from nas_gym import load_model
from nas_gym.cli.main import main
from nas_gym.errors import InvalidGenotype, InvalidModel, InvalidOption, UntrustedModule
from nas_gym.models.architectures import Found
from nas_gym.models.folder import checksum, fresh_model, write_model
from nas_gym.models.training.report import lines_of
from nas_gym.models.training.train import Trained
from nas_gym.networks.task import Task
from nas_gym.search_spaces.grammar import decode
from tests.models.conftest import example, logits, random_model
from tests.models.training.test_train import Cut, cut_after, stripes

TRUST = (__name__,)
TOKENS = (1, 0, 1)
TASK = Task(channels=3, height=8, width=8, classes=3)


class Twice(nn.Module):
    """One layer under two names, and a buffer of a type that ``model.py`` would not read."""

    def __init__(self, width: int, task: Any, reads: tuple[int, ...]) -> None:
        super().__init__()
        self.first = nn.Conv2d(task.channels, width, 3, padding=1)
        self.one = self.other = nn.Conv2d(width, width, 3, padding=1)
        self.end = nn.Linear(width, task.classes)
        self.register_buffer("mask", torch.tensor([i in reads for i in range(2)]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = self.other(self.one(self.first(images)).relu()).relu()
        return self.end(found.mean((2, 3)) * (1 + self.mask.sum()))


@dataclass(frozen=True)
class Own:
    """As in the guide: which earlier layers are read cannot be guessed from a genotype's JSON."""

    width: int = 4
    max_length = 3
    max_options = 2

    def choose(self, pick: Any) -> Any:
        width = pick("width", (self.width, 2 * self.width))
        return width, tuple(i for i in range(2) if pick(f"skip{i}", (False, True)))

    def build(self, genotype: Any, task: Any) -> nn.Module:
        return Twice(genotype[0], task, genotype[1])


@dataclass(frozen=True)
class NotPlain(Own):
    """A space that no other process can make again."""

    rule: Any = field(default_factory=object)


def train(to: Path, **changes: Any) -> Trained:
    space = Own(6)
    given: dict[str, Any] = {
        "model": Found(decode(space, TOKENS), space, tokens=TOKENS),
        "recipe": {"name": "quick", "epochs": 2, "batch_size": 16},
        "dataset": stripes(), "threads": 1, "trust": TRUST, **changes,
    }  # fmt: skip
    return nas_gym.train(given.pop("model"), to, **given)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(tmp_path_factory.mktemp("own") / "m")


def test_it_is_loaded_by_whoever_trusts_its_module(trained: Trained) -> None:
    assert not (trained.folder / "model.py").exists()
    with pytest.raises(UntrustedModule, match=rf"--trust {__name__}"):
        load_model(trained.folder)
    model = load_model(trained.folder, trust=TRUST)
    assert (model.space, model.genotype, model.tokens) == (Own(6), (12, (1,)), TOKENS)
    inputs = example(model, 3)
    assert torch.equal(logits(model.network, inputs), logits(trained.model.network, inputs))


def test_what_it_needs_is_said(trained: Trained) -> None:
    said, card = list(lines_of(trained)), (trained.folder / "README.md").read_text()
    assert "model.py" not in " ".join(said[:-1])
    assert f"IMAGE... --trust {__name__}` uses it" in said[-2]
    assert said[-1].startswith("there is no model.py, since Own has no method to_source")
    assert f"nas-gym predict FOLDER IMAGE... --trust {__name__}\n" in card
    assert "There is no model.py" in card
    assert "import model" not in card


def test_a_copy_and_a_model_in_place_of_one_with_source(trained: Trained, tmp_path: Path) -> None:
    write_model(random_model("nasbench201", 0), tmp_path / "m")
    assert (tmp_path / "m" / "model.py").exists()
    write_model(load_model(trained.folder, trust=TRUST), tmp_path / "m", replace=True)
    assert not (tmp_path / "m" / "model.py").exists()
    config = [json.loads((p / "config.json").read_text()) for p in (trained.folder, tmp_path / "m")]
    assert config[0] == config[1]


@pytest.mark.slow
def test_it_is_exported_as_onnx(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime = pytest.importorskip("onnxruntime")
    to = tmp_path / "shared"
    with pytest.raises(SystemExit) as ended:
        main(["export", str(trained.folder), "--to", str(to), "--onnx", "--trust", __name__])
    assert not ended.value.code
    assert "there is no model.py" in capsys.readouterr().err
    inputs = example(trained.model, 5)
    (found,) = runtime.InferenceSession(to / "model.onnx").run(
        ["logits"], {"images": inputs.numpy()}
    )
    expected = logits(trained.model.network, inputs)
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-4)


def test_a_cut_training_goes_on_by_its_folder(trained: Trained, tmp_path: Path) -> None:
    place = tmp_path / "m"
    with pytest.raises(Cut):
        train(place, say=cut_after(1))
    nas_gym.train(str(place), dataset=stripes(), resume=True, trust=TRUST)
    files = [folder / "model.safetensors" for folder in (place, trained.folder)]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.slow
def test_the_command_of_its_card_does_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    nas_gym.search(
        Own(6), {"name": "training", "dataset": "digits", "recipe": {"name": "quick", "steps": 2}},
        "random-search", budget=1, run="own",
    )  # fmt: skip
    first = nas_gym.train("own", "m", recipe={"name": "quick", "epochs": 1}, trust=TRUST)
    words = shlex.split(first.model.figures["command"])
    assert words[:5] == ["nas-gym", "train", "config.json", "--space", f"{__name__}:Own"]
    monkeypatch.chdir("m")
    with pytest.raises(SystemExit) as ended:
        main([*words[1:], "--to", "again"])
    assert not ended.value.code
    assert Path("again/model.safetensors").read_bytes() == Path("model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("space", "genotype", "error", "message"),
    [
        (NotPlain(), (4, ()), InvalidOption, "NotPlain could not be loaded again.*to_source"),
        (Own(), (4, (1,)), InvalidGenotype, "genotype_from_json"),
    ],
)
def test_what_could_not_be_loaded_is_not_trained(
    space: Any, genotype: Any, error: type, message: str, tmp_path: Path
) -> None:
    told: list[str] = []
    with pytest.raises(error, match=message):
        train(tmp_path / "m", model=Found(genotype, space), say=told.append)
    assert told == []
    with pytest.raises(error, match=message):
        write_model(fresh_model(space, genotype, TASK), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_class_that_has_changed_is_found_out(tmp_path: Path) -> None:
    space = Own()
    write_model(fresh_model(space, decode(space, TOKENS), TASK, tokens=TOKENS), tmp_path / "m")
    file = tmp_path / "m" / "config.json"
    config = json.loads(file.read_text()) | {"tokens": [1, 1, 1]}
    config.pop("checksum")
    file.write_text(json.dumps(config | {"checksum": checksum(config)}))
    with pytest.raises(InvalidModel, match="Own is not what it was"):
        load_model(tmp_path / "m", trust=TRUST)
