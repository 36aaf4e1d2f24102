"""The comparison of edits and tokens: what is run, what is said about it."""

from itertools import pairwise

import numpy as np

from benchmarks import measure
from benchmarks.learning import edits


def test_random_edits_spend_the_budget_and_go_on_from_the_best() -> None:
    requests = edits.random_edits(0, "best")
    assert len(requests) == max(edits.BUDGETS)
    best = max(requests[:7], key=lambda request: request[1])[0]
    assert sum(map(np.not_equal, requests[7][0], best)) == 1
    for one, other in pairwise(requests[:7]):
        assert sum(map(np.not_equal, one[0], other[0])) == 1
    by_budget = edits.found(requests)
    assert len(by_budget) == len(edits.BUDGETS)
    assert all(0 < accuracy < 100 for accuracy in by_budget)


def test_verdicts_say_which_is_better() -> None:
    differences = np.random.default_rng(0).normal(1, 0.1, 30)
    assert "one is better than other: +" in edits.verdict("one", "other", differences, 0.01)
    assert "other is worse than one: -" in edits.verdict("other", "one", -differences, 0.01)
    assert "not distinguishable" in edits.verdict("one", "other", differences, 0.06)
    assert "not distinguishable" in edits.verdict("one", "other", differences - 1, 0.01)


def test_few_pairs_differ_only_by_the_exact_test() -> None:
    five, six = np.full(5, 1.0), np.full(6, 1.0)
    assert not measure.differs(five)  # p is 0.0625
    assert measure.differs(six)
    few = np.array([0.2, 1.0, 1.1, 0.1, 2.0])
    low, high = measure.interval(few)
    assert low < 0 < high  # the bootstrap's would be above zero
    assert "not distinguishable" in edits.verdict("one", "other", few, 0.01)
    clear = np.random.default_rng(0).normal(-1, 0.5, 20)
    assert not measure.comes_to(clear)
    assert not measure.comes_to(-clear[:19])
    assert measure.comes_to(-clear)
