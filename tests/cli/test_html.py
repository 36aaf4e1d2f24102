"""``nas-gym report --html`` and ``nas-gym search --html``: the page of a run, and of several."""

import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nas_gym.cli.main import main
from nas_gym.runs import progress
from nas_gym.runs.html import live, write_page
from nas_gym.runs.progress import SearchProgress

TABLE = ("--space", "nasbench201", "--evaluator", "nasbench201", "--budget", "20")
SLOW = """
import time
from nas_gym.evaluators.landscapes import Landscape

class Slow(Landscape):
    def evaluate(self, architectures, seeds):
        for each in super().evaluate(architectures, seeds):
            time.sleep(0.1)
            yield each
"""


class Shown(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Shown:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return Shown(int(ended.value.code or 0), *capsys.readouterr())


def test_every_report_has_a_page_and_several_share_one(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        assert run(capsys, "search", *TABLE, "--run", name).status == 0
        assert Path("runs", name, "report.html").exists()
    shown = run(capsys, "report", "a", "b", "--html")
    assert (shown.status, shown.out) == (0, "runs/report-a-b.html\n")
    assert Path("runs/report-a-b.html").exists()
    Path("runs/a/report.html").unlink()
    shown = run(capsys, "report", "a", "--html", "--out", "there")
    assert (shown.status, shown.out) == (0, "there/report.html\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("a", "b"), "give --html, or one run"), (("a", "--html", "--json"), "exclude each other")],
)
def test_what_makes_no_sense_is_refused(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "search", *TABLE, "--run", "a")
    shown = run(capsys, "report", *arguments)
    assert shown.status == 2
    assert said in shown.err
    assert len(shown.err.splitlines()) == 1


@pytest.mark.slow
def test_a_search_keeps_its_page_fresh(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    monkeypatch.setattr(live, "SECONDS", 1e-9)
    monkeypatch.setattr(live, "SHARE", 0)

    def noted(*given: Any, **options: Any) -> Path:
        page = write_page(*given, **options)
        written.append(page.read_text(encoding="utf-8"))
        return page

    monkeypatch.setattr(live, "write_page", noted)
    assert run(capsys, "search", *TABLE, "--run", "a", "--html").status == 0
    assert len(written) > 1
    requests = [int(re.findall(r">requests</th><td>(\d+) of 20", page)[0]) for page in written]
    assert requests == sorted(requests)
    assert all('http-equiv="refresh"' in page for page in written)
    last = Path("runs/a/report.html").read_text(encoding="utf-8")
    assert 'http-equiv="refresh"' not in last  # nothing changes any more


@pytest.mark.slow
def test_a_run_that_goes_on_keeps_its_page_fresh_and_one_that_is_cut_ends_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SECONDS", 1e-9)
    monkeypatch.setattr(live, "SHARE", 0)
    assert run(capsys, "search", *TABLE, "--run", "a").status == 0
    page = Path("runs/a/report.html")
    fresh = []

    class Watched(SearchProgress):
        def requested(self, first: int, answers: Any) -> None:
            super().requested(first, answers)
            fresh.append(page.exists() and 'http-equiv="refresh"' in page.read_text())
            if first + len(answers) >= 50:
                raise KeyboardInterrupt

    monkeypatch.setattr(progress, "SearchProgress", Watched)
    page.unlink()
    shown = run(capsys, "resume", "a", "--budget", "80", "--html")
    assert shown.status == 130
    assert fresh[0] is False  # its watchers are told one after the other
    assert fresh[-1] is True
    text = page.read_text(encoding="utf-8")
    assert 'http-equiv="refresh"' not in text
    assert ">interrupted<" in text


@pytest.mark.slow
def test_the_page_of_a_search_that_was_killed_says_when_it_was_written_and_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("slow_one.py").write_text(SLOW)
    command = [sys.executable, "-m", "nas_gym", "search", "--space", "nasbench201", "--agent",
               "random-search", "--evaluator", "slow_one:Slow", "--workers", "1", "--run", "a",
               "--budget", "1000", "--num-envs", "1", "--html"]  # fmt: skip
    search = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    page = Path("runs/a/report.html")
    deadline = time.monotonic() + 120
    while not page.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    search.kill()
    search.wait()
    text = page.read_text(encoding="utf-8")
    (written,) = re.findall(r'Written at <time datetime="(.*?)">', text)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(written)).total_seconds()) < 200
    assert "the search was stopped: <code>nas-gym resume a --trust slow_one</code> goes on" in text
    assert "Still running" not in text

    assert "  a: cut, " in run(capsys, "list").out
    assert run(capsys, "report", "a", "--html").status == 0
    text = page.read_text(encoding="utf-8")
    assert 'http-equiv="refresh"' not in text
    assert "Written at" not in text
    assert ">cut<" in text
