"""Runs: a search from its start to what it hands over, and what is made of its record."""

from typing import TYPE_CHECKING

from nas_gym.lazy import exports

if TYPE_CHECKING:
    from nas_gym.runs.findings import Findings, summary
    from nas_gym.runs.search import SearchResult

__all__ = [
    "Findings",
    "SearchResult",
    "summary",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "Findings": "findings",
        "SearchResult": "search",
        "summary": "findings",
    },
)
