import re
import sys

import pytest

from nas_gym.errors import InvalidDataset
from nas_gym.training.text.sources import read_python_docs, words_of_docs, words_of_lines


def test_every_line_ends():
    assert words_of_lines("a b\n\nc\n") == ["a", "b", "<eos>", "<eos>", "c", "<eos>"]


def test_words_of_pythons_help():
    text = 'The "x3" statement\n******\n\nIn 3.11, x == 1e5\n  (a::b) ...\n+----+\n\n----\n'
    assert words_of_docs(text) == [
        *("the", '"', "x3", '"', "statement", "<eos>"),
        *("in", "N", ",", "x", "==", "N", "e5", "(", "a", "::", "b", ")", "...", "<eos>"),
    ]
    assert words_of_docs("a ----- b £5 naïve") == ["a", "---", "b", "£", "N", "naïve", "<eos>"]


def test_python_docs_are_split_by_topic_without_repetitions():
    raw = read_python_docs()
    sizes = [len(part) for part in raw.parts]
    assert 0.78 < sizes[0] / sum(sizes) < 0.86
    for size in sizes[1:]:
        assert 0.07 < size / sum(sizes) <= 0.1
    paragraphs = [{p for p in re.split(r"\n\s*\n", part) if len(p) >= 60} for part in raw.parts]
    assert not paragraphs[0] & paragraphs[1]
    assert not paragraphs[0] & paragraphs[2]
    assert not paragraphs[1] & paragraphs[2]
    assert read_python_docs().parts == raw.parts


def test_python_without_its_help_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(InvalidDataset, match="this Python came without it"):
        read_python_docs()
