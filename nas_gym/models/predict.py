"""Predictions of a model for files: classes of images, perplexity of texts."""

import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any

from nas_gym.errors import InvalidDataset, InvalidModel
from nas_gym.models.folder import Model
from nas_gym.models.preprocessing import ImagePreprocessing, TextPreprocessing
from nas_gym.options.paths import user_path
from nas_gym.options.printable import printable

_log = logging.getLogger("nas_gym")
BATCH = 64  # images at once


def predict(model: Model, paths: Sequence[str], top: int = 5) -> Iterator[dict[str, Any]]:
    """Yield what a model says of each file.

    Args:
        model: From ``load_model``; it computes where its network lies.
        paths: Files, or folders of images, whose images come in the order of their paths.
        top: Most probable classes to name, >= 1.

    Yields:
        ``{"path", "classes": [{"class", "probability"}, …]}``, the most probable class first; of a
        language model ``{"path", "perplexity", "entries", "unknown"}``, the second the number of
        words or characters, the third how many of them are not in the vocabulary.

    Raises:
        InvalidDataset: A file that is not there or cannot be read, or a folder without images.
        InvalidModel: The model cannot read such files, or its output is not finite.
    """
    if isinstance(model.preprocessing, TextPreprocessing):
        yield from (_perplexity(model, model.preprocessing, path) for path in paths)
        return
    files = [file for path in paths for file in _files(path)]
    for first in range(0, len(files), BATCH):
        yield from _classes(model, model.preprocessing, files[first : first + BATCH], top)


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
    model: Model, preprocessing: ImagePreprocessing, files: Sequence[str], top: int
) -> Iterator[dict[str, Any]]:
    import torch

    from nas_gym.networks.isolation import isolated

    with isolated(), torch.inference_mode():
        images = preprocessing.from_files(files).to(next(model.network.parameters()).device)
        probabilities = model.network(images).softmax(1)
        values, labels = probabilities.topk(min(top, probabilities.shape[1]), dim=1)
    if not bool(probabilities.isfinite().all()):
        raise InvalidModel("the network's output is not finite: its weights have diverged")
    names = preprocessing.classes
    for file, chosen, of in zip(files, labels.tolist(), values.tolist(), strict=True):
        each = zip(chosen, of, strict=True)
        yield {
            "path": os.fspath(file),
            "classes": [{"class": names[label], "probability": p} for label, p in each],
        }


def _perplexity(model: Model, preprocessing: TextPreprocessing, path: str) -> dict[str, Any]:
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
