"""What the records of ``transfer.py`` say: statistics, a verdict, the page."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import t as student

from benchmarks.learning.transfer_parts.networks import BLOCKS, REPEATS, SPACE
from benchmarks.learning.transfer_parts.setting import Setting
from nas_gym.envs.rewards import AccuracyUnderTarget
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.runs.markdown import numbers_table, table
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.grammar import decode
from nas_gym.training.images.recipe import Recipe

FOUND = "found cell"
NASNET = "NASNet-A"
RESIDUAL = "hand-made residual network"
MOBILE = "hand-made network of inverted residuals"
RANDOM = "random cell"
MEDIAN = "median of the random cells"
CONFIDENCE = 0.95
WINS, LOSES, OPEN = "wins", "loses", "cannot be told"
Record = Mapping[str, Any]
Accuracies = dict[str, dict[int, float]]  # by network and seed


class Comparison(NamedTuple):
    """The found cell against another network; positive where the found cell is better."""

    other: str
    differences: tuple[float, ...]  # of accuracies, by seed
    low: float  # of the 95 % interval of the mean difference; -inf if there is none
    high: float
    verdict: str

    @property
    def mean(self) -> float:
        """The mean difference."""
        return statistics.mean(self.differences)


def chosen(setting: Setting, search: Record, checks: Sequence[Record]) -> list[list[int]]:
    """Return the tokens of the best children by their mean reward when trained again, best first.

    Nothing is chosen before all of them are trained.
    """
    if len(checks) < len(search["tokens"]) * setting.again:
        return []
    reward = AccuracyUnderTarget(search["target"], exponent=setting.exponent)
    means = []
    for tokens in search["tokens"]:
        own = [r for r in checks if r["network"]["tokens"] == tokens]
        child = architecture_of(SPACE, tokens)
        metrics = [{"accuracy": r["validation"] or 0.0, "parameters": r["parameters"]} for r in own]
        means.append(statistics.mean(reward(Evaluation(child, m)) for m in metrics))
    order = sorted(range(len(means)), key=lambda place: -means[place])
    return [search["tokens"][place] for place in order]


def compared(other: str, differences: Sequence[float]) -> Comparison:
    """Judge differences that are paired by seed, by the interval of a paired t-test.

    Args:
        other: The other network.
        differences: Of accuracies, one per seed, at least one.
    """
    count, mean = len(differences), statistics.mean(differences)
    if count < 2:
        return Comparison(other, tuple(differences), -np.inf, np.inf, OPEN)
    error = statistics.stdev(differences) / count**0.5
    reach = float(student.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    low, high = mean - reach, mean + reach
    verdict = WINS if low > 0 else LOSES if high < 0 else OPEN
    return Comparison(other, tuple(differences), low, high, verdict)


def accuracies(finals: Sequence[Record], classes: int) -> Accuracies:
    """Return the test accuracies, and for each seed that all random cells have, their median.

    A network that diverged counts as one that guesses.
    """
    found: Accuracies = {}
    for record in finals:
        value = 1 / classes if record["test"] is None else record["test"]
        found.setdefault(record["name"], {})[record["seed"]] = value
    cells = [by_seed for name, by_seed in found.items() if name.startswith(RANDOM)]
    if cells:
        shared = set.intersection(*(set(by_seed) for by_seed in cells))
        found[MEDIAN] = {s: statistics.median(c[s] for c in cells) for s in sorted(shared)}
    return found


def comparisons(found: Accuracies) -> list[Comparison]:
    """Compare the found cell with each of the others that it shares a seed with."""
    own = found.get(FOUND, {})
    compare = []
    for other in (NASNET, RESIDUAL, MOBILE, MEDIAN):
        shared = sorted(own.keys() & found.get(other, {}).keys())
        if shared:
            compare.append(compared(other, [own[s] - found[other][s] for s in shared]))
    return compare


def verdict(made: Sequence[Comparison], found: Accuracies) -> str:
    """Say what the comparisons come to, and where the found cell is among the random ones."""
    phrases = {
        WINS: "It **wins** against {}.",
        LOSES: "It **loses** against {}.",
        OPEN: "Against {} it **cannot be told** which is better.",
    }
    said = [
        phrase.format(_and([c.other for c in made if c.verdict == outcome]))
        for outcome, phrase in phrases.items()
        if any(c.verdict == outcome for c in made)
    ]
    cells = [by_seed for name, by_seed in found.items() if name.startswith(RANDOM)]
    if cells and FOUND in found:
        mean = statistics.mean(found[FOUND].values())
        below = sum(statistics.mean(cell.values()) < mean for cell in cells)
        said.append(f"Its mean is above that of {below} of {len(cells)} random cells.")
    return " ".join(said)


def page(
    setting: Setting,
    search: Record | None,
    checks: Sequence[Record],
    finals: Sequence[Record],
    wanted: int,
    classes: int,
) -> str:
    """Return the page, from the records alone.

    Args:
        setting: Of these records.
        search: That of the search; None if it is not over.
        checks: Those of the best children that were trained again.
        finals: Those of the final trainings.
        wanted: Final trainings there are to be.
        classes: Of the data set.
    """
    command = "python benchmarks/learning/transfer.py --write"
    if setting.name != "full":
        command += f" --{setting.name}"
    machines = _and(sorted({r["machine"] for r in (*finals, *checks)})) or "nothing trained yet"
    parts = [
        "# A cell found on little data, stacked larger and trained on all of it\n\n"
        f"Printed by `{command}` from [its records](transfer.json) ({machines})."
    ]
    found = accuracies(finals, classes)
    made = comparisons(found)
    if len(finals) < wanted:
        parts.append(
            f"**Not finished**: {len(finals)} of {wanted} final trainings are over; the same "
            "command goes on."
        )
    if made:
        parts.append(f"**The found cell.** {verdict(made, found)}")
    parts.append(_search_part(setting, search, checks, finals))
    if finals:
        parts.append(_final_part(setting, finals, found, classes))
    if made:
        parts.append(_compared_part(made))
    return "\n\n".join(parts) + "\n"


# ---------------------------------------------------------------- sections of the page


def _search_part(
    setting: Setting, search: Record | None, checks: Sequence[Record], finals: Sequence[Record]
) -> str:
    text = (
        f"## The search\n\nRegularized evolution (it found the best cells in [a comparison at this "
        f"budget](real_search.md)), {setting.budget} evaluations, seed 0, on {setting.part:,} of "
        f"the training images of {setting.dataset}, half of which validate. A child has N = "
        f"{setting.search.repeats}, F = {setting.search.filters} and {_in_words(setting.search)}. "
        "Its reward is its accuracy, "
        "times (parameters / those of NASNet-A of the same N and F) to the power of "
        f"{setting.exponent:g} if it has more. The best "
        f"{setting.best} are trained again with {setting.again} new seeds, "
        f"{setting.check.steps} steps each, and the one with the highest mean reward is *the found "
        "cell*: neither the other training images nor the test part are known to the choice."
    )
    if search is None:
        return f"{text} The search is not over yet."
    rewards, choice = search["rewards"], chosen(setting, search, checks)
    trained = [r["network"]["tokens"] for r in finals if r["name"] == FOUND]
    taken = next(iter(trained or choice), None)
    quarter = max(1, len(rewards) // 4)
    text += (
        f"\n\nMean reward of the first quarter {statistics.mean(rewards[:quarter]):.4f}, of the "
        f"last {statistics.mean(rewards[-quarter:]):.4f}, best {max(rewards):.4f}; "
        f"{len(search['tokens'])} best, by reward in the search:"
    )
    rows = []
    for place, tokens in enumerate(search["tokens"]):
        own = [r for r in checks if r["network"]["tokens"] == tokens]
        again = ", ".join(_shown(r["validation"]) for r in sorted(own, key=lambda r: r["seed"]))
        parameters = f"{own[0]['parameters']:,}" if own else "-"
        mark = " (the found cell)" if tokens == taken else ""
        rows.append([f"{place + 1}{mark}", f"{search['best'][place]:.4f}", parameters, again])
    text += "\n\n" + numbers_table(
        ["child", "reward in the search", "parameters", "accuracy when trained again"], rows
    )
    if taken:
        text += f"\n\n```\n{SPACE.to_text(decode(SPACE, taken))}\n```"
    return text


def _final_part(setting: Setting, finals: Sequence[Record], found: Accuracies, classes: int) -> str:
    recipe = setting.final
    target = next((r["parameters"] for r in finals if r["name"] == NASNET), None)
    rows = []
    for name in dict.fromkeys(record["name"] for record in finals):
        own = sorted((r for r in finals if r["name"] == name), key=lambda r: r["seed"])
        network, parameters = own[0]["network"], own[0]["parameters"]
        size = f"{network['width']:g} filters"
        if network["repeats"]:
            size = f"N = {network['repeats']}, F = {network['width']:g}"
        off = f" ({parameters / target - 1:+.1%})" if target else ""
        validation = [1 / classes if r["validation"] is None else r["validation"] for r in own]
        rows.append(
            [
                name, size, f"{parameters:,}{off}", f"{own[0]['multiply_adds'] / 1e6:.2f}",
                f"{statistics.mean(validation):.4f}",
                f"{statistics.mean(found[name].values()):.4f}",
                ", ".join(_shown(r["test"]) for r in own),
                f"{statistics.median(r['seconds'] for r in own):.0f}",
            ]
        )  # fmt: skip
    headings = ["network", "size", "parameters", "10⁶ multiply-adds", "validation", "test, mean",
                "test by seed", "seconds"]  # fmt: skip
    counts = [f"{count:,} {what}" for count, what in
              zip(finals[0]["images"], ("train", "validate", "test"), strict=True)]  # fmt: skip
    return (
        f"## All of {setting.dataset}\n\nOf the images {_and(counts)}; nothing is chosen by the "
        "validation part here. Every network has the parameters of NASNet-A with N = "
        f"{recipe.repeats} and F = {recipe.filters}, within {setting.tolerance:.0%}; of the sizes "
        f"N = {', '.join(map(str, REPEATS))} a cell has the first one that does. "
        "All begin with the same stem (3 x 3 "
        "convolutions of stride 2 until 8 pixels or fewer are left) and have three stacks, each "
        "with half the pixels of the one before and twice its filters (of Fashion-MNIST: 28 x 28, "
        "after the stem 7 x 7, then 4 x 4 and 2 x 2), so that the compute is of the same order; "
        f"those made by hand have {BLOCKS} blocks in each stack. One recipe for all: "
        f"{_in_words(recipe)}, label smoothing "
        f"{recipe.label_smoothing}, weight decay {recipe.weight_decay}, "
        f"{recipe.warmup_epochs} epochs of warm-up, flips, crops of images padded by "
        f"{recipe.crop_padding} pixels, gradients clipped at {recipe.gradient_clip:g}. "
        "The test part is measured once per training, when it is over. Random cells have uniform "
        "tokens. Seconds are of wall-clock time with one core per training, beside whatever else "
        "the machine did: no measure of speed.\n\n"
        f"{numbers_table(headings, rows)}"
    )


def _compared_part(made: Sequence[Comparison]) -> str:
    rows = []
    for each in made:
        interval = "-"
        if np.isfinite(each.low):
            interval = f"{100 * each.low:+.2f} to {100 * each.high:+.2f}"
        by_seed = ", ".join(f"{100 * d:+.2f}" for d in each.differences)
        rows.append([each.other, f"{100 * each.mean:+.2f}", interval, by_seed, each.verdict])
    headings = ["the found cell against", "difference of test accuracy, points",
                "95 % interval", "by seed", "verdict"]  # fmt: skip
    count = max(len(each.differences) for each in made)
    return (
        "## Differences\n\nPaired by seed; the interval is that of a paired t-test, each by "
        f"itself. With {count} seeds it is wide (the factor of the standard error is "
        f"{student.ppf((1 + CONFIDENCE) / 2, max(1, count - 1)):.1f}), and differences of a few "
        "tenths of a point are seldom told. It speaks of other seeds of these networks on these "
        "images; another search would find another cell.\n\n"
        f"{table(headings, rows)}"
    )


def _in_words(recipe: Recipe) -> str:
    length = f"{recipe.steps} steps" if recipe.steps else f"{recipe.epochs} epochs"
    return (
        f"{length} of {recipe.batch_size} images, {recipe.optimizer.upper()} with a learning rate "
        f"of {recipe.learning_rate:g} ({recipe.schedule})"
    )


def _shown(accuracy: float | None) -> str:
    return "diverged" if accuracy is None else f"{accuracy:.4f}"


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
