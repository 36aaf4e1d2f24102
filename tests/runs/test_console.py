import io

import pytest
from rich.table import Table

from nas_gym.runs.console import PlainConsole
from nas_gym.runs.progress import ChunkProgress, SearchProgress


@pytest.mark.parametrize("text", ["x[/lab]", "y[old]/s", "[red]a[/red]", "a :x: b", "[link=u]"])
def test_the_users_text_is_shown_as_it_is(text: str) -> None:
    out = io.StringIO()
    console = PlainConsole(file=out, width=100)
    console.print(text)
    table = Table(title=text)
    table.add_column(text)
    table.add_row(text)
    console.print(table)
    progress = SearchProgress(3, text, console)
    with progress:
        progress.started()
    with ChunkProgress(2, 0, console) as chunks:
        chunks.advance(text)
    assert out.getvalue().count(text) == 5


def test_control_characters_are_escaped() -> None:
    out = io.StringIO()
    PlainConsole(file=out).print("a\x1b[2Jb")
    assert out.getvalue() == "a\\x1b[2Jb\n"


@pytest.mark.parametrize("columns", ["0", "1", "80", "-5", "wide", ""])
def test_no_width_that_the_environment_says_swallows_the_text(
    columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    out = io.StringIO()
    table = Table("rank")
    table.add_row("1")
    console = PlainConsole(file=out)
    console.print(table)
    console.print("best")
    assert len("".join(out.getvalue().split())) > len("best")
