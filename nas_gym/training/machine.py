"""What this process may use of the machine: a container or a cluster's job may have less of it.

Limits are those of Linux control groups, version 1 or 2 (the kernel's cgroup-v1 and cgroup-v2
pages): of the group of this process and of all above it, the least counts.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_OWN = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


def memory_limit(own: Path = _OWN, mount: Path = _MOUNT) -> int | None:
    """Return the bytes of memory that this process's groups may have, None without a limit.

    Args:
        own: The file that names the groups of this process.
        mount: Where the groups are seen.
    """
    texts = (
        _text(group / name)
        for group in _groups("memory", own, mount)
        for name in ("memory.max", "memory.limit_in_bytes")
    )
    return min((int(text) for text in texts if text.isdecimal() and int(text)), default=None)


def cores(own: Path = _OWN, mount: Path = _MOUNT) -> int:
    """Return how many cores this process may use, >= 1; a part of a core counts as one.

    Args:
        own: The file that names the groups of this process.
        mount: Where the groups are seen.
    """
    has = hasattr(os, "sched_getaffinity")
    count = float(len(os.sched_getaffinity(0)) if has else os.cpu_count() or 1)
    for group in _groups("cpu", own, mount):
        quota, _, period = _text(group / "cpu.max").partition(" ")
        if not quota:
            quota, period = _text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us")
        if quota.isdecimal() and period.isdecimal() and int(period):
            count = min(count, int(quota) / int(period))
    return max(1, math.ceil(count))


def _groups(controller: str, own: Path, mount: Path) -> Iterator[Path]:
    """Yield the folders of this process's groups that may have limits, the inner ones first."""
    for line in _text(own).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        # A container may see the names that its groups have outside: then only the mount is there.
        inner = PurePosixPath("" if ".." in path else path.lstrip("/"))
        names = (controllers, controller) if controllers else (".", "unified")
        for root in (mount / name for name in dict.fromkeys(names)):
            yield from (root / part for part in (inner, *inner.parents))
    yield mount


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:  # there is no such limit, or no such system
        return ""
