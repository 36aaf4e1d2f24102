"""Measure how many images a second are read from a folder: ours beside torchvision's pipeline.

    python benchmarks/speed/streaming.py [--write]

makes two folders of JPEGs, of usual and of large photographs, and reads batches for a training from
them: cut at random, mirrored at random, normalised. Both sides have the same workers and batches
and take turns, each time in a new process; what is timed begins when both have filled what they
read ahead. Torchvision's side is ``ImageFolder``, ``DataLoader`` and transforms v2, as its
documentation has them. The table has medians; ``--write`` also writes
``benchmarks/results/streaming.md``. Leave the machine alone meanwhile.
"""

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.measure import machine, report
from nas_gym.runs.markdown import numbers_table
from nas_gym.training.images.recipe import Recipe
from nas_gym.training.images.stream import stream_folder

SIZES = {"500 x 375": (500, 375), "1200 x 900": (1200, 900)}
SIDES = ("torchvision", "nas-gym")
CLASSES = 4
SIDE = 224  # pixels of what a network sees
BATCH = 64
SCALE = (0.08, 1.0)  # shares of an image's area that are cut out
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
QUALITY = 90  # of JPEG


def main() -> None:
    """Make the folders, read them in turns, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=600, help="of each size")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--batches", type=int, default=12, help="that are timed, of each repeat")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="write the results page")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)  # a side and a folder
    options = parser.parse_args()
    if options.one:
        print(
            json.dumps(measured(options.one[0], options.one[1], options.workers, options.batches))
        )
        return
    with tempfile.TemporaryDirectory() as place:
        rows = [
            row
            for name, size in SIZES.items()
            for row in rows_of(name, photographs(Path(place) / name, size, options.images), options)
        ]
    text = (
        "# Images a second from a folder: nas-gym's streaming beside torchvision's pipeline\n\n"
        f"`python benchmarks/speed/streaming.py --write`, on {machine()}.\n"
        f"{options.images} JPEGs of each size (quality {QUALITY}), cut at random (area "
        f"{SCALE[0]:g} to {SCALE[1]:g}), resized to {SIDE} x {SIDE}, mirrored, normalised;\n"
        f"{options.workers} data workers, batches of {BATCH}. Medians and ranges of "
        f"{options.repeats} turns of {options.batches} batches. Memory is the most that the\n"
        "process that takes the batches, and the largest of its workers, had in RAM; forked "
        "workers share pages with it. Time of\nall processors is that per image, and depends less "
        "on what else the machine does. The target is a ratio of 1.\n\n"
        + numbers_table(
            [
                "photographs",
                "side",
                "images a second",
                "range",
                "processor, ms",
                "main, MiB",
                "worker, MiB",
            ],
            rows,
        )
        + "\n"
    )
    report("streaming", text)


def rows_of(name: str, folder: Path, options: argparse.Namespace) -> list[list[str]]:
    """Return the rows of the table for one size."""
    found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for turn in range(options.repeats):
        for side in SIDES if turn % 2 == 0 else SIDES[::-1]:
            command = [sys.executable, __file__, "--one", side, str(folder)]
            command += ["--workers", str(options.workers), "--batches", str(options.batches)]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found[side].append(json.loads(told))
            print(f"{name}, {side}: {found[side][-1]['rate']:.1f} images/s", flush=True)
    rates = {side: [each["rate"] for each in results] for side, results in found.items()}
    rows = [
        [
            name,
            side,
            f"{statistics.median(rates[side]):.1f}",
            f"{min(rates[side]):.1f} to {max(rates[side]):.1f}",
            f"{statistics.median(each['work'] for each in found[side]):.2f}",
            *(f"{statistics.median(e[of] for e in found[side]):.0f}" for of in ("main", "worker")),
        ]
        for side in SIDES
    ]
    work = [statistics.median(each["work"] for each in found[side]) for side in SIDES]
    ratio = statistics.median(rates[SIDES[1]]) / statistics.median(rates[SIDES[0]])
    return [
        *rows,
        [f"**{name}, ratio**", "", f"**{ratio:.2f}**", "", f"{work[0] / work[1]:.2f}", "", ""],
    ]


def measured(side: str, folder: str, workers: int, batches: int) -> dict[str, float]:
    """Read batches of one side; return images a second, and the most memory in MiB."""
    torch.set_num_threads(1)
    before = 2 * workers + 1  # batches that may have been read ahead
    if side == SIDES[1]:
        source = ours(folder, workers)
    else:  # as ours, it reads ahead until the end
        source = theirs(folder, workers, 2 * before + batches)
    for _ in range(before):
        images = next(source)
    assert images.shape == (BATCH, 3, SIDE, SIDE)
    assert images.dtype == torch.float32
    processes = [os.getpid(), *(each.pid or 0 for each in multiprocessing.active_children())]
    start, worked = time.perf_counter(), processor_time(processes)
    for _ in range(batches):
        next(source)
    seconds, worked = time.perf_counter() - start, processor_time(processes) - worked
    del source, images
    usage = [resource.getrusage(of).ru_maxrss / 1024
             for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]  # fmt: skip
    count = batches * BATCH
    return {
        "rate": count / seconds,
        "work": 1000 * worked / count,
        "main": usage[0],
        "worker": usage[1],
    }


def processor_time(processes: list[int]) -> float:
    """Return the seconds that processes have had of all processors (Linux)."""
    ticks = 0
    for process in processes:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def ours(folder: str, workers: int) -> Iterator[Tensor]:
    """Yield the batches of our feed."""
    recipe = Recipe(
        epochs=1, batch_size=BATCH, learning_rate=0.1, resized_crop=SCALE[0], flip=True
    )  # fmt: skip
    data = stream_folder(folder, SIDE, validation=0.01, test=0.01, workers=workers)
    feed = data.feed(recipe, 0, torch.device("cpu"))
    try:
        while True:
            yield feed.next()[0]
    finally:
        feed.workers.close()


def theirs(folder: str, workers: int, batches: int) -> Iterator[Tensor]:
    """Yield the batches of torchvision's pipeline."""
    from torch.utils.data import DataLoader, RandomSampler
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    transform = v2.Compose([
        v2.RandomResizedCrop(SIDE, scale=SCALE),
        v2.RandomHorizontalFlip(),
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(MEAN, DEVIATION),
    ])  # fmt: skip
    data = ImageFolder(folder, transform)
    sampler = RandomSampler(data, replacement=True, num_samples=batches * BATCH)
    loader = DataLoader(data, BATCH, sampler=sampler, num_workers=workers)
    for images, _ in loader:
        yield images


def photographs(folder: Path, size: tuple[int, int], count: int) -> Path:
    """Write JPEGs with as much detail as photographs have, the same in each run."""
    rng = np.random.default_rng(0)
    for number in range(count):
        place = folder / f"class-{number % CLASSES}"
        place.mkdir(parents=True, exist_ok=True)
        photograph(rng, *size).save(place / f"{number:04}.jpg", quality=QUALITY)
    return folder


def photograph(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Return noise whose power falls with the square of the frequency, as that of photographs."""
    down = np.fft.fftfreq(height)[:, None] * height
    across = np.fft.rfftfreq(width)[None, :] * width
    amplitude = 1 / np.maximum(1.0, np.hypot(down, across))
    shades = []
    for _ in range(3):
        phases = rng.uniform(0, 2 * np.pi, amplitude.shape)
        shades.append(np.fft.irfft2(amplitude * np.exp(1j * phases), (height, width)))
    grey = shades[0]
    colours = np.stack([grey, 0.8 * grey + 0.3 * shades[1], 0.8 * grey + 0.3 * shades[2]], axis=-1)
    pixels = 128 + 55 * (colours - colours.mean()) / colours.std()
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


if __name__ == "__main__":
    main()
