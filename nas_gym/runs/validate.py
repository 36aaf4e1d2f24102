"""Final validation: the best of a run trained again with new seeds, then measured on the test part.

The only place that opens the test part, and it opens it for architectures that are chosen already.
For a table the test figures are looked up.
"""

import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from nas_gym.envs.children import child_seed
from nas_gym.errors import InvalidSpace, InvalidTokens, StoreError
from nas_gym.evaluators.doubts import judged
from nas_gym.evaluators.evaluation import Evaluation, Evaluator, Validation
from nas_gym.evaluators.metrics import ACCURACY, BALANCED_ACCURACY, Metric, leading_metric
from nas_gym.evaluators.tables.tabular import TabularEvaluator
from nas_gym.evaluators.workers.spread import in_workers
from nas_gym.evaluators.workers.starting import start_server
from nas_gym.options import check
from nas_gym.options.counts import Trainings, Workers
from nas_gym.registry import Part
from nas_gym.runs.config import recorded_parts
from nas_gym.runs.findings import best_rows, protocol_text
from nas_gym.runs.retrain import check_only_looked_up, final_training, look_up, table_of
from nas_gym.search_spaces.architecture import Architecture, architecture_of, genotype_to_json
from nas_gym.search_spaces.grammar import SearchSpace
from nas_gym.store import Row, RunData
from nas_gym.store.long_runs import column
from nas_gym.training.named import AnyRecipe

if TYPE_CHECKING:
    from nas_gym.training.images.sources import Dataset
    from nas_gym.training.text.dataset import TextDataset

RETRIED = ("timeout", "crashed", "out of memory")  # failures that other limits may spare a child


class Planned(NamedTuple):
    """One training to come."""

    row: Row  # what the search recorded of the architecture
    seed: int  # in [0, 2**31); the search used another


def validate(
    run: RunData,
    *,
    best: int = 3,
    repeats: int = 3,
    recipe: AnyRecipe | None = None,
    dataset: "str | Dataset | TextDataset | None" = None,
    folder: str | None = None,
    workers: int = 0,
    timeout: float | None = None,
    memory_limit: float | None = None,
    executor: Part | None = None,
    save: Callable[[Validation], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
    trust: Collection[str] = (),
    image_size: int | None = None,
    device: str | None = None,
) -> list[Validation]:
    """Train the best architectures of a run again and measure them on the test part.

    Which ones is settled before anything is trained, and a test figure is taken only when its
    training is over. Seeds follow from the run's seed, the architecture and the number of the
    repeat. Trainings that ``run.validations`` has are not done again, so a validation that was cut
    goes on where it was when it is asked for again; only a training that failed for want of time
    or memory is tried once more.

    Args:
        run: From ``load_run``; its evaluator must have trained its children, or be a table with
            test accuracies, which are then looked up.
        best: Different architectures with the highest rewards; all if there are fewer.
        repeats: Trainings of each, as ``best`` in [1, 1,000,000].
        recipe: How; a name, ``{"name": …}`` with fields to replace, or a recipe of the kind that
            the run had. As in the search by default; a mapping without a name has fields to
            replace in the run's own (``repeats`` and ``filters`` make the network larger).
        dataset: The run's data set, if it lies elsewhere now or was given as an object.
        folder: Where the files of a named data set lie now.
        workers: Processes that train; 0 trains in this one. The calling script then needs
            ``if __name__ == "__main__":``.
        timeout: Seconds that a training may take, > 0; needs workers or an engine. None for no
            limit.
        memory_limit: GiB that a training may allocate, > 0, as before. None for no limit.
        executor: As for ``search``, instead of workers.
        save: Told of each training as it finishes, before the next is waited for.
        progress: Told how many of how many trainings are done: first, and after each ``save``.
        trust: Modules, or packages, of the user's own search space and evaluator: see ``resume``.
        image_size: Side in pixels at which a folder's images are read, >= 1; as in the search by
            default. That the images are those of the search is checked at the size of then.
        device: Device that trains, or several, as ``TrainingEvaluator`` takes it; by default as in
            the search. Trainings on a GPU and on a CPU are kept apart.

    Returns:
        All trainings asked for, those of ``run.validations`` among them: by rank, then repeat.

    Raises:
        InvalidOption: A number out of range, or a run whose children were not trained.
        StoreError: The run has no architecture that was evaluated without a failure.
        InvalidDataset: The data cannot be read, or is not the data of the search.
        UnknownName: No such recipe, or no such value in it.
        UntrustedModule: The run has a part from a module that ``trust`` does not name.
    """
    check("run", run, RunData)
    recorded_parts(run, ("seed",))
    table = table_of(run, trust)
    if table is not None:
        check_only_looked_up(run, recipe=recipe, image_size=image_size, device=device)
        return _look_up(run, table, best, save)
    planned = planned_trainings(run, best, repeats)
    workers = check("workers", workers, Workers)
    if workers > 0 and len(planned) > len(run.validations):
        start_server()  # it loads torch while this process loads the data
    evaluator = final_training(run, recipe, dataset, folder, trust, image_size, device)
    protocol, leading = evaluator.protocol, leading_metric(evaluator)
    done = _recorded(run, protocol)
    missing = [p for p in planned if (p.row.key, p.seed) not in done]
    jobs = [_job(evaluator.space, p) for p in missing]
    asked = {job.key: p for job, p in zip(jobs, missing, strict=True)}
    finished = len(planned) - len(missing)
    tell = progress or (lambda finished, total: None)
    spread_out: Evaluator = in_workers(
        evaluator, workers, timeout=timeout, memory_limit=memory_limit, executor=executor
    )
    tell(finished, len(planned))
    try:
        for evaluation in spread_out.evaluate(jobs, [p.seed for p in missing]):
            judged(evaluator, evaluation)
            row, seed = asked[evaluation.architecture.key]
            validation = _validation(evaluation, row, seed, protocol, leading)
            done[row.key, seed] = validation
            if save is not None:
                save(validation)
            finished += 1
            tell(finished, len(planned))
    finally:
        spread_out.close()
    return [done[p.row.key, p.seed] for p in planned]


def _look_up(
    run: RunData, table: TabularEvaluator, best: int, save: Callable[[Validation], None] | None
) -> list[Validation]:
    best = check("best", best, Trainings)
    validations = look_up(run, table, best)
    for validation in validations:
        if save is not None and validation not in run.validations:
            save(validation)
    return validations


def planned_trainings(run: RunData, best: int, repeats: int) -> list[Planned]:
    """Plan what ``validate`` trains: the ``best`` architectures by rank, ``repeats`` times each.

    Raises:
        InvalidOption: A number below 1.
        StoreError: The run has no architecture that was evaluated without a failure.
    """
    best, repeats = check("best", best, Trainings), check("repeats", repeats, Trainings)
    rows = best_rows(run, best)
    if not rows:
        raise StoreError(
            f"run {run.name!r} has no architecture that was evaluated without a failure: there is "
            "nothing to validate"
        )
    used = {*column(run.rows, "seed"), *(row.seed for row in run.unanswered)}
    return [Planned(row, seed) for row in rows for seed in _new_seeds(run, row.key, used, repeats)]


def _new_seeds(run: RunData, key: str, used: set[int], repeats: int) -> list[int]:
    """Return the first ``repeats`` seeds of an architecture's trainings; none is in ``used``."""
    seeds: dict[int, None] = {}
    for times in count():
        seed = child_seed(run.config["seed"], f"validation:{key}", times)
        if seed not in used:
            seeds[seed] = None
        if len(seeds) == repeats:
            break
    return list(seeds)


def _recorded(run: RunData, protocol: Mapping[str, Any]) -> dict[tuple[str, int], Validation]:
    """Return the run's final trainings under ``protocol`` that stand, by key and seed."""
    text = protocol_text(protocol)
    same = (v for v in run.validations if protocol_text(v.protocol) == text)
    return {(v.key, v.seed): v for v in same if v.failure not in RETRIED}


def _job(space: SearchSpace[Any], planned: Planned) -> Architecture[Any]:
    """Return the architecture to train, under a key of its own that tells its result apart."""
    row, seed = planned
    try:
        architecture = architecture_of(space, row.tokens)
        same = _text(genotype_to_json(architecture.genotype)) == _text(row.genotype)
    except InvalidTokens:
        same = False
    if not same:
        raise InvalidSpace(
            f"{type(space).__name__}, made again from the record, gives other architectures than "
            "in the search: its code has changed, or it had options that cannot be recorded"
        )
    return replace(architecture, key=f"{seed}:{row.key}")


def _text(genotype: Any) -> str:
    return json.dumps(genotype, sort_keys=True)


def _validation(
    evaluation: Evaluation, row: Row, seed: int, protocol: Mapping[str, Any], leading: Metric
) -> Validation:
    metrics, failure = evaluation.metrics, evaluation.failure
    finite = all(map(math.isfinite, metrics.values()))
    if failure is None and (leading.test_name not in metrics or not finite):
        failure = "diverged"  # on the test part
    more = [metric for metric in (*leading.shown, BALANCED_ACCURACY) if metric != ACCURACY]
    kept = [*(metric.name for metric in more), *(metric.test_name for metric in more)]
    return Validation(
        key=row.key,
        tokens=row.tokens,
        seed=seed,
        accuracy=metrics.get(ACCURACY.name) if failure is None else None,
        test_accuracy=metrics.get(ACCURACY.test_name) if failure is None else None,
        seconds=evaluation.seconds,
        failure=failure,
        detail=evaluation.detail,
        protocol=protocol,
        metrics={n: metrics[n] for n in kept if n in metrics} if failure is None else {},
    )
