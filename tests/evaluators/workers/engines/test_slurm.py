import os
import shlex
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
import cases
import slurm_here

from nas_gym.errors import InvalidOption, NASGymError
from nas_gym.evaluators.workers.engines.evaluator import EngineEvaluator
from nas_gym.evaluators.workers.engines.orphans import Pulse, Watched
from nas_gym.evaluators.workers.engines.slurm import Slurm
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.testing import BitCount, SlowEvaluator

pytestmark = pytest.mark.skipif(
    find_spec("submitit") is None,
    reason="submitit is not installed: pip install 'nas-gym[slurm]'",
)
LACKING = slurm_here.missing()
real = [pytest.mark.slow, pytest.mark.skipif(LACKING is not None, reason=str(LACKING))]


def queue() -> str:
    question = ["squeue", "--noheader", "--format=%i %T"]
    return subprocess.run(question, capture_output=True, text=True, check=True).stdout


class TestReal:
    pytestmark = real

    def test_jobs_that_go_wrong_are_rows(self, slurm, tmp_path: Path) -> None:
        engine = Slurm(folder=str(tmp_path / "jobs"), time="10m")
        evaluator = EngineEvaluator(cases.UnrulyEvaluator(), engine, timeout=10.0, memory_limit=1.0)
        orders = ("fine", "exit", "hang", 4 * 2**30)
        asked = [Architecture((n,), order, str(n)) for n, order in enumerate(orders)]
        answers = {e.architecture.tokens[0]: e for e in evaluator.evaluate(asked, range(4))}
        evaluator.close()
        failures = [answers[n].failure for n in range(4)]
        assert failures == [None, "crashed", "timeout", "out of memory"]
        assert queue() == ""
        assert not (tmp_path / "jobs").exists()

    def test_a_job_that_somebody_cancels_is_tried_again(self, slurm, tmp_path: Path) -> None:
        engine = Slurm(folder=str(tmp_path / "jobs"), time="10m")
        begun = tmp_path / "begun"
        evaluator = EngineEvaluator(cases.UnrulyEvaluator(), engine)
        future = evaluator.submit(Architecture((1,), f"once {begun}", "1"), 7)
        end = time.monotonic() + cases.SECONDS
        while not begun.exists():
            assert time.monotonic() < end
            time.sleep(0.2)
        (job,) = (line.split()[0] for line in queue().splitlines())
        subprocess.run(["scancel", "--signal=KILL", "--full", job], check=True)
        answer = future.result(cases.SECONDS)
        evaluator.close()
        assert (answer.failure, answer.accuracy) == (None, 0.007)
        assert queue() == ""

    def test_a_node_that_can_train_nothing(
        self, slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """There is no other: the search ends, and says why."""
        monkeypatch.setenv(cases.BROKEN, "1")
        with pytest.raises(NASGymError, match=r"cannot train children: .*libnone"):
            cases.a_bad_machine_is_avoided(Slurm(folder=str(tmp_path / "jobs"), time="10m"))
        assert queue() == ""

    def test_no_such_partition(self, slurm, tmp_path: Path) -> None:
        told = cases.refused(
            tmp_path, *cases.SEARCH, *cases.ROUNDS, "--executor", "slurm", "--run", "kept",
            "--set", "executor.partition=nowhere",
        )  # fmt: skip
        assert "SLURM takes no such job (" in told
        assert "invalid partition specified: nowhere" in told
        assert cases.rows(tmp_path, "kept") == []  # the record is there

    @pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
    def test_a_ray_cluster_in_one_allocation(self, slurm, tmp_path: Path) -> None:
        """The recipe of ``docs/guide/many_machines.md``, on one node."""
        alone = ("unshare", "--pid", "--fork", "--mount-proc")
        if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
            pytest.skip("there are no namespaces of processes here, and `ray stop` ends all of Ray")
        (tmp_path / "slow.py").write_text(cases.SLOW, encoding="utf-8")
        script = ALLOCATION.format(
            alone=shlex.join(alone), port=slurm_here.free_ports(1)[0], python=sys.executable,
            search=shlex.join(cases.SEARCH),
        )  # fmt: skip
        (tmp_path / "night.sh").write_text(script, encoding="utf-8")
        with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as folder:  # a short name
            ended = subprocess.run(
                ["sbatch", "--wait", "--output", "night.log", "--nodes", "1",
                 "--ntasks-per-node", "1", "night.sh"],
                cwd=tmp_path,
                env={**os.environ, "RAY_TMPDIR": folder, "PATH": _with_scripts()},
                timeout=cases.SECONDS, check=False,
            )  # fmt: skip
        assert ended.returncode == 0, (tmp_path / "night.log").read_text(errors="replace")
        assert len(cases.rows(tmp_path, "night")) == 12
        assert queue() == ""


ALLOCATION = """#!/bin/bash
HEAD=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
srun {alone} ray symmetric-run --address "$HEAD:{port}" --min-nodes 1 -- \\
    {python} -m nas_gym {search} --executor ray --in-flight 2 --budget 12 --run night --resume
"""


def _with_scripts() -> str:
    """Return the PATH with the commands that lie beside Python, such as ray's."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.slow
def test_jobs_on_this_machine(tmp_path: Path) -> None:
    cases.bad_children_are_rows(Slurm(folder=str(tmp_path / "jobs"), local=True, time="10m"))
    assert not (tmp_path / "jobs").exists()


@pytest.mark.parametrize(
    ("options", "limits", "says"),
    [
        (
            {"time": "1h"},
            (3600.0, None),
            r"timeout is 3600 s and time .*executor.time=3660",
        ),
        ({"memory": 4}, (60.0, 8.0), "memory_limit is 8.0 GiB and memory of executor 'slurm' is 4"),
    ],
)
def test_limits_that_a_job_cannot_hold(options, limits, says) -> None:
    with pytest.raises(InvalidOption, match=says):
        EngineEvaluator(SlowEvaluator(BitCount()), Slurm(local=True, **options), *limits)


def test_no_slurm_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InvalidOption, match="finds no sbatch here"):
        Slurm().check_here(None, None)
    with pytest.raises(InvalidOption, match="time of executor 'slurm' is 'soon'"):
        Slurm(time="soon")


ORPHAN = """
import sys, time
from nas_gym.evaluators.workers.engines.orphans import Watched
Watched(sys.argv[1], 1.0)(time.sleep, 1000)
"""


@pytest.mark.slow
def test_a_job_that_nobody_waits_for_ends(tmp_path: Path) -> None:
    pulse = Pulse(tmp_path)
    assert Watched(str(tmp_path / "pulse"), 100.0)(divmod, 7, 2) == (3, 1)
    pulse.stop()
    ended = subprocess.run(
        [sys.executable, "-c", ORPHAN, tmp_path / "pulse"], timeout=200, check=False
    )
    assert ended.returncode == 1
