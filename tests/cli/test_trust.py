"""A record names code: nothing of a stranger's is imported, and nothing is written elsewhere."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import nas_gym
from nas_gym.cli.main import COMMANDS, _read, class_of
from nas_gym.errors import UntrustedModule
from nas_gym.evaluators.evaluation import Validation
from nas_gym.options.printable import printable
from nas_gym.registry import check_trusted
from nas_gym.runs.card import card_as_markdown, card_of
from nas_gym.runs.findings import Findings
from nas_gym.runs.html.story import setting
from nas_gym.store import load_run

Run = Callable[..., int]
STORE = Path("runs") / "store.sqlite"
SPACE = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Bits:
    bits: int = 3
    max_options = 2

    @property
    def max_length(self):
        return self.bits

    def choose(self, pick):
        return tuple(pick(f"bit{i}", (0, 1)) for i in range(self.bits))
"""
SEARCH = ("search", "--space", "stranger:Bits", "--evaluator", "landscape", "--agent",
          "random-search", "--budget", "4", "--workers", "1", "--run", "r")  # fmt: skip


def forget() -> None:
    sys.modules.pop("stranger", None)


@pytest.fixture
def recorded(run: Run, capsys: pytest.CaptureFixture[str]) -> Iterator[Path]:
    """The store of a run in a space of somebody's own, whose module is not imported yet."""
    Path("stranger.py").write_text(SPACE)
    assert run(*SEARCH) == 0
    assert Path("runs/r/best-1.svg").exists()  # whoever names the space trusts it
    capsys.readouterr()
    forget()
    yield STORE
    forget()


def test_reading_imports_nothing(
    run: Run, recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load_run("r")
    assert run("list") == 0
    assert run("report", "r", "--out", "new") == 0
    shown = capsys.readouterr()
    assert "tokens " in shown.out
    assert "--trust stranger imports it" in shown.err
    assert run("export", "r", "--best", "1", "--out", "new") == 0
    assert sorted(p.name for p in Path("new").glob("best-1.*")) == ["best-1.json", "best-1.md"]
    assert json.loads(Path("new/best-1.json").read_text())["space"] == {"name": "stranger:Bits"}
    assert "stranger" not in sys.modules


@pytest.mark.slow
def test_only_what_is_named_again_is_imported(
    run: Run, recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("resume", "r", "--budget", "6", "--trust", "string", "--trust", "sys") == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "say so with --trust stranger" in sentence
    with pytest.raises(UntrustedModule, match="'stranger' as its space"):
        nas_gym.resume("r", budget=6)
    assert "stranger" not in sys.modules
    assert run("resume", "r", "--budget", "6", "--workers", "1", "--trust", "stranger") == 0
    assert run("export", "r", "--out", "new", "--trust", "stranger") == 0
    assert Path("new/best-1.svg").exists()
    assert len(nas_gym.resume("r", budget=8, trust=["stranger"]).answers) == 8


@pytest.mark.parametrize("name", [c for c in COMMANDS if hasattr(class_of(c), "trust")])
@pytest.mark.parametrize(
    "typed",
    [
        "--trust json,email.mime",
        "--trust json email.mime",
        "--trust json, email.mime",
        "--trust=json,email.mime",
        "--trust json --trust email.mime",
        "--trust json , email.mime",
    ],
)
def test_modules_stand_behind_trust_with_commas_blanks_or_repetition(name: str, typed: str) -> None:
    Path("json").mkdir()
    Path("json/__init__.py").touch()
    assert _read([name, "r", *typed.split()]).trust == ("json", "email.mime")
    assert _read([name, "r", *typed.split(), "--json"]).trust == ("json", "email.mime")


def test_a_run_or_file_behind_trust_is_no_module() -> None:
    Path("image.png").touch()
    assert _read(["report", "--trust", "json", "own"]).runs == ("own",)
    several = _read(["report", "--html", "--trust", "json", "run1", "run2"])
    assert (several.runs, several.trust) == (("run1", "run2"), ("json",))
    assert _read(["export", "--best", "3", "own", "--trust", "json", "email"]).trust == (
        "json",
        "email",
    )
    both = _read(["export", "--trust", "json", "email", "own", "--best", "3"])
    assert (both.run, both.trust) == ("own", ("json", "email"))
    assert _read(["predict", "model", "--trust", "json", "image.png"]).trust == ("json",)


def test_a_refusal_names_all_modules_at_once() -> None:
    parts = {"space": {"name": "mine:S"}, "agent": {"name": "his:A"}, "reward": {"name": "her.s:R"}}
    with pytest.raises(
        UntrustedModule, match=r"with --trust mine --trust his --trust her\.s "
    ) as e:
        check_trusted("run 'r'", parts, ())
    assert "trust=('mine', 'his', 'her.s')" in str(e.value)
    with pytest.raises(UntrustedModule, match="with --trust her --trust mine --trust his ") as e:
        check_trusted("run 'r'", parts, ("her", "other"))
    assert "'her.s'" not in str(e.value)


@pytest.mark.parametrize(
    "part",
    [
        {"agent": {"name": "subprocess:Popen", "args": ["touch", "harm"]}},
        {"reward": {"name": "stranger:harm"}},
        {"evaluator": {"name": "nas_gymnastics:Harm"}},
        {"agent": {"name": "sb3", "algorithm": "stranger:Harm"}},
        {"agent": {"name": "sb3", "options": '{"policy_kwargs": {"x": "stranger:Harm"}}'}},
    ],
)
def test_no_part_of_a_record_imports_a_strangers_module(
    part: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stranger.py").write_text("open('harm', 'w')")
    monkeypatch.syspath_prepend(str(tmp_path))
    nas_gym.search("nasbench201", "landscape", "random-search", budget=2, run="r", store=STORE)
    data = load_run("r", STORE)
    config = data.config | part
    monkeypatch.setattr("nas_gym.runs.resume.load_run", lambda *_: replace(data, config=config))
    with pytest.raises(UntrustedModule, match="a record may come from anybody"):
        nas_gym.resume("r", STORE)
    assert not Path("harm").exists()
    assert "stranger" not in sys.modules


@pytest.mark.slow
def test_a_report_without_the_module_keeps_the_drawings_of_the_same_architectures(
    run: Run, recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = Path("runs/r/best-1.svg").read_bytes()
    assert Path("runs/r/report.html").read_text().count("data:image/svg") == 2
    for command in (["report", "r"], ["report", "r", "--html"], ["export", "r"]):
        assert run(*command) == 0
        assert "--trust stranger imports it" in capsys.readouterr().err
        assert Path("runs/r/best-1.svg").read_bytes() == good
        assert "best-1.svg" in Path("runs/r/best-1.md").read_text()
        page = Path("runs/r/report.html").read_text()
        assert page.count("data:image/svg") == 2
    assert "nas-gym report r --trust stranger shows all" in page
    data = json.loads(Path("runs/r/best-1.json").read_text())
    Path("runs/r/best-1.json").write_text(json.dumps(data | {"tokens": [1, 1, 1]}))
    assert run("report", "r") == 0  # what was drawn is another architecture
    assert not Path("runs/r/best-1.svg").exists()
    assert not Path("runs/r/best-1.png").exists()
    assert "best-1.svg" not in Path("runs/r/best-1.md").read_text()
    assert Path("runs/r/report.html").read_text().count("data:image/svg") == 1
    assert "stranger" not in sys.modules


@pytest.mark.few(1)
@pytest.mark.parametrize("given", ["r", "runs/r"])
def test_describe_says_how_a_run_is_described(
    given: str, run: Run, recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = "`nas-gym describe runs/r/best-1.json --space stranger:Bits`"
    assert run("describe", given) == 2
    said = capsys.readouterr().err
    assert f"{given!r} is a recorded run: `nas-gym report r --trust stranger` shows it" in said
    assert f"`nas-gym train r --trust stranger` trains its best, and {told} describes" in said
    Path("runs/r/best-1.json").unlink()
    assert run("describe", given) == 2
    assert f"and `nas-gym export r --trust stranger`, then {told}" in capsys.readouterr().err
    assert run("describe", "stranger:Bits") == 2
    said = capsys.readouterr().err
    assert "`nas-gym describe stranger:Bits --text` describes it as a search space" in said
    assert "best-1.json, and --space stranger:Bits" in said
    assert "stranger" not in sys.modules
    assert run("describe", "stranger:Bits", "--text") == 0
    assert "bit0" in capsys.readouterr().out


@pytest.mark.slow
def test_commands_to_copy_name_the_modules(
    run: Run, recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Findings.of(load_run("r"))
    assert setting(found, STORE)["go on"] == "nas-gym resume r --trust stranger --budget 8"
    card = card_of(found, found.ranked[0], 1) | {"recipe": {"epochs": 1}}
    assert "`nas-gym validate r --trust stranger`" in card_as_markdown(card)
    said = replace(found, config={**found.config, "protocol": {"note": "`nas-gym train {run}`"}})
    assert said.note == "`nas-gym train r --trust stranger`"
    assert run("predict", "r", "image.png") == 2
    assert "`nas-gym train r --trust stranger`" in capsys.readouterr().err
    assert "stranger" not in sys.modules


def test_links_lead_nothing_elsewhere(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nas_gym.search("nasbench201", "landscape", "random-search", budget=2, run="r", store=STORE)
    Path("elsewhere").mkdir()
    Path("runs/r").symlink_to(tmp_path / "elsewhere")
    assert run("export", "r") == 2
    assert "runs/r is a link to another place" in capsys.readouterr().err
    Path("precious").write_text("mine")
    Path("out").mkdir()
    Path("out/best-1.json").symlink_to(tmp_path / "precious")
    assert run("export", "r", "--out", "out") == 2
    assert Path("precious").read_text() == "mine"


def test_a_card_shows_what_a_stranger_wrote_as_text() -> None:
    nas_gym.search("nasbench201", "landscape", "random-search", budget=2, run="r", store=STORE)
    data = load_run("r", STORE)
    row = Findings.of(data).ranked[0]
    harm = "error: [x](javascript:alert(1)) <script>\x1b[2J\u202e`a`"
    failed = Validation(row.key, row.tokens, 1, None, None, 1.0, harm, None, {})
    page = card_as_markdown(card_of(Findings.of(replace(data, validations=(failed,))), row, 1))
    line = next(line for line in page.splitlines() if "failed trainings" in line)
    assert r"\[x\](javascript:alert(1)) &lt;script>\\x1b\[2J\\u202e\`a\`" in line


def test_what_is_printed_is_visible() -> None:
    assert printable("Größe ☃ 日本\u3000") == "Größe ☃ 日本\u3000"
    assert printable("a\x1b[1m\u202eb\udcff\u2028\x85\r") == r"a\x1b[1m\u202eb\xff\u2028\x85\r"
    assert printable("two\nlines", lines=True) == "two\nlines"


@pytest.mark.few(4)
@pytest.mark.parametrize("line", [f"{name} r" for name in ("report", "resume", "check", "export")])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("stranegr", "--trust is 'stranegr': did you mean 'stranger'? there is no module"),
        ("no.such", "--trust is 'no.such': there is no module 'no' to import, in this folder or"),
        ("stranger:Bits", "--trust is 'stranger:Bits': give the module alone, stranger"),
        ("stranger.py", "--trust is 'stranger.py': give the module alone, stranger"),
    ],
)
def test_a_module_to_trust_that_is_not_there_is_not_passed_over(
    line: str,
    given: str,
    message: str,
    run: Run,
    recorded: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(*line.split(), "--trust", given) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith(f"nas-gym: {message}")
    assert "stranger" not in sys.modules
