"""Find out how many epochs agents that train in part need for what others find with whole ones.

    python benchmarks/learning/fidelity.py [--seeds 20] [--workers 2] [--quick] [--write]

Random search, evolution and REINFORCE search NAS-Bench-201's cells by the table of digits, which
has the accuracy after every epoch of two trainings: once with whole trainings, and once as the
proposers of ``asha`` (promotion and stopping), ``successive-halving`` and ``hyperband``. A search
sees the first training of a cell, and what it hands over is judged by the other one, which nobody
has seen: its accuracy as if it were retrained. Searches are paired by seed. Twenty minutes or so on
two cores. ``--quick`` takes a synthetic landscape with learning curves and a minute instead.
``--write`` also writes ``benchmarks/results/fidelity.md``.
"""

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
from scipy.stats import bootstrap

import nas_gym
from benchmarks.measure import machine, report
from nas_gym.envs.recorder import Answer
from nas_gym.evaluators.evaluation import rank
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.registry import make
from nas_gym.runs.markdown import table

FIRST_SEED = 3000
WHOLE = "whole trainings"
EVALUATIONS = 150  # whole trainings of the yardstick
SHARES = (1 / 12, 1 / 6, 1 / 3, 1 / 2, 1.0)  # of its epochs
PROPOSERS = ("random-search", "regularized-evolution", "reinforce")
WAYS: dict[str, dict[str, Any] | None] = {
    WHOLE: None,
    "asha": {"name": "asha"},
    "asha, stopping": {"name": "asha", "mode": "stopping"},
    "successive-halving": {"name": "successive-halving"},
    "hyperband": {"name": "hyperband"},
}


@dataclass(frozen=True)
class Setting:
    """What is searched."""

    evaluator: str | dict[str, Any]
    factor: int  # one of so many goes on
    evaluations: int = EVALUATIONS


FULL = Setting({"name": "nasbench201", "dataset": "digits", "seeds": 0}, factor=2)
QUICK = Setting({"name": "landscape", "noise": 0.002, "epochs": 9, "curve_noise": 0.02}, factor=3)
Job = tuple[Setting, str, str, int]


def main() -> None:
    """Search with each way and proposer, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    setting = QUICK if given.quick else FULL
    seeds = range(FIRST_SEED, FIRST_SEED + given.seeds)
    jobs = [(setting, p, way, seed) for p in PROPOSERS for way in WAYS for seed in seeds]
    with ProcessPoolExecutor(given.workers, get_context("spawn")) as pool:
        values = list(pool.map(searched, jobs))
    found = {job[1:]: each for job, each in zip(jobs, values, strict=True)}
    report("fidelity", page(setting, list(seeds), found))


def searched(job: Job) -> list[float]:
    """Return how good what a search would hand over really is, after each share of the epochs."""
    setting, proposer, way, seed = job
    space = make("space", "nasbench201")
    evaluator = make("evaluator", setting.evaluator, space=space)
    wrapper = WAYS[way]
    agent: Any = proposer
    if wrapper is not None:
        agent = {**wrapper, "proposer": proposer, "reduction_factor": setting.factor}
    whole = setting.evaluations * evaluator.most_epochs
    result = nas_gym.search(space, evaluator, agent, budget_epochs=whole, seed=seed)
    handed = handed_over(result.answers, evaluator.most_epochs, [s * whole for s in SHARES])
    return [truth(evaluator, tokens) for tokens in handed]


def handed_over(
    answers: Sequence[Answer], most: int, limits: Sequence[float]
) -> list[tuple[int, ...]]:
    """Return the best architecture by the time that so many epochs are paid, for each limit."""
    paid = 0
    reached: dict[str, int] = {}
    best: Answer | None = None
    handed: list[tuple[int, ...]] = []
    for answer in answers:
        evaluation = answer.evaluation
        if evaluation.source != "memo":
            end, key = evaluation.epochs or most, evaluation.architecture.key
            paid += end - reached.get(key, 0)
            reached[key] = end
        while len(handed) < len(limits) and paid > limits[len(handed)] and best is not None:
            handed.append(best.evaluation.architecture.tokens)
        order = rank(evaluation.epochs, answer.reward)
        if best is None or order < rank(best.evaluation.epochs, best.reward):
            best = answer
    assert best is not None
    return handed + [best.evaluation.architecture.tokens] * (len(limits) - len(handed))


def truth(evaluator: Any, tokens: tuple[int, ...]) -> float:
    """Return the accuracy of trainings that the search has not seen."""
    if isinstance(evaluator, Landscape):
        return evaluator.accuracy(tokens)
    return float(np.mean(evaluator.entry(tokens).accuracies[1:]))


def page(
    setting: Setting, seeds: Sequence[int], found: dict[tuple[str, str, int], list[float]]
) -> str:
    """Return the results as Markdown."""
    rows: list[list[str]] = []
    least: dict[str, tuple[float, str]] = {}
    for proposer in PROPOSERS:
        yardstick = np.array([found[proposer, WHOLE, seed][-1] for seed in seeds])
        for way in WAYS:
            values = np.array([found[proposer, way, seed] for seed in seeds])
            cells = []
            for place, share in enumerate(SHARES):
                differences = values[:, place] - yardstick
                low, high = interval(differences)
                mean = 100 * values[:, place].mean()
                cells.append(f"{mean:.2f} ({100 * low:+.2f} to {100 * high:+.2f})")
                if high >= 0 and way != WHOLE:  # no significant loss
                    known = least.get(proposer, (2.0, ""))
                    least[proposer] = min(known, (share, way))
            rows.append([proposer, way, *cells])
    head = ["proposer", "way", *(f"{share:.3g} of the epochs" for share in SHARES)]
    verdicts = [
        f"- `{proposer}`: "
        + (
            f"`{least[proposer][1]}` comes to it without a significant loss with "
            f"{least[proposer][0]:.3g} of its epochs."
            if proposer in least
            else "no way comes to it without a significant loss."
        )
        for proposer in PROPOSERS
    ]
    what = setting.evaluator if isinstance(setting.evaluator, str) else setting.evaluator["name"]
    return f"""# Whole trainings against parts

`python benchmarks/learning/fidelity.py --seeds {len(seeds)} --write`, on {machine()}.

What a search hands over by the time that a share of the epochs of {setting.evaluations} whole
trainings is paid: its accuracy in percent, in trainings that no search has seen, mean of
{len(seeds)} seeds; in brackets the 95 % interval (bootstrap) of the paired difference to the same
proposer with whole trainings and all epochs. Evaluator: `{what}`.

{table(head, rows)}

Against the same proposer with {setting.evaluations} whole trainings:

{chr(10).join(verdicts)}
"""


def interval(differences: Any) -> tuple[float, float]:
    """Return the 95 % interval of the mean."""
    if np.ptp(differences) == 0:
        return float(differences[0]), float(differences[0])
    found = bootstrap((differences,), np.mean, rng=np.random.default_rng(0), method="percentile")
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


if __name__ == "__main__":
    main()
