"""Agents, or cheap signals, side by side on tabular benchmarks: ``nas-gym benchmark``.

Read in this order: ``suite`` (who searches what, how often), ``narrowing`` (parts of it, and what
is the user's own), ``trials`` (one search and what is noted of it), ``chunks`` (finished work: one
file per chunk of seeds), ``runner`` (chunks in processes, resumable), ``outcome`` (what they come
to; ``fronts`` with several objectives, ``rewards`` where nobody knows the best), ``outcomes``
(those files to CSV), ``results`` (CSV read back), ``statistics``, and the pages made only from the
CSV files: ``tables``, ``verdict``, ``figures``, ``report``. ``entries`` are a leaderboard's.

The benchmark ``proxies`` is about cheap signals instead: ``study`` (what is computed), ``scoring``
(how it is computed, timed and kept), ``signals`` (what is compared with which truth),
``correlation`` (the figures), ``signal_pages`` and ``signal_figure``. ``processes`` serves both.
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
