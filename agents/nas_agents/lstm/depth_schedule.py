"""Deeper networks as a search goes on: Zoph & Le 2016, section 4.1.

If a space has a choice named ``depth``, the schedule sets its token: the controller does not sample
it, and it has no part in the gradient. It depends only on the number of architectures asked for
before the batch, so that a resumed search goes on as it was.
"""

from collections.abc import Sequence
from typing import Annotated

from annotated_types import Ge

DEPTH = "depth"  # name of the choice
# First depth, step, and after how many architectures the step comes.
DepthSchedule = tuple[Annotated[int, Ge(1)], Annotated[int, Ge(0)], Annotated[int, Ge(1)]]


def scheduled_token(schedule: DepthSchedule, depths: Sequence[int], asked: int) -> int:
    """Return which of ``depths`` it is after ``asked`` architectures, as a token.

    It is the deepest that is not beyond the schedule, or the shallowest if all are.
    """
    first, step, every = schedule
    depth = first + step * (asked // every)
    within = [each for each in depths if each <= depth]
    return list(depths).index(max(within) if within else min(depths))
