"""``nas-gym list`` for people: groups, a line for each part, nothing wider than a terminal."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import nas_gym
from nas_gym.cli.list import _KINDS, _parts_in_lines, _summary
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.plugins import names, table
from nas_gym.runs.findings import Findings
from nas_gym.store import load_run
from nas_gym.testing import BitString


def test_what_else_is_listed_has_a_line_that_says_what_it_is(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("list") == 0
    shown = capsys.readouterr().out
    assert run("list", "--json") == 0
    listing = json.loads(capsys.readouterr().out)
    for title in ("environments", "datasets", "recipes", "architectures", "benchmarks"):
        group = shown.partition(f"\n{title}:\n" if title != "environments" else "environments:\n")
        lines = re.split(r"^\S", group[2], flags=re.M)[0].splitlines()
        told = {line.split()[0]: line.split()[1:] for line in lines}
        for name in listing[title]:
            if not name.startswith("a "):  # a folder of the user's own
                assert len(told[name]) >= 2, name
    assert max(map(len, shown.splitlines())) <= 80


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


class CutInItsSecondBatch(Landscape):
    """The fifth child is by far the best, and the sixth never ends."""

    def evaluate(self, architectures: Any, seeds: Any) -> Any:
        for evaluation in super().evaluate(architectures, seeds):
            self.asked = getattr(self, "asked", 0) + 1
            if self.asked > 5:
                raise KeyboardInterrupt
            yield replace(evaluation, metrics={"accuracy": 0.1 + 0.8 * (self.asked == 5)})


def test_list_and_report_agree_on_a_run_that_was_cut_within_a_batch(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    space = BitString(12)
    name = "a-run-with-a-name-that-is-rather-long-for-one-line-of-eighty-characters"
    for each in ("cut", name):
        with pytest.raises(KeyboardInterrupt):
            nas_gym.search(
                space, CutInItsSecondBatch(space), {"name": "random-search", "batch_size": 4},
                budget=12, run=each, store="runs/store.sqlite",
            )  # fmt: skip
    assert run("list") == 0
    listed = capsys.readouterr().out
    assert re.search(
        r"^  cut: interrupted, 5 evaluations, best 0.9000, \d{4}-[\d-]+ ", listed, re.M
    )
    assert max(map(len, listed.splitlines())) <= 80
    assert run("report", "cut", "--trust", "nas_gym") == 0
    shown = capsys.readouterr().out
    assert "run cut: interrupted, 5 of 12 evaluations by random-search" in shown
    assert "; 1 of them in a batch that was cut: it is kept, and used when the run goes on" in shown
    assert re.search(r"│ +1 │ 0.9000 .* 5 │\n", shown)  # as the curve and the card have it
    found = Findings.of(load_run("cut"))
    assert [row.number for row in found.evaluated] == [0, 1, 2, 3, 4]


def test_a_list_can_be_named(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "runs") == 0
    assert capsys.readouterr().out == "runs: none yet\n"
    assert run("list", "rewards", "runs") == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line[0] != " "] == [
        "rewards:", "runs: none yet",
    ]  # fmt: skip
    assert run("list", "run") == 2
    assert "unknown list 'run': did you mean 'runs'?" in capsys.readouterr().err
