"""The time until ``nas-gym`` answers, beside the imports that nobody can avoid.

    python -m benchmarks.speed.startup [--repeats 9] [--only WORD] [--write]

Every case and every yardstick is a fresh process, in turns, so that a busy machine slows all of
them. ``--only`` runs the cases whose names contain a word. ``--write`` also writes
``benchmarks/results/startup.md``. Allow a quarter of an hour.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.measure import machine, report

YARDSTICKS = {
    "tyro, rich": "import tyro, rich",
    "torch": "import torch",
    "gymnasium": "import gymnasium",
}

# Named in the page if a process or its workers imported them.
HEAVY = (
    "numpy", "gymnasium", "sqlalchemy", "torch", "torchvision", "matplotlib", "scipy", "pandas",
    "sklearn", "stable_baselines3", "sympy", "torch._dynamo", "torch._inductor",
    "torch.distributed.fsdp", "torch.distributed.tensor",
)  # fmt: skip
NOT_FOR_WORDS = ("torch", "matplotlib", "scipy", "pandas")
COMPILER = HEAVY[-5:]
DRAWING = ("matplotlib", "scipy", "pandas")

# A search space of one's own, whose networks note when their second training step begins: then the
# first one is done, its update included.
NOTING = """
import os
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from nas_gym import NASNetCell


@dataclass(frozen=True)
class Noting(NASNetCell):
    def build(self, genotype, task):
        network = super().build(genotype, task)
        steps = count()

        def note(module, inputs):
            if module.training and next(steps) == 1:
                Path(os.environ["NOTED"]).write_text(repr(time.time()), encoding="utf-8")

        network.register_forward_pre_hook(note)
        return network
"""

EPISODE = """
import gymnasium, nas_gym
env = gymnasium.make("NASBench201-v0")
_, info = env.reset(seed=0)
over = False
while not over:
    action = env.action_space.sample(info["action_mask"])
    _, reward, over, _, info = env.step(action)
assert 0 < reward < 1
"""

IN_PROCESS = (
    "from nas_gym import search; "
    "search('noting:Noting', {{'name': 'training', 'recipe': {{'name': 'quick', 'epochs': 1}}}}, "
    "{agent!r}, budget=1)"
)


@dataclass(frozen=True)
class Case:
    """A command, and what it is measured by."""

    name: str
    command: tuple[str, ...]  # arguments of python
    yardstick: str
    aim: float | None  # most times the yardstick; None for no aim
    without: tuple[str, ...] = ()  # modules that no process of it may import
    status: int = 0  # that it must exit with
    steps: bool = False  # whether the time ends with the first training step


class Run(NamedTuple):
    """The time and memory that one process took, with all its children."""

    wall: float  # seconds, until its end or the first training step's
    cpu: float  # seconds of user and system, until its end
    memory: float  # MiB, the most that one of its processes had


def command(line: str) -> tuple[str, ...]:
    """Return the arguments of python that run ``nas-gym`` with these arguments."""
    return ("-m", "nas_gym", *line.split())


def refusal(line: str) -> Case:
    """Return the case of a command whose input is bad, which it must say at once."""
    return Case(line, command(line), "tyro, rich", 2.0, NOT_FOR_WORDS, status=2)


def first_step(agent: str, workers: int) -> Case:
    """Return the case of a search until its first child's first training step is done."""
    line = (
        f"search --space noting:Noting --agent {agent} --set recipe.epochs=1 --budget 1 "
        f"--workers {workers}"
    )
    code = ("-c", IN_PROCESS.format(agent=agent))
    where = f"{workers} worker" if workers else "in process, from Python"
    return Case(
        f"first step: {agent}, {where}", command(line) if workers else code, "torch", 1.5,
        COMPILER, steps=True,
    )  # fmt: skip


CASES = (
    *(
        Case(line, command(line), "tyro, rich", 2.0, NOT_FOR_WORDS)
        for line in ("--help", "search --help", "list")
    ),
    refusal("serach"),
    refusal("search --nope"),
    refusal("search --space nope"),
    refusal("search --agent nope"),
    refusal("search --evaluator nope"),
    refusal("search --budget 0"),
    refusal("search --set space.blocks=true"),
    refusal("search --set agent.nope=1"),
    refusal("search --set recipe.nope=1"),
    refusal("search --dataset /nonexistent"),
    refusal("search --resume"),
    refusal("report nope"),
    refusal("resume nope"),
    refusal("describe nope"),
    *(
        Case(f"describe {name}", command(f"describe {name}"), "torch", 1.3, COMPILER + DRAWING)
        for name in ("nasnet-a", "nas-v1", "nas-cell")
    ),
    *(first_step(agent, workers) for workers in (1, 0) for agent in ("random-search", "reinforce")),
    Case("import nas_gym", ("-c", "import nas_gym"), "gymnasium", None, NOT_FOR_WORDS),
    Case("an episode of NASBench201-v0", ("-c", EPISODE), "gymnasium", None, NOT_FOR_WORDS),
)


def run(case: Case, environment: dict[str, str]) -> tuple[Run, str]:
    """Run it in an empty folder; return what it took and printed.

    Raises:
        RuntimeError: It does not do what it should.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "noting.py").write_text(NOTING, encoding="utf-8")
        noted, output = folder / "noted", folder / "output"
        with output.open("w") as both:
            start = time.time()
            process = subprocess.Popen(
                [sys.executable, *case.command],
                cwd=folder,
                env=os.environ | {"NOTED": str(noted)} | environment,
                stdin=subprocess.DEVNULL,
                stdout=both,
                stderr=both,
            )
            _, status, used = os.wait4(process.pid, 0)
            end = time.time()
        process.returncode = os.waitstatus_to_exitcode(status)
        said = output.read_text(errors="replace")
        if process.returncode != case.status or (case.steps and not noted.is_file()):
            raise RuntimeError(
                f"{case.name}: exit status {process.returncode}, not {case.status}, or it never "
                f"trained; it said:\n{said[-2000:]}"
            )
        if case.steps:
            end = float(noted.read_text(encoding="utf-8"))
    return Run(end - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024), said


def imported(case: Case) -> set[str]:
    """Return what it imported, in any of its processes: Python itself says so in each of them."""
    _, said = run(case, {"PYTHONPROFILEIMPORTTIME": "1"})
    return set(re.findall(r"^import time:.*\| +([\w.]+)$", said, flags=re.MULTILINE))


def measured(cases: Sequence[Case], repeats: int) -> tuple[dict[str, Run], dict[str, set[str]]]:
    """Return medians by the name of the case or yardstick, and what each case imported."""
    sticks = [
        Case(name, ("-c", code), name, None)
        for name, code in YARDSTICKS.items()
        if any(case.yardstick == name for case in cases)
    ]
    runs: dict[str, list[Run]] = {case.name: [] for case in (*sticks, *cases)}
    modules = {case.name: imported(case) for case in cases}  # also warms the disk's cache
    for repeat in range(repeats):
        print(f"{repeat + 1} of {repeats}", file=sys.stderr)
        for case in (*sticks, *cases):
            runs[case.name].append(run(case, {})[0])
    medians = {name: Run(*map(median, zip(*those, strict=True))) for name, those in runs.items()}
    return medians, modules


def row(case: Case, medians: Mapping[str, Run], modules: set[str]) -> str:
    """Return a case's line of the table."""
    its, stick = medians[case.name], medians[case.yardstick]
    wall, cpu = its.wall / stick.wall, its.cpu / stick.cpu
    # Processes side by side take more of the CPU and less time: there the time counts.
    ratio = wall if case.steps else cpu
    kept = case.aim is None or ratio <= case.aim
    aim = "" if case.aim is None else f"{case.aim:g}{'' if kept else ' **missed**'}"
    shown = [f"**{m}**" if m in case.without else m for m in HEAVY if m in modules]
    cpus = "" if case.steps else f"{its.cpu:.2f} | {cpu:.2f}"
    return (
        f"| `{case.name}` | {case.yardstick} | {its.wall:.2f} | {wall:.2f} | {cpus or ' | '} | "
        f"{aim} | {its.memory:.0f} | {', '.join(shown) or 'none'} |"
    )


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9, help="processes per case and yardstick")
    parser.add_argument("--only", default="", help="cases whose names contain this")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    cases = [case for case in CASES if options.only in case.name]
    medians, modules = measured(cases, options.repeats)
    sticks = [
        f"| `import {name}` | {its.wall:.2f} | {its.cpu:.2f} | {its.memory:.0f} |"
        for name, its in medians.items()
        if name in YARDSTICKS
    ]
    page = PAGE.format(
        machine=machine(),
        repeats=options.repeats,
        load=os.getloadavg()[0],
        sticks="\n".join(sticks),
        rows="\n".join(row(case, medians, modules[case.name]) for case in cases),
        heavy=", ".join(HEAVY),
    )
    report("startup", page)


PAGE = """# Startup: how soon the command answers

`python -m benchmarks.speed.startup --write`, on {machine}. Medians of {repeats} fresh processes,
cases and yardsticks in turns, with compiled bytecode and a warm disk cache.

The load average after these measurements was {load:.1f}. (Above the number of cores, others were at
work on this machine: compare the ratios of CPU seconds then, not those of wall time.)

| yardstick | wall, s | CPU, s | MiB |
| --- | ---: | ---: | ---: |
{sticks}

Ratios are to the case's yardstick. CPU seconds are those of user and system, of a process and its
children. The aim is for the ratio of CPU seconds, and for the first training step, where processes
work side by side, for that of wall time: from the start of the command until the first child's
first step is done, its update included; a search space of the user's own takes the time in its
network's second forward pass. MiB is the most that one process had. The last column names those of
the heavy modules that the command or one of its workers imported, in bold those that it should not:
{heavy}.

| case | yardstick | wall, s | ratio | CPU, s | ratio | aim | MiB | imported |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |
{rows}
"""


if __name__ == "__main__":
    main()
