"""Agents side by side on tabular benchmarks, with honest statistics: ``nas-gym benchmark``.

Read in this order: ``suite`` (who searches what, how often), ``trials`` (one search and what is
noted of it), ``chunks`` (finished work: one file per chunk of seeds), ``runner`` (chunks in
processes, resumable), ``outcomes`` (those files to CSV), ``results`` (CSV read back),
``statistics``, and the pages made only from the CSV files: ``tables``, ``verdict``, ``figures``,
``report``.
"""

from typing import TYPE_CHECKING

from nas_gym.lazy import exports

if TYPE_CHECKING:
    from nas_gym.benchmark.suite import SUITES, Suite

__all__ = [
    "SUITES",
    "Suite",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "SUITES": "suite",
        "Suite": "suite",
    },
)
