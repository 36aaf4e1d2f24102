"""Helpers of the benchmarks: which machine this was, and where results go."""

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def machine() -> str:
    """Return processor, cores and versions, in a few words."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    return (
        f"{os.cpu_count()} cores of {cpu}, Python {platform.python_version()}, "
        f"torch {version('torch')}, gymnasium {version('gymnasium')}"
    )


def report(name: str, text: str) -> None:
    """Print ``text``; with ``--write`` on the command line, also write ``results/<name>.md``."""
    print(text)
    if "--write" in sys.argv:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
