"""Make folders of colour images, one folder per class, whose colours do not tell the class.

    python benchmarks/recipes/make_photos.py textures photos/ --images 600
    python benchmarks/recipes/make_photos.py fashion-mnist clothes/ --images 600

``textures`` draws patches with stripes, checks, dots or no pattern (four classes), each of its own
colours, size, angle and place, on backgrounds of two colours with lines and noise: no colour says
which class it is.
``fashion-mnist`` takes the first images of each class (the files of Debian's package
dataset-fashion-mnist, or a download) and tints each at random. The same command writes the same
images. ``photo_signal.py`` trains on them.
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIDE = 96  # pixels of an image; whoever reads the folder says which size the network sees
CLASSES = ("checks", "dots", "plain", "stripes")


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("textures", "fashion-mnist"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=600)
    options = parser.parse_args()
    make_folder(options.kind, options.folder, options.images)


def make_folder(kind: str, folder: Path, images: int) -> None:
    """Write ``images`` images, as many of each class as there are of the others."""
    pictures = textures(images) if kind == "textures" else clothes(images)
    for number, (name, image) in enumerate(pictures):
        (folder / name).mkdir(parents=True, exist_ok=True)
        image.save(folder / name / f"{number:05}.png")


def textures(images: int) -> Iterator[tuple[str, Image.Image]]:
    """Yield the name of each class in turn, and an image of it."""
    for number in range(images):
        name = CLASSES[number % len(CLASSES)]
        yield name, patch_image(name, np.random.default_rng((2017, number)))


def patch_image(name: str, random: np.random.Generator) -> Image.Image:
    """Draw a patterned patch on a background, with lines across and noise over all."""
    ends = random.uniform(60, 195, (2, 3))
    across = random.random() < 0.5
    ramp = np.linspace(0, 1, SIDE)[:, None, None] if across else np.linspace(0, 1, SIDE)[:, None]
    background = np.broadcast_to(ends[0] * (1 - ramp) + ends[1] * ramp, (SIDE, SIDE, 3))
    image = Image.fromarray(background.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(3):
        line(draw, random)
    dark, light = colours(random)
    inside = patch(random)
    light_here = pattern(name, random)
    pixels = np.asarray(image).astype(np.float64)
    pixels = np.where(inside[..., None], np.where(light_here[..., None], light, dark), pixels)
    noisy = pixels + random.normal(0, 45, (SIDE, SIDE, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def patch(random: np.random.Generator) -> np.ndarray:
    """Return (SIDE, SIDE) whether a pixel is in an ellipse of about a third of the image."""
    radii = random.uniform(0.28, 0.42, 2) * SIDE
    centre = random.uniform(0.35, 0.65, 2) * SIDE
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return ((rows - centre[0]) / radii[0]) ** 2 + ((columns - centre[1]) / radii[1]) ** 2 < 1


def pattern(name: str, random: np.random.Generator) -> np.ndarray:
    """Return (SIDE, SIDE) which pixels have the lighter of two colours, half of them or so."""
    period = random.uniform(12, 20)  # pixels
    angle = random.uniform(0, math.pi)
    rows, columns = np.mgrid[:SIDE, :SIDE] * 2 * math.pi / period
    along = rows * math.cos(angle) + columns * math.sin(angle)
    across = columns * math.cos(angle) - rows * math.sin(angle)
    if name == "stripes":
        return np.sin(along) > 0
    if name == "checks":
        return np.sin(along) * np.sin(across) > 0
    if name == "dots":
        return np.sin(along) + np.sin(across) > 1.0
    return np.full(along.shape, random.random() < 0.5)  # plain


def colours(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a dark and a light colour of any tint."""
    dark, light = random.uniform(0, 255, (2, 3))
    return 0.6 * dark, 255 - 0.6 * light


def line(draw: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    """Draw a line across the image."""
    ends = random.uniform(0, SIDE, 4)
    draw.line(tuple(ends), as_colour(random.uniform(30, 225, 3)), int(random.integers(2, 7)))


def as_colour(values: np.ndarray) -> tuple[int, ...]:
    """Return three whole numbers from 0 to 255."""
    return tuple(int(v) for v in values)


def clothes(images: int) -> Iterator[tuple[str, Image.Image]]:
    """Yield images of Fashion-MNIST's ten classes in turn, each tinted its own way."""
    from nas_gym.training.images.sources import load_dataset

    data = load_dataset("fashion-mnist")
    labels = data.train_labels.numpy()
    places = [np.flatnonzero(labels == label) for label in range(10)]
    for number in range(images):
        label, which = number % 10, number // 10
        grey = data.train_images[places[label][which], 0].numpy()
        yield f"{label}", Image.fromarray(tinted(grey[None], np.array([number]))[0])


def tinted(grey: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return (N, height, width, 3) images whose black and white are two colours of each.

    Args:
        grey: (N, height, width) uint8.
        numbers: (N,) of the images; each decides the colours of its own.
    """
    ends = np.stack([np.random.default_rng((2017, n)).uniform(0, 255, (2, 3)) for n in numbers])
    ends[:, 0] *= 0.4
    ends[:, 1] = 255 - 0.4 * ends[:, 1]
    part = grey[..., None] / 255.0
    dark, light = ends[:, None, None, 0], ends[:, None, None, 1]
    return (dark * (1 - part) + light * part).astype(np.uint8)  # type: ignore[no-any-return]


if __name__ == "__main__":
    main()
