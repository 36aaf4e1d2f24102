import time

import pytest

from nas_gym.architecture import architecture_of
from nas_gym.errors import InvalidOption
from nas_gym.testing import BitCount, BitString, FailingEvaluator, Landscape, SlowEvaluator

SPACE = BitString(5)
CHILD = architecture_of(SPACE, [0] * 5)


def test_failing_evaluator_fails_at_its_rate():
    evaluator = FailingEvaluator(Landscape(SPACE), rate=0.25, reason="diverged")
    answers = list(evaluator.evaluate([CHILD] * 2000, range(2000)))
    failed = [a for a in answers if a.failure == "diverged"]
    assert len(failed) == 500
    assert all(a.accuracy is None for a in failed)


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
    with pytest.raises(InvalidOption, match="seconds"):
        SlowEvaluator(BitCount(), seconds=-1)
