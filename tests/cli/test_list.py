"""``nas-gym list`` for people: groups, a line for each part, nothing wider than a terminal."""

import re
import subprocess
import sys
from pathlib import Path

from nas_gym.cli.list import _KINDS, _parts_in_lines, _summary
from nas_gym.plugins import names, table


def test_every_part_has_a_line_that_says_what_it_is(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "nas_gym", "list"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = shown.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    told = {line.split()[0]: line.split()[1:] for line in lines if line.startswith("  ")}
    for kind in ("space", "agent", "evaluator", "reward", "executor"):
        for name in names(kind):
            if "/" not in name:
                assert len(told[name]) >= 2, name
            else:
                assert name.partition("/")[2] in shown.stdout
    assert " torch\n" not in shown.stderr  # nothing is imported to say it


def test_descriptions_end_with_a_clause_and_are_cut_nowhere_else() -> None:
    for title, kind in _KINDS.items():
        parts = [name for name in names(kind) if "/" not in name]
        lines = list(_parts_in_lines(kind, parts))
        width = max(map(len, parts)) + 4
        text = "\n".join(lines)
        assert "…" not in text
        for name in parts:
            whole = _summary(table(kind)[name])
            (shown,) = re.findall(
                rf"^  {re.escape(name)}  +(.*(?:\n {{{width}}}\S.*)*)", text, re.M
            )
            told = " ".join(shown.split())
            assert whole.startswith(told), (title, name)
            assert whole[len(told) : len(told) + 1] in ("", ":", ";", ","), (title, name)
