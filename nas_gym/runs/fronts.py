"""The Pareto front of a run with several objectives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nas_gym.envs.hypervolume import MOST
from nas_gym.envs.limits import with_limits
from nas_gym.envs.objectives import (
    REWARD,
    Floats,
    Objective,
    Objectives,
    objectives_of,
    pareto_front,
    usual_objectives,
)
from nas_gym.errors import InvalidOption, NASGymError
from nas_gym.evaluators.evaluation import rank
from nas_gym.evaluators.metrics import METRICS, metric_named
from nas_gym.plugins import foreign_module, is_trusted, load
from nas_gym.registry import make
from nas_gym.runs.true_front import TrueFront, known_to
from nas_gym.search_spaces.limits import LimitedSpace
from nas_gym.store import Row
from nas_gym.store.long_runs import choose, column, metric

if TYPE_CHECKING:
    from nas_gym.runs.findings import Findings

_UNSAID = object()


@dataclass(frozen=True)
class Front:
    """The architectures that no other one of the run beats in every objective."""

    objectives: Objectives
    rows: tuple[Row, ...]  # each architecture once, the first objective's best first
    values: Floats = field(repr=False)  # (architectures, objectives), larger is better
    others: Floats = field(repr=False)  # of all that did not fail and were trained as far
    # Hypervolume of these by their mean figures, as a share of the true front's; None: not known.
    share: float | None = None
    limited: bool = False  # whether the true front is that of what keeps the run's limits

    @property
    def share_in_words(self) -> str | None:
        """Say what part of the true front's hypervolume was found; None: not known."""
        if self.share is None:
            return None
        within = " within the limits" if self.limited else ""
        return f"{100 * self.share:.2f} % of the true front's{within}, by mean figures"

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of all their metrics; those of the objectives come first."""
        first = [each.name for each in self.objectives if each.name != REWARD]
        return tuple(dict.fromkeys([*first, *(name for row in self.rows for name in row.metrics)]))

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "objectives": [str(each) for each in self.objectives],
            "share_of_true_hypervolume": self.share,
            "architectures": [
                {
                    "number": number,
                    "request": row.number + 1,
                    "reward": row.reward,
                    **row.metrics,
                    "seconds": row.seconds,
                    "tokens": list(row.tokens),
                    "architecture": row.genotype,
                }
                for number, row in enumerate(self.rows, start=1)
            ],
        }


def in_words(name: str, value: float | None) -> str:
    """Return a metric's value as people read it; what is not known of has five digits."""
    if value is None or name in METRICS:
        return metric_named(name).in_words(value)
    return f"{value:.5g}"


def front_of(
    found: "Findings", given: Objectives | None = None, truth: bool = True
) -> Front | None:
    """Return the front of a run; None if nothing was found, or the agent had one objective.

    Args:
        found: The run.
        given: Objectives to use whatever the agent's were.
        truth: Whether to compare it with the true front, if a table knows that.

    Raises:
        InvalidOption: An objective that was never measured.
    """
    objectives = objectives_of_agent(found) if given is None else given
    if objectives is None or not found.ranked:
        return None
    evaluated = found.evaluated
    epochs = column(evaluated, "epochs")
    fine = [n for n, failure in enumerate(column(evaluated, "failure")) if failure is None]
    furthest = min(rank(epochs[n], 0.0) for n in fine)
    alike = choose(evaluated, [n for n in fine if rank(epochs[n], 0.0) == furthest])
    values = np.stack([_values(alike, each) for each in objectives], axis=1)
    measured = np.flatnonzero(np.isfinite(values).all(axis=1))
    if not len(measured):
        raise InvalidOption(
            f"no architecture of run {found.run!r} has all of "
            f"{', '.join(each.name for each in objectives)}: give objectives that were measured"
        )
    values = values[measured]
    front = pareto_front(values)
    rows: dict[str, tuple[Row, int]] = {}
    for row, place in zip(choose(alike, measured[front].tolist()), front.tolist(), strict=True):
        rows.setdefault(row.key, (row, place))
    order = sorted(rows.values(), key=lambda each: tuple(-values[each[1]]))
    chosen = tuple([row for row, _ in order])
    shown = values[[place for _, place in order]]
    share = _share(found, objectives, chosen) if truth else None
    limited = bool(found.config.get("cost_limits"))
    return Front(objectives, chosen, shown, values, share, limited)


def default_objectives(found: "Findings") -> Objectives:
    """Return the agent's objectives or, if it has none, the reward and parameters."""
    own = objectives_of_agent(found)
    return usual_objectives(found.ranked[0].metrics if found.ranked else ()) if own is None else own


def _values(rows: Sequence[Row], objective: Objective) -> Floats:
    name = objective.name
    values = column(rows, "reward") if name == REWARD else metric(rows, name)
    return objective.sign * np.asarray(values, np.float64)


def objectives_of_agent(found: "Findings") -> Objectives | None:
    """Return the objectives of the agent, or of the one it stands before; None if it has one."""
    spec: Any = found.config.get("agent")
    while isinstance(spec, str | Mapping):
        spec = {"name": spec} if isinstance(spec, str) else spec
        agent = _made(spec, found.trust)
        given = getattr(agent, "objectives", spec.get("objectives", _UNSAID))
        if given is None and getattr(agent, "several_by_default", False) and found.ranked:
            given = [str(each) for each in usual_objectives(found.ranked[0].metrics)]
        if given is not None and given is not _UNSAID:
            several = objectives_of(given)
            return several if len(several) > 1 else None
        inner = (getattr(agent, name, spec.get(name)) for name in ("proposer", "agent"))
        spec = next((each for each in inner if each is not None), None)
    return None


def _made(spec: Mapping[str, Any], trust: Sequence[str]) -> Any:
    """Return the recorded agent; None if it cannot be made, or its module is not trusted."""
    module = foreign_module("agent", str(spec.get("name")))
    if module is not None and not is_trusted(module, trust):
        return None
    try:
        return make("agent", spec)
    except NASGymError:
        return None


def _share(found: "Findings", objectives: Objectives, rows: Sequence[Row]) -> float | None:
    """Return how much of the true front's hypervolume was found; None if no table knows.

    With limits the true front is that of the architectures that keep them.
    """
    spec: Any = found.config.get("evaluator") or {}
    if found.space is None or len(objectives) > MOST:
        return None
    if found.name_of("reward") == "accuracy":
        objectives = tuple(
            [each._replace(name="accuracy") if each.name == REWARD else each for each in objectives]
        )
    try:  # nothing of the user's is read for this
        if not getattr(load("evaluator", found.name_of("evaluator")), "packaged", False):
            return None
        table = make("evaluator", spec, space=found.space)
        limited, _ = with_limits(found.space, table, found.config.get("cost_limits"))
        known = known_to(found.space, table)
        if isinstance(limited, LimitedSpace):  # what it could not find is no part of the truth
            if not limited.exact:
                return None
            known = (each for each in known if limited.keeps(each.tokens))
        truth = TrueFront(known, objectives)
        if not truth.volume:
            return None
        return truth.share(truth.values_at([row.tokens for row in rows]))
    except (NASGymError, LookupError):
        return None
