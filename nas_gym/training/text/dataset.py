"""Texts: three streams of words or characters, as indices into one vocabulary.

Words that training does not know, or that a limited vocabulary leaves out, are ``<unk>``.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nas_gym.errors import InvalidDataset
from nas_gym.networks.isolation import isolated
from nas_gym.options import check
from nas_gym.options.paths import user_path
from nas_gym.options.printable import printable
from nas_gym.plugins import load
from nas_gym.training.places import text_at
from nas_gym.training.text.files import PARTS
from nas_gym.training.text.sources import (
    END,
    UNKNOWN,
    Level,
    RawText,
    Vocabulary,
    clean_lines,
    read_folder,
    read_python_docs,
    words_of_lines,
)
from nas_gym.training.text.summary import TextSummary, repetitions

__all__ = [
    "TextDataset",
    "check_lengths",
    "load_text",
    "text_from_strings",
    "text_of",
]


@dataclass(frozen=True, eq=False)
class TextDataset:
    """A text to train language models on. A search sees only the training and validation parts.

    The first entry of the vocabulary is ``<unk>``; the others are those of the training part, the
    most frequent first. The characters of a part are those of its raw text, so that the bits per
    character of models of words and of characters have the same denominator (a model of words is
    then not charged for what its words do not tell, which ``load_text`` lists).
    """

    name: str
    level: str  # "word" or "character"
    train: Tensor  # (words or characters,) int64
    validation: Tensor
    test: Tensor
    vocabulary: tuple[str, ...]  # what each index stands for
    train_characters: int  # of the raw text, line ends included
    validation_characters: int
    test_characters: int
    fingerprint: str  # sha256 of level, vocabulary and all parts
    warnings: tuple[str, ...] = ()  # of what was read, one sentence each

    @property
    def summary(self) -> TextSummary:
        """What it is, for people."""
        streams = {part: getattr(self, part) for part in PARTS}
        return TextSummary(
            name=printable(self.name),
            unit=f"{self.level}s",
            parts={part: len(stream) for part, stream in streams.items()},
            vocabulary=len(self.vocabulary),
            unknown={p: float((stream == 0).double().mean()) for p, stream in streams.items()},
            guessing=self.unigram_perplexity(),
            warnings=self.warnings,
        )

    def unigram_perplexity(self) -> float:
        """Return the validation perplexity of guessing by frequency, whatever came before.

        Each entry of the vocabulary counts once more than it stands in the training part, so that
        none is impossible (Laplace's rule of succession).
        """
        counts = self.train.bincount(minlength=len(self.vocabulary)).double() + 1
        guesses = (counts / counts.sum()).log()
        return float((-guesses[self.validation].mean()).exp())

    def __deepcopy__(self, memo: dict[int, Any]) -> "TextDataset":
        """Return itself: nothing changes a text."""
        return self


class EmbeddedText(NamedTuple):
    """An embedded text."""

    read: Callable[[], RawText]
    words: int  # the size of its vocabulary of words unless the user gives another


PYTHON_DOCS = EmbeddedText(read_python_docs, 1000)
"""Python's help on topics of the language, with every Python."""


def load_text(
    name_or_path: str | os.PathLike[str], *, level: str = "word", vocabulary: int | None = None
) -> TextDataset:
    """Load the text of a folder, or the embedded text of a name.

    A folder has the files ``train.txt``, ``valid.txt`` and ``test.txt`` in UTF-8, or those of
    Mikolov's Penn Treebank (``ptb.train.txt``) or of WikiText (``wiki.train.tokens``), as they
    come: words between spaces; the end of each line is the word ``<eos>``. At the level of
    characters, a part is its lines without the spaces around them.

    ``python-docs`` is Python's own help on topics of the language (``pydoc_data.topics``, about
    380,000 characters). It changes with the version of Python, and its fingerprint with it. What
    its words are, and which topics test, is told in ``nas_gym.training.text.sources``.

    Args:
        name_or_path: A name (``nas-gym list``), or a folder.
        level: ``"word"`` or ``"character"``.
        vocabulary: Most entries of the vocabulary, ``<unk>`` among them, >= 3; the most frequent
            ones of the training part stay. None: 1,000 words of ``python-docs``, else all. Without
            a limit, a training part that has no ``<unk>`` cannot teach how frequent new words are.

    Raises:
        UnknownName: No such text or level.
        InvalidOption: ``vocabulary`` is no whole number of 3 or more.
        InvalidDataset: The text is missing, broken or too poor.
    """
    name = os.fsdecode(check("dataset", name_or_path, str | os.PathLike))
    if text_at(name) == "name":
        source: EmbeddedText = load("text", name)
        if vocabulary is None and level == "word":
            vocabulary = source.words
        raw = source.read()
    else:
        raw = read_folder(user_path(name, "dataset"), check("level", level, Level))
    return text_of(raw, level=level, vocabulary=vocabulary)


@isolated(threads=1)
def text_of(raw: RawText, *, level: str = "word", vocabulary: int | None = None) -> TextDataset:
    """Turn a text into indices of words or characters; see ``load_text`` for the arguments."""
    level = check("level", level, Level)
    vocabulary = check("vocabulary", vocabulary, Vocabulary)
    parts = [raw.words(part) if level == "word" else list(part) for part in raw.parts]
    for name, part, items in zip(PARTS, raw.parts, parts, strict=True):
        if not part.strip() or not items:
            raise InvalidDataset(f"the {name} part of {raw.name} is empty: put text into it")
    entries = _vocabulary(parts[0], raw.name, level, vocabulary)
    index = {entry: i for i, entry in enumerate(entries)}
    streams = [np.asarray([index.get(item, 0) for item in part], dtype="<i8") for part in parts]
    characters = [len(part) for part in raw.parts]
    train, validation, test = (torch.from_numpy(stream.copy()) for stream in streams)
    return TextDataset(
        name=raw.name,
        level=level,
        train=train,
        validation=validation,
        test=test,
        vocabulary=entries,
        train_characters=characters[0],
        validation_characters=characters[1],
        test_characters=characters[2],
        fingerprint=_fingerprint(level, entries, streams, characters),
        warnings=(*raw.warnings, *repetitions(raw.parts, PARTS)),
    )


def _vocabulary(
    training: Sequence[str], name: str, level: str, limit: int | None
) -> tuple[str, ...]:
    """List ``<unk>``, then what the training part has, by falling frequency, then by name."""
    counts = Counter(training)
    told_apart = counts.keys() - {UNKNOWN, END, "\n"}
    if len(told_apart) < 2:
        raise InvalidDataset(
            f"the training part of {name} has {len(told_apart)} different {level}"
            f"{'' if len(told_apart) == 1 else 's'} (line ends and {UNKNOWN} not counted): give a "
            "text with 2 or more"
        )
    counts.pop(UNKNOWN, None)
    ordered = sorted(counts, key=lambda item: (-counts[item], item))
    return (UNKNOWN, *ordered[: None if limit is None else limit - 1])


def _fingerprint(
    level: str, vocabulary: Sequence[str], streams: Sequence[np.ndarray], characters: Sequence[int]
) -> str:
    fingerprint = hashlib.sha256("\0".join((level, *vocabulary)).encode())
    for stream, count in zip(streams, characters, strict=True):
        fingerprint.update(f"{len(stream)} {count}".encode())
        fingerprint.update(stream.tobytes())
    return fingerprint.hexdigest()


def check_lengths(text: TextDataset, bptt: int, train_share: float = 1.0) -> None:
    """Raise InvalidDataset if a part is too short for one sequence of ``bptt`` and its target.

    Args:
        text: To train on.
        bptt: Steps of a sequence, as a recipe says.
        train_share: Of the training part, in (0, 1], as a recipe says.
    """
    if train_share < 1 and len(text.train) > bptt >= int(train_share * len(text.train)):
        raise InvalidDataset(
            f"train_share is {train_share:g}, which leaves {int(train_share * len(text.train))} of "
            f"{len(text.train)} {text.level}s of {text.name}, and a sequence of {bptt} needs "
            f"{bptt + 1}: give a larger share"
        )
    for part in PARTS:
        length = len(getattr(text, part))
        if length <= bptt:
            raise InvalidDataset(
                f"the {part} part of {text.name} has {length} {text.level}s, and a sequence of "
                f"{bptt} needs {bptt + 1}: give a longer text, or a recipe with a smaller bptt"
            )


def text_from_strings(
    name: str, train: str, validation: str, test: str, *, level: str = "word",
    vocabulary: int | None = None,
) -> TextDataset:  # fmt: skip
    """Make a text from strings, its words between spaces and ``<eos>`` at line ends.

    Args:
        name: For people and records.
        train: The training part.
        validation: The part that gives a search its reward.
        test: The part that only final validation reads.
        level: As ``load_text``.
        vocabulary: As ``load_text``.
    """
    parts = (clean_lines(train), clean_lines(validation), clean_lines(test))
    return text_of(RawText(name, parts, words_of_lines), level=level, vocabulary=vocabulary)
