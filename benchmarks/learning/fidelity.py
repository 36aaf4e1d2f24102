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
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing import get_context
from typing import Any

import numpy as np
import numpy.typing as npt

import nas_gym
from benchmarks.measure import ALPHA, comes_to, interval, machine, report
from nas_gym.benchmark.statistics import FEWEST_SAMPLED
from nas_gym.envs.recorder import Answer
from nas_gym.evaluators.evaluation import rank
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.registry import make
from nas_gym.runs.cost import PaidEpochs
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
    paid = epochs_paid(result.answers, evaluator.most_epochs)
    handed = handed_over(result.answers, paid, [share * whole for share in SHARES])
    return [truth(evaluator, tokens_at(result.answers, place)) for place in handed]


def tokens_at(answers: Sequence[Answer], place: int | None) -> tuple[int, ...]:
    """Return what is handed over at a place."""
    assert place is not None, "nothing was answered by then"
    return answers[place].evaluation.architecture.tokens


def handed_over(
    answers: Sequence[Answer], paid: Sequence[float], limits: Sequence[float]
) -> list[int | None]:
    """Return the place of the best answer by the time that so much is paid, for each limit.

    None where nothing is answered yet.

    Args:
        answers: In the order in which they came.
        paid: By each of them, and all before it.
        limits: Rising.
    """
    best: int | None = None
    handed: list[int | None] = []
    for place, answer in enumerate(answers):
        while len(handed) < len(limits) and paid[place] > limits[len(handed)]:
            handed.append(best)
        if best is None or _order(answer) < _order(answers[best]):
            best = place
    return handed + [best] * (len(limits) - len(handed))


def _order(answer: Answer) -> tuple[float, float]:
    return rank(answer.evaluation.epochs, answer.reward)


def epochs_paid(answers: Sequence[Answer], most: int) -> list[float]:
    """Return the epochs that are paid by each answer.

    Args:
        answers: In the order in which they came.
        most: Epochs of a whole training.
    """
    paid, totals = PaidEpochs(most), list[float]()
    for answer in answers:
        evaluation = answer.evaluation
        if evaluation.source != "memo":
            paid.add(evaluation.architecture.key, evaluation.epochs)
        totals.append(paid.total)
    return totals


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
    verdicts = []
    for proposer in PROPOSERS:
        yardstick = np.array([found[proposer, WHOLE, seed][-1] for seed in seeds])
        needed: dict[str, int | None] = {}
        for way in WAYS:
            values = np.array([found[proposer, way, seed] for seed in seeds])
            differences = values - yardstick[:, None]
            cells = []
            for place in range(len(SHARES)):
                low, high = interval(differences[:, place])
                mean = 100 * values[:, place].mean()
                cells.append(f"{mean:.2f} ({100 * low:+.2f} to {100 * high:+.2f})")
            needed[way] = loses_from(differences)
            rows.append([proposer, way, *cells])
        verdicts.append(f"- `{proposer}`: {verdict(needed)}")
    head = ["proposer", "way", *(f"{share_in_words(share)} of the epochs" for share in SHARES)]
    what = setting.evaluator if isinstance(setting.evaluator, str) else setting.evaluator["name"]
    return f"""# Whole trainings against parts

`python benchmarks/learning/fidelity.py --seeds {len(seeds)} --write`, on {machine()}.

What a search hands over by the time that a share of the epochs of {setting.evaluations} whole
trainings is paid: its accuracy in percent, in trainings that no search has seen, mean of
{len(seeds)} seeds; in brackets the 95 % interval of the paired difference to the same proposer
with whole trainings and all epochs. A loss is significant by Wilcoxon's exact test (p < {ALPHA});
of fewer than {FEWEST_SAMPLED} seeds nothing is claimed. Evaluator: `{what}`.

{table(head, rows)}

Against the same proposer with {setting.evaluations} whole trainings, the smallest share from
which on neither the test nor the interval shows a loss, of the quickest way and of whole trainings
themselves (which is not to say that there is no loss: the intervals say how much it may be):

{chr(10).join(verdicts)}
"""


def loses_from(differences: npt.NDArray[np.float64]) -> int | None:
    """Return the place of the smallest share from which on no loss is seen; None if there is none.

    Args:
        differences: From the yardstick, (seeds, shares).
    """
    fine = [comes_to(column) and interval(column)[1] >= 0 for column in differences.T]
    return next((place for place in range(len(fine)) if all(fine[place:])), None)


def verdict(needed: Mapping[str, int | None]) -> str:
    """Say which way needs the smallest share, beside whole trainings."""
    ways = {way: place for way, place in needed.items() if way != WHOLE and place is not None}
    if not ways:
        return "no way comes to it."
    best = min(ways, key=lambda way: ways[way])
    whole = needed[WHOLE]
    alone = "more than all" if whole is None else share_in_words(SHARES[whole])
    return (
        f"`{best}` needs {share_in_words(SHARES[ways[best]])} of its epochs, whole trainings "
        f"themselves {alone}."
    )


def share_in_words(share: float) -> str:
    """Return ``1/12``."""
    return str(Fraction(share).limit_denominator(100))


if __name__ == "__main__":
    main()
