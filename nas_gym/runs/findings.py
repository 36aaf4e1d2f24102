"""The findings of a run, put together once: report, card and export only consume it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nas_gym.errors import NASGymError, StoreError
from nas_gym.evaluators.evaluation import MOST_EPOCHS, Validation
from nas_gym.evaluators.metrics import (
    BALANCED_ACCURACY,
    LATENCY,
    METRICS,
    Metric,
    leader_of,
)
from nas_gym.evaluators.within_limits import ACCEPTANCE
from nas_gym.plugins import foreign_module, is_trusted
from nas_gym.registry import make, modules_to_trust, trust_option
from nas_gym.runs.certainty import Certainty
from nas_gym.runs.config import recorded_metric
from nas_gym.runs.cost import RunCost
from nas_gym.runs.failure_groups import FailureGroup, failure_groups
from nas_gym.runs.fronts import Front, front_of
from nas_gym.runs.ranked import Ranked
from nas_gym.runs.validated import Validated, validated_of
from nas_gym.store import Row, RunData
from nas_gym.store.long_runs import choose, column

FIRST_ROWS = 1_000  # best ones, whose metrics say which there are


def best_rows(run: RunData, count: int) -> list[Row]:
    """Return the ``count`` different architectures with the highest rewards, best first."""
    return list(Ranked(run)[:count])


@dataclass(frozen=True)
class Findings:
    """All that is shown of a run: made once, by ``of``, and never changed."""

    run: str  # its name
    status: str
    started: str  # ISO 8601, UTC
    config: Mapping[str, Any]  # what runs it again
    command: str | None  # with which it was begun, quoted for a shell; None if from Python
    versions: Mapping[str, str] | None  # of the packages, when it was last started
    leading: Metric  # by which its architectures are compared
    rows: Sequence[Row]  # requests in the agent's order
    unanswered: tuple[Row, ...]  # evaluated when the run was cut, before the agent saw it
    ranked: Ranked  # different architectures that did not fail, highest reward first
    paid: Sequence[Row]  # evaluated anew, answered to a request or not
    memo: Sequence[Row]  # requests that were answered from the memo
    failures: tuple[FailureGroup, ...]  # among ``paid``, most frequent first
    validations: tuple[Validated, ...]  # final trainings by rank; the only test figures
    trust: tuple[str, ...] = ()  # modules of the user's that may be imported
    most_epochs: int | None = None  # of a whole training; None if the evaluator did not say
    executor: Mapping[str, Any] | None = None  # what trains on other machines, when last started
    acceptance: float | None = None  # share drawn or written that keeps limits; None with masks

    @classmethod
    def of(cls, run: RunData, trust: Collection[str] = ()) -> "Findings":
        """Put together what is in a run; nothing of the user's is imported but what ``trust`` has.

        Args:
            run: From ``load_run``.
            trust: Modules and packages with the user's own search space.
        """
        ranked, sources = Ranked(run), column(run.rows, "source")
        first, session = (run.sessions[0], run.sessions[-1]) if run.sessions else ({}, {})
        memo = choose(run.rows, [n for n, source in enumerate(sources) if source == "memo"])
        anew = [n for n, source in enumerate(sources) if source != "memo"]
        paid = choose(run.rows, anew, run.unanswered)
        return cls(
            run=run.name,
            status=run.status,
            started=run.started,
            config=run.config,
            command=first.get("command"),
            versions=session.get("versions"),
            leading=_leading(run, ranked),
            rows=run.rows,
            unanswered=run.unanswered,
            ranked=ranked,
            paid=paid,
            memo=memo,
            failures=tuple(failure_groups(paid)),
            validations=tuple(validated_of(ranked, run.validations, run.config)),
            trust=tuple(trust),
            most_epochs=session.get(MOST_EPOCHS),
            executor=session.get("executor"),
            acceptance=session.get(ACCEPTANCE),
        )

    @property
    def parts(self) -> Mapping[str, Any]:
        """What the run is made of, as JSON data by kind, among all that its record says."""
        return {**self.config, "executor": self.executor}

    @cached_property
    def untrusted(self) -> str | None:
        """The module of the search space if it is neither ours nor trusted."""
        module = foreign_module("space", self.name_of("space"))
        return None if module is None or is_trusted(module, self.trust) else module

    @cached_property
    def space(self) -> Any:
        """The search space, made again from the record when it is first needed.

        None if none is recorded, or it would be imported from an ``untrusted`` module.
        """
        spec = self.config.get("space")
        if spec is None or self.untrusted is not None:
            return None
        try:
            return make("space", spec)
        except NASGymError as error:
            raise StoreError(
                f"the search space of run {self.run!r} cannot be made again: {error}"
            ) from error

    def name_of(self, part: str) -> str:
        """Return the name of the run's ``"space"``, ``"agent"``, …; ``-`` if none is recorded."""
        return str(self.config.get(part, {}).get("name", "-"))

    @cached_property
    def certainty(self) -> Certainty | None:
        """How far the figures can be trusted; None if the run recorded nothing of its data."""
        tested = self.validations[0].test_accuracies if self.validations else []
        figures = self.ranked.figures(self.leading.name)
        return Certainty.of(self.config.get("data"), figures, tested)

    @cached_property
    def cost(self) -> RunCost:
        """What the run paid for, and what it was spared."""
        return RunCost.of(self.evaluated, self.protocol, self.most_epochs)

    @property
    def shown(self) -> tuple[Metric, ...]:
        """The metrics that reports show of a child, the leading one first."""
        rewarded = str((self.config.get("reward") or {}).get("name")) == "balanced-accuracy"
        imbalanced = self.certainty is not None and self.certainty.imbalanced
        balanced = (BALANCED_ACCURACY,) if rewarded or imbalanced else ()
        return (*self.leading.shown, *balanced)

    @property
    def asked_for(self) -> tuple[Metric, ...]:
        """The metrics that were measured because the user asked for them."""
        asked = (self.config.get("evaluator") or {}).get("latency") is True
        return (LATENCY,) if asked else ()

    @cached_property
    def own(self) -> tuple[Metric, ...]:
        """The metrics of a user's own evaluator or table that nothing more is known of."""
        name = self.name_of("evaluator")
        if name != "table" and (name == "-" or foreign_module("evaluator", name) is None):
            return ()
        measured = dict.fromkeys(name for row in self.ranked[:FIRST_ROWS] for name in row.metrics)
        known = {*METRICS, self.leading.name, self.leading.final_name}
        return tuple([Metric(name) for name in measured if name not in known])

    @cached_property
    def front(self) -> Front | None:
        """The Pareto front, if the agent had several objectives."""
        return front_of(self)

    @property
    def protocol(self) -> Mapping[str, Any]:
        """All that the evaluations depend on; empty if the evaluator does not say so."""
        return self.config.get("protocol") or {}

    @property
    def note(self) -> str | None:
        """A sentence of the evaluator on what its figures are; None if it has none to say."""
        note = self.protocol.get("note")
        if not isinstance(note, str):
            return None
        named = trust_option(modules_to_trust({"space": self.config.get("space")}))
        return note.replace("{run}", self.run + named)

    @property
    def evaluated(self) -> Sequence[Row]:
        """The requests, then what was evaluated but never handed to the agent."""
        return choose(self.rows, range(len(self.rows)), self.unanswered)

    def groups_of(self, trainings: Iterable[Validation]) -> list[Validated]:
        """Return some of the run's final trainings, grouped as ``validations``."""
        return list(validated_of(self.ranked, trainings, self.config))


def _leading(run: RunData, ranked: Sequence[Row]) -> Metric:
    """Return the metric that the run's evaluator named, else that of the figures recorded."""
    named = recorded_metric(run.config)
    if named is not None:
        return named
    recorded = {name for row in ranked[:FIRST_ROWS] for name in row.metrics}
    return leader_of(recorded | {name for v in run.validations for name in v.metrics})


def summary(found: Findings, top: int = 5) -> dict[str, Any]:
    """Return the run as JSON data: what was asked, what it cost, what was best, what failed.

    ``validations`` are final trainings with new seeds, after the search; the only test figures.
    ``unanswered`` counts what was evaluated in a batch that was cut, so that no request has it yet.
    ``certainty`` is there if the run recorded what its data is.
    """
    return {
        "run": found.run,
        "status": found.status,
        "started": found.started,
        **({} if found.command is None else {"command": found.command}),
        "config": found.config,
        "requests": len(found.rows),
        "evaluated": len(found.paid),
        "unanswered": len(found.unanswered),
        "memo_hits": len(found.memo),
        "failures": {group.reason: len(group.rows) for group in found.failures},
        "failure_details": [group.to_json() for group in found.failures],
        "child_seconds_paid": found.cost.seconds,
        "child_seconds_saved": found.cost.seconds_saved,
        "cost": found.cost.to_json(),
        "best": [
            {
                "rank": rank,
                "request": row.number + 1,
                "reward": row.reward,
                **row.metrics,
                "seconds": row.seconds,
                "tokens": list(row.tokens),
                "architecture": row.genotype,
            }
            for rank, row in enumerate(found.ranked[:top], start=1)
        ],
        **({} if found.acceptance is None else {ACCEPTANCE: found.acceptance}),
        **({} if found.front is None else {"front": found.front.to_json()}),
        "validations": [group.to_json() for group in found.validations],
        **({} if found.certainty is None else {"certainty": found.certainty.to_json()}),
        **({} if found.note is None else {"note": found.note}),
    }
