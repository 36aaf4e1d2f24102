import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
import cases

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.workers.engines.mpi import MPI

pytestmark = pytest.mark.skipif(
    find_spec("mpi4py") is None,
    reason="mpi4py is not installed: pip install 'nas-gym[mpi]'",
)

SCRIPT = f"""
import sys
sys.path.append({str(Path(__file__).parent)!r})
import cases
from nas_gym.evaluators.workers.engines.mpi import MPI

if __name__ == "__main__":
    cases.bad_children_are_rows(MPI())
    cases.bad_children_are_rows(MPI())  # the processes are there again
    print("good")
"""


@pytest.mark.slow
@pytest.mark.skipif(
    cases.STARTS["mpi"].missing is not None, reason=str(cases.STARTS["mpi"].missing)
)
def test_bad_children_are_rows(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    ended = subprocess.run(
        [*cases.MPIEXEC, script], capture_output=True, text=True, timeout=cases.SECONDS, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "good" in ended.stdout


def test_without_mpiexec() -> None:
    with pytest.raises(InvalidOption, match="start the command with `mpiexec -n N python"):
        MPI().check_here(None, None)
