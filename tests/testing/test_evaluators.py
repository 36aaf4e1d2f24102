import json
import math
import time
from collections import Counter

import pytest

from nas_gym.errors import InvalidOption, UnknownName
from nas_gym.registry import make, spec_of
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.testing import BitCount, BitString, FailingEvaluator, Landscape, SlowEvaluator

SPACE = BitString(5)
CHILD = architecture_of(SPACE, [0] * 5)


def test_failing_evaluator_fails_at_its_rate():
    evaluator = FailingEvaluator(Landscape(SPACE), rate=0.25, reason="diverged")
    answers = list(evaluator.evaluate([CHILD] * 2000, range(2000)))
    failed = [a for a in answers if a.failure == "diverged"]
    assert len(failed) == 500
    assert all(a.accuracy is None for a in failed)


def test_ways_to_fail_follow_from_the_seed():
    evaluator = FailingEvaluator(Landscape(SPACE), rate=0.5, ways=("report", "nan", "raise"))
    ways = Counter(map(evaluator.way, range(3000)))
    assert ways == {None: 1500, "report": 500, "nan": 500, "raise": 500}
    seed = next(seed for seed in range(3000) if evaluator.way(seed) == "nan")
    (answer,) = evaluator.evaluate([CHILD], [seed])
    assert math.isnan(answer.accuracy)
    seed = next(seed for seed in range(3000) if evaluator.way(seed) == "raise")
    with pytest.raises(RuntimeError, match="on purpose"):
        list(evaluator.evaluate([CHILD], [seed]))


def test_failing_evaluator_round_trips_through_json():
    evaluator = FailingEvaluator(Landscape(SPACE), rate=0.5, ways=["exit", "hang"])
    spec = json.loads(json.dumps(spec_of("evaluator", evaluator)))
    assert make("evaluator", spec, inner=Landscape(SPACE)) == evaluator
    assert hash(evaluator) == hash(FailingEvaluator(Landscape(SPACE), 0.5, ways=("exit", "hang")))


def test_slow_evaluator_takes_its_time():
    start = time.perf_counter()
    (answer,) = SlowEvaluator(Landscape(SPACE), seconds=0.02).evaluate([CHILD], [0])
    assert time.perf_counter() - start >= 0.02 <= answer.seconds


@pytest.mark.parametrize("wrapper", [FailingEvaluator, SlowEvaluator])
def test_wrappers_are_as_stateful_as_what_they_wrap(wrapper):
    assert wrapper(BitCount()).stateful
    assert not wrapper(Landscape(SPACE)).stateful
    wrapper(Landscape(SPACE)).close()


def test_options_are_checked():
    with pytest.raises(InvalidOption, match="rate"):
        FailingEvaluator(BitCount(), rate=2)
    with pytest.raises(InvalidOption, match=r"ways is \(\): give a list of 1 or more"):
        FailingEvaluator(BitCount(), ways=())
    with pytest.raises(
        UnknownName, match="unknown item of ways 'segfalt': did you mean 'segfault'"
    ):
        FailingEvaluator(BitCount(), ways="segfalt")
    with pytest.raises(InvalidOption, match="seconds"):
        SlowEvaluator(BitCount(), seconds=-1)
