"""How much memory there is, so that data that does not fit is refused before it is read."""

import os
from functools import cache

from nas_gym.errors import InvalidDataset
from nas_gym.training.machine import memory_limit


def check_memory(needed: int, what: str) -> None:
    """Raise InvalidDataset if ``what`` needs more bytes than the machine has in all."""
    total = total_memory()
    if total is not None and needed > total:
        raise InvalidDataset(
            f"{what} would need {needed / 2**30:,.1f} GiB of memory, and there are "
            f"{total / 2**30:,.1f}: give fewer or smaller ones"
        )


@cache  # it is asked for with each image
def total_memory() -> int | None:
    """Return the bytes of memory that the machine, container or job has; None if unknown."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # no such question on this system
        return None
    limit = memory_limit()
    return total if limit is None else min(total, limit)
