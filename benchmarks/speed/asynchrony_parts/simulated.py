"""Simulated machines on NAS-Bench-201's own training times."""

from benchmarks.speed.asynchrony_parts.timed import timed_search
from nas_gym.runs.markdown import table

MACHINES = (2, 8, 32, 400)
EACH = 40  # children per machine


def section(seeds: int, write: bool) -> str:
    """Measure, and return a section."""
    del write
    rows = []
    for machines in MACHINES:
        repeats = range(max(3, min(seeds, 800 // machines)))
        means = []
        for asynchronous in (True, False):
            agent = {"name": "random-search", "batch_size": machines}
            shares = [
                timed_search(agent, machines, asynchronous, seed, budget=EACH * machines)[2]
                for seed in repeats
            ]
            means.append(100 * sum(shares) / len(shares))
        rows.append([str(machines), *(f"{mean:.1f} %" for mean in means)])
        print(*rows[-1], flush=True)
    heads = ("machines", "asynchronous", "rounds of as many children")
    return f"""## Simulated machines

Share of the machines' time that is training, by the training times of NAS-Bench-201; random search,
{EACH} children per machine, from the beginning until the last child is done, so with the end, when
machines run out of work. The aim is 95 % with 8 and with 400 machines.

{table(heads, rows, right=(0, 1, 2))}
"""
