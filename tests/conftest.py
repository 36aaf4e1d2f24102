import gc
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell

# One collection of garbage for very many new objects, as the command has it: imports make them.
gc.set_threshold(200_000)

# By default an example may take 0.2 s of wall-clock time, which no busy machine promises.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

LANDSCAPE = {"name": "landscape", "seed": 3}  # JSON data for gym.make


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow all but ``n`` cases, evenly spread, of a test that is marked ``few(n)``."""
    tests: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("few") and not item.get_closest_marker("slow"):
            tests.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for cases in tests.values():
        (kept,) = next(cases[0].iter_markers("few")).args
        step = (len(cases) - 1) / max(1, kept - 1)
        places = {round(number * step) for number in range(kept)}
        for place, item in enumerate(cases):
            if place not in places:
                item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    gc.freeze()  # the modules and the tests stay


@pytest.fixture
def cell_space() -> NASNetCell:
    return NASNetCell()


@pytest.fixture
def landscape(cell_space: NASNetCell) -> Landscape:
    return Landscape(cell_space, seed=3)


class CountingEvaluator:
    """Half accuracy for everything; remembers what it was asked, answers in reverse order."""

    stateful = False

    def __init__(self) -> None:
        self.batches: list[list[tuple[int, ...]]] = []
        self.seeds: list[int] = []
        self.closed = 0

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        self.batches.append([a.tokens for a in architectures])
        self.seeds += seeds
        for architecture in reversed(architectures):
            yield Evaluation(architecture, {"accuracy": sum(architecture.tokens) / 1000})

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def counting() -> CountingEvaluator:
    return CountingEvaluator()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], float]:
    """What moves ``time.monotonic`` on, in seconds; otherwise each look takes a microsecond."""
    now = [time.monotonic()]

    def move(seconds: float) -> float:
        now[0] += seconds
        return now[0]

    monkeypatch.setattr(time, "monotonic", lambda: move(1e-6))
    return move
