"""The number of this worker process among those of its pool."""

_number = 0


def worker_number() -> int:
    """Return this worker's number, from 0; a worker that replaces another has its number.

    It is 0 in a process that is no worker of ours, an executor's for example.
    """
    return _number


def set_worker_number(number: int) -> None:
    """Say which worker this process is."""
    global _number
    _number = number
