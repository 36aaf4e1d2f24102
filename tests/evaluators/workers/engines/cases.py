"""What every engine is asked to do, with its real parts; how each is started here."""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from nas_gym.evaluators.workers.engines.engine import Engine
from nas_gym.evaluators.workers.engines.evaluator import EngineEvaluator
from nas_gym.runs.search import search
from nas_gym.search_spaces.architecture import Architecture, architecture_of
from nas_gym.store import load_run
from nas_gym.testing import BitCount, BitString, SlowEvaluator

sys.path.append(str(Path(__file__).parent.parent))  # the machines get it as well
sys.path.append(str(Path(__file__).parent))
import slurm_here
from unruly import UnrulyEvaluator

SECONDS = 400.0  # of a command, on a busy machine
MARK = "NAS_GYM_TEST_MARK"  # in the environment of a command and of all that it starts


def bad_children_are_rows(engine: Engine) -> None:
    """Each child that goes wrong is a row with its reason, and its neighbours are not harmed."""
    evaluator = EngineEvaluator(UnrulyEvaluator(), engine, timeout=6.0, memory_limit=1.0)
    orders = ("fine", "raise", "exit", "hang", "stuck", 4 * 2**30, "die", "fine")
    asked = [Architecture((n,), order, str(n)) for n, order in enumerate(orders)]
    try:
        answers = {e.architecture.tokens[0]: e for e in evaluator.evaluate(asked, range(8))}
    finally:
        evaluator.close()
    assert [answers[n].failure for n in range(8)] == [
        None, "error: RuntimeError: on purpose", "crashed", "timeout", "timeout",
        "out of memory", "crashed", None,
    ]  # fmt: skip
    assert answers[2].detail == "exit status 3"
    assert "ran longer than 6 s" in str(answers[3].detail)
    assert answers[7].accuracy == 0.007
    assert all(answers[n].architecture is asked[n] for n in range(8))


BROKEN = "NAS_GYM_TEST_BROKEN"  # in the environment of a machine whose libraries are


@dataclass(frozen=True)
class NeedsALibrary:
    """Counts bits, where it can be loaded."""

    stateful = False

    def __reduce__(self) -> tuple[Any, ...]:
        return with_its_library, ()

    def evaluate(self, architectures: Any, seeds: Any) -> Any:
        return BitCount().evaluate(architectures, seeds)

    def close(self) -> None: ...


def with_its_library() -> NeedsALibrary:
    """Load what it needs, as the import of torch does."""
    if os.environ.get(BROKEN):
        ctypes.CDLL("libnone.so.1")
    return NeedsALibrary()


def a_bad_machine_is_avoided(engine: Engine) -> None:
    """One of two machines can load no evaluator: all children are trained on the other."""
    evaluator = EngineEvaluator(NeedsALibrary(), engine)
    space = BitString(4)
    asked = [architecture_of(space, tuple(map(int, f"{n:04b}"))) for n in range(12)]
    try:
        answers = list(evaluator.evaluate(asked, range(12)))
    finally:
        evaluator.close()
    assert [each.failure for each in answers] == [None] * 12


class Watching:
    """A watcher that does something when so many children were evaluated."""

    def __init__(self, number: int, act: Any) -> None:
        self.left, self.act = number, act

    def started(self) -> None: ...

    def replayed(self, *told: Any) -> None: ...

    def requested(self, *told: Any) -> None: ...

    def evaluated(self, *told: Any) -> None:
        self.left -= 1
        if self.left == 0:
            self.act()


def history(**options: Any) -> list[tuple[Any, ...]]:
    """Search, and return what was answered, in the order of the requests."""
    evaluator = SlowEvaluator(BitCount(), 0.2)
    options = {"num_envs": 6, **options}
    found = search(BitString(8), evaluator, "regularized-evolution", budget=24, seed=1, **options)
    return [
        (a.evaluation.architecture.tokens, a.reward, a.evaluation.failure) for a in found.answers
    ]


def goes_on_after(act: Any, engine: Engine) -> None:
    """A search whose machines fail in the middle has the history of one on this machine."""
    survived = history(executor=engine, watcher=Watching(8, act))
    assert survived == history()
    assert len(survived) == 24
    assert not any(failure for _, _, failure in survived)


def goes_on_asynchronously_after(act: Any, engine: Engine, store: Path) -> None:
    """So does one that waits for no batch: no child is lost, and none is paid for twice."""
    options = {"asynchronous": True, "in_flight": 4, "num_envs": None}
    survived = history(executor=engine, watcher=Watching(8, act), store=store, run="r", **options)
    assert len(survived) == 24
    assert not any(failure for _, _, failure in survived)
    run = load_run("r", store)
    assert run.status == "finished"
    assert not run.unanswered
    assert [(row.tokens, row.reward) for row in run.rows] == [each[:2] for each in survived]
    rewards = dict(each[:2] for each in survived)
    seeds = {row.tokens: row.seed for row in run.rows}
    for tokens, reward in rewards.items():  # as on this machine
        asked = BitCount().evaluate([architecture_of(BitString(8), tokens)], [seeds[tokens]])
        assert next(iter(asked)).accuracy == reward


def its_time_is_up(engine: Engine, store: Path) -> None:
    """A time limit ends an asynchronous search; what goes on sees the same as far as it went."""
    space, evaluator = BitString(8), SlowEvaluator(BitCount(), 4.0)
    task = (space, evaluator, "regularized-evolution")  # four at a time cannot do all of it
    options: dict[str, Any] = {"budget": 30, "seed": 1, "run": "r", "store": store, "resume": True}
    first = EngineEvaluator(evaluator, engine)  # it takes its time to start, as do its workers
    started = [first.submit(architecture_of(space, (n, *(0,) * 7)), 0) for n in (0, 1)]
    assert [future.result(SECONDS).failure for future in started] == [None, None]
    cut = search(*task, executor=engine, time_limit=20.0, asynchronous=True, in_flight=4, **options)
    assert cut.time_up is not None
    assert 1 <= cut.time_up.cut <= 4
    before = [row.tokens for row in load_run("r", store).rows]
    assert 0 < len(before) < 30
    again = search(*task, workers=8, **options)
    after = [answer.evaluation.architecture.tokens for answer in again.answers]
    assert after[: len(before)] == before
    assert len(after) == 30


SLOW = '''
import math
import time
from dataclasses import dataclass
from pathlib import Path

from nas_gym.evaluators.evaluation import Evaluation


@dataclass(frozen=True)
class Slow:
    """Answers by the tokens and the seed, after a while; no more than a file allows."""

    seconds: float = 0.3
    stateful = False

    def evaluate(self, architectures, seeds):
        for architecture, seed in zip(architectures, seeds, strict=True):
            time.sleep(self.seconds)
            with open("answered", "ab", 0) as file:
                file.write(b"x")
                number = file.tell()
            while number > most():
                time.sleep(0.1)
            value = (sum((i + 1) * t for i, t in enumerate(architecture.tokens)) + seed) % 1000
            yield Evaluation(architecture, {"accuracy": value / 1000})

    def close(self):
        pass


def most():
    """How many children are answered until the file is removed."""
    try:
        return int(Path("most").read_text())
    except FileNotFoundError:
        return math.inf
'''


def command(
    folder: Path, *arguments: str, before: Sequence[str] = (), mark: str = ""
) -> "subprocess.Popen[str]":
    """Start a command of nas-gym in a folder that has the module ``slow``."""
    (folder / "slow.py").write_text(SLOW, encoding="utf-8")
    starter = before or (sys.executable,)
    return subprocess.Popen(
        [*starter, "-m", "nas_gym", *arguments],
        cwd=folder,
        env={**os.environ, MARK: mark, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def marked(mark: str) -> list[str]:
    """Return the commands of the processes that a marked command started and that still run."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdecimal() and int(place.name) != os.getpid():
            try:
                if f"{MARK}={mark}".encode() in (place / "environ").read_bytes().split(b"\0"):
                    found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
    return found


def gone(mark: str, seconds: float = 180.0) -> list[str]:
    """Wait until nothing of a marked command is left; return what still is.

    Ray's agents look for a minute for somebody to tell that their node is dead.
    """
    end = time.monotonic() + seconds
    while (left := marked(mark)) and time.monotonic() < end:
        time.sleep(0.2)
    return left


def rows(folder: Path, run: str) -> list[tuple[Any, ...]]:
    data = load_run(run, folder / "nas-gym.db")
    return [(row.tokens, row.seed, row.reward, row.failure) for row in data.rows]


SEARCH = (
    "search", "--space", "conv-net", "--evaluator", "slow:Slow", "--agent", "regularized-evolution",
    "--seed", "3", "--store", "nas-gym.db",
)  # fmt: skip
ROUNDS, FLYING = ("--num-envs", "4"), ("--async", "--in-flight", "4")


@dataclass(frozen=True)
class Start:
    """How the tests start an engine on this machine."""

    name: str
    options: tuple[str, ...] = ()  # for --set
    before: tuple[str, ...] = ()  # the command
    budget: int = 24
    leaves_jobs: bool = False  # for some minutes, if the search is killed
    needs: str = ""  # a module
    program: str = ""  # of the system
    fixture: str = ""  # that starts what it runs on

    @property
    def switches(self) -> tuple[str, ...]:
        """The options of a command."""
        return ("--executor", self.name, *(each for o in self.options for each in ("--set", o)))

    @property
    def missing(self) -> str | None:
        """Why it cannot be started here, or None."""
        if find_spec(self.needs) is None:
            return f"{self.needs} is not installed: pip install 'nas-gym[{self.name}]'"
        if self.program and shutil.which(self.program) is None:
            return f"there is no {self.program}: apt-get install openmpi-bin"
        return slurm_here.missing() if self.fixture else None

    def as_parameter(self) -> Any:
        """Return it as a parameter of a test, which is skipped where it cannot be started."""
        missing = self.missing
        return pytest.param(
            self, id=self.name, marks=pytest.mark.skipif(missing is not None, reason=str(missing))
        )


MPIEXEC = (
    "mpiexec", "--allow-run-as-root", "--oversubscribe", "-n", "3",
    sys.executable, "-m", "mpi4py.futures",
)  # fmt: skip
STARTS = {
    "ray": Start("ray", ("executor.address=local",), needs="ray"),
    "dask": Start("dask", ("executor.workers=2",), needs="distributed"),
    "slurm": Start("slurm", budget=8, leaves_jobs=True, needs="submitit", fixture="slurm"),
    "mpi": Start("mpi", before=MPIEXEC, needs="mpi4py", program="mpiexec"),
}
EACH = [start.as_parameter() for start in STARTS.values()]


def wait_for(process: "subprocess.Popen[str]", folder: Path, run: str, children: int) -> None:
    """Wait until so many children of a run under way are recorded."""
    end = time.monotonic() + SECONDS
    while process.poll() is None and _recorded(folder, run) < children:
        assert time.monotonic() < end
        time.sleep(0.2)
    assert process.poll() is None, process.communicate()[1]


def is_resumed(folder: Path, start: Start) -> None:
    """Go on with the run ``cut`` to its end, with the executor that it had."""
    mark = uuid.uuid4().hex
    (folder / "most").unlink()
    again = command(
        folder, "resume", "cut", "--store", "nas-gym.db", "--trust", "slow", "--json",
        before=start.before, mark=mark,
    )  # fmt: skip
    out, err = again.communicate(timeout=SECONDS)
    assert again.returncode == 0, err
    assert json.loads(out)["status"] == "finished"
    left = gone(mark)
    assert not left, left
    sessions = load_run("cut", folder / "nas-gym.db").sessions
    assert [s["executor"]["name"] for s in sessions] == [start.name] * 2  # it was recorded


def is_killed(folder: Path, start: Start, how: Sequence[str]) -> None:
    """Begin the run ``cut``, and kill -9 its driver in the middle."""
    budget, mark = start.budget, uuid.uuid4().hex
    (folder / "most").write_text(str(budget * 2 // 3))  # it cannot end before it is killed
    cut = command(
        folder, *SEARCH, *how, "--budget", str(budget), "--run", "cut", *start.switches,
        before=start.before, mark=mark,
    )  # fmt: skip
    wait_for(cut, folder, "cut", budget // 4)
    os.kill(cut.pid, signal.SIGKILL)
    cut.communicate()
    if start.before or (how is ROUNDS and not start.leaves_jobs):  # mpiexec is not the driver
        left = gone(mark)
        assert not left, left
    recorded = _recorded(folder, "cut")
    assert budget // 4 <= recorded < budget, recorded


def _recorded(folder: Path, run: str) -> int:
    try:
        data = load_run(run, folder / "nas-gym.db")
        return len(data.rows) + len(data.unanswered)
    except Exception:  # not begun
        return 0


def refused(folder: Path, *arguments: str, status: int = 2) -> str:
    """Return the one sentence with which a command ends."""
    ended = command(folder, *arguments)
    _, err = ended.communicate(timeout=SECONDS)
    assert ended.returncode == status, err
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line.startswith("nas-gym: ")]
    assert len(lines) == 1, err
    return lines[0]
