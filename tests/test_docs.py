"""Every Python block of every page runs as written; tables name what there is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from nas_gym.plugins import names

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.S | re.M)


@pytest.mark.parametrize(
    "number",
    [
        # Those with worker processes and with a whole search of SB3's take longest.
        pytest.param(
            n, marks=[pytest.mark.slow] if "workers=" in block or "MaskablePPO" in block else []
        )
        for n, block in enumerate(BLOCKS)
    ],
)
def test_python_blocks_run_as_written(number: int, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    script.write_text(BLOCKS[number], encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-W", "error", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_the_first_example_is_short() -> None:
    assert len(BLOCKS[0].splitlines()) <= 15


@pytest.mark.parametrize("kind", ["space", "agent", "evaluator", "reward"])
def test_the_tables_name_everything(kind: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in names(kind) if f"`{name}`" not in page] == []


def test_linked_pages_exist() -> None:
    for page in [PAGE, *ROOT.glob("*/**/README.md")]:
        if any(part.startswith(".venv") for part in page.parts):
            continue
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (page.parent / target).exists(), f"{page} links to {target}"


def test_the_two_commands_stand_word_for_word() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for command in (
        "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/nas-gym search",
        'python3 -m venv .venv && .venv/bin/pip install -e ".[dev]" && .venv/bin/pytest',
    ):
        assert command in page.splitlines()
