"""Deeper networks as a search goes on: Zoph & Le 2016, section 4.1.

Where a space has a choice named ``depth``, the schedule sets its token: the controller does not
sample it, and it has no part in the gradient. It depends on the number of architectures asked for
before the batch alone, so that a resumed search goes on as it was.
"""

from collections.abc import Sequence
from typing import Any

from nas_gym.errors import InvalidOption

DEPTH = "depth"  # name of the choice
DepthSchedule = tuple[int, int, int]  # first, step, every


def checked_schedule(schedule: Any) -> DepthSchedule | None:
    """A schedule, as a tuple where JSON gave a list.

    Raises:
        InvalidOption: Not three whole numbers, the first and last >= 1, the other >= 0.
    """
    if schedule is None:
        return None
    numbers = tuple(schedule) if isinstance(schedule, list | tuple) else ()
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in numbers)
    if len(numbers) != 3 or not whole or numbers[0] < 1 or numbers[1] < 0 or numbers[2] < 1:
        raise InvalidOption(
            f"depth_schedule is {schedule!r}: give first depth (1 or more), step (0 or more) and "
            "after how many architectures it comes (1 or more), e.g. [6, 2, 1600]"
        )
    return numbers


def scheduled_token(schedule: DepthSchedule, depths: Sequence[int], asked: int) -> int:
    """Which of ``depths`` it is after ``asked`` architectures, as a token.

    The deepest that is not beyond the schedule; the shallowest where all are.
    """
    first, step, every = schedule
    depth = first + step * (asked // every)
    within = [each for each in depths if each <= depth]
    return list(depths).index(max(within) if within else min(depths))
