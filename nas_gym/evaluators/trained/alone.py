"""The latency of a trained child, measured while no other worker measures one."""

import os
import platform
import tempfile
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_gym.errors import InvalidOption

if TYPE_CHECKING:
    import torch
    from filelock import FileLock
    from torch import nn

SECONDS = 0.5  # of measuring a child, at least
CPUS = Path("/proc/cpuinfo")


def latency_alone(network: "nn.Module", task: Any) -> float:
    """Return the seconds that a batch of one takes in evaluation mode: the median, on one thread.

    It waits until no other process of this user measures here. Trainings of other workers go on
    meanwhile, and so do other programs: only ``workers=1`` measures on a machine at rest.

    Args:
        network: As ``measure_latency`` takes it.
        task: As ``measure_latency`` takes it.
    """
    from nas_gym.networks.latency import measure_latency

    with _lock():
        (found,) = measure_latency(network, task, batches=(1,), threads=1, seconds=SECONDS)
    return found.median


def check_can_wait() -> None:
    """Raise InvalidOption if processes cannot wait for each other to measure."""
    from filelock import Timeout

    lock = _lock()
    try:
        lock.acquire(timeout=0)
        lock.release()
    except Timeout:  # somebody measures now
        pass
    except (OSError, NotImplementedError) as error:  # the latter: no locks in that file system
        raise InvalidOption(
            f"latency is true, and workers cannot measure one after the other: the lock file "
            f"{_lock_file()} cannot be used ({error}); name another folder in TMPDIR"
        ) from error


def processor_of(device: "torch.device") -> str:
    """Return the model of the processor or GPU, as far as it is known: latencies depend on it."""
    if device.type == "cuda":
        import torch

        return torch.cuda.get_device_name(device)
    lines = CPUS.read_text(errors="replace").splitlines() if CPUS.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _lock_file() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else getuser()  # there is none on Windows
    return Path(tempfile.gettempdir()) / f"nas-gym-latency-{user}.lock"


def _lock() -> "FileLock":
    """Return the lock of all that measure; it ends with its process, however that ends."""
    from filelock import FileLock

    return FileLock(_lock_file(), thread_local=False)
