"""Fresh worker processes of one thread each, of which none is left behind."""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from nas_gym.evaluators.workers.worker import prepare_process

KILLED = (
    "a worker process was killed, perhaps for want of memory: what was done is kept, run the same "
    "command again, with fewer --workers"
)


@contextmanager
def fresh_processes(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Start processes for the block; if it raises, they are killed with what they are at.

    Args:
        workers: Processes, >= 1.
    """
    before = set(multiprocessing.active_children())
    threads = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"  # read when a library is loaded
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), prepare_process, (None,)
    )
    try:
        yield pool
    except BaseException:  # Ctrl-C as well: what they are at is lost, what is written is not
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - before:
            process.kill()
            process.join()
        raise
    finally:
        if threads is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = threads
        pool.shutdown()
