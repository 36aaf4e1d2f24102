"""What ``nas-gym search`` and ``nas-gym resume`` share: limits, progress, Ctrl-C."""

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from nas_gym.errors import Interrupted
from nas_gym.progress import SearchProgress
from nas_gym.store import DEFAULT_STORE
from nas_gym.store.database import is_url


@contextmanager
def watched(progress: SearchProgress, run: str, store: str) -> Iterator[None]:
    """Show progress; turn Ctrl-C into the sentence that says how to go on."""
    with progress:
        try:
            yield
        except KeyboardInterrupt:
            if not progress.running:
                raise Interrupted("interrupted before the run began") from None
            raise Interrupted(
                "interrupted: what was evaluated is recorded; go on with "
                f"`{resume_command(run, store)}`"
            ) from None


def resume_command(run: str, store: str) -> str:
    """The command that goes on with a run; a password in the store's URL is left out."""
    option = "" if store == str(DEFAULT_STORE) else f" --store {shown_store(store)}"
    return f"nas-gym resume {run}{option}"


def shown_store(store: str) -> str:
    """The store as messages may show it."""
    return sa.make_url(store).render_as_string() if is_url(store) else store


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_share(workers: int) -> float:
    """GiB of the machine's memory for each worker; inf where a limit cannot be enforced."""
    if not sys.platform.startswith("linux"):
        return math.inf
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return total / workers / 2**30


def finite(limit: float) -> float | None:
    """A limit as ``nas_gym.search`` takes it: None where there is none."""
    return None if math.isinf(limit) and limit > 0 else limit
