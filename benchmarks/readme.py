"""The sections of our own pages that are filled from committed results.

    python -m benchmarks.run --update-readme

writes those of ``README.md``, of three pages in ``docs/benchmarks`` and of the agents' pages; the
leaderboard's is filled from its entries; agents' pages have rows of other results too
(``excerpts.py``). The pages of the benchmark ``proxies`` are written anew
from its ``results.json``.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.excerpts import EXCERPTS
from nas_gym.benchmark.entries import joined, read_entry
from nas_gym.benchmark.results import PROTOCOLS, Results, read_results
from nas_gym.benchmark.signal_pages import read_worth, worth_pages
from nas_gym.benchmark.statistics import standard_error
from nas_gym.benchmark.suite import FAMILIES, SIGNALS, SUITES, Suite
from nas_gym.benchmark.tables import NAMES, all_ranks, dataset_table, overhead
from nas_gym.benchmark.verdict import (
    answer,
    best_of_families,
    best_rl_against_yardstick,
    yardstick_of,
)
from nas_gym.drawing.figures import listed
from nas_gym.errors import StoreError
from nas_gym.runs.markdown import numbers_table, table

MARKS = ("<!-- benchmark:begin -->", "<!-- benchmark:end -->")
SHOWN = "rl-vs-evolution"
FURTHER = ("softmax-rates",)  # the same benchmark with other agents, for their pages
ROOT = Path(__file__).parents[1]
ENTRIES = ROOT / "benchmarks" / "leaderboard"


def update_readme() -> None:
    """Write the pages' sections anew, from the committed results."""
    for page, section in shown_sections().items():
        page.write_text(with_section(page.read_text(encoding="utf-8"), section), encoding="utf-8")
    for page, text in signal_pages().items():
        page.write_text(text, encoding="utf-8")


def shown_sections() -> dict[Path, str]:
    """Return what the sections have to be, by page."""
    results = read_results(ROOT / "benchmarks" / "results" / SHOWN)
    folder, pages = f"benchmarks/results/{SHOWN}", ROOT / "docs" / "benchmarks"
    return {
        ROOT / "README.md": readme_section(results, folder),
        pages / "rl_vs_evolution.md": families_section(results, f"../../{folder}"),
        pages / "agents.md": agents_section(results, f"../../{folder}"),
        pages / "leaderboard.md": leaderboard_section(SUITES[SHOWN], ENTRIES),
        **agents_sections(results, f"../../{folder}"),
    }


def signal_pages() -> dict[Path, str]:
    """Return what the pages of the benchmark ``proxies`` have to be."""
    folder = ROOT / "benchmarks" / "results" / SIGNALS
    return {folder / name: text for name, text in worth_pages(read_worth(folder)).items()}


def command_of(results: Results) -> str:
    """Return the command that makes the results."""
    name = results.suite["name"]
    suite = SUITES.get(name)
    ours = suite is None or results.seeds == suite.seeds
    return f"nas-gym benchmark {name}" + ("" if ours else f" --seeds {results.seeds}")


def readme_section(results: Results, folder: str) -> str:
    """Return what stands between ``MARKS`` in the README: the figure and one sentence.

    Args:
        results: The benchmark.
        folder: Its folder, as the README links to it.
    """
    found = best_of_families(results, "recommended")
    counts = Counter(comparison.verdict for comparison in found)
    return (
        f"![Regret and runs at the optimum against evaluations]({folder}/overview.png)\n\n"
        f"`{command_of(results)}`: by the cell that it "
        f"recommends, the best RL agent is better than the best evolution in {counts['better']} of "
        f"{len(found)} comparisons ({len(results.datasets)} data sets of NAS-Bench-201, "
        f"{listed(results.judged)} evaluations), worse in {counts['worse']}; in the others no "
        "difference is found ([all of it](docs/benchmarks/rl_vs_evolution.md))."
    )


def families_section(results: Results, folder: str) -> str:
    """Return what stands between ``MARKS`` in the page on RL against evolution."""
    dataset, suite = results.datasets[0], results.suite
    yardstick = yardstick_of(results)
    sentences = [
        f"**RL better than {yardstick}, {NAMES[p]}?** {answer(found)}"
        for p in PROTOCOLS
        if yardstick is not None and (found := best_rl_against_yardstick(results, p))
    ]
    sentences += [
        f"**The best RL agent better than the best evolution, {NAMES[p]}?** {answer(found)}"
        for p in PROTOCOLS
        if (found := best_of_families(results, p))
    ]
    return "\n\n".join(
        [
            f"![Regret and runs at the optimum against evaluations]({folder}/overview.png)",
            readme_table(results),
            f"{dataset}, optimum {results.optimum(dataset):.2f}: mean validation accuracy of the "
            f"found cell, {results.seeds} searches each, ± standard error; *best observed* by its "
            "single reward, *recommended* by the agent. Mean rank of the recommended cell, after "
            f"{results.judged[-1]} evaluations, on all {len(results.datasets)} data sets. Hours of "
            f"training on one machine and on {suite['workers']}; *distinct* are different cells of "
            f"the {suite['budget']} asked for, *own ms* the agent's CPU time per evaluation; at "
            "the optimum is the recommended cell.",
            *sentences,
            "In these sentences the best of several is chosen for each place on the even seeds and "
            "measured on the odd ones.",
            f"[All tables]({folder}/table.md), [all tests]({folder}/verdict.md).",
        ]
    )


def readme_table(results: Results) -> str:
    """Return the first data set's main figures, the best mean rank first."""
    d, ranks = 0, all_ranks(results, "recommended")[:, -1]
    shown = [
        (protocol, j) for j in range(len(results.judged))[:2] for protocol in PROTOCOLS
    ]  # the smaller numbers of evaluations
    headings = ["agent", "kind"]
    headings += [f"{NAMES[p]}, {results.judged[j]}" for p, j in shown]
    headings += [
        f"at the optimum, {results.judged[shown[-1][1]]}",
        "mean rank",
        f"distinct of {results.suite['budget']}",
        "hours",
        "own ms",
    ]
    rows = []
    for a in ranks.argsort(kind="stable"):
        agent = results.agents[a]
        cells = [f"`{agent}`", FAMILIES[results.family(agent)]]
        for protocol, j in shown:
            found = results.found[protocol][a, d, :, j]
            cells.append(f"{found.mean():.2f} ± {standard_error(found):.2f}")
        shares = results.at_optimum["recommended"][a, d, :, shown[-1][1]]
        one, cluster = (results.cost(c)[a, d].mean() for c in ("hours", "hours_cluster"))
        cells += [
            f"{shares.mean():.0%}",
            f"{ranks[a]:.2f}",
            f"{results.cost('distinct')[a, d].mean():.0f}",
            f"{one:,.0f} / {cluster:,.0f}",
            f"{overhead(results, agent):.2f}",
        ]
        rows.append(cells)
    return numbers_table(headings, rows)


def agents_section(results: Results, folder: str) -> str:
    """Return what stands between ``MARKS`` in the agents' page; see ``readme_section``."""
    parts = [
        "Written by `python -m benchmarks.run --update-readme` from "
        f"`{command_of(results)}`: {results.seeds} searches per data set, mean "
        "validation accuracy of the found cell. What the columns are: "
        f"[table.md]({folder}/table.md); who is better than whom: "
        f"[verdict.md]({folder}/verdict.md). {results.suite.get('notes', '')}".rstrip()
    ]
    for dataset in results.datasets:
        optimum = results.optimum(dataset)
        parts += [f"### {dataset}, optimum {optimum:.2f}", dataset_table(results, dataset)]
    return "\n\n".join(parts)


def agents_pages(results: Results) -> dict[Path, list[str]]:
    """Return the agents of the results, presets too, by the page that their names are title of."""
    found: dict[Path, list[str]] = {}
    for page in sorted((ROOT / "docs" / "agents").glob("*.md")):
        title = page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ").split(", ")
        labels = [label for label in results.agents if label.partition("/")[0] in title]
        if labels:
            found[page] = labels
    return found


def agent_section(results: Results, labels: Sequence[str], folder: str) -> str:
    """Return what stands between ``MARKS`` in an agent's page; see ``readme_section``."""
    rows = [
        [
            f"`{label}`",
            dataset,
            *(
                f"{found.mean():.2f} ± {standard_error(found):.2f}"
                for found in results.found["recommended"][results.agents.index(label), d].T
            ),
            f"{results.optimum(dataset):.2f}",
        ]
        for label in labels
        for d, dataset in enumerate(results.datasets)
    ]
    headings = ["agent", "data set", *map(str, results.judged), "the best there is"]
    return (
        "Mean validation accuracy of the cell of NAS-Bench-201 that it recommends after "
        f"{listed(results.judged)} evaluations, {results.seeds} searches each, ± standard error "
        f"(`{command_of(results)}`; [all agents]({folder}/table.md)).\n\n"
        + table(headings, rows, range(2, len(headings)))
    )


def agents_sections(results: Results, folder: str) -> dict[Path, str]:
    """Return what stands between ``MARKS`` in each agent's page: this benchmark, then others."""
    parts = {
        page: [agent_section(results, labels, folder)]
        for page, labels in agents_pages(results).items()
    }
    for name in FURTHER:
        further = read_results(ROOT / "benchmarks" / "results" / name)
        for page, labels in agents_pages(further).items():
            section = agent_section(further, labels, f"../../benchmarks/results/{name}")
            parts.setdefault(page, []).append(section)
    for excerpt in EXCERPTS:
        page = ROOT / "docs" / "agents" / f"{excerpt.page}.md"
        parts.setdefault(page, []).append(excerpt.text())
    return {page: "\n\n".join(texts) for page, texts in parts.items()}


def leaderboard_section(suite: Suite, folder: Path) -> str:
    """Return what stands between ``MARKS`` in the leaderboard's page, the best mean rank first.

    Args:
        suite: The benchmark that the entries are of.
        folder: The entries are in a folder of it that has the suite's name.

    Raises:
        StoreError: An entry cannot be read.
        InvalidOption: One is not of the whole suite.
    """
    files = sorted((folder / suite.name).glob("*.json"))
    entries = [read_entry(file) for file in files]
    results = joined(entries, suite)
    ranks, last = all_ranks(results, "recommended"), results.judged[-1]
    rows = []
    for a in ranks[:, -1].argsort(kind="stable"):
        agent, link = results.agents[a], f"../../benchmarks/leaderboard/{suite.name}"
        found = results.found["recommended"][a, :, :, -1]  # (datasets, seeds)
        rows.append(
            [
                f"[`{agent}`]({link}/{files[a].name})",
                FAMILIES[results.family(agent)],
                *(f"{rank:.2f}" for rank in ranks[a]),
                *(f"{each.mean():.2f} ± {standard_error(each):.2f}" for each in found),
            ]
        )
    headings = ["agent", "kind", *(f"mean rank, {count}" for count in results.judged)]
    headings += [f"{dataset}, {last}" for dataset in results.datasets]
    return "\n\n".join(
        [
            f"## {suite.name}",
            f"{len(entries)} entries, {results.seeds} searches of {suite.budget} evaluations on "
            "each data set (the first of those that have more). Mean rank of the recommended "
            "architecture among them, over all seeds and "
            f"data sets, after {listed(results.judged)} evaluations (1 is best); mean "
            f"validation accuracy of the recommended architecture after {last}, ± standard error.",
            numbers_table(headings, rows),
        ]
    )


def with_section(page: str, section: str) -> str:
    """Return ``page`` with ``section`` between its two marks.

    Raises:
        StoreError: It has no such marks.
    """
    begin, end = MARKS
    if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
        raise StoreError(f"the page needs one line {begin} and one line {end} after it")
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n{section}\n{end}{rest.partition(end)[2]}"
