"""What is said of a text before a search, and which texts are worth a warning."""

import pytest

from nas_gym.training.text.dataset import load_text, text_from_strings
from nas_gym.training.text.summary import repetitions

LINES = [f"line {i} tells of {i * 7} cats and dogs" for i in range(30)]
TEXT = "\n".join(LINES) + "\n"


def test_what_is_said_of_a_text():
    text = text_from_strings("mine\x1b[2J", TEXT, "line 1 tells of birds\n" * 3, "cats and dogs\n")
    assert text.summary.lines() == [
        "text mine\\x1b[2J: 270 words train, 18 validate, 4 test; a vocabulary of 63",
        "  <unk> stands for 16.7% of the validation part; guessing by frequency has perplexity "
        f"{text.unigram_perplexity():,.1f} there",
    ]


@pytest.mark.parametrize(
    ("train", "validation", "test", "warned"),
    [
        (TEXT, TEXT, "x y\n", ["validation"]),
        (TEXT, "x y\n", TEXT, ["test"]),
        (LINES[0], TEXT, TEXT, ["test"]),
        (TEXT, "\n".join([*LINES[:2], *(f"other {line}" for line in LINES)]), "x y\n", []),
        ("yes\nno\n" * 9, "yes\nno\n" * 9, "yes\nno\n" * 9, []),
    ],
)
def test_lines_of_two_parts_are_warned_of(train, validation, test, warned):
    said = repetitions((train, validation, test), ("training", "validation", "test"))
    assert [
        part for part in warned if any(f" {part} part are lines of" in s for s in said)
    ] == warned
    assert len(said) == len(warned)


def test_a_part_of_unknown_words_is_warned_of():
    text = text_from_strings("mine", TEXT, "a b c d e f g\n", "line 1\n")
    assert text.summary.lines()[-1].startswith("  warning: 88% of the words of the validation part")


def test_python_docs_have_no_warning():
    assert not any("warning" in line for line in load_text("python-docs").summary.lines())
