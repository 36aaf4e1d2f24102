"""Measure whether the reward of a language-model recipe carries information.

Trains random recurrent cells on the embedded text, each with several seeds (of initial weights),
and reports for each
candidate recipe: how far the cells' perplexities spread, how well two seeds agree on the cells'
order (Spearman's rank correlation), whether the order is that of a longer training, and the
processor time of a child on one core, with everything but imports and the reading of the text.

    python benchmarks/recipes/language_signal.py --cells 30 --seeds 2 --workers 1

adds what is missing to ``benchmarks/results/language_signal.csv`` (one row per child) and writes
the table ``benchmarks/results/language_signal.md`` from it. After a change of the cells' speed,
delete the rows of a candidate, or give ``--results`` another path.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from benchmarks.recipes.recipe_signal import read, train_missing
from nas_gym.runs import markdown
from nas_gym.search_spaces.grammar import decode
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.rnn_cell.space import RNNCell
from nas_gym.training.text.recipe import LANGUAGE_RECIPES, LanguageRecipe

RESULTS = Path(__file__).parents[1] / "results" / "language_signal"
FIELDS = ("candidate", "cell", "seed", "perplexity", "final_perplexity", "cpu_seconds", "failure")
WORST = 1000.0  # of a failed child: as a model that guesses among the thousand words

BASE = LanguageRecipe(
    epochs=5, batch_size=32, bptt=20, learning_rate=0.01, optimizer="adam", schedule="cosine",
    gradient_clip=5.0, hidden=48,
)  # fmt: skip
CANDIDATES = {
    "short": replace(BASE, epochs=3, batch_size=64),
    "middle": BASE,
    "longer": replace(BASE, epochs=8, batch_size=20, learning_rate=0.005, hidden=64),
}
REFERENCE = "longer"  # nearer to the end of training: does a candidate put the cells in its order?


def main() -> None:
    """Train what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", nargs="+", default=list(CANDIDATES), choices=CANDIDATES)
    parser.add_argument("--cells", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    table = options.results.with_suffix(".csv")
    done = {(row["candidate"], int(row["cell"]), int(row["seed"])) for row in read(table)}
    wanted = itertools.product(options.candidates, range(options.cells), range(options.seeds))
    missing = [job for job in wanted if job not in done]
    train_missing(table, FIELDS, child, missing, options.workers)
    report = "\n".join(lines(read(table)))
    options.results.with_suffix(".md").write_text(report + "\n")
    print("\n" + report)


def child(name: str, cell: int, seed: int) -> dict[str, object]:
    """Train one child: cell number ``cell`` of a fixed random sequence."""
    import torch

    from nas_gym.training.text.dataset import load_text
    from nas_gym.training.text.sizing import build_language_model
    from nas_gym.training.text.train import train_language_model

    recipe, space, text = CANDIDATES[name], RNNCell(), load_text("python-docs")
    genotype = decode(space, random_tokens(space, np.random.default_rng((2016, cell))))
    start = time.process_time()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_language_model(space, genotype, recipe, len(text.vocabulary))
    result = train_language_model(network, text, recipe, seed, device="cpu")
    return {
        "candidate": name,
        "cell": cell,
        "seed": seed,
        "perplexity": "" if result.best is None else round(result.best.perplexity, 4),
        "final_perplexity": "" if result.final is None else round(result.final.perplexity, 4),
        "cpu_seconds": round(time.process_time() - start, 3),
        "failure": result.failure or "",
    }


def lines(rows: list[dict[str, str]]) -> Iterator[str]:
    """Yield the page: a heading and the table, one line per candidate."""
    from nas_gym.training.text.dataset import load_text

    text = load_text("python-docs")
    yield "# Does the reward of a language-model recipe carry information?\n"
    yield (
        "Written by `python benchmarks/recipes/language_signal.py` from `language_signal.csv`: "
        "random "
        "cells of the default `RNNCell`, words of `python-docs` (fingerprint "
        f"{text.fingerprint[:12]}…, {len(text.vocabulary)} words), each trained with several "
        "seeds, one core per child. Deviations and correlations are of the reward 80 / "
        f"perplexity²; a failed child counts as a perplexity of {WORST:g}.\n"
    )
    headings = (
        *("candidate", "recipe", "cells x seeds", "failed"),
        "perplexity min / 10 % / median / 90 % / max",
        "deviation of the reward between cells / between seeds",
        "Spearman, two seeds",
        f"Spearman of the means with {REFERENCE!r}",
        "CPU s per child, mean / max",
    )
    rows_shown = []
    reference = perplexities(rows, REFERENCE)
    for name, recipe in CANDIDATES.items():
        mine = [row for row in rows if row["candidate"] == name]
        by_cell = perplexities(rows, name)
        if by_cell:
            seconds = [float(row["cpu_seconds"]) for row in mine]
            failed = sum(bool(row["failure"]) for row in mine)
            default = " (default)" if recipe == LANGUAGE_RECIPES["quick-text"] else ""
            rows_shown.append(
                [
                    f"{name}{default}",
                    description(recipe),
                    *signal(by_cell, failed),
                    agreement_with(by_cell, reference),
                    f"{statistics.mean(seconds):.1f} / {max(seconds):.1f}",
                ]
            )
    yield markdown.table(headings, rows_shown)


def description(recipe: LanguageRecipe) -> str:
    """Return the recipe in words."""
    return (
        f"{recipe.epochs} epochs, batch {recipe.batch_size}, BPTT {recipe.bptt}, "
        f"{recipe.hidden} units, {recipe.optimizer} {recipe.learning_rate:g}"
    )


def perplexities(rows: list[dict[str, str]], name: str) -> dict[int, list[float]]:
    """Return the perplexities by seed of each cell that has all seeds."""
    by_cell: dict[int, dict[int, float]] = {}
    for row in rows:
        if row["candidate"] == name:
            value = float(row["perplexity"] or WORST)
            by_cell.setdefault(int(row["cell"]), {})[int(row["seed"])] = value
    most = max(map(len, by_cell.values()), default=0)
    return {
        cell: [by_seed[seed] for seed in sorted(by_seed)]
        for cell, by_seed in sorted(by_cell.items())
        if len(by_seed) == most
    }


def rewards(by_cell: dict[int, list[float]]) -> np.ndarray:
    """Return (cells, seeds) 80 / perplexity²."""
    return 80 / np.asarray(list(by_cell.values())) ** 2


def signal(by_cell: dict[int, list[float]], failed: int) -> list[str]:
    """Return count, failures, quantiles, the two deviations, agreement of two seeds."""
    table = rewards(by_cell)
    seeds = table.shape[1]
    within = np.sqrt(table.var(axis=1, ddof=1).mean())
    between = np.sqrt(max(0.0, table.mean(axis=1).var(ddof=1) - within**2 / seeds))
    agreement = statistics.mean(
        spearmanr(table[:, a], table[:, b])[0] for a, b in itertools.combinations(range(seeds), 2)
    )
    quantiles = np.quantile(list(by_cell.values()), (0, 0.1, 0.5, 0.9, 1))
    return [
        f"{len(table)} x {seeds}",
        str(failed),
        " / ".join(f"{q:.1f}" for q in quantiles),
        f"{between:.5f} / {within:.5f}",
        f"{agreement:.2f}",
    ]


def agreement_with(by_cell: dict[int, list[float]], reference: dict[int, list[float]]) -> str:
    """Return Spearman's correlation of the cells' mean rewards under two recipes."""
    cells = sorted(by_cell.keys() & reference.keys())
    if by_cell == reference or len(cells) < 3:
        return "-"
    here, there = (rewards({c: of[c] for c in cells}).mean(axis=1) for of in (by_cell, reference))
    return f"{spearmanr(here, there)[0]:.2f}"


if __name__ == "__main__":
    main()
