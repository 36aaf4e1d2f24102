"""``check``: whether what a request claims fits together, and comes out again.

CompilerGym validates a claimed state by replaying it (Cummins et al. 2021, arXiv 2109.08267,
section 3.5); here tokens, genotype, key, seed, epochs, figures and reward are held against each
other, and against a new evaluation if that is asked for.
"""

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nas_gym.envs.children import child_seed
from nas_gym.envs.limits import with_limits
from nas_gym.errors import InvalidOption, NASGymError
from nas_gym.evaluators.doubts import TRAINED
from nas_gym.evaluators.evaluation import Evaluation, Evaluator, Fidelity, Job, keeps_state
from nas_gym.evaluators.guard import Guard
from nas_gym.evaluators.metrics import LATENCY, SIZES, metric_named
from nas_gym.evaluators.tables.tabular import TabularEvaluator
from nas_gym.evaluators.tasks import task_of
from nas_gym.evaluators.trained.child import ChildTraining
from nas_gym.options import check as checked
from nas_gym.options.counts import Tolerance
from nas_gym.registry import Part, check_trusted, make, unwrapped, usual, usual_reward
from nas_gym.runs.claims import FIELDS, claimed_fields, claimed_row
from nas_gym.runs.config import recorded_parts
from nas_gym.search_spaces.architecture import Architecture, genotype_to_json
from nas_gym.search_spaces.from_json import architecture_from_json, checked_architecture
from nas_gym.search_spaces.grammar import SearchSpace
from nas_gym.store import Row, RunData

CLOSE = 1e-9  # of a figure, relatively: what another order of additions may change
_MEMO = "memo"  # source of what another request or run paid for


@dataclass(frozen=True)
class Checker:
    """The parts of a run, against which its requests are checked.

    Args:
        space: With the limits of the run.
        evaluator: HOW GOOD an architecture is.
        reward: From an evaluation to the reward.
        seed: From which the children's seeds follow; None if that is not known.
        failure_reward: Of a child that failed.
        requests: Of the run: so often an architecture may have been trained anew.
    """

    space: SearchSpace[Any]
    evaluator: Evaluator
    reward: Any
    seed: int | None = None
    failure_reward: float = 0.0
    requests: int = 1_000

    @classmethod
    def of(cls, run: RunData, trust: Collection[str] = ()) -> "Checker":
        """Return the checker of a recorded run.

        Raises:
            UntrustedModule: It has a part from a module that ``trust`` does not name.
            StoreError: It was not recorded by a search.
        """
        parts = recorded_parts(run, ("space", "evaluator", "reward"))
        recorded_parts(run, ("child_seed", "failure_reward"))
        check_trusted(f"run {run.name!r}", parts, trust)
        space = make("space", parts["space"])
        evaluator = make("evaluator", parts["evaluator"], space=space)
        space, evaluator = with_limits(space, evaluator, run.config.get("cost_limits"))
        return cls(
            space, evaluator, make("reward", parts["reward"]), run.config["child_seed"],
            run.config["failure_reward"], max(1, len(run.rows) + len(run.unanswered)),
        )  # fmt: skip

    def misfits(
        self, row: Row, *, evaluate: bool, tolerance: float, claimed: Collection[str] = FIELDS
    ) -> Iterator[str]:
        """Yield a sentence for each thing that does not fit; see ``check``.

        Args:
            row: What is claimed.
            evaluate: Whether it is evaluated again.
            tolerance: By how much a figure may then differ.
            claimed: The fields that are; what the others have says nothing.
        """
        try:
            architecture = checked_architecture(self.space, row.tokens)
        except NASGymError as error:
            yield f"its tokens are no architecture of the space: {error}"
            return
        genotype = genotype_to_json(architecture.genotype)
        evaluated: Architecture[Any] | None = architecture
        if _text(row.genotype) != _text(genotype):
            evaluated = self._equal(row, architecture)
        if evaluated is None:
            evaluated = architecture
            yield f"its genotype is not that of its tokens, which is {_text(genotype)[:200]}"
        if row.key != architecture.key:
            yield f"its key is {row.key[:80]!r}, and that of its tokens {architecture.key[:80]!r}"
        if "seed" in claimed:
            yield from self._wrong_seed(row, architecture.key)
        yield from self._wrong_source(row, claimed)
        no_part = list(self._wrong_epochs(row))
        yield from no_part
        yield from self._wrong_figures(row, architecture)
        # Without its seed it is not said which of several trainings is meant.
        meant = "seed" in claimed or not self.evaluator.stateful
        if not no_part and meant and (evaluate or self._table is not None):
            yield from self._evaluated_again(row, evaluated, tolerance, claimed)
        else:
            yield from self._counted_again(row, evaluated, tolerance)

    @property
    def _table(self) -> TabularEvaluator | None:
        inner = unwrapped(self.evaluator)
        return inner if isinstance(inner, TabularEvaluator) else None

    def _equal(self, row: Row, architecture: Architecture[Any]) -> Architecture[Any] | None:
        """Return the one of the same key that was evaluated instead; None if there is none."""
        if row.source != _MEMO:
            return None
        space = getattr(self.space, "unlimited", self.space)  # another run may have no limits
        try:
            other = architecture_from_json(space, row.genotype)
        except NASGymError:
            return None
        return other if other.key == architecture.key else None

    def _wrong_seed(self, row: Row, key: str) -> Iterator[str]:
        if self.seed is None:
            return
        times = self.requests if self.evaluator.stateful else 1
        if not any(row.seed == child_seed(self.seed, key, n) for n in range(times)):
            yield f"its seed is {row.seed}, which does not follow from {self.seed} and its key"

    def _wrong_source(self, row: Row, claimed: Collection[str]) -> Iterator[str]:
        trained = isinstance(unwrapped(self.evaluator), ChildTraining)
        if trained and "source" in claimed and row.source not in (TRAINED, _MEMO):
            yield f"its source is {row.source[:80]!r}, and its evaluator trains"

    def _wrong_epochs(self, row: Row) -> Iterator[str]:
        most = getattr(self.evaluator, "most_epochs", None)
        if row.epochs and (most is None or not 0 < row.epochs < most):
            whole = "has no parts" if most is None else f"has {most}"
            yield f"it was trained for {row.epochs} epochs, and a whole training {whole}"

    def _wrong_figures(self, row: Row, architecture: Architecture[Any]) -> Iterator[str]:
        for name, value in row.metrics.items():
            metric = metric_named(name)
            least = -math.inf if metric.least is None else metric.least
            most = math.inf if metric.most is None else metric.most
            if not (math.isfinite(value) and least <= value <= most):
                yield f"its {name} is {value}, which is out of range"
        if not (math.isfinite(row.seconds) and row.seconds >= 0):
            yield f"it took {row.seconds} seconds"
        reward = self.failure_reward
        if row.failure is not None and row.metrics:
            yield f"it failed ({row.failure}), and has a figure ({next(iter(row.metrics))})"
        if row.failure is None:
            claimed = Evaluation(architecture, row.metrics, row.seconds, epochs=row.epochs)
            try:
                reward = float(self.reward(claimed))
            except Exception as error:  # a metric is missing
                yield f"its reward cannot be found again: {error}"
                return
        if not _close(reward, row.reward, 0.0):
            yield f"its reward is {row.reward}, and that of its figures {reward}"

    def _evaluated_again(
        self, row: Row, architecture: Architecture[Any], tolerance: float, claimed: Collection[str]
    ) -> Iterator[str]:
        job = Job(architecture, max(0, row.seed), Fidelity(row.epochs))
        ((_, again),) = Guard(self.evaluator).evaluations({0: job})
        if (row.failure is None) != (again.failure is None):
            was, now = (f or "evaluated" for f in (row.failure, again.failure))
            yield f"it was claimed as {was}, and evaluated again it is {now}"
            return
        table = self._table
        said = "source" in claimed and row.failure is None and row.source != _MEMO
        if said and row.source != again.source:
            yield f"its source is {row.source[:80]!r}, and evaluated again {again.source!r}"
        if table is not None and "seconds" in claimed:
            # A child that goes on pays its new epochs alone.
            end = (row.epochs or table.most_epochs or 1) if table.most_epochs else 1
            shares = [(end - begun) / end for begun in range(end)]
            if not any(_close(row.seconds, again.seconds * share, tolerance) for share in shares):
                yield f"it took {row.seconds} seconds, and in the table {again.seconds}"
        for name, value in row.metrics.items():
            if name == LATENCY.name and table is None:  # is measured
                continue
            if name not in again.metrics:
                yield f"its {name} is {value}, and evaluated again it has none"
            elif not _close(value, again.metrics[name], tolerance):
                yield f"its {name} is {value}, and evaluated again {again.metrics[name]}"

    def _counted_again(
        self, row: Row, architecture: Architecture[Any], tolerance: float
    ) -> Iterator[str]:
        """Count what the network costs, where the evaluator says what it is built for."""
        sizes = [size.name for size in SIZES if size.name in row.metrics]
        build = getattr(self.space, "build", None)
        if not sizes or build is None:
            return
        from nas_gym.networks.cost import cost_for

        genotypes = [architecture.genotype]
        canonical = getattr(self.space, "canonical", None)
        if canonical is not None and not isinstance(unwrapped(self.evaluator), ChildTraining):
            genotypes.append(canonical(architecture.genotype))  # that proxies and supernets measure
        try:
            tasks = [task_of(self.evaluator, genotype) for genotype in genotypes]
            costs = [
                cost_for(partial(build, genotype, task), task)._asdict()
                for genotype, task in zip(genotypes, tasks, strict=True)
                if task is not None
            ]
        except Exception:  # no data that says it, or a network that cannot be built
            return
        for name in sizes:
            counts = [cost[name] for cost in costs]
            if counts and not any(_close(row.metrics[name], n, tolerance) for n in counts):
                yield f"its {name} is {row.metrics[name]}, and counted again {counts[0]}"


def check(
    row: Row | Mapping[str, Any],
    run: RunData | None = None,
    *,
    space: Part | None = None,
    evaluator: Part | None = None,
    reward: Part | None = None,
    child_seed: int | None = None,
    failure_reward: float = 0.0,
    evaluate: bool = False,
    tolerance: float = 0.0,
    trust: Collection[str] = (),
) -> list[str]:
    """Check a claimed result, and return a sentence for each thing that does not fit.

    Args:
        row: A request of ``load_run(…).rows``, or a mapping with ``tokens`` or ``genotype``,
            ``reward`` and ``metrics``, such as an answer of ``nas-gym ask-tell``; what it leaves
            out is not checked.
        run: The run that it is claimed of, from ``load_run``: gives all that follows.
        space: Of its tokens, if there is no ``run``, and so on.
        evaluator: By default what is usual for the space.
        reward: By default what is usual for them.
        child_seed: From which its seed follows; None does not check that.
        failure_reward: Of a child that failed.
        evaluate: Whether it is evaluated again, with its seed. A table always is; of others that
            are built for a known task parameters and multiply-adds are counted all the same.
        tolerance: By how much a figure may then differ, >= 0: 0 for what comes out exactly, as a
            table or a training on the same processor does. Latencies are measured, not compared.
        trust: Modules of the run's own parts; see ``nas_gym.resume``.

    Returns:
        The sentences; none if all fits.

    Raises:
        InvalidOption: ``row`` is no claim, neither ``run`` nor ``space`` is given, or an evaluator
            that keeps a state is to evaluate again.
        NASGymError: A part cannot be made.
    """
    if run is not None:
        checker = Checker.of(checked("run", run, RunData), trust)
    elif space is None:
        raise InvalidOption("nothing says which space is meant: give run or space")
    else:
        made = make("space", space)
        part = usual("evaluator", made) if evaluator is None else evaluator
        judge = make("evaluator", part, space=made)
        chosen = usual_reward(made, judge) if reward is None else reward
        checker = Checker(made, judge, make("reward", chosen), child_seed, failure_reward)
    try:
        return check_rows(checker, [row], evaluate=evaluate, tolerance=tolerance)[0]
    finally:
        checker.evaluator.close()


def check_rows(
    checker: Checker,
    rows: Sequence[Row | Mapping[str, Any]],
    *,
    evaluate: bool = False,
    tolerance: float = 0.0,
) -> list[list[str]]:
    """Return for each request the sentences about what does not fit; see ``check``."""
    evaluate = checked("evaluate", evaluate, bool)
    tolerance = checked("tolerance", tolerance, Tolerance)
    if evaluate and keeps_state(checker.evaluator):
        raise InvalidOption(
            "the evaluator's answers depend on what it was asked before, so that none comes out "
            "again: check without evaluate"
        )
    claims = [(claimed_row(row, checker.space), claimed_fields(row)) for row in rows]
    return [
        list(checker.misfits(row, evaluate=evaluate, tolerance=tolerance, claimed=claimed))
        for row, claimed in claims
    ]


def _close(one: float, other: float, tolerance: float) -> bool:
    return math.isclose(one, other, rel_tol=CLOSE, abs_tol=tolerance)


def _text(data: Any) -> str:
    return json.dumps(data, sort_keys=True)
