"""What each way loses to the yardstick, and the page that says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.learning.fidelity import Setting
from benchmarks.measure import ALPHA, comes_to, interval, machine
from nas_gym.benchmark.statistics import FEWEST_SAMPLED
from nas_gym.runs.markdown import table

YARDSTICK = "the paper's way"
DEFAULT = "reinforce"  # the agent of `nas-gym search`
AIM = 100
JUDGED = ("unseen training", "mean after the last epoch")
PARTS = (1000, 500, 200, AIM, 50, 20, 10, 5, 3)  # 1 / so many of the yardstick's seconds
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """What a search hands over after each share of the seconds; NaN before its first answer.

    Args:
        quality: (shares, 2) accuracies: of an unseen training, and of all after the last epoch.
        trained: (shares,) seconds of training that were paid by then.
        scoring: (shares,) seconds that the scoring of networks took by then.
    """

    quality: Values
    trained: Values
    scoring: Values


def page(
    setting: Setting,
    whole: Sequence[Found],
    found: Mapping[str, Sequence[Found]],
    alone: Mapping[str, Sequence[Found]],
    prices: Mapping[tuple[str, ...], float],
) -> str:
    """Return the results as Markdown.

    Args:
        setting: What was searched.
        whole: The yardstick, one per seed.
        found: The ways, each by its name.
        alone: Those that train nothing.
        prices: Seconds of scoring a network, by the proxies.
    """
    seconds = np.array([each.trained[-1] for each in whole])
    yardstick = np.array([each.quality[-1] for each in whole])
    rows, reached = [], dict[str, int]()
    for name, each in found.items():
        place = least(each, yardstick)
        if place is None:
            shown = [f"more than 1/{PARTS[-1]}", "-", "-", "-"]
        else:
            trained, every = (
                np.array([f.trained[place] + scoring * f.scoring[place] for f in each])
                for scoring in (0, 1)
            )
            reached[name] = PARTS[place]
            parts = (f"1/{seconds.mean() / paid.mean():,.0f}" for paid in (trained, every))
            shown = [f"1/{PARTS[place]}", f"{trained.mean():.3g}", *parts]
        rows.append([name, *shown, *losses(each, yardstick, -1 if place is None else place)])
    head = [
        "way", "needs at most", "seconds of training", "of the paper's way", "with scoring",
        *JUDGED,
    ]  # fmt: skip
    aim = PARTS.index(AIM)
    fine = [name for name, each in found.items() if loses_nothing(each, yardstick, aim)]
    at_aim = [
        [
            name, f"{np.mean([f.trained[aim] for f in each]):.3g}",
            f"{np.mean([f.scoring[aim] for f in each]):.3g}", *losses(each, yardstick, aim),
            "yes" if name in fine else "no",
        ]
        for name, each in found.items()
    ]  # fmt: skip
    untrained = [
        [name, f"{each[0].scoring[0]:.3g}", *losses(each, yardstick, -1)]
        for name, each in alone.items()
    ]
    what = setting.evaluator if isinstance(setting.evaluator, str) else setting.evaluator["name"]
    means = " and ".join(f"{100 * mean:.2f} %" for mean in yardstick.mean(axis=0))
    paid = ", ".join(f"{price:.3g} s by {' + '.join(names)}" for names, price in prices.items())
    return f"""# The cheapest way

`python benchmarks/learning/cheapest.py --seeds {len(whole)} --write`, on {machine()}.

{YARDSTICK.capitalize()} is the default search: `{DEFAULT}`, {setting.evaluations} children, each
trained to its end, {seconds.mean():.4g} seconds of training (repeats are free). What it hands over
has {means} in a training that no search has seen, and as the mean of all trainings after their last
epoch (mean of {len(whole)} seeds). Evaluator: `{what}`.

Each way is looked at when 1/{", 1/".join(map(str, PARTS))} of those seconds are paid, paired by
seed. Its row is that of the smallest share from which on it loses nothing significant in either
accuracy; the differences from {YARDSTICK}, in points, are those there, with their 95 % intervals.
A loss is significant by Wilcoxon's exact test (p < {ALPHA}); of fewer than {FEWEST_SAMPLED}
seeds nothing is claimed. Scoring an untrained network takes, on one core, as measured: {paid};
what is kept in a file is charged as well.

{table(head, rows)}

{verdict(reached)}

With 1/{AIM} of the seconds paid, {len(fine)} of the ways lose nothing significant:

{table(["way", "seconds of training", "of scoring", *JUDGED, "loses nothing"], at_aim)}

Without any training, the best of as many random networks:

{table(["way", "seconds of scoring", *JUDGED], untrained)}
"""


def least(each: Sequence[Found], yardstick: Values) -> int | None:
    """Return the place of the smallest share from which on nothing significant is lost."""
    fine = [loses_nothing(each, yardstick, place) for place in range(len(PARTS))]
    return min((p for p in range(len(PARTS)) if all(fine[p:])), default=None)


def loses_nothing(each: Sequence[Found], yardstick: Values, place: int) -> bool:
    """Return whether every seed has something to hand over, and no mean loss is significant."""
    differences = np.array([f.quality[place] for f in each]) - yardstick
    if np.isnan(differences).any():
        return False
    return all(comes_to(column) for column in differences.T)


def losses(each: Sequence[Found], yardstick: Values, place: int) -> list[str]:
    """Return the differences in points, with their intervals."""
    differences = 100 * (np.array([f.quality[place] for f in each]) - yardstick)
    if np.isnan(differences).any():
        return ["-", "-"]
    return [
        f"{column.mean():+.2f} ({low:+.2f} to {high:+.2f})"
        for column in differences.T
        for low, high in [interval(column)]
    ]


def verdict(reached: Mapping[str, int]) -> str:
    """Say which way is the cheapest, and whether the aim is reached."""
    if not reached:
        return f"No way comes to {YARDSTICK} without a significant loss."
    best = max(reached.values())
    names = ", ".join(f"`{name}`" for name, part in reached.items() if part == best)
    return (
        f"The aim, 1/{AIM} of the seconds of training, is {'reached' if best >= AIM else 'MISSED'}:"
        f" the cheapest found, with 1/{best} at most: {names}."
    )
