"""The page ``reference.md``: our numbers beside those of an independent program."""

from pathlib import Path
from typing import NamedTuple

from nas_gym.benchmark.results import Results, read_results
from nas_gym.benchmark.statistics import standard_error
from nas_gym.errors import StoreError
from nas_gym.runs.markdown import numbers_table


class Point(NamedTuple):
    """A mean over the runs of that program: mean accuracy of the best observed cell."""

    agent: str  # our label
    what: str
    dataset: str
    evaluations: int
    accuracy: float  # percent
    optimum: float | None = None  # share of runs at the optimum


_SOFTMAX = "softmax-reinforce/nats-bench, rate 0.1"
RUNS = 200  # of the independent program
POINTS: dict[str, tuple[Point, ...]] = {
    "reference-points": (
        Point("random-search", "random search", "cifar10", 150, 91.09),
        Point("regularized-evolution/tabular", "evolution, P 50, S 10", "cifar10", 150, 91.45),
        Point(_SOFTMAX, "REINFORCE, a softmax per token", "cifar10", 150, 91.34),
        Point("local-search/white2020", "local search", "cifar10", 150, 91.36),
        Point("random-search", "random search", "cifar10", 300, 91.22),
        Point(
            "regularized-evolution/tabular", "evolution, P 50, S 10", "cifar10", 300, 91.54, 0.42
        ),
        Point(_SOFTMAX, "REINFORCE, a softmax per token", "cifar10", 300, 91.49, 0.33),
    )
}


def write_reference(folder: Path) -> Path | None:
    """Write the page beside the results of a suite; return its file if there is one."""
    page = reference_page(read_results(folder))
    if page is None:
        return None
    file = folder / "reference.md"
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {file}: {error.strerror or error}") from error
    return file


def reference_page(results: Results) -> str | None:
    """Return the page; None if there is nothing to compare with."""
    points = [
        point
        for point in POINTS.get(results.suite["name"], ())
        if point.agent in results.agents
        and point.dataset in results.datasets
        and point.evaluations in results.judged
    ]
    if not points:
        return None
    rows = [_row(results, point) for point in points]
    headings = ["algorithm", "evaluations", "reference", "ours", "apart", "at the optimum"]
    return (
        "# Reference points\n\nMeans over 200 runs by an independent short program (reward: one "
        "random seed's validation accuracy; shown: the seeds' mean of the best observed cell), "
        "beside ours. *Apart* is ours minus the reference in standard errors of a difference "
        "between two means of this size, and so in brackets for the shares; within ±2 they "
        "agree. What the reference does not tell may differ: the learning rate, how local search "
        "goes on at an optimum, and whether a repeat is answered by another seed (here it is, as "
        "another training would be).\n\n"
        f"{numbers_table(headings, rows)}\n"
    )


def _row(results: Results, point: Point) -> list[str]:
    place = (
        results.agents.index(point.agent),
        results.datasets.index(point.dataset),
        slice(None),
        results.judged.index(point.evaluations),
    )
    ours = results.found["best"][place]
    error = standard_error(ours)
    share = results.at_optimum["best"][place].mean()
    shares = "-"
    if point.optimum is not None:
        both = (point.optimum + share) / 2
        apart = (share - point.optimum) / (both * (1 - both) * (1 / RUNS + 1 / len(ours))) ** 0.5
        shares = f"{point.optimum:.0%}, ours {share:.0%} ({apart:+.1f})"
    return [
        f"{point.what} (`{point.agent}`)",
        str(point.evaluations),
        f"{point.accuracy:.2f}",
        f"{ours.mean():.2f} ± {error:.2f}",
        f"{(ours.mean() - point.accuracy) / (2**0.5 * error):+.1f}" if error else "-",
        shares,
    ]
