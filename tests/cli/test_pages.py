"""Pages in a terminal: paragraphs are wrapped, tables that are too wide are shown as several."""

import io

import pytest

from nas_gym.cli.pages import print_page
from nas_gym.runs.console import PlainConsole
from nas_gym.runs.markdown import numbers_table

HEADINGS = [
    "agent",
    *(f"{what}, {count}" for what in ("best observed", "again") for count in (1, 2)),
]
ROWS = [["regularized-evolution/tabular", *"abcd"], ["ppo", *"efgh"]]


def shown(width: int) -> list[str]:
    out = io.StringIO()
    page = f"# Title\n\n{numbers_table(HEADINGS, ROWS)}\n"
    print_page(page, PlainConsole(file=out, width=width))
    return out.getvalue().splitlines()


def test_a_table_that_has_room_is_one_table() -> None:
    lines = shown(100)
    assert sum("ppo" in line for line in lines) == 1
    assert any("best observed, 1  best observed, 2  again, 1" in line for line in lines)


@pytest.mark.parametrize("width", [80, 60, 50])
def test_a_table_that_is_too_wide_loses_nothing(width: int) -> None:
    lines = shown(width)
    assert max(map(len, lines)) <= width
    first, *others = [line.split() for line in lines if line.startswith("ppo")]
    assert [*first[1:], *(cell for part in others for cell in part[1:])] == [*"efgh"]
    assert bool(others) == (width < 80)
    assert sum(line.split().count("observed") for line in lines) == 2
