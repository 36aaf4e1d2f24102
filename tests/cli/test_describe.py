"""Architectures that are described from the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import nas_gym
from nas_gym.cli.list import _listing

Run = Callable[..., int]
RESNET = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("size", "parameters", "multiply_adds"),
    [  # papers: 88.9M, 23.8B; 5.3M, 564M; 3.3M
        ("6 168 331 1000 imagenet", 88_753_150, "23.8e9"),
        ("4 44 224 1000 imagenet", 5_289_978, "564e6"),
        ("6 32 32 10 cifar", 3_346_538, "544e6"),
    ],
)
def test_nasnet_a_has_the_published_size(
    run: Run, size: str, parameters: int, multiply_adds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("--repeats", "--filters", "--image-size", "--classes", "--stem")
    options = [part for pair in zip(names, size.split(), strict=True) for part in pair]
    assert run("describe", "nasnet-a", *options, "--json") == 0
    described = json.loads(capsys.readouterr().out)
    assert described["parameters"] == parameters
    number, exponent = multiply_adds.split("e")
    digits = len(number.partition(".")[2])
    assert round(described["multiply_adds"] / 10 ** int(exponent), digits) == float(number)


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("line", "parameters", "multiply_adds"),
    [
        ("3,0,3,1,0,1 --space nasbench201", 559_386, 78_561_920),
        (RESNET, 559_386, 78_561_920),
        ("8:8:40:32:40", 144_834, 21_827_984),
        ("8:8:40:32:40 --classes 120 --image-size 16", 149_344, 5_461_816 - 120),
    ],
)
def test_architectures_of_nats_bench_are_described(
    run: Run, line: str, parameters: int, multiply_adds: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("describe", *line.split(), "--json", "--draw", "cell.png") == 0
    described = json.loads(capsys.readouterr().out)
    assert (described["parameters"], described["multiply_adds"]) == (parameters, multiply_adds)
    assert Path("cell.png").stat().st_size > 1000
    assert run("describe", *line.split()) == 0
    assert described["architecture"] in capsys.readouterr().out


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("line", "parameters", "multiply_adds"),
    [
        # papers.md: 4,119,228 weights in convolutions, 1,272 of batch norms, 490 of the classifier.
        ("nas-v1", 4_120_990, 4_119_228 * 1024 + 480),
        ("nas-v1 --image-size 16 --classes 100", 4_120_500 + 4900, 4_119_228 * 256 + 4800),
        # Each layer 8 * (in + units) * units weights; a tied decoder has a bias of its own.
        ("nas-cell", 10_000 * 651 + 2 * 8 * 1300 * 650, 10_000 * 650 + 2 * 8 * 1300 * 650),
        ("nas-cell --hidden 20 --layers 1 --vocabulary 50", 50 * 21 + 6400, 50 * 20 + 6400),
        (
            "lstm-like --hidden 8 --embedding 3 --layers 1 --vocabulary 50 --untied",
            150 + 8 * 11 * 8 + 50 * 9,
            8 * 11 * 8 + 50 * 8,
        ),
    ],
)
def test_networks_and_recurrent_cells_are_described(
    run: Run, line: str, parameters: int, multiply_adds: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("describe", *line.split(), "--json", "--draw", "drawing.svg") == 0
    described = json.loads(capsys.readouterr().out)
    assert (described["parameters"], described["multiply_adds"]) == (parameters, multiply_adds)
    assert sum(part["parameters"] for part in described["parts"]) == parameters
    assert Path("drawing.svg").stat().st_size > 1000
    saved = {
        "space": {"name": "conv-net", "depth": 15} if "nas-v1" in line else {"name": "rnn-cell"},
        "architecture": described["architecture"],
        "task": described["task"],
    }
    Path("saved.json").write_text(json.dumps(saved), encoding="utf-8-sig")  # as Notepad does
    assert run("describe", "saved.json", "--json") == 0
    assert json.loads(capsys.readouterr().out) == described
    assert run("describe", "saved.json") == 0
    assert f"parameters {parameters:,}, " in capsys.readouterr().out


def test_tokens_of_a_named_preset_are_described(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens = "0,1,1,0," + "1,1,0,1," * 5  # six layers; too few: no skip bits
    assert run("describe", tokens.strip(","), "--space", "conv-net/no-stride") == 2
    assert "still open" in capsys.readouterr().err
    layers = ["0,1,2," + ",".join("0" * i) for i in range(6)]
    tokens = "0," + ",".join(layer.strip(",") for layer in layers)
    assert run("describe", tokens, "--space", "conv-net/no-stride", "--more-filters", "4") == 0
    shown = capsys.readouterr().out
    assert "10 classes, filters x 1 + 4" in shown
    assert "layer 5: conv 1x3, 48 filters <- image" in shown
    assert "layer5      52 x 32 x 32" in shown


def test_a_saved_architecture_says_which_space_it_is_of(
    run: Run,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cell = "|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|"
    saved = {"space": {"name": "nasbench201"}, "architecture": cell, "task": None}
    Path("cell.json").write_text(json.dumps(saved))
    assert run("describe", "cell.json") == 0
    assert "parameters 101,306" in capsys.readouterr().out
    Path("cell.json").write_text(json.dumps(saved | {"space": {"name": "os:system"}}))
    assert run("describe", "cell.json") == 2
    assert run("describe", "cell.json", "--space", "nasbench201", "--filters", "4") == 0
    assert "N = 5, F = 4" in capsys.readouterr().out


def test_a_data_set_is_described(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("describe", "--dataset", "digits", "--contact-sheet", "sheet.png") == 0
    out = capsys.readouterr().out
    assert "data set digits: 1,797 images of 10 classes; 809 train, 629 validate, 359 test" in out
    with Image.open("sheet.png") as sheet:
        assert sheet.size[0] > 8 * 64
        assert len(sheet.convert("L").getcolors()) > 10
    assert run("describe", "--dataset", "digits", "--json") == 0
    described = json.loads(capsys.readouterr().out)
    assert described["parts"] == {"train": 809, "validation": 629, "test": 359}
    assert described["largest_class"] in described["classes"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nasnet-a --dataset digits", "ARCHITECTURE says nothing about a data set"),
        ("--dataset digits --filters 3", "--filters says nothing about a data set"),
        ("--dataset digits --draw a.png", "--draw says nothing about a data set"),
        ("--dataset digits --contact-sheet a.txt", "a.txt is no name of an image file"),
        ("--dataset digits --contact-sheet none/a.png", "cannot be written (No such file"),
        ("--dataset digits --image-size 0", "--image-size is 0: give"),
        ("--dataset phtos", "there is no folder or data set 'phtos' in "),
        ("nasnet-a --contact-sheet a.png", "--contact-sheet is only for a data set"),
        ("", "nothing to describe: give an architecture, or --dataset"),
    ],
)
def test_options_that_do_not_belong_together_are_one_sentence(
    run: Run, line: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("describe", *line.split()) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nasnet-cell", "is a search space: `nas-gym describe nasnet-cell --text` describes it"),
        ("nasbench201", "is a search space: `nas-gym describe nasbench201 --text` describes it"),
        ("digits", "is a data set: `nas-gym describe --dataset digits`"),
        ("cifar10", "is a data set: `nas-gym describe --dataset cifar10`"),
        (
            "quick",
            "is a recipe, by which networks are trained: `nas-gym train NAME --recipe quick`",
        ),
        ("pareto", "is a benchmark: `nas-gym benchmark pareto` runs it"),
        ("accuracy-cubed", "is the name of a reward, not of an architecture"),
        ("nas_gym:NASRNNCell-v0", "is an environment, for gymnasium.make in Python; its search"),
        ("NASBench201-v1", "is no architecture, and 'NASBench201-v0' is an environment"),
        ("reinforce/zoph2016", "is the name of an agent, not of an architecture"),
        ("zero-cost", "is the name of an evaluator, not of an architecture"),
    ],
)
def test_a_name_of_something_else_is_said_to_be_that(
    run: Run, name: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("describe", name) == 2
    error = capsys.readouterr().err
    assert f"'{name}' {words}" in error
    assert len(error.splitlines()) == 1


def test_almost_a_published_name_is_not_taken_for_an_environment(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("describe", "nasnet") == 2
    assert "unknown architecture 'nasnet': did you mean 'nasnet-a'" in capsys.readouterr().err


@pytest.mark.slow
def test_whatever_is_listed_beside_architectures_says_what_to_type(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    nas_gym.search("nasbench201", "landscape", "random-search", budget=2, run="r")
    listed = _listing()
    del listed["architectures"]
    listed["datasets"] = [each for each in listed["datasets"] if " " not in each]
    for name in ["r", *(name for each in listed.values() for name in each)]:
        assert run("describe", name) == 2
        (sentence,) = capsys.readouterr().err.splitlines()
        assert sentence.startswith(f"nas-gym: {name!r} is ")
        assert "`nas-gym " in sentence


@pytest.mark.parametrize("command", ["describe r", "export r --to x", "export NASNetCell-v0 --to x",
                                     "train NASNetCell-v0", "train nasnet-cell"])  # fmt: skip
def test_every_command_that_takes_an_architecture_says_what_else_it_is(
    command: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    nas_gym.search("nasbench201", "landscape", "random-search", budget=2, run="r")
    assert run(*command.split()) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert " is a recorded run: " in sentence or " is an env" in sentence or " is a sea" in sentence
