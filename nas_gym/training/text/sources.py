"""The sources of texts: files in the layout of the Penn Treebank, and Python's own help.

Nothing here knows of vocabularies: a ``RawText`` says what its characters and its words are.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from annotated_types import Interval

from nas_gym.errors import InvalidDataset
from nas_gym.options.printable import printable
from nas_gym.training.memory import check_memory
from nas_gym.training.text.files import text_files

Level = Literal["word", "character"]  # the items that a model reads
Vocabulary = (
    Annotated[int, Interval(ge=3, le=2**24)] | None
)  # most entries of a vocabulary; None: no limit

UNKNOWN = "<unk>"  # a word outside the vocabulary
END = "<eos>"  # the end of a line, or of a paragraph

SHARE = 0.1  # of python-docs' characters, at most, that validate; and as many that test
_MEMORY_PER_BYTE = 20  # of a file, at least: its words are Python's, and then numbers
REPEATED = 60  # characters of a paragraph that counts as a repetition
_BLANK = re.compile(r"\n[ \t]*\n[ \t\n]*")  # between paragraphs
_WORD = re.compile(r"[^\W\d]\w*|\d+(?:\.\d+)*|([^\w\s])\1{0,2}")
_RUN = re.compile(r"([^\w\s])\1{3,}")  # of one sign, longer than a word may be
_NUMBER = "N"  # every number is this word, as in Mikolov's Penn Treebank


class RawText(NamedTuple):
    """Three parts, as characters, and how they are cut into words."""

    name: str
    parts: tuple[str, str, str]  # train, validation, test
    words: Callable[[str], list[str]]
    warnings: tuple[str, ...] = ()  # of what was read, one sentence each


def words_of_lines(part: str) -> list[str]:
    """Return what stands between spaces, and ``<eos>`` for the end of each line."""
    lines = part.removesuffix("\n").split("\n")
    return [word for line in lines for word in (*line.split(), END)]


def read_folder(folder: Path, level: str = "word") -> RawText:
    """Read the text in a folder, whose files are named as ``nas_gym.training.text.files`` tells.

    Raises:
        InvalidDataset: A file is missing, unreadable, empty, too large or not UTF-8; there are
            several texts, or one that has no such level.
    """
    files = text_files(folder, level)
    train, validation, test = (read_lines(path) for path in files.paths)
    name = printable(folder.resolve().name)
    if not files.left_out:
        return RawText(name, (train, validation, test), words_of_lines)
    others = ", ".join(map(printable, files.left_out))
    read = ", ".join(printable(path.name) for path in files.paths)
    warning = f"its parts are {read}; left out in its folder: {others}"
    return RawText(name, (train, validation, test), words_of_lines, (warning,))


def read_lines(path: Path) -> str:
    """Read the lines of a file, without the spaces around them; each ends with a newline."""
    where = printable(path)
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise InvalidDataset(f"{where} is no file: give a text")
        check_memory(path.stat().st_size * _MEMORY_PER_BYTE, where)
        content = path.read_bytes()
    except OSError as error:
        raise InvalidDataset(
            f"{where} cannot be read ({error.strerror}): make it readable"
        ) from None
    if b"\0" in content:
        raise InvalidDataset(
            f"{where} holds NUL characters, as UTF-16 and binary files do: convert it to UTF-8"
        )
    if b"\r" in content and b"\n" not in content:
        raise InvalidDataset(
            f"{where} ends its lines with carriage returns alone, so that it would be one line: "
            "end them with newlines"
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidDataset(
            f"{where} is not UTF-8: byte {content[error.start]:#04x} at offset {error.start} "
            f"({error.reason}); convert the file to UTF-8"
        ) from None
    if not text.strip():
        raise InvalidDataset(f"{where} is empty: put text into it")
    return clean_lines(text.removeprefix("\ufeff"))


def clean_lines(text: str) -> str:
    """Strip the spaces around lines; each ends with a newline. Empty text stays empty."""
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    return "".join(f"{line.strip()}\n" for line in lines) if text else ""


def read_python_docs() -> RawText:
    """Read Python's help on topics of the language, ``pydoc_data.topics``, split by topic.

    Some topics are repeated inside longer ones: a paragraph that a longer topic has is left out,
    so that no paragraph of 60 or more characters is in two parts. Topics come in the order of a
    hash of their names; each goes to the test part if a tenth of the text still holds it, else to
    the validation part likewise, else it trains.

    Raises:
        InvalidDataset: This Python came without the module.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise InvalidDataset(
            "python-docs is Python's own pydoc_data.topics, and this Python came without it: "
            "install Python's standard library in full, or give a folder of text"
        ) from None
    kept = _without_repetitions(topics)
    room = SHARE * sum(map(len, kept.values()))
    parts = {"test": "", "validation": "", "train": ""}
    for name in sorted(kept, key=lambda name: hashlib.sha256(name.encode()).digest()):
        fitting = [p for p in ("test", "validation") if len(parts[p]) + len(kept[name]) <= room]
        parts[(*fitting, "train")[0]] += kept[name]
    text = (parts["train"], parts["validation"], parts["test"])
    return RawText("python-docs", text, words_of_docs)


def _without_repetitions(topics: Mapping[str, str]) -> dict[str, str]:
    """Return each topic without the longer paragraphs that a longer topic has already."""
    seen: set[str] = set()
    kept = {}
    for name in sorted(topics, key=lambda name: (-len(topics[name]), name)):
        paragraphs = [p.rstrip() for p in _BLANK.split(topics[name].strip("\n"))]
        new = [p for p in paragraphs if len(p) < REPEATED or p not in seen]
        seen.update(paragraphs)
        kept[name] = "".join(f"{p}\n\n" for p in new)
    return kept


def words_of_docs(part: str) -> list[str]:
    """Return the words of Python's help, and ``<eos>`` for the end of each paragraph.

    They are in lower case; signs are words of their own, and so is a run of up to three of one sign
    (``==``, ``...``), to which longer runs are cut; every number is ``N``. Lines without a letter
    or digit (rules under headings and in tables) are left out, and so are the ends of lines, which
    are wrapped.
    """
    words: list[str] = []
    for paragraph in _BLANK.split(part.strip("\n").lower()):
        lines = [line for line in paragraph.split("\n") if any(c.isalnum() for c in line)]
        found = _WORD.finditer(_RUN.sub(r"\1\1\1", "\n".join(lines)))
        new = [_NUMBER if match[0][0].isdecimal() else match[0] for match in found]
        words += [*new, END] if new else []
    return words
