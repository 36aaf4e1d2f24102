"""A user's own space, evaluator, agent or reward that raises: one sentence that finds the line."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nas_gym.cli.raised import named_modules
from nas_gym.errors import unknown_name
from nas_gym.plugins import raised_in

MODULE = """
from nas_gym.evaluators.evaluation import Evaluation

class Space:
    max_length, max_options = 2, 3
    def choose(self, pick):
        return (pick("first", (1, 2, 3)), pick("second", (1, 2, 3)))

class Stops(Space):
    def choose(self, pick):
        return {}[pick("first", (1, 2, 3))]

class Forgets(Space):
    def __init__(self):
        self.depth = self.dpeth

class Measures(Space):
    @property
    def max_length(self):
        return self.depth

class Counts(Space):
    def __init__(self):
        self.depth = 1 + "2"

class Shows(Space):
    def to_text(self, genotype):
        raise RuntimeError("no words")

class Builds(Space):
    def build(self, genotype, task):
        raise RuntimeError("no network")

class Evaluator:
    stateful = False
    def evaluate(self, architectures, seeds):
        for each in architectures:
            yield Evaluation(each, {"accuracy": 0.5})
    def close(self):
        pass

class NoTable(Evaluator):
    def __init__(self):
        open("no.table")

class StaysOpen(Evaluator):
    def close(self):
        raise ValueError("it stays open")

class Agent:
    batch_size = 2
    def search(self, env):
        env.reset()
        helped()

def helped():
    raise RuntimeError("lost")

class AsksForNothing(Agent):
    def search(self, env):
        env.ledger.request(None)

def reward(evaluation):
    return evaluation.metrics["acuracy"]

class Reward:
    def __call__(self, evaluation):
        return reward(evaluation)
"""
SEARCH = "search --budget 2 --workers 1 --run r"
OURS = f"{SEARCH} --space nasbench201 --evaluator landscape"
RAISED = [
    (
        f"{SEARCH} --space own:Forgets",
        "own:Forgets.__init__ raised AttributeError: 'Forgets' object has no attribute 'dpeth'",
        "self.dpeth",
    ),
    (
        f"{SEARCH} --space own:Stops --evaluator own:Evaluator",
        "own:Stops.choose raised KeyError: ",
        "return {}[",
    ),
    (f"{SEARCH} --space own:Measures", "own:Measures.max_length raised Attr", "return self.depth"),
    ("describe 0,0 --space own:Forgets", "own:Forgets.__init__ raised", "self.dpeth"),
    ("describe 0,0 --space own:Builds", "own:Builds.build raised RuntimeError", '"no network"'),
    (
        f"{SEARCH} --space own:Space --evaluator own:NoTable",
        "own:NoTable.__init__ raised FileNotFoundError: [Errno 2] No such file",
        "no.table",
    ),
    (f"{OURS} --agent own:Agent", "own:helped raised RuntimeError: lost", '"lost"'),
    (f"{OURS} --reward own:Reward", "own:reward raised KeyError: 'acuracy'", "acuracy"),
    (
        f"{SEARCH} --space own:Space --evaluator own:StaysOpen",
        "own:StaysOpen.close raised ValueError: it stays open",
        '"it stays open"',
    ),
    (
        f"{SEARCH} --space own:Shows --evaluator own:Evaluator",
        "own:Shows.to_text raised RuntimeError: no words",
        '"no words"',
    ),
    ("describe 0,0 --space own:Counts", "cannot be made: unsupported operand", '1 + "2"'),
]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of a user's own, in the current folder."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own", raising=False)
    Path("own.py").write_text(MODULE)
    return tmp_path / "own.py"


def line_of(text: str) -> int:
    (number,) = [n for n, line in enumerate(MODULE.splitlines(), 1) if text in line]
    return number


@pytest.mark.parametrize(("line", "raised", "text"), RAISED)
def test_what_own_code_raises_is_one_sentence_with_its_line(
    line: str,
    raised: str,
    text: str,
    module: Path,
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(*line.split()) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    *_, sentence = said.splitlines()
    assert sentence.startswith("nas-gym: ")
    assert raised in sentence
    assert f"{module}:{line_of(text)})" in sentence


@pytest.mark.parametrize(
    ("line", "end"),
    [
        (f"{OURS} --agent own:Agent", "resume r --trust own"),
        (f"{SEARCH} --space own:Space --evaluator own:StaysOpen", "resume r --trust own"),
        (f"{SEARCH} --space own:Shows --evaluator own:Evaluator", "report r --trust own"),
    ],
)
def test_own_code_that_raises_says_what_is_kept(
    line: str, end: str, module: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*line.split()) == 2
    *_, sentence = capsys.readouterr().err.splitlines()
    assert f" with `nas-gym {end}`; " in sentence
    assert "try again" not in sentence


def test_a_mistake_that_shows_in_our_lines_names_both(
    module: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*f"{OURS} --agent own:AsksForNothing".split()) == 2
    *_, sentence = capsys.readouterr().err.splitlines()
    assert "own:AsksForNothing.search raised TypeError: " in sentence
    assert f"ledger.py:{sentence.partition('ledger.py:')[2].split()[0]} ({module}:" in sentence


def test_python_s_development_mode_shows_the_traceback(module: Path) -> None:
    command = ["-X", "dev", "-m", "nas_gym", "describe", "0,0", "--space", "own:Forgets"]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    *lines, sentence = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert sentence.startswith("nas-gym: your own code own:Forgets.__init__ raised AttributeError")
    assert "PYTHONDEVMODE" not in sentence


def test_a_syntax_error_names_its_line(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path.cwd())
    Path("misspelt.py").write_text("x = 1\nclass Agent\n")
    Path("imports_it.py").write_text("\nimport nothing_of_this_name\n")
    assert run(*f"{OURS} --agent misspelt:Agent".split()) == 2
    assert f"{Path.cwd() / 'misspelt.py'}:2): mend it" in capsys.readouterr().err
    assert run(*f"{OURS} --agent imports_it:Agent".split()) == 2
    assert f"{Path.cwd() / 'imports_it.py'}:2): mend it" in capsys.readouterr().err


def test_what_is_installed_is_a_user_s_only_if_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "installed_part.py").write_text("def fails():\n    1 / 0\n")
    monkeypatch.syspath_prepend(folder)
    from installed_part import fails  # type: ignore[import-not-found]

    with pytest.raises(ZeroDivisionError) as raised:
        fails()
    error = raised.value
    error.__traceback__ = error.__traceback__.tb_next  # type: ignore[union-attr]  # not this test
    assert raised_in(error) is None
    found = raised_in(error, ["installed_part.parts"])
    assert found == ("installed_part:fails", f"{folder / 'installed_part.py'}:2", None)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("search --space own.parts:Space --agent=a:B --executor ray", ["own.parts", "a"]),
        ("search --store postgresql://me:secret@host/name --space nasbench201", []),
        ("resume r --trust own --trust=other.parts", ["own", "other.parts"]),
        ('benchmark pareto --agents a:B,c:D {"name":"e:F"}', ["a", "c", "e"]),
        ("search --set agent.proposer=own:Agent", ["own"]),
        ("resume r --trust own,other.parts", ["own", "other.parts"]),
    ],
)
def test_only_parts_and_trusted_modules_are_named(line: str, named: list[str]) -> None:
    assert named_modules(line.split()) == named


def test_our_own_mistakes_are_no_user_s() -> None:
    with pytest.raises(TypeError) as raised:
        unknown_name("space", "x", 5)  # type: ignore[arg-type]
    error = raised.value
    error.__traceback__ = error.__traceback__.tb_next  # type: ignore[union-attr]  # not this test
    assert raised_in(error, ["nas_gym.errors"]) is None
