"""Helpers of the benchmarks: which machine this was, where results go, what differs."""

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import bootstrap, ttest_1samp

from nas_gym.benchmark.statistics import FEWEST_SAMPLED, wilcoxon_p

ALPHA = 0.05  # above it a difference may be chance
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


def interval(differences: Any) -> tuple[float, float]:
    """Return the 95 % interval of the mean of paired differences; it decides nothing.

    It is that of the bootstrap, and of fewer than ``FEWEST_SAMPLED`` pairs Student's: of few values
    samples say too little. Of a single one it is NaN.
    """
    if np.ptp(differences) == 0:
        return float(differences[0]), float(differences[0])
    if len(differences) < FEWEST_SAMPLED:
        found: Any = ttest_1samp(differences, 0.0)
        low, high = found.confidence_interval(0.95)
        return float(low), float(high)
    found = bootstrap((differences,), np.mean, rng=np.random.default_rng(0), method="percentile")
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def differs(differences: Any) -> bool:
    """Return whether paired differences are not by chance: Wilcoxon's exact p is below ``ALPHA``.

    Fewer than six pairs never are: the least p of five is 0.0625.
    """
    return wilcoxon_p(differences, np.zeros(len(differences))) < ALPHA


def comes_to(differences: Any) -> bool:
    """Return whether nothing significant is lost, by paired differences from a yardstick.

    Of fewer than ``FEWEST_SAMPLED`` pairs it is not said: nearly any loss would be within chance.
    """
    lost = differs(differences) and np.mean(differences) < 0
    return len(differences) >= FEWEST_SAMPLED and not lost
