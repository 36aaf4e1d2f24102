"""Measure how much time an agent itself takes.

Searches of NAS-Bench-201's and of NASNet's cells with a synthetic landscape: the process's
processor time, less that of the ledger's requests (evaluation and bookkeeping). What is left is the
agent and its stepping of the environment.

    python benchmarks/speed/agent_overhead.py --write
"""

import importlib
import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch

from benchmarks.measure import machine, report
from nas_agents import AGENTS
from nas_gym.agent import Agent
from nas_gym.envs.ledger import Ledger
from nas_gym.envs.recorder import Answer
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.runs.markdown import table
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.search_spaces.grammar import SearchSpace
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.testing import tuning_landscape

BUDGET = 500
RUNS = 5
SPACES: tuple[SearchSpace[Any], ...] = (NASBench201(), NASNetCell())


class Timed:
    """A sum of the processor time that a ledger's requests take."""

    def __init__(self, ledger: Ledger) -> None:
        self.seconds = 0.0
        self._request = ledger.request
        ledger.request = self.request  # type: ignore[method-assign]

    def request(self, architectures: Sequence[Architecture[Any]]) -> list[Answer]:
        """Pass a request on to the ledger, and time it."""
        start = time.process_time()
        answers = self._request(architectures)
        self.seconds += time.process_time() - start
        return answers


def milliseconds(agent: Agent, space: SearchSpace[Any], seed: int) -> float:
    """Return the agent's own processor time per evaluation."""
    landscape = tuning_landscape(space, 1000 + seed)
    env = NASVectorEnv(space, landscape, num_envs=agent.batch_size, budget=BUDGET, seed=seed)
    env.reset(seed=seed)
    requests = Timed(env.ledger)
    start = time.process_time()
    agent.search(env)
    return 1e3 * (time.process_time() - start - requests.seconds) / BUDGET


def row(name: str) -> list[str]:
    """Return a line of the table."""
    module = importlib.import_module(AGENTS[name].partition(":")[0])
    agent: Agent = module.PRESETS["default"]
    cells = [f"`{name}`"]
    for space in SPACES:
        times = [milliseconds(agent, space, seed) for seed in range(RUNS + 1)][1:]  # warm-up
        cells += [f"{statistics.median(times):.3f}", f"{min(times):.3f} to {max(times):.3f}"]
    print(*cells, sep=" | ", flush=True)
    return cells


def main() -> None:
    """Measure, print, write."""
    torch.set_num_threads(1)
    headings = ("agent", "NASBench201, 6 tokens", "range", "NASNetCell, 50 tokens", "range")
    rows = table(headings, [row(name) for name in AGENTS], right=(1, 3))
    report(
        "agent_overhead",
        f"""# The agents' own time

`python benchmarks/speed/agent_overhead.py --write`, on {machine()}, one thread. Milliseconds of
processor time per evaluation, averaged over {BUDGET} evaluations with the agent's default settings,
without evaluation and bookkeeping; median and range of {RUNS} searches.

{rows}
""",
    )


if __name__ == "__main__":
    main()
