"""The command with which a run was begun: recorded without passwords, shown where there is one."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import nas_gym
from nas_gym.cli.main import main
from nas_gym.runs.card import card_as_markdown, card_of
from nas_gym.runs.findings import Findings, summary
from nas_gym.runs.html import Shown, html_page
from nas_gym.runs.html.story import setting
from nas_gym.runs.provenance import LONGEST_COMMAND, begun_with, session
from nas_gym.store import load_run

SEARCH = ("search", "--space", "nasbench201", "--evaluator", "nasbench201", "--workers", "1")


def recorded(*arguments: str) -> Any:
    """What a record keeps of a command with these arguments."""
    with begun_with(arguments):
        return session().get("command")


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_line_is_quoted_for_a_shell() -> None:
    arguments = ("search", "--space", "my spaces", "--set", "agent.x='a b'", "it's", "$HOME", "")
    assert shlex.split(recorded(*arguments)) == ["nas-gym", *arguments]


@pytest.mark.parametrize(
    ("argument", "left"),
    [
        ("postgresql://me:hush@host:5432/db", "postgresql://me@host:5432/db"),
        ("--store=postgresql+psycopg://me:hush@host/db", "--store=postgresql+psycopg://me@host/db"),
        ("postgresql://me:hu/hush sh:hush@host/db", "postgresql://me@host/db"),
        ("postgresql://me:hush@hush@host/db", "postgresql://me@host/db"),
        ("postgresql://:hush@host/db", "postgresql://@host/db"),
        ("postgresql://host/db?user=me&password=hush", "postgresql://host/db?user=me&"),
        ("postgresql://host/db?sslpassword=hush&user=me", "postgresql://host/db?user=me"),
        ("executor.address=redis://:hush@host:6379", "executor.address=redis://@host:6379"),
        ('evaluator.urls=["http://a:hush@b", "http://c:hush@d"]', 'evaluator.urls=["http://a@d"]'),
        ("postgresql://me@host:5432/db", "postgresql://me@host:5432/db"),
        ("executor.address=ray://host:10001", "executor.address=ray://host:10001"),
        ("mail@host:80", "mail@host:80"),
    ],
)
def test_a_password_is_never_recorded(argument: str, left: str) -> None:
    line = recorded("search", "--store", argument)
    assert "hush" not in line
    assert shlex.split(line) == ["nas-gym", "search", "--store", left]


def test_only_a_command_is_recorded_and_none_that_is_huge() -> None:
    assert "command" not in session()
    assert recorded("search", "x" * LONGEST_COMMAND) is None
    assert "command" not in session()  # it is over


@pytest.mark.slow
@pytest.mark.usefixtures("_here")
def test_the_command_that_made_a_run_is_shown_and_makes_it_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def said(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert not ended.value.code
        return capsys.readouterr().out

    made = (*SEARCH, "--agent", "random-search", "--seed", "3", "--set", "agent.batch_size=5")
    said(*made, "--budget", "8", "--run", "one")
    said("resume", "one", "--budget", "9", "--workers", "1")
    run = load_run("one", "runs/store.sqlite")
    line = shlex.join(["nas-gym", *made, "--budget", "8", "--run", "one"])
    assert run.sessions[0]["command"] == line
    assert run.sessions[1]["command"].startswith("nas-gym resume one")
    assert said("report", "one").startswith(f"made with: {line}\n")
    assert json.loads(said("report", "one", "--json"))["command"] == line
    words = " ".join(f"<span>{word}</span>" for word in line.split(" "))
    assert f'<code class="command">{words}</code>' in Path("runs/one/report.html").read_text()
    card = Path("runs/one/best-1.md").read_text()
    assert f"| made with | {line} |" in card
    again = shlex.split(line.replace("--run one", "--run two"))
    said(*again[1:])
    rows = [[row.tokens for row in load_run(n, "runs/store.sqlite").rows] for n in ("one", "two")]
    assert rows[0][:8] == rows[1]


def test_nothing_is_shown_of_a_run_of_pythons_or_of_an_old_store(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    nas_gym.search("nasbench201", "nasbench201", "random-search", budget=3, run="it", store=store)
    run = load_run("it", store)
    for each in (run, replace(run, sessions=()), replace(run, sessions=({"workers": 1},))):
        found = Findings.of(each)
        assert found.command is None
        assert "command" not in summary(found)
        assert "made with" not in setting(found, store)
        assert "made with" not in card_as_markdown(card_of(found, run.rows[0], 1))


def test_a_command_cannot_become_markup(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    evil = "</code><script>alert(1)</script>"
    with begun_with(["search", evil]):
        nas_gym.search(
            "nasbench201", "nasbench201", "random-search", budget=3, run="it", store=store
        )
    found = Findings.of(load_run("it", store))
    assert evil in (found.command or "")
    assert evil not in html_page([Shown(found, store)])
    assert evil not in card_as_markdown(card_of(found, found.rows[0], 1))
