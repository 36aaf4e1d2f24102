"""What a folder means is said or refused, never guessed."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nas_gym.errors import InvalidDataset, InvalidOption, UnknownName
from nas_gym.store.locks import _FileLocks
from nas_gym.training.images.dataset import split_dataset
from nas_gym.training.images.entries import is_hidden
from nas_gym.training.images.part_names import are_parts
from nas_gym.training.images.sources import Dataset, load_dataset
from nas_gym.training.images.splitting import copy_groups
from nas_gym.training.images.summary import PARTS

SIDE = 4


def write(folder: Path, count: int, first: int = 0, suffix: str = "png") -> Path:
    """Write images that differ from each other, numbered from ``first``."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        pixels = np.full((SIDE, SIDE, 3), 50, dtype=np.uint8)
        pixels[0, 0] = number % 256, number // 256, 7
        Image.fromarray(pixels).save(folder / f"{number}.{suffix}")
    return folder


def photos(root: Path, count: int = 10) -> Path:
    write(root / "cat", count)
    write(root / "dog", count, 1000)
    return root


def load(root: Path, **options: object) -> Dataset:
    return load_dataset(root, image_size=SIDE, **options)


def sizes(data: Dataset) -> tuple[int, ...]:
    return tuple(data.summary.parts.values())


def images(data: Dataset, part: str) -> set[bytes]:
    return set(copy_groups(getattr(data, f"{part}_images").numpy()))


# ---------------------------------------------------------------- what is left out


HIDDEN = (".ipynb_checkpoints", ".git", "@eaDir", ".Trash-1000", "__MACOSX", "$RECYCLE.BIN",
          "lost+found", "System Volume Information", "~temp")  # fmt: skip


def test_what_systems_leave_behind_is_no_class_and_is_not_read(tmp_path):
    clean = load(photos(tmp_path / "clean"))
    root = photos(tmp_path / "photos")
    for number, name in enumerate(HIDDEN):
        write(root / name / "inside", 3, 3000 + number * 10)
        write(root / "cat" / name, 2, 4000 + number * 10)
    (root / "dog" / "._0.png").write_bytes(b"\0\5\26\7")
    (root / "dog" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (root / "dog" / "1.png~").write_bytes(b"old")
    data = load(root)
    assert data.class_names == ("cat", "dog")
    assert data.fingerprint == clean.fingerprint
    left_out = data.summary.to_json()["left_out"]
    assert left_out["hidden folders"]["count"] == 2 * len(HIDDEN)
    assert left_out["hidden files"]["count"] == 3


def test_other_files_are_counted_by_kind_and_pictures_are_read_whatever_their_name(tmp_path):
    root = photos(tmp_path / "photos")
    for name in ("a.txt", "b.TXT", "labels.json", "README", "movie.mp4", "half.crdownload"):
        (root / "cat" / name).write_text("no image")
    (root / "about.md").write_text("no image")
    for suffix in ("gif", "jfif", "tiff", "webp", "bmp", "JPG", "ppm", "ico", "png?width=9", "img"):
        write(root / "dog", 1, 2000)
        (root / "dog" / "2000.png").rename(root / "dog" / f"new.{suffix}")
    write(root / "dog", 1, 2001)
    (root / "dog" / "2001.png").rename(root / "dog" / "without")
    summary = load(root).summary
    assert sum(summary.counts["cat"]) == 10
    assert sum(summary.counts["dog"]) == 21
    kinds = {kind: found["count"] for kind, found in summary.to_json()["left_out"].items()}
    assert kinds == {
        ".txt files": 2, ".json files": 1, "files without a suffix": 1, ".mp4 files": 1,
        ".crdownload files": 1, ".md files": 1,
    }  # fmt: skip
    assert any("left out 7: " in line and "cat/a.txt" in line for line in summary.lines())


@pytest.mark.parametrize("name", ["a.heic", "a.HEIF", "a.dng", "a.svg", "a.jxl", "a.fits", "apple"])
def test_pictures_that_cannot_be_read_are_refused_by_name(tmp_path, name):
    root = photos(tmp_path / "photos")
    (root / "dog" / name).write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    with pytest.raises(InvalidDataset, match=rf"dog/{name} is .*convert such files to PNG"):
        load(root)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_are_never_opened(tmp_path):
    root = photos(tmp_path / "photos")
    os.mkfifo(root / "cat" / "pipe.png")
    assert load(root).summary.reading.left_out["pipes and devices"] == (1, "cat/pipe.png")


def test_links_are_followed_without_loops(tmp_path):
    root = photos(tmp_path / "photos")
    (root / "bird").symlink_to(write(tmp_path / "birds", 5, 2000))
    (root / "bird" / "more").mkdir()
    (root / "bird" / "more" / "again").symlink_to(root / "bird")
    (root / "cat" / "gone.png").symlink_to(tmp_path / "nothing.png")
    (root / "cat" / "linked.png").symlink_to(root / "dog" / "1000.png")
    summary = load(root).summary
    assert [sum(count) for count in summary.counts.values()] == [5, 11, 10]
    assert summary.reading.left_out["links to a folder around them"][0] == 1
    assert summary.reading.left_out["broken links"] == (1, "cat/gone.png")
    assert "1 images are exact copies of images of another class" in summary.warnings


@pytest.mark.parametrize("place", ["", "again", "a/b"])
def test_a_link_to_the_folder_around_brings_no_images_of_other_classes(tmp_path, place):
    root = photos(tmp_path / "photos")
    (root / "cat" / place).mkdir(parents=True, exist_ok=True)
    (root / "cat" / place / "link").symlink_to(root)
    summary = load(root).summary
    assert [sum(count) for count in summary.counts.values()] == [10, 10]
    assert summary.reading.left_out["links to a folder around them"][0] == 1
    own = tmp_path / "own"
    for part in ("train", "test"):
        photos(own / part)
    (own / "train" / "cat" / "link").symlink_to(own / "train")
    assert load(own).summary.reading.left_out["links to a folder around them"][0] == 1


def test_one_folder_is_not_that_of_two_classes_or_parts(tmp_path):
    root = photos(tmp_path / "photos")
    (root / "pet").symlink_to(root / "cat")
    with pytest.raises(InvalidDataset, match=r"pet and .*cat are one folder.* in two classes of"):
        load(root)
    (root / "pet").unlink()
    (root / "dog" / "more").symlink_to(root / "cat")
    with pytest.raises(InvalidDataset, match=r"are one folder, by a link, .* in two classes of"):
        load(root)
    own = tmp_path / "own"
    photos(own / "train")
    (own / "test").symlink_to(own / "train")
    with pytest.raises(InvalidDataset, match=r"are one folder, by a link, .* in two parts of"):
        load(own)


def test_what_nas_gym_wrote_into_the_folder_is_no_class(tmp_path):
    root = photos(tmp_path / "photos")
    alone = load(root).fingerprint
    for number, folder in enumerate((root, root / "runs")):
        store = folder / "store.sqlite"
        folder.mkdir(exist_ok=True)
        store.touch()
        _FileLocks(store).folder.mkdir()
        for names in (("learning_curve.png", "learning_curve.svg"), ("best-1.json", "best-1.md")):
            (folder / f"a run with {names[0]}").mkdir()
            for name in (*names, "best-1.png", "best-1.svg"):
                (folder / f"a run with {names[0]}" / name).touch()
        data = load(root)
        assert data.fingerprint == alone
        count, _ = data.summary.reading.left_out["folders that nas-gym wrote"]
        assert count == 3 + number  # locks and two of pictures; then the folder runs as well
    for folder in (root, root / "cat"):  # runs of these names
        for name in ("learning_curve.png", "learning_curve.svg", "best-1.png"):
            (folder / name).touch()
    data = load(root)
    assert data.fingerprint == alone
    assert data.summary.reading.left_out["files that nas-gym wrote"][0] == 6
    (root / "dog" / "best-1.png").touch()
    with pytest.raises(InvalidDataset, match=r"best-1\.png cannot be read"):
        load(root)


def test_images_beside_the_class_folders_are_refused(tmp_path):
    write(photos(tmp_path / "photos"), 1)
    with pytest.raises(InvalidDataset, match=r"1 images beside its class folders \(such as 0\.png"):
        load(tmp_path / "photos")
    with pytest.raises(InvalidDataset, match="has no folders, but 3 images"):
        load(write(tmp_path / "flat", 3))


def test_a_class_without_an_image_is_refused_by_name(tmp_path):
    root = photos(tmp_path / "photos")
    (root / "bird").mkdir()
    (root / "bird" / "a.txt").write_text("no image")
    with pytest.raises(InvalidDataset, match=r"class bird has no image \(left out: \.txt files\)"):
        load(root)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_what_may_not_be_read_is_named(tmp_path):
    root = photos(tmp_path / "photos")
    for path in (root / "cat" / "1.png", root / "cat"):
        path.chmod(0)
        try:
            with pytest.raises(InvalidDataset, match=r"cat.*Permission denied"):
                load(root)
        finally:
            path.chmod(0o755)


def test_one_folder_around_all_is_named(tmp_path):
    photos(tmp_path / "download" / "photos")
    with pytest.raises(InvalidDataset, match=r"has 1 class: .*did you mean .*download/photos"):
        load(tmp_path / "download")


# ---------------------------------------------------------------- parts


PART_NAMES = (
    "train test", "Train Test", "Training Testing", "TRAIN VAL", "train test unlabeled",
    "train_set test_set", "seg_train seg_test", "train2017 val2017", "images labels",
    "train dev", "train holdout",
    "trainset testset extra", "train-images val-images", "X_train X_test", "JPEGImages Annotations",
    "TrainData ValidData", "fold1 fold2 fold3", "01_train 02_eval", "train eval notes", "val test",
    "tr te", "train_images test_set labels", "Train inference", "entrenamiento prueba",
    "Entraînement Évaluation", "Lernen Prüfung", "treino teste", "addestramento validazione",
    "trening walidacja testowy", "Eğitim Doğrulama", "обучение тест", "Обучающая_выборка проверка",
    "训练集 测试集", "訓練 検証", "train テスト", "학습 검증", "تدريب اختبار", "प्रशिक्षण परीक्षण",
    "datos_entrenamiento prueba notas entrenamiento",
    "labeled unlabeled", "traincrops testcrops traintest train test", "train valid_images test val",
)  # fmt: skip
CLASS_NAMES = (
    "cat dog", "train bus car", "test_tube train_station cat", "a b", "validity testament",
    "devil evaporated", "tr te en", "猫 犬", "кот собака", "perro gato prueba",
    "trainer tester", "0 1 2", "intestine tram",
)  # fmt: skip


@pytest.mark.parametrize("names", PART_NAMES)
def test_names_of_parts(names):
    assert are_parts(names.split())


@pytest.mark.parametrize("names", CLASS_NAMES)
def test_names_of_classes(names):
    assert not are_parts(names.split())


@settings(max_examples=60)
@given(
    st.sampled_from(["train", "training", "Train", "TRAINING"]),
    st.sampled_from(["test", "val", "Valid", "VALIDATION", "dev", "eval", "Testing", "validate"]),
    st.sampled_from(["", "_set", "-data", "2017", " 2", "_v2", "_images", ".old"]),
    st.sampled_from(["", "seg_", "my-", "01 ", "x."]),
    st.lists(st.sampled_from(["cat", "dog", "extra", "labels"]), max_size=2, unique=True),
)
def test_parts_are_recognised_whatever_stands_around(train, held_out, end, start, others):
    assert are_parts([f"{start}{train}{end}", f"{start}{held_out}{end}", *others])


@pytest.mark.parametrize(
    "names",
    ["Train Test", "train test unlabeled", "seg_train seg_test", "images labels",
     "train test .ipynb_checkpoints", "first second", "train val valid", "val test"],
)  # fmt: skip
def test_parts_of_other_names_are_refused(tmp_path, names):
    for number, name in enumerate(names.split()):
        write(tmp_path / name / "cat", 3, number * 10)
        write(tmp_path / name / "dog", 3, number * 10 + 1000)
    with pytest.raises(InvalidDataset, match="holds parts, not classes"):
        load(tmp_path)


def test_parts_inside_the_classes_are_refused(tmp_path):
    for name in ("cat/train", "cat/test", "dog/train"):
        write(tmp_path / name, 3)
    with pytest.raises(InvalidDataset, match="cat holds parts"):
        load(tmp_path)


def test_folders_within_classes_count_as_the_classes(tmp_path):
    photos(tmp_path)
    write(tmp_path / "cat" / "persian", 5, 100)
    write(tmp_path / "dog" / "images", 5, 200)
    summary = load(tmp_path).summary
    assert [sum(count) for count in summary.counts.values()] == [15, 15]
    assert any("10 images in folders within" in line for line in summary.lines())
    one_each = tmp_path / "one"
    for number, name in enumerate(("cat", "dog")):
        write(one_each / name / "images", 5, number * 10)  # as in Tiny ImageNet
    assert load(one_each).classes == 2


def own_split(root: Path, parts: dict[str, int]) -> Path:
    for number, (part, count) in enumerate(parts.items()):
        write(root / part / "cat", count, 300 * number)
        write(root / part / "dog", count, 300 * number + 1000)
    return root


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
def test_an_own_split_is_used_as_it_is(tmp_path, validation):
    data = load(own_split(tmp_path / "mine", {"train": 7, validation: 4, "test": 2}))
    assert data.class_names == ("cat", "dog")
    assert sizes(data) == (14, 8, 4)
    for part, first in zip(PARTS, (0, 300, 600), strict=True):
        red_green = getattr(data, f"{part}_images")[:, :2, 0, 0].long()
        numbers = (red_green[:, 0] + 256 * red_green[:, 1]).tolist()
        count = len(numbers) // 2
        both = [*range(first, first + count), *range(first + 1000, first + 1000 + count)]
        assert sorted(numbers) == both
        assert getattr(data, f"{part}_labels").tolist() == [0] * count + [1] * count
    for option in ("validation", "test"):
        with pytest.raises(InvalidOption, match=f"has its own {option} part"):
            load(tmp_path / "mine", **{option: 0.2})


def test_a_part_that_is_missing_comes_from_training(tmp_path):
    root = own_split(tmp_path / "mine", {"train": 20, "test": 3})
    assert sizes(load(root)) == (28, 12, 6)
    assert sizes(load(root, validation=0.25)) == (30, 10, 6)
    assert sizes(load(own_split(tmp_path / "other", {"train": 20, "val": 3}))) == (36, 6, 4)


def test_parts_must_hold_the_same_classes(tmp_path):
    root = own_split(tmp_path / "mine", {"train": 5, "val": 5, "test": 5})
    write(root / "test" / "bird", 3)
    with pytest.raises(InvalidDataset, match="test has a class bird, and train has none"):
        load(root)
    write(root / "train" / "bird", 3, 10)
    with pytest.raises(InvalidDataset, match="train has a class bird, and val has none"):
        load(root)
    write(root / "val", 1)
    with pytest.raises(InvalidDataset, match="1 images beside its class folders"):
        load(root)


# ---------------------------------------------------------------- copies


def test_copies_stay_in_one_part_and_the_rest_as_it_was():
    labels = np.arange(400) % 2
    pixels = np.random.default_rng(0).integers(0, 256, (400, 1, 4, 4)).astype(np.uint8)
    plain = split_dataset("plain", pixels, labels)
    for one, other in ((0, 2), (4, 6), (8, 10), (1, 3), (12, 14), (16, 18)):
        pixels[one] = pixels[other]
    data = split_dataset("copied", pixels, labels)
    parts = [images(data, part) for part in PARTS]
    assert sum(map(len, parts)) == 394
    assert len(set.union(*parts)) == 394
    assert data.summary.warnings == ()
    moved = sum(len(images(plain, part) - images(data, part)) for part in PARTS)
    assert moved < 40
    assert np.abs(np.subtract(sizes(data), sizes(plain))).max() <= 2


def test_copies_in_two_parts_or_classes_are_warned_of(tmp_path):
    root = own_split(tmp_path / "mine", {"train": 5, "val": 5, "test": 5})
    for part in ("val", "test"):
        copy = (root / "train" / "cat" / "0.png").read_bytes()
        (root / part / "cat" / "copy.png").write_bytes(copy)
    (root / "train" / "dog" / "cat.png").write_bytes(copy)
    validation, test, classes = load(root).summary.warnings
    assert "1 of 11 images of the validation part are exact copies" in validation
    assert "1 of 11 images of the test part" in test
    assert "exact copies of images of another class" in classes


def test_a_class_of_copies_alone_is_split_all_the_same(tmp_path):
    labels = np.arange(40) % 2
    data = split_dataset(
        "flat", np.stack([np.full((1, 2, 2), i, np.uint8) for i in labels]), labels
    )
    assert sizes(data) == (32, 4, 4)
    assert len(data.summary.warnings) == 2


# ---------------------------------------------------------------- names, shares, summary


@pytest.mark.skipif(sys.platform != "linux", reason="names are any bytes there")
def test_names_that_are_not_utf8(tmp_path):
    root = photos(tmp_path / "photos")
    os.rename(root / "cat" / "0.png", os.fsencode(root / "cat") + b"/caf\xe9.png")
    os.rename(root / "dog", os.fsencode(root) + b"/d\xf6g\n")
    os.rename(root, os.fsencode(tmp_path) + b"/ph\xf6tos")
    data = load(Path(os.fsdecode(os.fsencode(tmp_path) + b"/ph\xf6tos")))
    assert data.name == r"ph\xf6tos"
    assert data.class_names == ("cat", r"d\xf6g\n")
    json.dumps(data.summary.to_json()).encode()
    assert all(line.isprintable() for line in data.summary.lines())


def test_classes_that_differ_only_in_how_they_are_written(tmp_path):
    for number, name in enumerate(("Cat", "cat")):
        write(tmp_path / name, 4, number * 10)
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system knows no case")
    assert "Cat and cat differ only" in load(tmp_path).summary.lines()[-1]


def test_classes_of_parts_that_differ_only_in_how_they_are_written(tmp_path):
    for part, name in (("train", "e\u0301t"), ("test", "\u00c9T")):
        write(tmp_path / part / name, 3)
        write(tmp_path / part / "x", 3, 1000)
    with pytest.raises(InvalidDataset, match="has one that is written in another way: each part"):
        load(tmp_path)


def test_shares_of_the_parts(tmp_path):
    root = photos(tmp_path / "photos", 20)
    assert sizes(load(root)) == (24, 12, 4)
    assert sizes(load(root, validation=0.1)) == (32, 4, 4)
    assert sizes(load(root, validation=0.3, test=0.2)) == (20, 12, 8)
    assert load(root, validation=0.3, test=0.1).fingerprint == load(root).fingerprint
    assert sizes(load_dataset("digits", validation=0.1)) == (1259, 179, 359)
    with pytest.raises(InvalidOption, match="validation is 0"):
        load(root, validation=0)
    with pytest.raises(InvalidOption, match="leave something to train"):
        load(root, validation=0.5, test=0.5)
    with pytest.raises(InvalidDataset, match=r"class cat has 3 images, of which 2 .* none trains"):
        load(photos(tmp_path / "few", 3), validation=0.5, test=0.4)


def test_the_summary_says_what_was_read(tmp_path):
    write(tmp_path / "photos" / "cat", 30)
    write(tmp_path / "photos" / "dog", 10, 1000)
    Image.new("RGB", (8, 6)).save(tmp_path / "photos" / "dog" / "large.png")
    summary = load(tmp_path / "photos").summary
    assert summary.to_json() == {
        "name": "photos",
        "classes": {
            "cat": {"train": 18, "validation": 9, "test": 3},
            "dog": {"train": 7, "validation": 3, "test": 1},
        },
        "parts": {"train": 25, "validation": 12, "test": 4},
        "chance": 0.5,
        "largest_share": 0.75,
        "largest_class": "cat",
        "sizes": {"originals": {"4 x 4": 40, "8 x 6": 1}, "become": [3, 4, 4]},
        "left_out": {},
        "converted": {},
        "warnings": [],
    }
    assert summary.lines() == [
        "data set photos: 41 images of 2 classes; 25 train, 12 validate, 4 test",
        "  classes: cat: 30, dog: 11",
        "  image sizes: 2 sizes, 4 to 8 wide and 4 to 6 high, cut to the square in their middle; "
        "the networks see 4 x 4 pixels of 3 channels",
        "  always saying cat is right for 75.0% of the validation part, guessing for 50.0%",
    ]


def test_data_sets_of_all_kinds_have_a_summary(tmp_path):
    np.savez(tmp_path / "x.NPZ", images=np.zeros((30, 4, 4), np.uint8), labels=np.arange(30) % 3)
    os.rename(tmp_path / "x.NPZ.npz", tmp_path / "X.NPZ")
    for data in (load_dataset("digits"), load_dataset(tmp_path / "X.NPZ")):
        assert sum(data.summary.parts.values()) == sum(map(sum, data.summary.counts.values()))
        assert list(data.summary.counts) == [str(label) for label in range(data.classes)]
    several = split_dataset("many", np.arange(300).reshape(-1, 1, 1, 1).astype(np.float32),
                            np.arange(300) % 100)  # fmt: skip
    assert "and 88 more" in several.summary.lines()[1]


def test_more_than_the_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("nas_gym.training.memory.total_memory", lambda: 2**30)
    with pytest.raises(InvalidDataset, match=r"20 images of .* would need .* GiB of memory"):
        load_dataset(photos(tmp_path / "photos"), image_size=16_384)


def test_scales_of_one_folder_must_agree(tmp_path):
    root = photos(tmp_path / "photos")
    for number, scale in enumerate((1.0, 200.0)):
        Image.fromarray(np.full((4, 4), scale, np.float32)).save(root / "cat" / f"f{number}.tif")
    with pytest.raises(InvalidDataset, match=r"f0\.tif has floats from 0 to 1 .*f1\.tif from 0 to"):
        load(root)


# ---------------------------------------------------------------- places


def test_a_word_that_is_no_data_set_says_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownName, match=f"no folder or data set 'photos' in {tmp_path}: known: "):
        load_dataset("photos")


@pytest.mark.parametrize("place", ["~nobody-of-this-name/x", "x" * 200 + "/y", "/dev/null"])
def test_paths_of_nothing_are_one_sentence(place):
    with pytest.raises(InvalidDataset, match="is not a folder"):
        load_dataset(place)


def test_a_path_longer_than_any_is_refused():
    with pytest.raises(InvalidOption, match="longer than a path can be"):
        load_dataset("x" * 5000 + "/y")


@pytest.mark.parametrize(
    ("name", "words"),
    [("a.zip", "unpack it, and give a folder"), ("a.TGZ", "unpack it, and"),
     ("a.npy", "save its images and labels with numpy.savez"), ("a.h5", "save its images and"),
     ("a.csv", "save its images and"), ("a.doc", "not a folder: give a folder")],
)  # fmt: skip
def test_files_that_are_no_data_set_are_told_what_to_do(tmp_path, name, words):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InvalidDataset, match=words):
        load_dataset(tmp_path / name)


def test_no_home_is_no_traceback(monkeypatch):
    def gone(*_: object) -> None:
        raise KeyError("no such user")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", gone)
    monkeypatch.setattr("nas_gym.training.images.sources.DEBIAN_FASHION_MNIST", Path("/nowhere"))
    with pytest.raises(InvalidDataset, match="say where it lies with --folder"):
        load_dataset("fashion-mnist")
    with pytest.raises(InvalidDataset, match="no home folder to download to"):
        load_dataset("cifar10", download=True)


@pytest.mark.parametrize("given_", [5, None, object(), [1]])
def test_what_is_neither_name_nor_path_is_refused(given_):
    with pytest.raises(InvalidOption, match=r"dataset is .*: give a word or a path"):
        load_dataset(given_)


def test_hidden_names():
    assert all(map(is_hidden, (*HIDDEN, "THUMBS.DB", "desktop.ini", "._a.jpg", "a.jpg~", "Icon\r")))
    assert not any(map(is_hidden, ("cat", "a.b", "_x", "#1", "a@b", "icons")))


def test_labels_stay_with_their_images(tmp_path):
    data = load(photos(tmp_path / "photos"))
    for part in PARTS:
        green = getattr(data, f"{part}_images")[:, 1, 0, 0].long()
        assert torch.equal((green > 0).long(), getattr(data, f"{part}_labels"))
