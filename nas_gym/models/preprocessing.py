"""What stands between a file and a network: kept as ``preprocess.json`` beside the weights."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from annotated_types import Gt, MinLen

from nas_gym.errors import InvalidDataset, InvalidModel, InvalidOption
from nas_gym.networks.task import LanguageTask, Task
from nas_gym.options import Options, check_all
from nas_gym.options.counts import Pixels

if TYPE_CHECKING:
    from torch import Tensor

    from nas_gym.training.images.dataset import Dataset
    from nas_gym.training.text.dataset import TextDataset

_Numbers = Annotated[tuple[float, ...], MinLen(1)]
_GREY = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601), as Pillow's mode "L"


@dataclass(frozen=True)
class ImagePreprocessing(Options):
    """How an image becomes what a network takes.

    A file is read as a viewer shows it, upright, cut to a square about its centre and resized. Its
    values, brought to [0, 1], are then normalised: (value - mean) / std.

    Args:
        height: Pixels.
        width: Pixels.
        mean: One per channel, of values in [0, 1].
        std: As ``mean``, > 0.
        classes: Their names, by the network's output.
        white: What a white pixel is in the data that the network was trained on: 255, or 16 of the
            digits. None: its values are no pixels, so that no file can be read for it.
    """

    height: Pixels
    width: Pixels
    mean: _Numbers
    std: Annotated[tuple[Annotated[float, Gt(0)], ...], MinLen(1)]
    classes: Annotated[tuple[str, ...], MinLen(1)]
    white: Annotated[float, Gt(0)] | None = 255.0

    kind = "images"

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.mean) != len(self.std):
            raise InvalidOption(
                f"mean has {len(self.mean)} values and std {len(self.std)}: give one per channel"
            )

    @classmethod
    def of(cls, dataset: "Dataset") -> Self:
        """Return that of a data set: its normalisation and its classes."""
        white = dataset.white
        scale = 1.0 if white is None else white
        names = dataset.class_names or tuple(map(str, range(dataset.classes)))
        return cls(
            *dataset.image_shape[1:],
            tuple(float(value) / scale for value in dataset.mean.flatten()),
            tuple(float(value) / scale for value in dataset.deviation.flatten()),
            names,
            white,
        )

    @classmethod
    def plain(cls, task: Task) -> Self:
        """Return one for a network that has seen no data: values as they are, classes by number."""
        channels = task.channels
        names = tuple(map(str, range(task.classes)))
        return cls(task.height, task.width, (0.0,) * channels, (1.0,) * channels, names)

    def fits(self, task: Task | LanguageTask) -> bool:
        """Return whether a network of this task takes what comes out."""
        shape = len(self.mean), self.height, self.width, len(self.classes)
        return isinstance(task, Task) and shape == (
            task.channels, task.height, task.width, task.classes,
        )  # fmt: skip

    def from_images(self, images: Sequence[Any]) -> "Tensor":
        """Return what the network takes: (images, channels, height, width), float32, normalised.

        Args:
            images: Paths of files, images of Pillow's, or arrays (height, width) or (height, width,
                3), uint8.

        Raises:
            InvalidDataset: One that cannot be read; a file is named.
            InvalidModel: The network does not take pixels, or not a square of 1 or 3 channels.
        """
        import torch

        from nas_gym.training.images.decoding import picture_of

        channels = len(self.mean)
        if self.white is None or self.height != self.width or channels not in (1, 3):
            raise InvalidModel(
                f"the network takes {channels} x {self.height} x {self.width} values"
                f"{'' if self.white else ' that are no pixels'}: no image file can be read for "
                "it; normalise arrays yourself, by (value - mean) / std"
            )
        pictures = [picture_of(image, self.height).pixels for image in images]
        values = np.stack(pictures).astype(np.float32) / np.float32(255)
        if channels == 1:
            weights = np.asarray(_GREY, dtype=np.float32)
            values = np.tensordot(values, weights, axes=(1, 0))[:, None]
        return self.normalise(torch.from_numpy(values))

    def normalise(self, values: "Tensor") -> "Tensor":
        """Normalise values in [0, 1], (images, channels, height, width)."""
        import torch

        mean, std = (torch.tensor(each).view(1, -1, 1, 1) for each in (self.mean, self.std))
        return (values - mean) / std

    def to_json(self) -> dict[str, Any]:
        """Return JSON data that ``preprocessing_from_json`` reads back."""
        return {"kind": self.kind, **{n: _plain(value) for n, value in asdict(self).items()}}


@dataclass(frozen=True)
class TextPreprocessing(Options):
    """How a text becomes what a language model takes.

    Args:
        level: What an entry of the vocabulary is.
        vocabulary: What each index stands for; the first, ``<unk>``, is whatever is not in it.
        words: How a text is cut into words: at spaces and line ends, or as Python's help.
    """

    level: Literal["word", "character"]
    vocabulary: Annotated[tuple[str, ...], MinLen(2)]
    words: Literal["lines", "python-docs"] = "lines"

    kind = "text"

    @classmethod
    def of(cls, text: "TextDataset") -> Self:
        """Return that of a text."""
        words = "python-docs" if text.name == "python-docs" else "lines"
        return cls(text.level, text.vocabulary, words)  # type: ignore[arg-type]

    @classmethod
    def plain(cls, task: LanguageTask) -> Self:
        """Return one for a network that has seen no text: entries by number."""
        return cls("word", ("<unk>", *map(str, range(1, task.vocabulary))))

    def fits(self, task: Task | LanguageTask) -> bool:
        """Return whether a network of this task has this vocabulary."""
        return isinstance(task, LanguageTask) and len(self.vocabulary) == task.vocabulary

    def from_file(self, path: str | os.PathLike[str]) -> "Tensor":
        """Read a text file: (words or characters,) int64.

        Raises:
            InvalidDataset: It cannot be read, or has fewer than two entries.
        """
        import torch

        from nas_gym.training.text.sources import read_lines, words_of_docs, words_of_lines

        text = read_lines(Path(path))
        cut = words_of_docs if self.words == "python-docs" else words_of_lines
        items = cut(text) if self.level == "word" else list(text)
        if len(items) < 2:
            raise InvalidDataset(
                f"{os.fspath(path)} has {len(items)} {self.level}s: give a text of 2 or more"
            )
        index = {entry: i for i, entry in enumerate(self.vocabulary)}
        return torch.tensor([index.get(item, 0) for item in items])

    def to_json(self) -> dict[str, Any]:
        """Return JSON data that ``preprocessing_from_json`` reads back."""
        return {"kind": self.kind, **{n: _plain(value) for n, value in asdict(self).items()}}


Preprocessing = ImagePreprocessing | TextPreprocessing
_KINDS: Mapping[str, type[Preprocessing]] = {
    of.kind: of for of in (ImagePreprocessing, TextPreprocessing)
}


def preprocessing_from_json(data: object) -> Preprocessing:
    """Return what ``to_json`` wrote, checked.

    Raises:
        InvalidOption: It is no such data.
    """
    given = dict(data) if isinstance(data, Mapping) else {}
    kind = _KINDS.get(str(given.pop("kind", None)))
    if kind is None:
        raise InvalidOption(f"kind is neither {' nor '.join(map(repr, _KINDS))}: write it again")
    lists = {n: tuple(v) if isinstance(v, list) else v for n, v in given.items()}
    try:
        return kind(**check_all(kind, lists, "the preprocessing"))
    except TypeError as error:  # a value that has no default is missing
        raise InvalidOption(f"it is not complete ({error}): write it again") from error


def preprocessing_of(data: Any) -> Preprocessing:
    """Return that of a data set of images or of a text."""
    return (
        TextPreprocessing.of(data) if hasattr(data, "vocabulary") else ImagePreprocessing.of(data)
    )


def plain_preprocessing(task: Task | LanguageTask) -> Preprocessing:
    """Return one for a network that has seen no data."""
    if isinstance(task, LanguageTask):
        return TextPreprocessing.plain(task)
    return ImagePreprocessing.plain(task)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
