"""Limits of containers and of clusters' jobs, in made-up trees of control groups."""

import os
from pathlib import Path

import pytest

from nas_gym.training.machine import cores, memory_limit

GIB = 2**30
UNLIMITED = "9223372036854771712"  # as version 1 says it


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {"memory.max": "max"}, None),
        ("0::/\n", {"memory.max": f"{2 * GIB}\n"}, 2 * GIB),
        ("0::/job/step\n", {"job/memory.max": f"{3 * GIB}", "job/step/memory.max": "max"}, 3 * GIB),
        ("0::/a/b\n", {"a/memory.max": f"{4 * GIB}", "a/b/memory.max": f"{GIB}"}, GIB),
        ("0::/\n", {"unified/memory.max": f"{GIB}"}, GIB),
        ("4:memory:/job\n0::/\n", {"memory/job/memory.limit_in_bytes": f"{3 * GIB}"}, 3 * GIB),
        # In a container: its own group is the mount, and has another name outside.
        ("4:memory:/docker/1f\n", {"memory/memory.limit_in_bytes": f"{GIB}"}, GIB),
        ("0::/../../x\n", {"memory.max": f"{GIB}"}, GIB),
        ("9:cpu:/job\n", {"cpu/job/memory.limit_in_bytes": f"{GIB}"}, None),
        ("not what it was\n", {}, None),
        ("", {"memory.max": "0"}, None),
    ],
)
def test_the_least_limit_of_all_groups(
    own: str, files: dict[str, str], expected: int | None, tmp_path: Path
) -> None:
    assert memory_limit(*tree(tmp_path, own, files)) == expected


def test_no_limit_of_version_1_is_more_than_any_machine_has(tmp_path: Path) -> None:
    found = tree(tmp_path, "4:memory:/", {"memory/memory.limit_in_bytes": UNLIMITED})
    assert memory_limit(*found) == int(UNLIMITED)


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/job\n", {"job/cpu.max": "100000 100000\n"}, 1),
        ("0::/job\n", {"job/cpu.max": "20000 100000\n"}, 1),
        ("0::/job\n", {"job/cpu.max": "max 100000\n", "cpu.max": "100000 100000"}, 1),
        (
            "3:cpu,cpuacct:/job\n",
            {
                "cpu,cpuacct/job/cpu.cfs_quota_us": "50000",
                "cpu,cpuacct/job/cpu.cfs_period_us": "100000",
            },
            1,
        ),
        ("0::/job\n", {"job/cpu.max": "100000000 100000\n"}, None),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("0::/\n", {"cpu.max": "1 0"}, None),
        ("", {}, None),
    ],
)
def test_cores_are_no_more_than_a_quota(
    own: str, files: dict[str, str], expected: int | None, tmp_path: Path
) -> None:
    has = hasattr(os, "sched_getaffinity")
    usual = len(os.sched_getaffinity(0)) if has else os.cpu_count()
    assert cores(*tree(tmp_path, own, files)) == (usual if expected is None else expected)


def tree(folder: Path, own: str, files: dict[str, str]) -> tuple[Path, Path]:
    """Write the file of this process's groups and those of the groups."""
    (folder / "own").write_text(own)
    for name, text in files.items():
        file = folder / "mount" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder / "own", folder / "mount"
