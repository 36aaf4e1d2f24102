import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from nas_gym.errors import InvalidDataset, InvalidOption, NASGymError, UnknownName, UntrustedModule
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.evaluators.workers.engines.engine import Engine, OpenEngine
from nas_gym.evaluators.workers.engines.evaluator import EngineEvaluator
from nas_gym.evaluators.workers.engines.faults import fault_of, row_of
from nas_gym.evaluators.workers.engines.naming import FromFactory, executor_of, recorded_executor
from nas_gym.evaluators.workers.spread import in_workers
from nas_gym.registry import check_trusted, foreign_modules, make
from nas_gym.runs.search import search
from nas_gym.search_spaces.architecture import Architecture, architecture_of
from nas_gym.search_spaces.conv_net.space import ConvNet
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.store import load_run
from nas_gym.testing import BitCount, BitString, SlowEvaluator

THREADS = {"name": "concurrent.futures:ThreadPoolExecutor", "max_workers": 2}


@dataclass(frozen=True)
class Nowhere(Engine):
    """Needs what nobody has."""

    extra: ClassVar[str] = "nowhere"
    needs: ClassVar[tuple[str, ...]] = ("no_such_package",)

    def open(self) -> OpenEngine:
        raise AssertionError


def no_executor() -> int:
    return 3


def broken() -> None:
    raise OSError("no room")


def test_a_live_executor_is_as_it_was() -> None:
    with ThreadPoolExecutor(1) as live:
        assert executor_of(live) is live
        assert recorded_executor(live) == {}
    assert executor_of(None) is None


def test_an_executor_of_the_users_own_is_data() -> None:
    made = executor_of(THREADS)
    assert made == FromFactory("concurrent.futures:ThreadPoolExecutor", {"max_workers": 2})
    spec = recorded_executor(made)["executor"]
    assert executor_of(spec) == make("executor", spec) == made
    assert list(foreign_modules("executor", spec)) == ["concurrent.futures"]
    with pytest.raises(UntrustedModule, match=r"'concurrent\.futures' as its executor"):
        check_trusted("run 'r'", {"executor": spec}, ())
    assert made.submit(os.getpid).result() == os.getpid()
    made.shutdown()
    assert made.submit(int).result() == 0  # it is opened again
    made.shutdown()
    made.shutdown()


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (3, "executor is 3: give a live"),
        ({"workers": 2}, "executor is .*: give a live"),
        ("rya", "unknown executor 'rya': did you mean 'ray'"),
        ("os:sep", "cannot be called"),
        ("os:no_such", "has no 'no_such'"),
        ("no_such_module:make", "no module 'no_such_module'"),
        ({"name": "mpi", "cpus": 2}, "unknown option of executor 'mpi' 'cpus'"),
        ({"name": "mpi", "workers": 0}, "workers of executor 'mpi' is 0"),
    ],
)
def test_what_is_no_executor(part, says) -> None:
    with pytest.raises((InvalidOption, UnknownName), match=says):
        executor_of(part)


def test_an_engine_that_is_not_installed_names_its_extra() -> None:
    with pytest.raises(InvalidOption, match=r"not installed: pip install 'nas-gym\[nowhere\]'"):
        Nowhere()


@pytest.mark.parametrize(
    ("function", "says"),
    [("no_executor", "returned 3: return a"), ("broken", r"cannot be made \(OSError: no room\)")],
)
def test_a_factory_that_makes_none(function, says, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "factories", sys.modules[__name__])
    with pytest.raises(InvalidOption, match=says):
        executor_of(f"factories:{function}").submit(int)


def test_only_engines_have_limits() -> None:
    evaluator = SlowEvaluator(BitCount())
    spread = in_workers(evaluator, 0, timeout=3, memory_limit=2, executor=THREADS)
    assert isinstance(spread, EngineEvaluator)
    assert (spread.timeout, spread.memory_limit) == (3, 2)
    with (
        ThreadPoolExecutor(1) as live,
        pytest.raises(InvalidOption, match="only worker processes can be limited"),
    ):
        in_workers(evaluator, 0, timeout=3, executor=live)
    with pytest.raises(InvalidOption, match="workers is 2 and there is an executor"):
        in_workers(evaluator, 2, executor=THREADS)


def test_an_evaluator_that_cannot_be_sent_says_which_part() -> None:
    evaluator = EngineEvaluator(SlowEvaluator(Unpicklable()), executor_of(THREADS))
    asked = [Architecture((1,), "x", "1")]
    with pytest.raises(InvalidOption, match=r"cannot load the evaluator's inner \(.*lambda"):
        list(evaluator.evaluate(asked, [0]))
    evaluator.close()


@pytest.mark.slow
def test_what_waits_in_an_engine_is_not_trained_when_it_is_closed() -> None:
    """A pool of threads would train all of it before it is shut down."""
    evaluator = EngineEvaluator(
        SlowEvaluator(BitCount(), 0.6), executor_of({**THREADS, "max_workers": 1})
    )
    space = BitString(4)
    asked = [architecture_of(space, tuple(map(int, f"{n:04b}"))) for n in range(16)]
    futures = [evaluator.submit(architecture, 1) for architecture in asked]
    futures[0].result(60)
    evaluator.close()
    assert sum(future.result(60).failure is None for future in futures) < 16


class Plain(ThreadPoolExecutor):
    """Cannot be told to cancel, as that of ``distributed``."""

    def shutdown(self, wait: bool = True) -> None:  # type: ignore[override]
        super().shutdown(wait)


def test_an_executor_that_cannot_cancel_is_shut_down_as_well() -> None:
    evaluator = EngineEvaluator(BitCount(), executor_of(f"{__name__}:Plain"))
    space = BitString(4)
    assert evaluator.submit(architecture_of(space, (1, 1, 0, 0)), 1).result(60).failure is None
    evaluator.close()


class Unpicklable:
    """Holds a function without a name."""

    stateful = False

    def __init__(self) -> None:
        self.function = lambda: 3

    def close(self) -> None: ...


@pytest.mark.slow
def test_the_main_script_is_on_no_other_machine(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from dataclasses import dataclass\nimport nas_gym\n"
        "from nas_gym.testing import BitCount, BitString\n"
        "class Mine(BitCount):\n    instant = False\n"
        "if __name__ == '__main__':\n"
        f"    nas_gym.search(BitString(3), Mine(), 'random-search', budget=2, executor={THREADS})\n"
    )
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert "the evaluator uses 'Mine', which the main script defines" in ended.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_gpus_of_other_machines_are_trained_on_from_one_without() -> None:
    space = ConvNet(depth=1)
    options: dict[str, Any] = {"dataset": "digits", "recipe": {"name": "quick", "epochs": 1}}
    evaluator = TrainingEvaluator(space, **options)
    assert evaluator.protocol["device"] == "cpu"
    spread = in_workers(evaluator, 0, executor={"name": "slurm", "local": True, "gpus": 1})
    assert spread.protocol["device"] == "cuda"
    assert pickle.loads(pickle.dumps(evaluator)).protocol["device"] == "cpu"  # it finds its own
    timed = in_workers(
        TrainingEvaluator(space, latency=True, **options), 0, executor=spread.executor
    )
    with pytest.raises(InvalidOption, match="latency is measured, and children are trained on GPU"):
        assert timed.protocol
    on_cpu = in_workers(
        TrainingEvaluator(space, device="cpu", **options), 0, executor=spread.executor
    )
    with pytest.raises(InvalidOption, match="gpus of the executor is 1, and the evaluator trains"):
        on_cpu.submit(architecture_of(space, first_tokens(space)), 1)
    on_cpu.close()
    lacking = in_workers(TrainingEvaluator(space, device="cuda", **options), 0, executor=THREADS)
    with pytest.raises(NASGymError, match="the search trains on GPUs, and a child there has none"):
        lacking.submit(architecture_of(space, first_tokens(space)), 1).result(120)
    lacking.close()


def first_tokens(space: Any) -> tuple[int, ...]:
    return random_tokens(space, np.random.default_rng(0))


def test_a_child_whose_machine_is_unfit_is_a_row_if_others_can_train() -> None:
    """Here there is one machine, which is so for a while."""
    evaluator = EngineEvaluator(Moody(), executor_of({**THREADS, "max_workers": 1}))
    space = BitString(4)
    asked = [architecture_of(space, tuple(map(int, f"{n:04b}"))) for n in (0, 1, 3)]
    try:
        first, second, third = (evaluator.submit(each, 1).result(120) for each in asked)
    finally:
        evaluator.close()
    assert (first.failure, third.failure) == (None, None)
    assert second.failure == "crashed"
    assert "cannot train children: the disk is away" in str(second.detail)


@dataclass(frozen=True)
class Moody(BitCount):
    """Finds its data, but for one child."""

    def evaluate(self, architectures: Any, seeds: Any) -> Any:
        if sum(architectures[0].tokens) == 1:
            raise InvalidDataset("the disk is away")
        return super().evaluate(architectures, seeds)


def test_errors_of_engines_are_reasons_by_their_classes() -> None:
    class WorkerCrashedError(Exception):
        pass

    class Own(WorkerCrashedError):
        pass

    architecture = Architecture((1,), None, "1")
    row = row_of(Own("node 7"), architecture)
    assert row == Evaluation(architecture, failure="crashed", detail="Own: node 7")
    assert fault_of(ValueError()) is None
    assert row_of(ValueError(), architecture) is None


@pytest.mark.slow
def test_a_search_by_a_factory_is_recorded(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    evaluator = SlowEvaluator(BitCount())
    search(
        BitString(6), evaluator, "random-search", budget=8, num_envs=4, executor=THREADS,
        store=store, run="r", timeout=60,
    )  # fmt: skip
    run = load_run("r", store)
    assert run.sessions[-1]["executor"] == recorded_executor(executor_of(THREADS))["executor"]
    assert run.config["limits"]["timeout"] == 60
    assert not any(row.failure for row in run.rows)
