"""Find out whether shared weights put architectures in the order of their own trainings.

    python benchmarks/learning/weight_sharing.py [--table FILE.npz] [--quick] [--write]

Trains supernets on digits, asks them for cells whose own trainings are known, and says how well
both orders agree: Spearman's and Kendall's correlation, of all cells, of the best third and of the
top decile by the truth, beside the number of parameters, multiply-adds, a random order, and the sum
of the ranks by parameters and by shared weights. Two sets of cells:

- ``nasnet-cell``: the 60 cells of ``recipes/recipe_signal.py``, each trained with three seeds.
- ``nasbench201``: cells of a table that was trained on digits: ``--table``, an ``.npz`` file as
  ``nas-gym tabulate`` makes it (arrays ``architecture`` and ``accuracy``, (cells,) or (cells,
  seeds)); without one, the evaluator ``nasbench201`` with the data set ``digits``.

``--recipe '{"steps": 10000}'`` changes values of the supernets' recipe; answers of other recipes
are kept apart, and the page is of one. Every answer is kept in ``results/weight_sharing.csv``, and
supernets under way in the folder ``runs/weight-sharing``; a run that was cut goes on by the same
command. ``--write`` also writes
``results/weight_sharing.md``. ``--quick`` goes through all of it in minutes, with supernets of a
few steps and cells trained on the spot, and keeps its files in ``runs/weight-sharing-quick``.
"""

import argparse
import csv
import hashlib
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.measure import RESULTS
from benchmarks.recipes.recipe_signal import SUBJECTS, read
from nas_gym.errors import NASGymError
from nas_gym.evaluators.tables.tabular import TabularEvaluator
from nas_gym.evaluators.weight_sharing.evaluator import WeightSharing
from nas_gym.registry import make
from nas_gym.runs import markdown
from nas_gym.search_spaces.architecture import (
    Architecture,
    architecture_of,
    up_to_isomorphism,
)
from nas_gym.search_spaces.grammar import NetworkSpace, tokens_of
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasbench201.genotype import genotype_of_string

FIELDS = (
    "space", "sampling", "norms", "seed", "recipe", "tokens", "shared", "parameters",
    "multiply_adds", "seconds",
)  # fmt: skip
GATE = 0.5  # Spearman's correlation, overall
FIRST = 2017  # of the seeds of the random cells
ORDERS = 2000  # random ones
Floats = npt.NDArray[np.float64]
Truth = dict[tuple[int, ...], float]  # accuracy of an architecture's own trainings, by its tokens


@dataclass(frozen=True)
class Setting:
    """The sizes of a run of this benchmark."""

    seeds: int  # supernets of each kind
    cells: int  # of the table
    recipe: dict[str, Any]  # values that are changed in the supernets' recipe
    folder: Path  # of the answers
    work: Path  # of supernets under way


FULL = Setting(2, 1000, {}, RESULTS, Path("runs/weight-sharing"))
_QUICK = Path("runs/weight-sharing-quick")
QUICK = Setting(1, 8, {"steps": 10}, _QUICK, _QUICK)
KINDS = tuple(product(("uniform", "fair"), ("batch", "recalibrated")))  # sampling, norms


def main() -> int:
    """Ask supernets what is missing, then say how the orders agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", type=Path, help="NAS-Bench-201's cells trained on digits")
    parser.add_argument("--spaces", nargs="+", default=["nasbench201", "nasnet-cell"])
    parser.add_argument("--recipe", type=json.loads, default={}, metavar="JSON")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    setting = QUICK if options.quick else FULL
    setting = replace(setting, recipe={**setting.recipe, **options.recipe})
    setting.folder.mkdir(parents=True, exist_ok=True)
    answers = Answers(setting.folder / "weight_sharing.csv")
    page = [*_heading(setting)]
    try:
        for name in options.spaces:
            space = make("space", name)
            truth = truth_of(name, space, options.table, setting, options.quick)
            if truth is None:
                print(
                    f"{name}: there is no table of digits; give one with --table", file=sys.stderr
                )
                continue
            for (sampling, norms), seed in product(KINDS, range(setting.seeds)):
                ask(space, name, (sampling, norms), seed, truth, setting, answers)
            page += section(name, truth, answers.of(setting.recipe))
    except NASGymError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(page))
    if options.write:
        (setting.folder / "weight_sharing.md").write_text("\n".join(page) + "\n", encoding="utf-8")
    return 0


class Answers:
    """The answers of supernets so far, in a file: a line each."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.rows: list[dict[str, str]] = read(file)

    def of(self, recipe: dict[str, Any]) -> list[dict[str, str]]:
        """Return the answers of supernets of one recipe."""
        return [row for row in self.rows if row["recipe"] == json.dumps(recipe, sort_keys=True)]

    def add(self, row: dict[str, object]) -> None:
        """Keep an answer."""
        new = not self.file.exists()
        with self.file.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, FIELDS)
            if new:
                writer.writeheader()
            writer.writerow(row)
        self.rows.append({name: str(value) for name, value in row.items()})


def truth_of(
    name: str, space: NetworkSpace[Any], table: Path | None, setting: Setting, quick: bool
) -> Truth | None:
    """Return the accuracies of cells that were trained for themselves; None without any."""
    if name == "nasnet-cell":
        known = _recipe_signal(space)
        return dict(list(known.items())[: setting.cells])
    rng = np.random.default_rng(FIRST)
    if table is not None:
        known = read_table(table, space)
    elif quick:
        return _trained_now(space, [random_tokens(space, rng) for _ in range(setting.cells)])
    else:
        try:
            return _drawn(space, setting.cells, rng)
        except NASGymError as error:
            print(error, file=sys.stderr)
            return None
    chosen = rng.permutation(len(known))[: setting.cells]
    every = list(known.items())
    return dict(every[i] for i in sorted(chosen))


def _drawn(space: NetworkSpace[Any], count: int, rng: np.random.Generator) -> Truth:
    """Return random cells of the table of digits, one of each function."""
    evaluator = make("evaluator", {"name": "nasbench201", "dataset": "digits"}, space=space)
    assert isinstance(evaluator, TabularEvaluator)
    of_function = up_to_isomorphism(space)
    drawn: dict[str, tuple[int, ...]] = {}
    for _ in range(10 * count):
        architecture = architecture_of(of_function, random_tokens(space, rng))
        drawn.setdefault(architecture.key, architecture.tokens)
        if len(drawn) == count:
            break
    return {tokens: evaluator.mean_accuracy(tokens) for tokens in drawn.values()}


def _recipe_signal(space: NetworkSpace[Any]) -> Truth:
    """Return the 60 cells of ``recipe_signal``, by the usual recipe of digits."""
    by_cell: dict[int, list[float]] = {}
    for row in read(RESULTS / "recipe_signal.csv"):
        if row["candidate"] == "short" and not row["failure"]:
            by_cell.setdefault(int(row["cell"]), []).append(float(row["accuracy"]))
    first = SUBJECTS["nasnet-cell"].first
    return {
        random_tokens(space, np.random.default_rng((first, cell))): statistics.mean(values)
        for cell, values in sorted(by_cell.items())
    }


def read_table(file: Path, space: NetworkSpace[Any]) -> Truth:
    """Return the mean accuracies of a table's cells, over the seeds that have one."""
    with np.load(file, allow_pickle=False) as arrays:
        texts = [str(text) for text in arrays["architecture"]]
        accuracies = arrays["accuracy"].reshape(len(texts), -1)
    return {
        tokens_of(space, genotype_of_string(text)): float(np.nanmean(row))
        for text, row in zip(texts, accuracies, strict=True)
        if not np.isnan(row).all()
    }


def _trained_now(space: NetworkSpace[Any], cells: Sequence[tuple[int, ...]]) -> Truth:
    """Train cells for themselves, by the usual recipe."""
    evaluator = make("evaluator", "training", space=space)
    asked = list({a.key: a for a in (architecture_of(space, tokens) for tokens in cells)}.values())
    found = evaluator.evaluate(asked, [0] * len(asked))
    return {each.architecture.tokens: each.accuracy or 0.0 for each in found}


def ask(
    space: NetworkSpace[Any], name: str, kind: tuple[str, str], seed: int, truth: Truth,
    setting: Setting, answers: Answers,
) -> None:  # fmt: skip
    """Ask a supernet for the cells that it was not asked for yet."""
    sampling, norms = kind
    recipe = json.dumps(setting.recipe, sort_keys=True)
    group = {
        "space": name, "sampling": sampling, "norms": norms, "seed": seed, "recipe": recipe,
    }  # fmt: skip
    same = {key: str(value) for key, value in group.items()}
    done = {row["tokens"] for row in answers.rows if same.items() <= row.items()}
    left = [tokens for tokens in truth if _text(tokens) not in done]
    if not left:
        return
    print(f"{name}, {sampling}, {norms}, seed {seed}: {len(left)} cells", file=sys.stderr)
    evaluator = WeightSharing(
        space, dataset="digits", recipe=setting.recipe or None, sampling=sampling,  # type: ignore[arg-type]
        norms=norms, seed=seed,  # type: ignore[arg-type]
        checkpoints=setting.work / _folder(name, sampling, seed, recipe),
    )  # fmt: skip
    architectures: list[Architecture[Any]] = [architecture_of(space, tokens) for tokens in left]
    try:
        for found in evaluator.evaluate(architectures, [seed] * len(left)):
            metrics = found.metrics
            answers.add(
                {
                    **group,
                    "tokens": _text(found.architecture.tokens),
                    "shared": metrics.get("accuracy", 0.0),  # a failure: the lowest rank
                    "parameters": metrics.get("parameters", ""),
                    "multiply_adds": metrics.get("multiply_adds", ""),
                    "seconds": round(found.seconds, 3),
                }
            )
    finally:
        evaluator.close()


def _folder(*group: object) -> str:
    """Return the name of the folder of a supernet."""
    return hashlib.blake2b(repr(group).encode(), digest_size=8).hexdigest()


def _text(tokens: Sequence[int]) -> str:
    return " ".join(map(str, tokens))


# -------------------------------------------------------------------------------- the page


def _heading(setting: Setting) -> Iterator[str]:
    yield "# Do shared weights order architectures as their own trainings do?\n"
    changes = f", {json.dumps(setting.recipe)}" if setting.recipe else ""
    yield (
        "Written by `python benchmarks/learning/weight_sharing.py`: cells on digits, of which the "
        "truth is the mean validation accuracy of their own trainings. Correlations of each signal "
        "with it, Spearman's | Kendall's, mean over "
        f"{setting.seeds} supernet{'s'[: setting.seeds == 1]} of a kind (recipe "
        f"`supernet`{changes}): of all cells, of the best third, "
        "and of the top decile by the truth. Of a random order, what 95 % of them do not exceed.\n"
    )


def section(name: str, truth: Truth, rows: list[dict[str, str]]) -> Iterator[str]:
    """Yield the table of a space, and whether the gate is passed."""
    signals = signals_of(name, truth, rows)
    cells = np.array(list(truth.values()))
    parts = subsets(cells)
    sizes = ", ".join(str(len(part)) for part in parts)
    yield f"## {name}: {sizes} cells\n"
    figures = {
        signal: [
            np.mean([agreement(cells[part], values[part]) for values in columns], axis=0)
            for part in parts
        ]
        for signal, columns in signals.items()
    }
    shown = [
        [signal, *(f"{spearman:.2f} | {kendall:.2f}" for spearman, kendall in found)]
        for signal, found in figures.items()
    ]
    chance = [f"{np.quantile(random_orders(len(part)), 0.95):.2f} | -" for part in parts]
    shown.append(["a random order (95 %)", *chance])
    yield markdown.table(("signal", "all", "best third", "top decile"), shown)
    yield f"\n{verdict(figures)}\n"
    seconds = training_seconds(name, rows)
    if seconds:
        yield f"A supernet took {statistics.mean(seconds):.0f} s of this machine.\n"


def signals_of(name: str, truth: Truth, rows: list[dict[str, str]]) -> dict[str, list[Floats]]:
    """Return the values of each signal, in the order of the cells, one array per supernet."""
    signals: dict[str, list[Floats]] = {}
    sizes: dict[str, Floats] = {}
    for sampling, norms in KINDS:
        mine = [
            row for row in rows
            if (row["space"], row["sampling"], row["norms"]) == (name, sampling, norms)
        ]  # fmt: skip
        for seed in sorted({row["seed"] for row in mine}):
            known = {row["tokens"]: row for row in mine if row["seed"] == seed}
            if any(_text(tokens) not in known for tokens in truth):
                continue
            chosen = [known[_text(tokens)] for tokens in truth]
            shared = np.array([float(row["shared"]) for row in chosen])
            for size in ("parameters", "multiply_adds"):
                sizes[size] = np.array([float(row[size] or 0) for row in chosen])
            label = f"shared weights, {sampling}, norms {norms}"
            signals.setdefault(label, []).append(shared)
            both = ranks(shared) + ranks(sizes["parameters"])
            signals.setdefault(f"{label} + parameters", []).append(both)
    return {
        **{size.replace("_", "-"): [values] for size, values in sizes.items()},
        **signals,
    }


def subsets(truth: Floats) -> list[npt.NDArray[np.int64]]:
    """Return the places of all cells, of the best third and of the top decile."""
    order = np.argsort(-truth, kind="stable")
    return [order[: max(3, round(len(order) * share))] for share in (1, 1 / 3, 0.1)]


def agreement(one: Floats, other: Floats) -> tuple[float, float]:
    """Return Spearman's and Kendall's correlation (tau-b); 0 where an order says nothing."""
    from scipy.stats import kendalltau, spearmanr

    if len(set(one.tolist())) < 2 or len(set(other.tolist())) < 2:
        return 0.0, 0.0
    return float(spearmanr(one, other).statistic), float(kendalltau(one, other).statistic)


def ranks(values: Floats) -> Floats:
    """Return ranks from 1, ties share theirs."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values), np.float64)


def random_orders(count: int) -> Floats:
    """Return Spearman's correlations of random orders of that many cells with the truth."""
    rng = np.random.default_rng(0)
    truth = np.arange(count, dtype=np.float64)
    return np.array([np.corrcoef(truth, rng.permutation(count))[0, 1] for _ in range(ORDERS)])


def verdict(figures: dict[str, list[Any]]) -> str:
    """Say whether the best kind of shared weights alone passes the gate."""
    alone = {n: f for n, f in figures.items() if n.startswith("shared") and "+" not in n}
    if not alone:
        return "There are no answers of supernets yet."
    best = max(alone, key=lambda name: float(alone[name][0][0]))
    overall, third = (float(alone[best][part][0]) for part in (0, 1))
    sizes = [float(figures["parameters"][part][0]) for part in (0, 1)]
    passed = overall >= GATE and overall > sizes[0] and third > sizes[1]
    return (
        f"The gate (Spearman {GATE} or more of all cells, and above parameters there and in the "
        f"best third) is {'passed' if passed else 'NOT passed'}: the best kind, {best}, has "
        f"{overall:.2f} and {third:.2f}, parameters {sizes[0]:.2f} and {sizes[1]:.2f}."
    )


def training_seconds(name: str, rows: list[dict[str, str]]) -> list[float]:
    """Return how long each supernet was trained: its first answer took so much longer."""
    groups: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row["space"] == name:
            key = (row["sampling"], row["seed"])
            groups.setdefault(key, []).append(float(row["seconds"]))
    return [max(values) - statistics.median(values) for values in groups.values()]


if __name__ == "__main__":
    begun = time.monotonic()
    status = main()
    print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr)
    sys.exit(status)
