"""Measure what waiting for batches costs, and what searches that do not wait are worth.

    python benchmarks/speed/asynchrony.py [--seeds 100] [--only workers simulated …] [--write]

Five parts, each a table: real children of unequal times in two worker processes; simulated machines
on NAS-Bench-201's training times; the quality of asynchronous evolution and REINFORCE against that
of the same agents in rounds, paired by seed; the overhead per child of the worker pool and of Ray
(if it is installed), and the memory of a thousand children in flight; and a figure of the best so
far of 1 to 450 simulated machines. Twenty minutes or so on two cores. ``--write`` also writes
``benchmarks/results/asynchrony.md`` and ``asynchrony.png``.
"""

import argparse

from benchmarks.measure import machine, report
from benchmarks.speed.asynchrony_parts import overhead, quality, replicas, simulated, workers

PARTS = {
    "workers": workers.section,
    "simulated": simulated.section,
    "quality": quality.section,
    "overhead": overhead.section,
    "replicas": replicas.section,
}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    sections = [PARTS[name](given.seeds, given.write) for name in given.only]
    report(
        "asynchrony",
        f"""# Searches that do not wait

`python benchmarks/speed/asynchrony.py --seeds {given.seeds} --write`, on {machine()}.

{chr(10).join(sections)}""",
    )


if __name__ == "__main__":
    main()
