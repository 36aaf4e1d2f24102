"""One search in which children do everything that a child can do wrong."""

import sys
from collections import Counter

import pytest

import nas_gym
from nas_gym.evaluators.workers.parallel import ParallelEvaluator
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.testing import FailingEvaluator, Landscape

WAYS = ("report", "raise", "nan", "exit", "segfault", "allocate")
FAILURES = {  # way -> failure, and how its detail begins or ends
    "report": ("diverged", None),
    "raise": ("error: RuntimeError: failed on purpose", "RuntimeError: failed on purpose"),
    "nan": ("error: the metric accuracy is nan", None),
    "exit": ("crashed", "exit status 3"),
    "segfault": ("crashed", "killed by signal 11 (SIGSEGV)"),
    "hang": ("timeout", "ran longer than 5 s"),
    "allocate": ("out of memory", "MemoryError"),
}


class Seen:
    """What a search was answered, with the children's seeds."""

    def __init__(self):
        self.evaluations = {}

    def started(self):
        pass

    def replayed(self, first, answers):
        pass

    def evaluated(self, answer, seed):
        self.evaluations[seed] = answer

    def requested(self, first, answers):
        pass


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="has a memory limit")
@pytest.mark.parametrize(
    "ways", [WAYS, pytest.param((*WAYS, "hang"), marks=pytest.mark.slow)], ids=["quick", "all"]
)
def test_a_search_survives_all_of_it_and_spends_its_budget_exactly(ways):
    space = NASNetCell(blocks=2)
    failing = FailingEvaluator(Landscape(space), rate=0.8, reason="diverged", ways=ways)
    seen = Seen()
    result = nas_gym.search(
        space,
        ParallelEvaluator(failing, workers=2, timeout=5.0, memory_limit=0.25),
        "random-search",
        budget=30,
        num_envs=10,
        seed=4,
        failure_reward=-1.0,
        watcher=seen,
    )
    assert len(result.answers) == 30
    asked = Counter(map(failing.way, seen.evaluations))
    assert set(asked) == {None, *ways}  # what this seed asks for
    for seed, (evaluation, reward) in seen.evaluations.items():
        way = failing.way(seed)
        if way is None:
            assert (evaluation.failure, reward) == (None, evaluation.accuracy)
            continue
        failure, detail = FAILURES[way]
        assert (evaluation.failure, reward) == (failure, -1.0)
        assert (evaluation.detail or "").endswith(detail or "")
    assert result.best()[0].evaluation.failure is None
