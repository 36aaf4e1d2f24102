"""A folder that is streamed is the one that is read whole, and what it gives depends on no worker.

Data workers are real processes here; one of them is really killed.
"""

import dataclasses
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from torch import nn

from nas_gym.errors import InvalidDataset, InvalidOption, NASGymError
from nas_gym.training.images.crops import random_box, read_square
from nas_gym.training.images.decoding import read_picture
from nas_gym.training.images.recipe import Recipe
from nas_gym.training.images.sources import image_folder
from nas_gym.training.images.splitting import sample_of
from nas_gym.training.images.stream import StreamedDataset, stream_folder
from nas_gym.training.images.stream_feed import StreamFeed
from nas_gym.training.images.train import ImageTraining
from nas_gym.training.loop import seeded
from nas_gym.training.processes import Processes

CPU = torch.device("cpu")
SIDE = 24
PARTS = ("train", "validation", "test")
PLAIN = Recipe(epochs=2, batch_size=8, learning_rate=0.05)
VARIED = dataclasses.replace(
    PLAIN, flip=True, resized_crop=0.2, crop_padding=3, cutout=6, rand_augment=2,
    random_erasing=0.5, mixup=0.2, cutmix=1.0,
)  # fmt: skip
Batches = list[tuple[torch.Tensor, torch.Tensor]]


def write_classes(folder: Path, count: int, seed: int = 0) -> Path:
    """Images of several formats and sizes, none so large that a JPEG is decoded at half of it."""
    rng = np.random.default_rng(seed)
    for label, name in enumerate(("cat", "dog", "eel")):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            height, width = rng.integers(SIDE - 4, 2 * SIDE - 1, 2)
            pixels = rng.integers(0, 200, (height, width, 3)).astype(np.uint8)
            pixels[:, :, label] += 55
            image, path = Image.fromarray(pixels), folder / name / str(number)
            if number % 4 == 0:
                exif = Image.Exif()
                exif[0x0112] = 1 + number % 8
                image.save(path.with_suffix(".jpg"), exif=exif)
            elif number % 4 == 1:
                image.convert("L").save(path.with_suffix(".jpg"))
            elif number % 4 == 2:
                image.putalpha(int(rng.integers(256)))
                image.save(path.with_suffix(".png"))
            else:
                image.save(path.with_suffix(".bmp"))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_classes(tmp_path_factory.mktemp("images") / "pets", 13)


@pytest.fixture(scope="module")
def streamed(folder) -> StreamedDataset:
    return stream_folder(folder, SIDE, validation=0.2, test=0.1, workers=0)


def feed_of(data: StreamedDataset, recipe: Recipe = VARIED, seed: int = 3, workers: int = 0,
            processes: Processes | None = None) -> StreamFeed:  # fmt: skip
    data = dataclasses.replace(data, workers=workers)
    return data.feed(recipe, seed, CPU, processes or Processes())


def taken(feed: StreamFeed, count: int) -> Batches:
    return [feed.next() for _ in range(count)]


def assert_equal(one: Batches, other: Batches) -> None:
    assert len(one) == len(other)
    for (images, labels), (others, their) in zip(one, other, strict=True):
        assert torch.equal(images, others)
        assert torch.equal(labels, their)


# ---------------------------------------------------------------- the same as read whole


def parts_of(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        write_classes(folder / name, 6 if name != "train" else 9, number)
    return folder


@pytest.mark.parametrize("own", [(), ("train", "val", "test"), ("train", "val"), ("train", "test")])
def test_a_folder_is_the_same_as_read_whole(tmp_path, own):
    root = tmp_path / "data"
    root = parts_of(root, *own) if own else write_classes(root, 12)
    whole, data = image_folder(root, SIDE), stream_folder(root, SIDE, workers=0)
    for name in ("name", "image_shape", "classes", "class_names", "white"):
        assert getattr(data, name) == getattr(whole, name)
    assert torch.equal(data.mean, whole.mean)
    assert torch.equal(data.deviation, whole.deviation)
    assert data.summary.counts == whole.summary.counts
    feed = feed_of(data)
    for part in PARTS:
        labels = getattr(whole, f"{part}_labels")
        images = whole.normalise(getattr(whole, f"{part}_images"))
        assert torch.equal(getattr(data, f"{part}_labels"), labels)
        batches = list(feed.part(part))
        assert torch.equal(torch.cat([batch[0] for batch in batches]), images)
        assert torch.equal(torch.cat([batch[1] for batch in batches]), labels)


def test_a_pass_without_variation_has_each_image_once(streamed):
    feed = feed_of(streamed, dataclasses.replace(PLAIN, batch_size=9))
    images = streamed.normalise(
        torch.stack([torch.from_numpy(read_picture(path, SIDE).pixels.copy())
                     for path in streamed.paths["train"]])
    )  # fmt: skip
    assert feed.batches * 9 == len(images) == 27
    known = {image.numpy().tobytes(): int(label)
             for image, label in zip(images, streamed.train_labels, strict=True)}  # fmt: skip
    orders = []
    for _ in range(2):
        found = [
            (image.contiguous().numpy().tobytes(), int(label))
            for batch in taken(feed, 3)
            for image, label in zip(*batch, strict=True)
        ]
        assert dict(found) == known
        orders.append(found)
    assert orders[0] != orders[1]


BOX = (10, 40, 210, 280)  # of an upright image


@pytest.mark.parametrize("turn", [1, 6, 8])
def test_a_large_jpeg_is_decoded_smaller_and_looks_the_same(tmp_path, turn):
    ramp = np.add.outer(np.arange(300), np.arange(400)) * 255 // 700
    path, exif = tmp_path / "large.jpg", Image.Exif()
    exif[0x0112] = turn
    pixels = np.stack([ramp, ramp[::-1], ramp], -1).astype(np.uint8)
    Image.fromarray(pixels).save(path, exif=exif, quality=95)
    square, whole = read_square(str(path), 40), read_picture(str(path), 40)
    assert (square.size, square.notes) == (whole.size, whole.notes)
    seen = np.asarray(square.image).transpose(2, 0, 1).astype(int)
    assert 0 < np.abs(seen - whole.pixels).mean() < 1.5
    assert np.abs(seen - whole.pixels).max() < 8
    part = np.asarray(read_square(str(path), 40, lambda *_: BOX).image).astype(int)
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)
    right = upright.crop(BOX).resize((40, 40), Image.Resampling.BILINEAR)
    assert 0 < np.abs(part - np.asarray(right)).mean() < 1.5
    near = np.asarray(read_square(str(path), 150, lambda *_: BOX).image)  # too near for that
    assert np.array_equal(near, upright.crop(BOX).resize((150, 150), Image.Resampling.BILINEAR))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**40))
def test_a_random_part_is_the_one_that_torchvision_draws(width, height, seed):
    from torchvision.transforms import v2

    theirs = v2.RandomResizedCrop(8, (0.08, 1.0))
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    torch.default_generator.manual_seed(seed)
    params = theirs.make_params([image])
    torch.default_generator.manual_seed(seed)
    left, top, right, bottom = random_box(width, height, 0.08)
    assert (top, left) == (params["top"], params["left"])
    assert (bottom - top, right - left) == (params["height"], params["width"])


# ---------------------------------------------------------------- what batches depend on


def test_batches_depend_on_the_seed_and_the_pass(streamed):
    feed = feed_of(streamed)
    first, second = taken(feed, feed.batches), taken(feed, feed.batches)
    assert_equal(first, taken(feed_of(streamed), feed.batches))
    assert not torch.equal(first[0][0], second[0][0])
    assert not torch.equal(first[0][0], taken(feed_of(streamed, seed=4), 1)[0][0])
    assert first[0][1].shape == (8, 3)  # probabilities, of mixed images


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 9), st.booleans(), st.integers(0, 2**63 - 1))
def test_a_feed_goes_on_where_it_was_left(streamed, place, measured, seed):
    feed = feed_of(streamed, seed=seed)
    taken(feed, place)
    if measured:
        next(feed.part("validation"))
    state = {name: tensor.clone() for name, tensor in feed.state().items()}
    further = taken(feed, 4)
    other = feed_of(streamed, seed=seed)
    taken(other, 2)
    other.restore(state)
    assert_equal(further, taken(other, 4))
    feed.restore(state)
    assert_equal(further, taken(feed, 4))


@pytest.mark.slow
def test_workers_and_what_they_read_ahead_change_nothing(streamed):
    others, alone, feed = children(), feed_of(streamed), feed_of(streamed, workers=2)
    expected = taken(alone, 9)
    held_out = list(alone.part("validation"))
    assert_equal(taken(feed, 2), expected[:2])
    state = feed.state()
    assert [int(state[name]) for name in ("pass", "position")] == [0, 16]
    assert_equal(list(feed.part("validation")), held_out)
    assert_equal(taken(feed, 1), expected[2:3])
    between = feed.part("test")
    next(between)
    assert_equal(taken(feed, 4), expected[3:7])  # in the middle of that part
    assert len(list(between)) == 0
    feed.restore(state)
    assert_equal(taken(feed, 3), expected[2:5])
    workers = children() - others
    assert len(workers) == 2
    feed.workers.close()
    assert ended(workers)
    assert_equal(taken(alone, 1), taken(feed_after(streamed, 9), 1))


def children() -> set[Any]:
    """The processes that this one has started; other tests may have some."""
    return set(multiprocessing.active_children())


def ended(workers: set[Any]) -> bool:
    """Whether they end: torch kills those that take their time, and does not wait for them."""
    for worker in workers:
        worker.join(60)
    return not workers & children()


def feed_after(data: StreamedDataset, count: int) -> StreamFeed:
    feed = feed_of(data)
    taken(feed, count)
    return feed


@pytest.mark.few(3)
@pytest.mark.parametrize("recipe", [PLAIN, VARIED, dataclasses.replace(VARIED, cutmix=0.0)])
@pytest.mark.parametrize("count", [2, 4])
def test_processes_see_together_what_one_sees(streamed, recipe, count):
    alone = feed_of(streamed, recipe)
    feeds = [feed_of(streamed, recipe, processes=Processes(k, count)) for k in range(count)]
    for _ in range(5):
        images, labels = zip(*(feed.next() for feed in feeds), strict=True)
        assert_equal([(torch.cat(images), torch.cat(labels))], taken(alone, 1))
    assert len({str(feed.state()) for feed in (alone, *feeds)}) == 1
    shares = [torch.cat([labels for _, labels in feed.part("validation")]) for feed in feeds]
    every = torch.cat(shares)
    assert torch.equal(every.sort().values, streamed.validation_labels.sort().values)


def test_torch_draws_on_as_if_nothing_had_been_read(streamed):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    taken(feed_of(streamed), 3)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_folder(tmp_path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 60, 3), dtype=np.uint8))
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        image.save(tmp_path / "data" / name / "0.jpg")
        for number in range(1, 2000):
            os.link(tmp_path / "data" / name / "0.jpg", tmp_path / "data" / name / f"{number}.jpg")
    script = tmp_path / "script.py"
    script.write_text(
        """
import multiprocessing, resource, sys, torch
from pathlib import Path
from nas_gym.training.images.recipe import Recipe
from nas_gym.training.images.stream import stream_folder

def memory():  # now, of all processes; MiB
    pids = ["self", *(p.pid for p in multiprocessing.active_children())]
    texts = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
    return sum(int(t.split("Pss:")[1].split()[0]) for t in texts) / 1024

if __name__ == "__main__":
    data = stream_folder(sys.argv[1], 224, workers=2, validation=0.01, test=0.01)
    recipe = Recipe(epochs=1, batch_size=32, learning_rate=0.1)
    feed = data.feed(recipe, 0, torch.device("cpu"))
    for _ in range(10):
        feed.next()
    first = memory()
    highest = first
    for number in range(10, feed.batches):
        feed.next()
        highest = max(highest, memory()) if number % 10 == 0 else highest
    print(highest - first, feed.batches)
    feed.workers.close()
"""
    )
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("Linux tells what several processes share")
    more, batches = map(float, run(script, tmp_path / "data").stdout.split())
    assert batches > 100  # 560 MiB, if they were kept
    assert more < 100


# ---------------------------------------------------------------- a training


class Small(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(8, 2),
        )  # fmt: skip


def write_shades(folder: Path, count: int = 24) -> Path:
    rng = np.random.default_rng(1)
    for name, low in (("dark", 0), ("bright", 120)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(low, low + 130, (20, 26, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.jpg")
    return folder


@pytest.mark.few(1)
@pytest.mark.parametrize("workers", [0, 1])
def test_a_network_learns(tmp_path, workers):
    data = stream_folder(write_shades(tmp_path / "shades"), 16, workers=workers)
    recipe = Recipe(epochs=6, batch_size=8, learning_rate=0.1, flip=True, resized_crop=0.3)
    with seeded(0, CPU):
        training = ImageTraining(Small(), data, recipe, 0, CPU)
        scores = training.run()
        assert scores is not None
        assert scores[-1].accuracy > 0.9
        tested = training.scores("test")
    assert tested is not None
    assert tested.accuracy > 0.9


def test_a_training_goes_on_to_the_same_weights(tmp_path):
    data = stream_folder(write_shades(tmp_path / "shades"), 16, workers=0)
    recipe = dataclasses.replace(VARIED, epochs=3, measured=3)

    def started() -> ImageTraining:
        torch.manual_seed(0)
        return ImageTraining(Small(), data, recipe, 0, CPU)

    with seeded(0, CPU):
        whole = started()
        whole.run()
        cut = started()
        steps = cut.losses()
        next(steps)
        next(steps)
        state = {name: tensor.clone() for name, tensor in cut.state().items()}
    with seeded(1, CPU):
        rest = started()
        rest.restore(state)
        rest.run()
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(rest.network.state_dict()[name], tensor), name


# ---------------------------------------------------------------- what cannot be read


@pytest.mark.parametrize(
    ("damage", "workers"),
    [("cut", 0), ("gone", 0), ("text", 0), pytest.param("cut", 1, marks=pytest.mark.slow)],
)
def test_an_image_that_cannot_be_read_ends_it_with_a_sentence(tmp_path, damage, workers):
    data = stream_folder(write_shades(tmp_path / "shades"), 16, workers=workers)
    path = Path(data.paths["train"][7])
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:300])
    elif damage == "gone":
        path.unlink()
    else:
        path.write_text("This is no image.")
    feed = feed_of(data, workers=workers)
    with pytest.raises(InvalidDataset) as caught:
        taken(feed, feed.batches + 1)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    feed.workers.close()


@pytest.mark.slow
def test_a_killed_worker_ends_it_with_a_sentence(streamed):
    others, feed = children(), feed_of(streamed, workers=2)
    taken(feed, 1)
    workers = children() - others
    victim = min(worker.pid for worker in workers)
    before = signal.getsignal(signal.SIGCHLD)
    os.kill(victim, signal.SIGKILL)
    with pytest.raises(NASGymError) as caught:
        taken(feed, 50)
    assert "a data worker was killed by signal 9 (SIGKILL)" in str(caught.value)
    assert "go on with resume=True" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert signal.getsignal(signal.SIGCHLD) == before  # torch's would raise anywhere
    assert ended(workers)
    with pytest.raises(NASGymError, match="SIGKILL"):
        feed.next()


def test_floats_on_two_scales_are_refused_when_they_are_met(tmp_path):
    root = tmp_path / "floats"
    for name, level in (("a", 0.4), ("b", 0.6)):
        (root / name).mkdir(parents=True)
        for number in range(8):
            Image.fromarray(np.full((20, 20), level, np.float32)).save(
                root / name / f"{number}.tif"
            )
    data = stream_folder(root, 16, workers=0)
    Image.fromarray(np.full((20, 20), 90, np.float32)).save(data.paths["train"][0])
    with pytest.raises(InvalidDataset, match="save all on one scale"):
        taken(feed_of(data, PLAIN), 2)


def test_layouts_that_are_refused_are_those_of_a_folder_that_is_read_whole(tmp_path):
    one = write_classes(tmp_path / "one", 6)
    (one / "fox").mkdir()
    Image.new("RGB", (9, 9)).save(one / "fox" / "0.png")
    differ = parts_of(tmp_path / "differ", "train", "val", "test")
    (differ / "val" / "eel").rename(differ / "val" / "emu")
    loose = write_classes(tmp_path / "loose", 6)
    Image.new("RGB", (9, 9)).save(loose / "0.png")
    for root in (one, differ, loose, tmp_path / "none"):
        sentences = []
        for read in (image_folder, stream_folder):
            with pytest.raises(InvalidDataset) as caught:
                read(root, SIDE)
            sentences.append(str(caught.value))
        assert sentences[0] == sentences[1]


def test_options_that_cannot_be_are_refused(tmp_path, folder):
    own = parts_of(tmp_path / "own", "train", "val")
    with pytest.raises(InvalidOption, match="has its own validation part"):
        stream_folder(own, SIDE, validation=0.2)
    for options in ({"image_size": 0}, {"workers": -1}, {"validation": 0.6, "test": 0.5}):
        with pytest.raises(InvalidOption):
            stream_folder(folder, **({"image_size": SIDE} | options))


def test_a_batch_that_processes_cannot_share_is_refused(streamed):
    with pytest.raises(InvalidOption, match="multiple"):
        feed_of(streamed, processes=Processes(0, 3))


def test_a_folder_smaller_than_a_batch_is_one(streamed):
    feed = feed_of(streamed, dataclasses.replace(PLAIN, batch_size=500))
    assert (feed.batch_size, feed.batches) == (len(streamed.train_labels), 1)
    assert not torch.equal(feed.next()[1], feed.next()[1])


def test_the_fingerprint_is_that_of_names_sizes_and_parts(tmp_path, folder):
    own = write_classes(tmp_path / "pets", 13)
    data = stream_folder(own, SIDE, workers=0)
    assert data.fingerprint == stream_folder(folder, 2 * SIDE, workers=2).fingerprint
    assert data.fingerprint != stream_folder(folder, SIDE, test=0.3).fingerprint
    path = Path(data.paths["train"][0])
    path.write_bytes(path.read_bytes() + b"\0")
    assert stream_folder(own, SIDE).fingerprint != data.fingerprint


SCRIPT = """
import multiprocessing, os, sys, torch
from nas_gym.errors import NASGymError
from nas_gym.training.images.recipe import Recipe
from nas_gym.training.images.stream import stream_folder

def main():
    recipe = Recipe(epochs=1, batch_size=4, learning_rate=0.1)
    data = stream_folder(sys.argv[1], 16, workers=2)
    feed = data.feed(recipe, 0, torch.device("cpu"))
    try:
        feed.next()
    except NASGymError as error:
        print(error)
        return
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    sys.stdin.readline()

"""


def run(script: Path, *arguments: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=True)


@pytest.mark.slow
def test_a_script_without_a_guard_is_told_about_it(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT + "main()\n")
    done = run(script, write_shades(tmp_path / "shades"))
    assert '`if __name__ == "__main__":`' in done.stdout
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


@pytest.mark.slow
def test_workers_end_with_a_training_that_is_killed(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT + 'if __name__ == "__main__":\n    main()\n')
    command = [sys.executable, str(script), str(write_shades(tmp_path / "shades"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as main:
        assert main.stdout is not None
        pids = [int(word) for word in main.stdout.readline().split()]
        assert len(pids) == 2
        main.kill()
    deadline = time.monotonic() + 60
    while any(map(running, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        if not Path("/proc/self/stat").exists():
            return True
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"  # a zombie counts as ended


def test_a_share_of_the_training_part_is_the_same_as_read_whole(folder):
    recipe = dataclasses.replace(PLAIN, train_share=0.5)
    whole, data = image_folder(folder, SIDE), stream_folder(folder, SIDE, workers=0)
    feed = feed_of(data, recipe)
    chosen = sample_of(whole.train_labels.numpy(), 0.5)
    assert feed.labels.tolist() == whole.train_labels[chosen].tolist()
    assert list(feed.paths) == [data.paths["train"][index] for index in chosen]
    assert feed.batches == len(chosen) // 8 < len(whole.train_labels) // 8
    seen = torch.cat([labels for _, labels in taken(feed, feed.batches)])
    assert all(
        count <= total
        for count, total in zip(
            seen.bincount(minlength=3), feed.labels.bincount(minlength=3), strict=True
        )
    )
    feed.close()
