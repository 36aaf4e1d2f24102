"""Predictions of a model: classes of images, in files or in memory; perplexity of texts."""

import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from nas_gym.errors import InvalidDataset, InvalidModel
from nas_gym.models.preprocessing import (
    ImagePreprocessing,
    Preprocessing,
    TextPreprocessing,
)
from nas_gym.options.paths import user_path
from nas_gym.options.printable import printable

_log = logging.getLogger("nas_gym")
BATCH = 64  # images at once


class Fed(Protocol):
    """A network and how it is fed: a model."""

    @property
    def network(self) -> Any:
        """In evaluation mode."""

    @property
    def preprocessing(self) -> Preprocessing:
        """What stands between a file and the network."""


def predict(model: Fed, inputs: Sequence[Any], top: int = 5) -> Iterator[dict[str, Any]]:
    """Yield what a model says of each image, or text.

    Args:
        model: From ``load_model``; it computes where its network lies.
        inputs: Files; folders of images, whose images come in the order of their paths; images of
            Pillow's; arrays (height, width) or (height, width, 3), uint8.
        top: Most probable classes to name, >= 1.

    Yields:
        ``{"path", "classes": [{"class", "probability"}, …]}``, the most probable class first,
        without a path of what is no file; of a language model ``{"path", "perplexity", "entries",
        "unknown"}``: the entries are words or characters, the unknown those not in the vocabulary.

    Raises:
        InvalidDataset: A file that is not there or cannot be read, or a folder without images.
        InvalidModel: The model cannot read such files, or its output is not finite.
    """
    if isinstance(model.preprocessing, TextPreprocessing):
        yield from (_perplexity(model, model.preprocessing, path) for path in inputs)
        return
    images = [image for given in inputs for image in _images(given)]
    for first in range(0, len(images), BATCH):
        yield from _classes(model, model.preprocessing, images[first : first + BATCH], top)


def one_or_more(inputs: Any) -> list[Any]:
    """Return what is given as a list: one path, image or array, a batch of arrays, or several."""
    if isinstance(inputs, np.ndarray):
        return list(inputs) if inputs.ndim == 4 else [inputs]
    return list(inputs) if isinstance(inputs, list | tuple) else [inputs]


def _images(given: Any) -> Sequence[Any]:
    return _files(os.fsdecode(given)) if isinstance(given, str | bytes | os.PathLike) else [given]


def _files(path: str) -> list[str]:
    place = user_path(path, "path")
    if place.exists() and not place.is_dir() and not place.is_file():
        raise InvalidDataset(f"{printable(path)} is no file: give an image, or a folder of them")
    if place.is_dir():
        from nas_gym.training.images.decoding import readable
        from nas_gym.training.images.entries import LeftOut, walk

        left_out = LeftOut()
        found = walk(str(place), place.absolute().parent, left_out, readable()[0])
        for kind, (count, one) in left_out.kinds.items():
            _log.warning("left out %d %s (such as %s)", count, kind, one)
        if not found:
            raise InvalidDataset(f"{printable(path)} has no images in it: give one that has")
        return found
    if not place.exists():
        raise InvalidDataset(f"{printable(path)} is not there: give an image, or a folder of them")
    return [str(place)]


def _classes(
    model: Fed, preprocessing: ImagePreprocessing, given: Sequence[Any], top: int
) -> Iterator[dict[str, Any]]:
    import torch

    from nas_gym.networks.isolation import isolated

    with isolated(), torch.inference_mode():
        images = preprocessing.from_images(given).to(next(model.network.parameters()).device)
        probabilities = model.network(images).softmax(1)
        values, labels = probabilities.topk(min(top, probabilities.shape[1]), dim=1)
    if not bool(probabilities.isfinite().all()):
        raise InvalidModel("the network's output is not finite: its weights have diverged")
    names = preprocessing.classes
    for image, chosen, of in zip(given, labels.tolist(), values.tolist(), strict=True):
        each = zip(chosen, of, strict=True)
        yield {
            **({"path": image} if isinstance(image, str) else {}),
            "classes": [{"class": names[label], "probability": p} for label, p in each],
        }


def _perplexity(model: Fed, preprocessing: TextPreprocessing, path: Any) -> dict[str, Any]:
    from nas_gym.networks.isolation import isolated
    from nas_gym.training.text.train import measure

    with isolated():
        tokens = preprocessing.from_file(user_path(path, "path"))
        device = next(model.network.parameters()).device
        figures = measure(model.network, tokens, len(tokens), count=1, chunk=64, device=device)
    if figures is None:
        raise InvalidModel("the network's output is not finite: its weights have diverged")
    return {
        "path": path,
        "perplexity": figures.perplexity,
        "entries": len(tokens),
        "unknown": int((tokens == 0).sum()),
    }
