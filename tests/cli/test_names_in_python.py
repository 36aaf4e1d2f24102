"""Stores, runs and folders that are not there: Python's users see arguments, a shell's options."""

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import nas_gym
from nas_gym.cli.main import COMMANDS, class_of

Run = Callable[..., int]
ROOT = Path(nas_gym.__file__).parent
# Rooms whose sentences are read in Python as well.
ROOMS = ("store", "models/training")


def nothing_there() -> list[Callable[[], object]]:
    return [
        lambda: nas_gym.load_run("nope"),
        lambda: nas_gym.load_run("nope", "there/none.sqlite"),
        lambda: nas_gym.resume("nope"),
        lambda: nas_gym.AskTell.resume("nope"),
        lambda: nas_gym.load_run("nope", "text.txt"),
        lambda: nas_gym.load_run("nope", ":memory:"),
        lambda: nas_gym.load_run("nope", Path()),
    ]


@pytest.mark.parametrize("number", range(len(nothing_there())))
def test_in_python_a_sentence_about_a_store_names_the_argument(number: int) -> None:
    Path("text.txt").write_text("no database")
    with pytest.raises(nas_gym.NASGymError) as raised:
        nothing_there()[number]()
    said = str(raised.value)
    assert "with store=…" in said
    assert "--" not in said


def test_in_python_a_sentence_about_a_folder_names_the_argument() -> None:
    Path("file").write_text("no folder")
    with pytest.raises(nas_gym.NASGymError, match="give another place with to=…"):
        nas_gym.train("nasnet-a", "file")
    Path("full").mkdir()
    Path("full/x").touch()
    with pytest.raises(nas_gym.NASGymError, match=r"give another folder with to=…$"):
        nas_gym.train("nasnet-a", "full")


@pytest.mark.parametrize(
    ("line", "end"),
    [
        ("report nope", "or name another with --store"),
        ("resume nope --store none.sqlite", "or name another with --store"),
        ("list --store text.txt", "name another file with --store"),
        ("search --store text.txt", "name another file with --store"),
        ("train nasnet-a --to text.txt", "give another place with --to"),
        ("train nasnet-a --to full", "give another folder with --to"),
    ],
)
def test_on_the_command_line_it_names_the_option(
    line: str, end: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("text.txt").write_text("no database")
    Path("full").mkdir()
    Path("full/x").touch()
    assert run(*line.split()) == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(end)


def test_no_sentence_of_a_store_or_a_training_tells_an_option_only() -> None:
    """An option may stand there beside what Python takes for it, in brackets."""
    options = {name for each in COMMANDS for name in class_of(each).__dataclass_fields__}
    alone = re.compile(rf"with --(?:{'|'.join(options)})\b(?! \()")
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}: {node.value}"
        for room in ROOMS
        for file in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if alone.search(node.value)
    ]
    assert found == []
