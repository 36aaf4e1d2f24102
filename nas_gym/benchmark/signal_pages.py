"""From the findings of the benchmark ``proxies`` to its pages, figure, CSV and JSON."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nas_gym.benchmark.correlation import BOOTSTRAPS, stray
from nas_gym.benchmark.signal_figure import draw_signals
from nas_gym.benchmark.signals import SIZES
from nas_gym.benchmark.statistics import FEWEST_SAMPLED
from nas_gym.benchmark.study import ALL, Finding, Worth, in_words, seconds_in_words
from nas_gym.errors import NASGymError, StoreError
from nas_gym.runs.markdown import numbers_table

CHEAP = ("size", "proxy", "shared", "epochs", "dataset")  # kinds weighed against parameters
RESULTS = "results.json"
NAMED_AT_MOST = 3  # signals in a sentence
HEADINGS = (
    "signal", "Spearman", "Kendall", "top decile", "regret, best pick", "regret, best of 10",
    "than parameters", "in the top decile", "seconds per cell",
)  # fmt: skip


def write_worth(worth: Worth, folder: Path) -> list[Path]:
    """Write ``table.md``, ``verdict.md``, ``results.csv``, ``results.json`` and the figure.

    Raises:
        StoreError: A file cannot be written.
    """
    texts = {
        **worth_pages(worth),
        "results.csv": _csv(worth),
        RESULTS: json.dumps(worth.to_json(), indent=1, allow_nan=False) + "\n",
    }
    try:
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write to {folder}: {error.strerror or error}") from error
    return [*(folder / name for name in texts), draw_signals(worth, folder / "signals.png")]


def read_worth(folder: Path) -> Worth:
    """Read what ``write_worth`` wrote.

    Raises:
        StoreError: ``results.json`` is missing or broken.
    """
    try:
        return Worth.from_json(json.loads((folder / RESULTS).read_text(encoding="utf-8-sig")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, NASGymError) as error:
        raise StoreError(
            f"{folder} has no readable results ({error}): run the benchmark first"
        ) from error


def worth_pages(worth: Worth) -> dict[str, str]:
    """Return the pages by file name."""
    return {"table.md": table_page(worth), "verdict.md": verdict_page(worth)}


# ---------------------------------------------------------------- table.md


def table_page(worth: Worth) -> str:
    """Return the page with all figures."""
    parts = ["# proxies: what every cheap signal is worth", introduction(worth)]
    parts += [f"- {note}" for note in worth.notes]
    for dataset in worth.datasets:
        findings = worth.of(dataset)
        cells, top = findings[0].cells, findings[0].top_cells
        parts.append(
            f"## {dataset}: {cells:,} cells, {top} in the top decile\n\n"
            f"{numbers_table(HEADINGS, map(_row, findings))}"
        )
    return "\n\n".join(parts) + "\n"


def introduction(worth: Worth) -> str:
    """Say what the numbers are."""
    shared = (
        "The shared-weight accuracy is that of the evaluator `weight-sharing` by its own defaults."
        if worth.study.shared_weights
        else "Shared weights are left out: `--shared-weights` trains a supernet on digits for some "
        "minutes, and asks it as well."
    )
    return f"""{worth.study.cells:,} random cells of NAS-Bench-201's {ALL:,}. The truth is the \
mean validation accuracy over the trainings that a signal has not seen: a training, and its first \
epochs, are compared with the mean of the others. Proxies are those of the benchmark's own \
networks (N = 5, C = 16, 32 x 32 pixels) on one batch of Gaussian images (two for ZiCo) with \
random labels. {shared}

Spearman's and Kendall's (tau-b) correlations are those of all cells; *top decile* is Spearman's \
of the best tenth by the truth. Equal values share the mean of their ranks. Regret, in points of \
accuracy: the best of these cells less the signal's best pick, and less the best of its ten best; \
among equals picks are random, and the figure is their expected value. *Than parameters* is \
"better" or "worse" where the 95 % bootstrap interval ({BOOTSTRAPS} samples of the cells, not \
corrected for the number of signals) of the difference in Spearman to the number of parameters, of \
the same cells and truth, leaves out 0 (of fewer than {FEWEST_SAMPLED} cells there is none). \
Of a random order the correlations are 0 by expectation.

Seconds per cell are medians: of proxies processor time on one thread, with the network's \
construction; of trainings those that the table says, on its makers' GPUs; on digits processor \
time."""


def _row(finding: Finding) -> list[str]:
    return [
        finding.signal,
        *(in_words(value, ".2f") for value in vars(finding.figures).values()),
        finding.ahead.word,
        finding.top_ahead.word,
        seconds_in_words(finding.seconds),
    ]


def _csv(worth: Worth) -> str:
    rows = [finding.to_json() for finding in worth.findings]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


# ---------------------------------------------------------------- verdict.md


def verdict_page(worth: Worth) -> str:
    """Return what a person is to know, in a few sentences for each truth."""
    parts = ["# proxies: verdict"]
    for dataset in worth.datasets:
        parts += [f"## {dataset}", " ".join(sentences(worth.of(dataset)))]
    return "\n\n".join(parts) + "\n"


def sentences(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the sentences about one truth."""
    by_name = {finding.signal: finding for finding in findings}
    size, random = by_name[SIZES[0]], by_name["random"]
    ceiling = next((finding for finding in findings if finding.kind == "training"), None)
    signals = [f for f in findings if f.kind in CHEAP and f.signal != SIZES[0]]
    dearer = [f for f in signals if ceiling is not None and f.seconds >= ceiling.seconds]
    cheap = [f for f in signals if f not in dearer]
    beyond = stray(size.cells)
    yield (
        f"Counting parameters orders the {size.cells:,} cells with a Spearman of "
        f"{in_words(size.figures.spearman, '.2f')} (a random order strays by {beyond:.2f}), the "
        f"top decile with {in_words(size.figures.top_spearman, '.2f')} (strays by "
        f"{stray(size.top_cells):.2f})."
    )
    yield _beating(cheap, "all cells", lambda f: f.ahead.word, lambda f: f.figures.spearman)
    yield _beating(
        cheap, "the top decile", lambda f: f.top_ahead.word, lambda f: f.figures.top_spearman
    )
    both = [f for f in cheap if f.ahead.word == f.top_ahead.word == "better"]
    if both:
        least = min(both, key=lambda f: f.seconds)
        yield (
            f"The cheapest that is clearly better in both is {least.signal}, at "
            f"{seconds_in_words(least.seconds)} s per cell."
        )
    elif cheap:
        yield "None is clearly better in both."
    if dearer:
        yield (
            "What costs as much as the training that it is to save, or more, is not counted: "
            f"{', '.join(f.signal for f in dearer)}."
        )
    if ceiling is not None:
        yield (
            "No signal can be expected to say much more than another training, which orders all "
            f"with {in_words(ceiling.figures.spearman, '.2f')} and the top decile with "
            f"{in_words(ceiling.figures.top_spearman, '.2f')}, for "
            f"{seconds_in_words(ceiling.seconds)} s per cell."
        )
    yield _trained(size, random, cheap)


def _trained(size: Finding, random: Finding, findings: Sequence[Finding]) -> str:
    """Say what is lost by training only the ten best by a signal."""
    by_size, by_chance = size.figures.regret_of_10, random.figures.regret_of_10
    less = [f for f in findings if f.figures.regret_of_10 < by_size]
    start = "Training only the ten best by"
    if not less:
        return (
            f"{start} parameters loses {by_size:.2f} points of accuracy to the best of all, by no "
            f"other signal less; ten random ones lose {by_chance:.2f}."
        )
    best = min(less, key=lambda f: (f.figures.regret_of_10, f.seconds))
    return (
        f"{start} {best.signal} loses {best.figures.regret_of_10:.2f} points of accuracy to the "
        f"best of all, by parameters {by_size:.2f}; ten random ones lose {by_chance:.2f}."
    )


def _beating(
    findings: Sequence[Finding],
    what: str,
    word: Callable[[Finding], str],
    figure: Callable[[Finding], float],
) -> str:
    """Say which are clearly better than parameters, the best first, and how many are worse."""
    better = sorted((f for f in findings if word(f) == "better"), key=figure, reverse=True)
    worse = sum(word(finding) == "worse" for finding in findings)
    if not findings:
        return f"Of {what}, there is no other signal."
    rest = f"{worse or 'none'} {'is' if worse == 1 else 'are'} clearly worse"
    if not better:
        return f"Of {what}, none of {len(findings)} signals is clearly better than that; {rest}."
    named = ", ".join(
        f"{f.signal} ({figure(f):.2f}, {seconds_in_words(f.seconds)} s per cell)"
        for f in better[:NAMED_AT_MOST]
    )
    more = len(better) - NAMED_AT_MOST
    others = f", and {more} more" if more > 0 else ""
    count = f"{len(better)} of {len(findings)} signals {'is' if len(better) == 1 else 'are'}"
    return f"Of {what}, {count} clearly better than that: {named}{others}; {rest}."
