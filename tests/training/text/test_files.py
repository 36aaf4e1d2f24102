"""Texts as they are given away: which files of a folder are their parts."""

import pytest

from nas_gym.errors import InvalidDataset
from nas_gym.training.text.dataset import load_text
from nas_gym.training.text.files import text_files

LINES = {
    "train": " the cat sat \n a dog ran \n",
    "valid": " the dog sat \n",
    "test": " a cat ran \n",
}


def write(folder, *patterns):
    folder.mkdir(exist_ok=True)
    for pattern in patterns:
        for part, line in LINES.items():
            (folder / pattern.format(part)).write_text(line)
    return folder


@pytest.mark.parametrize(
    "pattern",
    ["{}.txt", "ptb.{}.txt", "wiki.{}.tokens", "wiki.{}.raw", "PTB-{}.TXT", "my_own_{}.txt"],
)
def test_every_usual_name_is_the_same_text(tmp_path, pattern):
    plain = load_text(write(tmp_path / "plain", "{}.txt"))
    other = load_text(write(tmp_path / "other", pattern))
    assert other.fingerprint == plain.fingerprint
    assert other.warnings == ()


@pytest.mark.parametrize("word", ["valid", "val", "validation", "dev"])
def test_words_for_the_validation_part(tmp_path, word):
    write(tmp_path, "ptb.{}.txt")
    (tmp_path / "ptb.valid.txt").rename(tmp_path / f"ptb.{word}.txt")
    assert [path.name for path in text_files(tmp_path).paths] == [
        "ptb.train.txt", f"ptb.{word}.txt", "ptb.test.txt",
    ]  # fmt: skip


def test_the_penn_treebank_as_it_comes(tmp_path):
    """Mikolov's archive has the words, the same letter by letter, and a README."""
    write(tmp_path / "data", "ptb.{}.txt")
    for part, line in LINES.items():
        letters = " ".join(line.strip().replace(" ", "_").replace("\n", ""))
        (tmp_path / "data" / f"ptb.char.{part}.txt").write_text(f" {letters} \n")
    (tmp_path / "data" / "README").write_text("about the files")
    for level in ("word", "character"):
        text = load_text(tmp_path / "data", level=level)
        assert text.warnings == (
            "its parts are ptb.train.txt, ptb.valid.txt, ptb.test.txt; left out in its folder: "
            "ptb.char.test.txt, ptb.char.train.txt, ptb.char.valid.txt",
        )
    assert "cat" in load_text(tmp_path / "data").vocabulary
    assert "_" not in text.vocabulary
    with pytest.raises(InvalidDataset, match=r"; did you mean .*/data\?$"):
        load_text(tmp_path)


def test_letters_between_spaces_are_words_and_no_characters(tmp_path):
    write(tmp_path, "ptb.char.{}.txt")
    load_text(tmp_path)
    with pytest.raises(InvalidDataset, match=r"letters between spaces.*give level='word'"):
        load_text(tmp_path, level="character")


def test_plain_names_come_first_and_it_is_said(tmp_path):
    write(tmp_path, "{}.txt", "wiki.{}.tokens")
    (tmp_path / "train.txt").write_text("plain words\n")
    (tmp_path / "dev.txt").write_text("another validation part\n")
    text = load_text(tmp_path)
    assert "plain" in text.vocabulary
    assert text.warnings[0].endswith(
        "dev.txt, wiki.test.tokens, wiki.train.tokens, wiki.valid.tokens"
    )


@pytest.mark.parametrize(
    ("patterns", "change", "message"),
    [
        (("a.{}.txt", "b.{}.txt"), None, r"holds 2 texts \(a\.train\.txt, b\.train\.txt, …\): put"),
        (("wiki.{}.tokens", "wiki.{}.raw"), None, "holds 2 texts"),
        (("wiki.{}.tokens",), "wiki.test.tokens", r"has no wiki\.test\.tokens: a folder of text"),
        (("ptb.{}.txt",), "ptb.train.txt", r"has no ptb\.train\.txt: a folder of text"),
        (("{}.txt",), "valid.txt", r"has no valid\.txt: a folder of text has the files train\.txt"),
        ((), None, r"has no train\.txt and no valid\.txt and no test\.txt"),
        (("{}.csv", "my.{}er.txt"), None, r"has no train\.txt and no valid\.txt and no test\.txt"),
    ],
)
def test_folders_without_one_whole_text_are_refused(tmp_path, patterns, change, message):
    write(tmp_path, *patterns)
    if change:
        (tmp_path / change).unlink()
    with pytest.raises(InvalidDataset, match=message):
        text_files(tmp_path)


def test_two_files_for_one_part_are_refused(tmp_path):
    write(tmp_path, "ptb.{}.txt")
    (tmp_path / "ptb.dev.txt").write_text("which one\n")
    with pytest.raises(InvalidDataset, match=r"has ptb\.dev\.txt and ptb\.valid\.txt for one part"):
        text_files(tmp_path)
