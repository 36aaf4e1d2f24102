"""The page ``verdict.md``: who is better than whom, in plain words and with its tests."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nas_gym.benchmark.results import Results
from nas_gym.benchmark.statistics import EXACT, a12, holm, standard_error, wilcoxon_p
from nas_gym.benchmark.tables import names_of
from nas_gym.runs.markdown import numbers_table

ALPHA = 0.05


@dataclass(frozen=True)
class Comparison:
    """Two agents on one data set after so many evaluations, paired by seed."""

    dataset: str
    evaluations: int
    protocol: str  # best, recommended
    one: str
    other: str
    means: tuple[float, float]  # percent
    difference: float  # percentage points, > 0 where ``one`` is better
    error: float | None  # standard error of the difference; None of a single seed
    wins: int  # seeds where ``one`` is better
    losses: int
    p: float  # adjusted for all comparisons of its family
    a12: float
    seeds: int

    @property
    def verdict(self) -> str:
        """``better``, ``worse`` or ``no difference found``, for ``one``.

        The test is about the differences' middle, and the mean may say otherwise: then the two are
        not called different.
        """
        signs = {np.sign(self.difference), np.sign(self.wins - self.losses)}
        if self.p >= ALPHA or len(signs) > 1:
            return "no difference found"
        return "better" if self.difference > 0 else "worse"

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON data."""
        return asdict(self) | {"verdict": self.verdict}


def against_yardstick(results: Results, protocol: str) -> list[Comparison]:
    """Compare every agent with the suite's yardstick, everywhere; one family of tests."""
    yardstick = yardstick_of(results)
    every = np.arange(results.seeds)
    return adjusted(
        [
            _compared(results, protocol, d, j, (agent, yardstick), every)
            for d in range(len(results.datasets))
            for j in range(len(results.judged))
            for agent in results.agents
            if yardstick is not None and agent != yardstick
        ]
    )


def best_of_families(
    results: Results, protocol: str, family: str = "rl", other: str = "evolution"
) -> list[Comparison]:
    """Compare the best agents of two families, everywhere; one family of tests.

    The best of several is chosen on the even seeds and measured on the odd ones: measured on the
    seeds that it was chosen by, it would look better than it is. Where nothing is chosen, all seeds
    count.
    """
    seeds = _seeds_for(results, family, other)
    return adjusted(
        [
            _compared(results, protocol, d, j, (one, two), seeds)
            for d in range(len(results.datasets))
            for j in range(len(results.judged))
            if (one := _chosen(results, protocol, d, j, family)) is not None
            and (two := _chosen(results, protocol, d, j, other)) is not None
        ]
    )


def best_rl_against_yardstick(results: Results, protocol: str) -> list[Comparison]:
    """Compare the best RL agent with the yardstick; as in ``best_of_families`` if it is chosen."""
    yardstick, seeds = yardstick_of(results), _seeds_for(results, "rl")
    return adjusted(
        [
            _compared(results, protocol, d, j, (one, yardstick), seeds)
            for d in range(len(results.datasets))
            for j in range(len(results.judged))
            if yardstick is not None
            and (one := _chosen(results, protocol, d, j, "rl")) is not None
            and one != yardstick
        ]
    )


def pairs_compared(results: Results, protocol: str) -> list[Comparison]:
    """Compare the suite's pairs of agents at the end, on all seeds; one family of tests."""
    every, last = np.arange(results.seeds), len(results.judged) - 1
    return adjusted(
        [
            _compared(results, protocol, d, last, (one, other), every)
            for d in range(len(results.datasets))
            for one, other in results.pairs
        ]
    )


def adjusted(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return the comparisons with Holm's adjustment for all of them."""
    p_values = holm([comparison.p for comparison in comparisons])
    return [replace(c, p=float(p)) for c, p in zip(comparisons, p_values, strict=True)]


def yardstick_of(results: Results) -> str | None:
    """Return the suite's yardstick, if it was run."""
    yardstick = str(results.suite["yardstick"])
    return yardstick if yardstick in results.agents else None


def _members(results: Results, family: str) -> list[int]:
    return [i for i, agent in enumerate(results.agents) if results.family(agent) == family]


def _seeds_for(results: Results, *families: str) -> npt.NDArray[np.int64]:
    """Return the seeds to measure on: the odd ones if the best of a family has to be chosen."""
    chosen = any(len(_members(results, family)) > 1 for family in families)
    return np.arange(1, results.seeds, 2) if chosen else np.arange(results.seeds)


def _chosen(results: Results, protocol: str, d: int, j: int, family: str) -> str | None:
    """Return the agent of a family with the highest mean over the even seeds."""
    found = results.found[protocol][:, d, ::2, j].mean(axis=1)
    members = _members(results, family)
    return results.agents[max(members, key=lambda i: found[i])] if members else None


def _compared(
    results: Results,
    protocol: str,
    d: int,
    j: int,
    agents: tuple[str, str],
    seeds: npt.NDArray[np.int64],
) -> Comparison:
    table = results.found[protocol][:, d, :, j][:, seeds]  # (agents, seeds)
    one, other = (table[results.agents.index(agent)] for agent in agents)
    differences = np.round(one - other, 3)  # as exact as they are written: equal ones are equal
    return Comparison(
        results.datasets[d],
        results.judged[j],
        protocol,
        *agents,
        (float(one.mean()), float(other.mean())),
        float(differences.mean()),
        standard_error(differences) if len(seeds) > 1 else None,
        int((differences > 0).sum()),
        int((differences < 0).sum()),
        wilcoxon_p(one, other),
        a12(one, other),
        len(seeds),
    )


# ---------------------------------------------------------------- in words


def verdict_page(results: Results) -> str:
    """Return the whole page."""
    title, yardstick = f"# {results.suite['name']}: verdict", yardstick_of(results)
    if len(results.agents) == 1:
        return (
            f"{title}\n\nThere is no verdict: {results.agents[0]} alone was run. What it found, "
            "and what it cost: `table.md`.\n"
        )
    parts, asked = list[str](), list[dict[str, list[Comparison]]]()
    for question, compare in (
        (f"Is an RL agent better than {yardstick}?", best_rl_against_yardstick),
        ("Is the best RL agent better than the best evolution?", best_of_families),
        (str(results.suite.get("question")), pairs_compared),
    ):
        families = {protocol: compare(results, protocol) for protocol in results.protocols}
        if not any(families.values()) or families in asked:  # the yardstick may be the evolution
            continue
        asked.append(families)
        parts.append(f"## {question}")
        for protocol, comparisons in families.items():
            parts += [
                f"**{names_of(results)[protocol].capitalize()}.** {answer(comparisons)}",
                comparison_table(comparisons),
            ]
    if yardstick is not None:
        parts.append(f"## Every agent against {yardstick}")
        for protocol in results.protocols:
            comparisons = against_yardstick(results, protocol)
            parts += [
                f"**{names_of(results)[protocol].capitalize()}**, all {results.seeds} seeds, "
                f"p adjusted for these {len(comparisons)} tests: difference in "
                f"{'hundredths of the reward' if results.rewards else 'percentage points'}, "
                f"**bold** where it is one (p < {ALPHA}).",
                yardstick_table(results, comparisons),
            ]
    of_the_best = [c for families in asked for found in families.values() for c in found]
    return "\n\n".join([title, _method(results, of_the_best), *parts]) + "\n"


def answer(comparisons: Sequence[Comparison]) -> str:
    """Say in a few sentences what the comparisons show together."""
    sentences = []
    for verdict, word in (("better", "Yes"), ("worse", "No, worse"), ("", "No difference found")):
        places = [c for c in comparisons if c.verdict == (verdict or "no difference found")]
        if len(places) == len(comparisons) > 1:
            sentences.append(f"{word}, on every data set at every number of evaluations.")
        elif places:
            sentences.append(f"{word}: {'; '.join(map(_place, places))}.")
    return " ".join(sentences)


def _place(c: Comparison) -> str:
    return f"{c.dataset} at {c.evaluations} ({c.one} {c.means[0]:.2f}, {c.other} {c.means[1]:.2f})"


def comparison_table(comparisons: Sequence[Comparison]) -> str:
    """Tabulate one comparison per line."""
    headings = [
        "data set", "evaluations", "agent", "mean", "against", "mean", "difference",
        "seeds won : lost", "p (Holm)", "A12", "the first is",
    ]  # fmt: skip
    return numbers_table(
        headings,
        [
            [
                c.dataset,
                str(c.evaluations),
                c.one,
                f"{c.means[0]:.2f}",
                c.other,
                f"{c.means[1]:.2f}",
                f"{c.difference:+.2f}" + ("" if c.error is None else f" ± {c.error:.2f}"),
                f"{c.wins} : {c.losses}",
                shown_p(c.p),
                f"{c.a12:.2f}",
                c.verdict,
            ]
            for c in comparisons
        ],
    )


def yardstick_table(results: Results, comparisons: Sequence[Comparison]) -> str:
    """Tabulate one agent per line, one column per data set and number of evaluations."""
    at = {(c.one, c.dataset, c.evaluations): c for c in comparisons}
    places = [(dataset, count) for dataset in results.datasets for count in results.judged]
    rows = []
    for agent in dict.fromkeys(c.one for c in comparisons):
        cells = []
        for dataset, count in places:
            c = at[agent, dataset, count]
            text = f"{c.difference:+.2f} (p {shown_p(c.p)}, A12 {c.a12:.2f})"
            cells.append(text if c.verdict == "no difference found" else f"**{text}**")
        rows.append([agent, *cells])
    return numbers_table(["agent", *(f"{dataset}, {count}" for dataset, count in places)], rows)


def shown_p(p: float) -> str:
    """Return three decimals, or that it is less."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _method(results: Results, asked: Sequence[Comparison]) -> str:
    """Say how it was tested; ``asked`` are the comparisons of the best."""
    chosen, whole = (
        [c.seeds for c in asked if (c.seeds < results.seeds) == halved] for halved in (True, False)
    )
    pairs = [(results.seeds, "of any two agents")]
    how = ""
    if chosen:
        pairs.insert(0, (chosen[0], "there"))
        how = (
            " Where an agent is called the best of its kind, it was chosen on the even seeds and "
            f"is measured on the {chosen[0]} odd ones, because it would look too good on the seeds "
            "that it was chosen by."
        )
        if whole:
            how += f" Where no kind has more than one agent, all {results.seeds} seeds count."
    too_few = "".join(
        f" The least p of {count} pairs is {least:.4g}: with so few seeds nothing can be claimed "
        f"{where}."
        for count, where in pairs
        if (least := 2.0 ** (1 - count)) >= ALPHA
    )
    return (
        f"Runs are paired by seed. The test is Wilcoxon's signed-rank test, two-sided, with equal "
        f"pairs ranked (Pratt), exact where at most {EXACT} pairs differ; p is adjusted by Holm's "
        f"method for all tests of a table, and a difference is claimed where p < {ALPHA} and mean "
        "and seeds won agree on its sign. A12 "
        "(Vargha & Delaney) is the chance that a run of the first agent finds a better "
        f"{'front' if results.objectives else 'architecture'} than a run of the other: 0.5 is "
        f"none, 0.56 small, 0.64 medium, 0.71 large.{how}{too_few} Agents, protocols and costs: "
        "`table.md`."
    )
