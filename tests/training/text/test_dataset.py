import copy
import pickle
from collections import Counter

import pytest
import torch

from nas_gym.errors import InvalidDataset, InvalidOption, UnknownName
from nas_gym.training.text.dataset import check_lengths, load_text, text_from_strings

PARTS = ("train", "validation", "test")
TRAIN = " the cat <unk> on the mat \n the dog sat \n"
VALID = " the cow sat \n"
TEST = " a dog barked at the cat \n"


def folder_of(path, train=TRAIN, valid=VALID, test=TEST):
    """A folder in the layout of Mikolov's Penn Treebank."""
    for name, text in (("train", train), ("valid", valid), ("test", test)):
        (path / f"{name}.txt").write_text(text, encoding="utf-8", newline="")
    return path


def spelled(text, part):
    return [text.vocabulary[i] for i in getattr(text, part)]


# ---------------------------------------------------------------- words and characters


def test_words_of_a_folder(tmp_path):
    text = load_text(folder_of(tmp_path))
    assert text.vocabulary == ("<unk>", "the", "<eos>", "cat", "dog", "mat", "on", "sat")
    assert spelled(text, "train") == [
        *("the", "cat", "<unk>", "on", "the", "mat", "<eos>"),
        *("the", "dog", "sat", "<eos>"),
    ]
    assert spelled(text, "validation") == ["the", "<unk>", "sat", "<eos>"]
    assert spelled(text, "test") == ["<unk>", "dog", "<unk>", "<unk>", "the", "cat", "<eos>"]
    assert {getattr(text, part).dtype for part in PARTS} == {torch.int64}
    assert text.train_characters == len("the cat <unk> on the mat\nthe dog sat\n")
    assert text.name == tmp_path.name


@pytest.mark.slow
def test_a_folder_of_the_size_of_penn_treebank(tmp_path):
    """The sizes of Mikolov's files: 10,000 words with <unk> and <eos>, tokens with line ends."""
    sizes = {"train": (929_589, 42_068), "valid": (73_760, 3_370), "test": (82_430, 3_761)}
    for name, (tokens, lines) in sizes.items():
        numbers = [n % 9_999 for n in range(tokens - lines)]
        words = ["<unk>" if n == 0 else f"w{n}" for n in numbers]
        rows = [words[i::lines] for i in range(lines)]
        (tmp_path / f"{name}.txt").write_text("".join(f" {' '.join(row)} \n" for row in rows))
    text = load_text(tmp_path)
    assert [len(getattr(text, part)) for part in PARTS] == [929_589, 73_760, 82_430]
    assert len(text.vocabulary) == 10_000


def test_characters_of_a_folder(tmp_path):
    text = load_text(folder_of(tmp_path), level="character")
    assert "".join(spelled(text, "train")) == "the cat <unk> on the mat\nthe dog sat\n"
    assert "".join(spelled(text, "test")) == "a dog <unk>a<unk>ked at the cat\n"  # no b, no r
    assert [getattr(text, f"{part}_characters") for part in PARTS] == [37, 12, 24]
    assert [len(getattr(text, part)) for part in PARTS] == [37, 12, 24]


def test_both_levels_count_the_same_characters(tmp_path):
    for given in (folder_of(tmp_path), "python-docs"):
        words, characters = (load_text(given, level=level) for level in ("word", "character"))
        for part in PARTS:
            count = getattr(words, f"{part}_characters")
            assert count == len(getattr(characters, part))


def test_a_limited_vocabulary_keeps_the_most_frequent_words(tmp_path):
    text = load_text(folder_of(tmp_path), vocabulary=4)
    assert text.vocabulary == ("<unk>", "the", "<eos>", "cat")
    assert Counter(spelled(text, "train"))["<unk>"] == 5
    assert len(load_text("python-docs").vocabulary) == 1000
    assert len(load_text("python-docs", vocabulary=77).vocabulary) == 77


def test_other_line_ends_and_a_byte_order_mark_change_nothing(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    plain = load_text(folder_of(tmp_path / "a"))
    windows = "\ufeff" + TRAIN.replace("\n", "\r\n")
    assert load_text(folder_of(tmp_path / "b", train=windows)).fingerprint == plain.fingerprint


def test_the_vocabulary_does_not_depend_on_what_comes_later(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = load_text(folder_of(tmp_path / "a"))
    other = load_text(folder_of(tmp_path / "b", valid=" new words \n", test=" more of them \n"))
    assert one.vocabulary == other.vocabulary


# ---------------------------------------------------------------- fingerprints


def test_the_fingerprint_covers_everything():
    def fingerprint(train=TRAIN, valid=VALID, test=TEST, **options):
        return text_from_strings("t", train, valid, test, **options).fingerprint

    prints = [
        fingerprint(),
        fingerprint(level="character"),
        fingerprint(vocabulary=5),
        fingerprint(train=TRAIN.replace("dog", "ape")),
        fingerprint(valid=VALID.replace("sat", "dog")),
        fingerprint(valid=VALID.replace("cow", "yaks")),  # same tokens, one character more
        fingerprint(test=TEST.replace("dog", "mat")),
        fingerprint(train=VALID, valid=TRAIN),
    ]
    assert len(set(prints)) == len(prints)
    assert fingerprint() == prints[0]
    assert prints[0] == "a6e17c4731458ef3010c9d31f1e288433f98442e14e2b18dbc723cb5e92645b9"


def test_texts_travel_and_are_not_copied():
    text = text_from_strings("t", TRAIN, VALID, TEST)
    assert copy.deepcopy(text) is text
    there = pickle.loads(pickle.dumps(text))
    assert torch.equal(there.train, text.train)
    assert there.vocabulary == text.vocabulary


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"valid.txt": None}, "has no valid.txt: a folder of text has the files train.txt"),
        ({"train.txt": None, "test.txt": None}, "has no train.txt and no test.txt"),
        ({"train.txt": b""}, "train.txt is empty: put text into it"),
        ({"valid.txt": b" \n \n"}, "valid.txt is empty"),
        ({"train.txt": b"a a a\na a\n"}, "has 1 different word .*give a text with 2 or more"),
        ({"train.txt": b"<unk> <unk>\n"}, "has 0 different words"),
        ({"test.txt": b"caf\xe9 au lait\n"}, "test.txt is not UTF-8: byte 0xe9 at offset 3"),
    ],
)
def test_broken_folders_are_refused_in_one_sentence(tmp_path, change, message):
    folder_of(tmp_path)
    for name, content in change.items():
        (tmp_path / name).unlink()
        if content is not None:
            (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidDataset, match=message):
        load_text(tmp_path)


def test_one_character_is_no_vocabulary():
    with pytest.raises(InvalidDataset, match="has 1 different character "):
        text_from_strings("t", "aaaa\naa", "a\n", "a\n", level="character")
    with pytest.raises(InvalidDataset, match="the validation part of t is empty"):
        text_from_strings("t", "a b\n", "", "a\n")


def test_what_is_no_folder_is_refused(tmp_path):
    file = tmp_path / "train.txt"
    file.write_text("a b")
    for given in (file, tmp_path / "nothing"):
        with pytest.raises(InvalidDataset, match=r"is not a folder: give a folder with train.txt"):
            load_text(given)
    with pytest.raises(
        UnknownName, match=r"no folder or text 'python-doc' in .*: did you mean 'python-docs'"
    ):
        load_text("python-doc")


def test_bad_options_are_refused():
    with pytest.raises(UnknownName, match="unknown level 'words': did you mean 'word'"):
        load_text("python-docs", level="words")
    for value in (2, True, 2.5, "1000"):
        with pytest.raises(InvalidOption, match=r"vocabulary is .*: give a whole number from 3"):
            load_text("python-docs", vocabulary=value)


def test_parts_shorter_than_a_sequence_are_refused():
    text = text_from_strings("t", TRAIN, VALID, TEST)
    check_lengths(text, 3)
    message = "the validation part of t has 4 words, and a sequence of 4 needs 5: give a longer"
    with pytest.raises(InvalidDataset, match=message):
        check_lengths(text, 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a b\n".encode("utf-16-le"), r"train\.txt holds NUL characters, as UTF-16"),
        (b"a b\rc d\r", r"train\.txt ends its lines with carriage returns"),
        (b"caf\xe9\n", r"train\.txt is not UTF-8"),
        (b" \n", r"train\.txt is empty"),
    ],
)
def test_text_that_would_be_read_wrongly_is_refused(tmp_path, content, message):
    for name in ("valid.txt", "test.txt"):
        (tmp_path / name).write_text("a b\n")
    (tmp_path / "train.txt").write_bytes(content)
    with pytest.raises(InvalidDataset, match=message):
        load_text(tmp_path)


def test_text_that_needs_more_memory_than_there_is(tmp_path, monkeypatch):
    for name in ("train.txt", "valid.txt", "test.txt"):
        (tmp_path / name).write_text("a b\n")
    monkeypatch.setattr("nas_gym.training.memory.total_memory", lambda: 50)
    with pytest.raises(InvalidDataset, match=r"train\.txt would need .* GiB of memory"):
        load_text(tmp_path)


def test_what_is_neither_name_nor_folder_is_refused():
    with pytest.raises(InvalidOption, match="dataset is 5: give a word or a path"):
        load_text(5)
    with pytest.raises(InvalidDataset, match="is not a folder"):
        load_text("~nobody-of-this-name/text")
