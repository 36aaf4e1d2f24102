"""A real SLURM for all tests that want one."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
from slurm_here import slurm_here


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A SLURM of one node; its configuration file."""
    with slurm_here(tmp_path_factory.mktemp("slurm") / "cluster") as conf:
        yield conf
