"""A data set that cannot be used is refused by ``gym.make`` or ``reset``, never by an episode."""

import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image

import nas_gym
from nas_gym.errors import InvalidDataset, InvalidOption

TEXT = {"train": "a b c\n" * 40, "valid": "a b\n" * 20, "test": "b c\n" * 20}


def text_folder(folder, **changes):
    folder.mkdir(exist_ok=True)
    for part, content in (TEXT | changes).items():
        if content is not None:
            (folder / f"ptb.{part}.txt").write_bytes(content.encode("latin-1"))
    return str(folder)


def image_folder(folder, classes=("cat", "dog"), count=6):
    random = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return str(folder)


@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
def test_make_refuses_what_names_tell(tmp_path, make):
    with pytest.raises(InvalidDataset, match=r"has no ptb\.test\.txt"):
        make("NASRNNCell-v0", dataset=text_folder(tmp_path / "text", test=None))
    with pytest.raises(InvalidDataset, match=r"has no train\.txt"):
        make("NASRNNCell-v0", dataset=image_folder(tmp_path / "images"))
    with pytest.raises(InvalidDataset, match="has 1 class: give at least 2"):
        make("NASNetCell-v0", dataset=image_folder(tmp_path / "one", classes=("cat",)))
    with pytest.raises(InvalidDataset, match="holds parts, not classes"):
        make("NASConvNet-v0", dataset=image_folder(tmp_path / "parts", classes=("Train", "Test")))
    with pytest.raises(InvalidDataset, match="has no folders"):
        make("NASNetCell-v0", dataset=text_folder(tmp_path / "text"))
    np.savez(tmp_path / "x.npz", pictures=np.zeros((9, 8, 8), np.uint8))
    with pytest.raises(InvalidDataset, match="has the arrays pictures: expected images and labels"):
        make("NASNetCell-v0", dataset=str(tmp_path / "x.npz"))


def test_make_refuses_a_share_of_a_part_that_is_there(tmp_path):
    for part in ("train", "test"):
        image_folder(tmp_path / part)
    gym.make("NASNetCell-v0", dataset=str(tmp_path), validation=0.2)
    with pytest.raises(InvalidOption, match="has its own test part: leave out the option 'test'"):
        gym.make("NASNetCell-v0", dataset=str(tmp_path), test=0.2)


def test_make_reads_no_image_and_imports_no_torch(tmp_path):
    folder = image_folder(tmp_path / "images")
    (tmp_path / "images" / "dog" / "0.png").write_bytes(b"no image at all")
    program = (
        "import sys, gymnasium, nas_gym\n"
        f"gymnasium.make('NASNetCell-v0', dataset={folder!r})\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=200)


@pytest.mark.parametrize("workers", [None, 0, 1])
@pytest.mark.parametrize("kind", ["text", "short text", "image", "not there"])
def test_reset_refuses_what_only_reading_tells(tmp_path, kind, workers):
    """Without an episode, without a worker that starts."""
    place, options = "NASNetCell-v0", {}
    if kind == "image":
        options["dataset"] = image_folder(tmp_path / "images")
        (tmp_path / "images" / "dog" / "0.png").write_bytes(b"no image at all")
        message = "0.png cannot be read as an image"
    elif kind == "not there":
        options |= {"dataset": "cifar10", "folder": str(tmp_path)}
        message = "cifar10 is not in"
    else:
        place = "NASRNNCell-v0"
        changes = {"valid": "caf\xe9\n"} if kind == "text" else {"valid": "a b\n"}
        options["dataset"] = text_folder(tmp_path / "text", **changes)
        message = "is not UTF-8" if kind == "text" else "give a longer text"
    if workers is None:
        env = gym.make(place, **options)
    else:
        env = gym.make_vec(place, num_envs=2, workers=workers, **options)
    with pytest.raises(InvalidDataset, match=message):
        env.reset(seed=0)
    env.close()


def test_search_refuses_before_its_agent_is_asked(tmp_path):
    class Agent:
        batch_size = 1

        def search(self, env):
            raise AssertionError("it was asked")

    with pytest.raises(InvalidDataset, match="is not UTF-8"):
        nas_gym.search(
            "rnn-cell",
            {"name": "language-model", "dataset": text_folder(tmp_path, valid="caf\xe9\n")},
            Agent(),
            budget=1,
        )


def test_an_evaluator_is_settled_once_before_the_first_episode():
    class Settled:
        stateful = False
        calls = 0

        def settle(self):
            self.calls += 1

        def evaluate(self, architectures, seeds):
            raise AssertionError("it was asked")

        def close(self):
            pass

    for make in (gym.make, gym.make_vec):
        evaluator = Settled()
        env = make("NASBench201-v0", evaluator=evaluator)
        assert evaluator.calls == 0
        for _ in range(3):
            env.reset(seed=0)
        assert evaluator.calls == 1
