"""Find the cheapest way to what the paper's search finds: 150 children, each trained to its end.

    python benchmarks/learning/cheapest.py [--seeds 20] [--workers 1] [--quick] [--write]

The default search of NAS-Bench-201's cells by the table of digits is the yardstick. Beside it,
searches that train in part, that score untrained networks first, as a filter or as features, that
do both, and the orders of supernets as far as ``weight_sharing.py`` has asked them. Each way is
looked at when shares of the yardstick's seconds of training are paid, paired by seed. What it hands
over by then is judged by the other training of the cell, which no search has seen, and by the mean
of both after the last epoch. Minutes on one core. ``--quick`` takes a synthetic landscape with
learning curves. ``--write`` also writes ``benchmarks/results/cheapest.md``.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

import nas_gym
from benchmarks.learning.cheapest_parts.losses import DEFAULT, PARTS, YARDSTICK, Found, page
from benchmarks.learning.fidelity import FULL, QUICK, Setting, handed_over, truth
from benchmarks.learning.weight_sharing import training_seconds
from benchmarks.measure import RESULTS, report
from benchmarks.recipes.recipe_signal import read
from nas_gym.agent import proxy_ranking
from nas_gym.envs.recorder import Answer
from nas_gym.evaluators.proxies.ranking import POOL
from nas_gym.evaluators.proxies.scorer import Scorer
from nas_gym.evaluators.tables.tabular import TabularEvaluator
from nas_gym.registry import make
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.moves import random_tokens

FIRST_SEED = 3000
SCORED = 300  # random networks, of which the best are trained; as of `with-proxy`
CHOSEN = 20  # of them, in order
ASKED = 150  # cells that a supernet is asked for
FEATURES = ("az-nas",)
KEEP = Path("runs/benchmarks/cheapest-proxies.jsonl")
Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Way:
    """A way of paying less."""

    name: str
    agent: Spec
    proxies: tuple[str, ...] = ()  # that score untrained networks


@dataclass(frozen=True)
class Job:
    """A search."""

    setting: Setting
    way: Way
    seed: int
    price: float = 0.0  # seconds of scoring a network
    yardstick: float | None = None  # seconds of training; None: this search is the yardstick


def ways(factor: int, scored: int, keep: str) -> list[Way]:
    """Return the ways that are searches.

    Args:
        factor: One of so many is trained further.
        scored: Random networks of which the best are trained.
        keep: File of the values of proxies.
    """
    options = {"proxy_options": {"cache": keep}}
    parts: dict[str, Spec] = {
        "asha": {"name": "asha"},
        "asha, stopping": {"name": "asha", "mode": "stopping"},
        "successive-halving": {"name": "successive-halving"},
        "hyperband": {"name": "hyperband"},
        "one epoch each": {"name": "asha", "max_epochs": 1},
    }

    def in_part(part: str, proposer: Any) -> Spec:
        return {**parts[part], "proposer": proposer, "reduction_factor": factor}

    def best(proxies: Sequence[str], agent: str = "random-search") -> Spec:
        first = {"scored": scored, "first": min(CHOSEN, scored)}
        return {"name": "with-proxy", "agent": agent, "proxies": list(proxies), **first, **options}

    evolution = "regularized-evolution"
    found = [Way(f"whole trainings, {DEFAULT}", {"name": DEFAULT})]
    found += [Way(f"{part}, {evolution}", in_part(part, evolution)) for part in parts]
    found += [Way(f"asha, {agent}", in_part("asha", agent)) for agent in (DEFAULT, "random-search")]
    for proxies in (("parameters",), ("az-nas",), ("az-nas", "parameters")):
        words = " + ".join(proxies)
        first = f"best of {scored:,} by {words}"
        found += [Way(f"{first}, whole trainings", best(proxies), proxies)]
        found += [
            Way(f"{first}, {part}", in_part(part, best(proxies)), proxies)
            for part in ("asha", "one epoch each")
        ]
    filtering = {"name": "with-proxy/filter", "agent": evolution, **options}
    az = ("az-nas",)
    found += [
        Way(f"filter by az-nas, {evolution}", filtering, az),
        Way(f"filter by az-nas, asha, {evolution}", in_part("asha", filtering), az),
        Way(
            f"best of {scored:,} by az-nas, successive-halving",
            in_part("successive-halving", best(az)), az,
        ),
        Way(
            "features, predictor-evolution",
            {"name": "predictor-evolution", "initial": 10, "proxies": list(FEATURES), **options},
            FEATURES,
        ),
    ]  # fmt: skip
    return found


def main() -> None:
    """Search in each way, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=KEEP, help="values of proxies")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    setting, scored = (replace(QUICK, evaluations=30), 30) if given.quick else (FULL, SCORED)
    given.keep.parent.mkdir(parents=True, exist_ok=True)
    seeds = range(FIRST_SEED, FIRST_SEED + given.seeds)
    known = ways(setting.factor, scored, str(given.keep))
    prices = {proxies: price_of(proxies) for proxies in {w.proxies: w for w in known} if proxies}
    yardstick = Way(YARDSTICK, {"name": DEFAULT})
    with ProcessPoolExecutor(given.workers, get_context("spawn")) as pool:
        whole = list(pool.map(searched, [Job(setting, yardstick, seed) for seed in seeds]))
        found = {
            way.name: list(pool.map(searched, jobs_of(setting, way, prices, seeds, whole)))
            for way in known
        }
    alone = {
        f"best of {scored:,} by {' + '.join(proxies)}": [
            untrained(setting, proxies, scored, str(given.keep), price, seed) for seed in seeds
        ]
        for proxies, price in prices.items()
    }
    if not given.quick:
        found |= supernets(setting, seeds, whole)
    report("cheapest", page(setting, whole, found, alone, prices))


def jobs_of(
    setting: Setting, way: Way, prices: Mapping[tuple[str, ...], float], seeds: Sequence[int],
    whole: Sequence[Found],
) -> list[Job]:  # fmt: skip
    """Return the searches of a way, each limited by the seconds of its own yardstick."""
    price = prices.get(way.proxies, 0.0)
    return [
        Job(setting, way, seed, price, float(each.trained[-1]))
        for seed, each in zip(seeds, whole, strict=True)
    ]


def searched(job: Job) -> Found:
    """Search, and return what is handed over after each share of the yardstick's seconds."""
    setting = job.setting
    evaluator = evaluator_of(json.dumps(setting.evaluator))
    if job.yardstick is None:
        budget: dict[str, Any] = {"budget": setting.evaluations}
    else:  # enough for the largest share, however cheap the children are
        budget = {"budget_epochs": -(-2 * setting.evaluations * evaluator.most_epochs // PARTS[-1])}
    with networks_scored() as seen:
        counts = Counts(seen)
        answers = nas_gym.search(
            evaluator.space, evaluator, dict(job.way.agent), seed=job.seed, watcher=counts, **budget
        ).answers
    paid = seconds_paid(answers)
    limits = [paid[-1]] if job.yardstick is None else [job.yardstick / part for part in PARTS]
    tokens = [
        None if place is None else answers[place].evaluation.architecture.tokens
        for place in handed_over(answers, paid, limits)
    ]
    return Found(
        np.array([qualities(evaluator, each) for each in tokens]),
        np.array([highest(paid, paid, limit) for limit in limits]),
        job.price * np.array([highest(counts.scored, paid, limit) for limit in limits]),
    )


@cache
def evaluator_of(spec: str) -> Any:
    """Return an evaluator, which is read once per process."""
    return make("evaluator", json.loads(spec), space=make("space", "nasbench201"))


def seconds_paid(answers: Sequence[Answer]) -> list[float]:
    """Return the seconds of training that are paid by each answer; repeats are free."""
    each = [a.evaluation.seconds if a.evaluation.source != "memo" else 0.0 for a in answers]
    total: list[float] = np.cumsum(each).tolist()
    return total


def highest(values: Sequence[float], paid: Sequence[float], limit: float) -> float:
    """Return the highest of the values up to a limit of what is paid by them; 0 without one."""
    within = (value for value, price in zip(values, paid, strict=True) if price <= limit)
    return max(within, default=0.0)


def qualities(evaluator: Any, tokens: tuple[int, ...] | None) -> tuple[float, float]:
    """Return the accuracies by which a cell is judged, see ``Found``; NaN for none."""
    if tokens is None:
        return np.nan, np.nan
    unseen = truth(evaluator, tokens)
    curves = evaluator.entry(tokens).curves if isinstance(evaluator, TabularEvaluator) else ()
    return unseen, float(np.mean([curve[-1] for curve in curves])) if curves else unseen


@contextmanager
def networks_scored() -> Iterator[set[tuple[int, ...]]]:
    """Collect the tokens of all networks that this process scores meanwhile, kept ones as well."""
    seen: set[tuple[int, ...]] = set()
    values = Scorer.values

    def noting(self: Scorer, architecture: Any) -> Mapping[str, float]:
        seen.add(architecture.tokens)
        return values(self, architecture)

    Scorer.values = noting  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        Scorer.values = values  # type: ignore[method-assign]


class Counts:
    """Takes note of how many networks were scored by each answer."""

    def __init__(self, seen: set[tuple[int, ...]]) -> None:
        self.seen, self.scored = seen, list[int]()

    def started(self) -> None:
        """Do nothing."""

    def replayed(self, first: int, answers: Sequence[Answer]) -> None:
        """Do nothing: no run goes on here."""

    def evaluated(self, answer: Answer, seed: int) -> None:
        """Do nothing."""

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """Note the count for each of them."""
        self.scored += [len(self.seen)] * len(answers)


def price_of(proxies: tuple[str, ...], networks: int = 40) -> float:
    """Measure the seconds of this machine that scoring a network takes, none of them kept."""
    if not proxies:
        return 0.0
    space = make("space", "nasbench201")
    rng = np.random.default_rng(0)
    ranking = proxy_ranking(space, proxies, {"pool": 2})  # torch is imported by then
    drawn = [architecture_of(space, random_tokens(space, rng)) for _ in range(networks)]
    begun = time.process_time()
    ranking.scores_of(drawn)
    return (time.process_time() - begun) / networks


def untrained(
    setting: Setting, proxies: tuple[str, ...], scored: int, keep: str, price: float, seed: int
) -> Found:
    """Return the best of random architectures by proxies alone."""
    evaluator = evaluator_of(json.dumps(setting.evaluator))
    rng = np.random.default_rng(seed)
    drawn = [
        architecture_of(evaluator.space, random_tokens(evaluator.space, rng)) for _ in range(scored)
    ]
    ranking = proxy_ranking(evaluator.space, proxies, {"cache": keep})
    best = drawn[int(np.argmax(ranking.scores_of(drawn)))].tokens
    seconds = price * (POOL + len({each.tokens for each in drawn}))
    return Found(np.array([qualities(evaluator, best)]), np.zeros(1), np.array([seconds]))


# ----------------------------------------------------------------------------- shared weights


def supernets(
    setting: Setting, seeds: Sequence[int], whole: Sequence[Found]
) -> dict[str, list[Found]]:
    """Return what the orders of supernets hand over, one way per kind; none without answers.

    Each seed asks one supernet of the kind for some random cells, and hands over the best. It pays
    for the supernet and for its answers.
    """
    file = RESULTS / "weight_sharing.csv"
    if not file.exists():
        return {}
    rows = [row for row in read(file) if row["space"] == "nasbench201" and row["recipe"] == "{}"]
    groups: dict[str, dict[str, list[dict[str, str]]]] = {}
    for row in rows:
        name = f"shared weights, {row['sampling']}, norms {row['norms']}"
        groups.setdefault(name, {}).setdefault(row["seed"], []).append(row)
    evaluator = evaluator_of(json.dumps(setting.evaluator))
    found = {}
    for name, of_seed in groups.items():
        nets = list(of_seed.values())
        found[name] = [
            _of_supernet(evaluator, nets[seed % len(nets)], rows, seed, each.trained[-1])
            for seed, each in zip(seeds, whole, strict=True)
        ]
    return found


def _of_supernet(
    evaluator: Any, answers: list[dict[str, str]], rows: list[dict[str, str]], seed: int,
    yardstick: float,
) -> Found:  # fmt: skip
    same = [row for row in rows if row["sampling"] == answers[0]["sampling"]]
    training = max(training_seconds("nasbench201", same), default=0.0)
    usual = float(np.median([float(row["seconds"]) for row in answers]))
    count = min(ASKED, len(answers))
    chosen = np.random.default_rng(seed).permutation(len(answers))[:count]
    best = max((answers[place] for place in chosen), key=lambda row: float(row["shared"]))
    paid = training + count * usual
    tokens = tuple(map(int, best["tokens"].split()))
    within = [paid <= yardstick / part for part in PARTS]
    return Found(
        np.array([qualities(evaluator, tokens if w else None) for w in within]),
        np.where(within, paid, 0.0),
        np.zeros(len(PARTS)),
    )


if __name__ == "__main__":
    main()
