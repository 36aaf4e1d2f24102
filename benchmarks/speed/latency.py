"""Measure how well a latency repeats: two networks in turns, many times.

    python benchmarks/speed/latency.py --write

prints, for NASNet-A and a NAS-Bench-201 cell at a small size, how the medians of all turns spread,
and how often the faster network was found to be the faster one; writes
``benchmarks/results/latency.md``.
"""

import argparse
import statistics

from benchmarks.measure import machine, report
from nas_gym.models.folder import fresh_model
from nas_gym.networks.latency import BATCHES, measure_latency
from nas_gym.networks.task import Task
from nas_gym.runs.markdown import numbers_table
from nas_gym.search_spaces.nasbench201.genotype import genotype_of_string
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.search_spaces.published import PUBLISHED

TASK = Task(channels=3, height=32, width=32, classes=10, repeats=1, filters=16)
CELL = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"


def main() -> None:
    """Measure in turns and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="per batch and turn")
    parser.add_argument("--write", action="store_true", help="write the results page")
    options = parser.parse_args()
    nasnet, space = PUBLISHED["nasnet-a"]
    models = {
        "NASNet-A": fresh_model(space, nasnet, TASK),
        "NAS-Bench-201 cell": fresh_model(NASBench201(), genotype_of_string(CELL), TASK),
    }
    found: dict[tuple[str, int], list[float]] = {}
    for _ in range(options.turns):
        for name, model in models.items():
            for each in measure_latency(model.network, model.task, seconds=options.seconds):
                found.setdefault((name, each.batch), []).append(1000 * each.median)
    rows = [
        [
            f"{name}, batch {batch}",
            f"{statistics.median(times):.2f}",
            f"{min(times):.2f} to {max(times):.2f}",
            f"{100 * statistics.stdev(times) / statistics.mean(times):.1f} %",
        ]
        for (name, batch), times in found.items()
    ]
    slow, fast = models
    agree = [
        sum(a > b for a, b in zip(found[slow, n], found[fast, n], strict=True)) for n in BATCHES
    ]
    text = (
        f"Medians of {options.turns} turns, each {options.seconds:g} s per batch, one thread, "
        f"N = 1, F = 16, 32 x 32 pixels ({machine()}); printed by "
        "`python benchmarks/speed/latency.py`.\n\n"
        + numbers_table(["network", "median, ms", "range, ms", "deviation"], rows)
        + f"\n\n{slow} took longer than {fast} in {agree[0]} of {options.turns} turns at batch "
        f"{BATCHES[0]}, in {agree[1]} at batch {BATCHES[1]}.\n"
    )
    report("latency", text)


if __name__ == "__main__":
    main()
