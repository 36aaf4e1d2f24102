"""Many trainings at once, each a job of an engine."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from nas_gym.errors import InvalidModel, NASGymError, TrainingDiverged
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.workers.engines.evaluator import EngineEvaluator
from nas_gym.evaluators.workers.engines.naming import executor_of
from nas_gym.models.loading import load_model
from nas_gym.models.training.subject import model_to_send
from nas_gym.models.training.train import Trained, check_place, has_training, train
from nas_gym.options.paths import user_path
from nas_gym.options.printable import printable
from nas_gym.registry import Part
from nas_gym.search_spaces.architecture import Architecture


@dataclass(frozen=True)
class _Trainings:
    """An evaluator whose children are whole trainings, each in a folder of its own."""

    stateful = False

    def evaluate(
        self, architectures: Sequence[Architecture[Any]], seeds: Sequence[int]
    ) -> Iterator[Evaluation]:
        """Train each to its end; one that was begun, here or on a machine that is lost, goes on."""
        for each in architectures:
            try:
                figures = train(**each.genotype, resume=True).model.figures
            except TrainingDiverged as error:  # the others may go well
                yield Evaluation(each, failure=f"error: {error}")
            else:
                names = [n for n in ("accuracy", "perplexity") if f"validation_{n}" in figures]
                yield Evaluation(each, {name: figures[f"validation_{name}"] for name in names})

    def close(self) -> None: ...


def train_many(
    trainings: Sequence[Mapping[str, Any]],
    executor: Part,
    *,
    resume: bool = False,
    say: Callable[[str], None] | None = None,
) -> list[Trained]:
    """Train several networks to their ends, as many at once as an engine has room for.

    A training that crashes, or whose machine is lost, is gone on with from its last checkpoint by
    the next call with ``resume``; a lost machine's also by another one, at once.

    Args:
        trainings: The options of ``train`` for each, with ``to``, a folder that all machines share.
        executor: The engine, as ``search`` takes it; it is closed at the end. A training takes as
            many threads as a job has CPUs (``cpus`` of the engine), unless ``threads`` are given.
        resume: Go on with what is in the folders.
        say: Told when one is done.

    Returns:
        As ``train`` would, in the order of ``trainings``.

    Raises:
        NASGymError: As ``train`` and ``executor_of``; or some failed, when all have ended.
    """
    tell = say or (lambda line: None)
    engine = executor_of(executor)
    threads = max(1, int(getattr(engine, "cpus", 1)))
    places = [user_path(each["to"], "--to").resolve() for each in trainings]
    for place in places:
        if not (resume and has_training(place)):
            check_place(place, replace=False)
    asked = [
        Architecture(
            (n,),
            {
                **each,
                "model": model_to_send(**each),
                "to": str(place),
                "threads": each.get("threads") or threads,
            },
            str(n),
        )
        for n, (each, place) in enumerate(zip(trainings, places, strict=True))
    ]
    evaluator, failures = EngineEvaluator(_Trainings(), cast(Executor, engine)), list[str]()
    try:
        for done in evaluator.evaluate(asked, [0] * len(asked)):
            place = places[done.architecture.tokens[0]]
            what = "is done" if done.failure is None else f"ended: {done.failure}"
            tell(f"the training in {printable(place)} {what}")
            if done.failure is not None:
                failures.append(f"{printable(place)} ({done.failure})")
    finally:
        evaluator.close()
    if failures:
        raise NASGymError(
            f"{len(failures)} of {len(asked)} trainings failed, {failures[0]} the first; go on "
            "with the same options and resume=True"
        )
    trust = [each.get("trust", ()) for each in trainings]
    return [_loaded(place, trusted) for place, trusted in zip(places, trust, strict=True)]


def _loaded(place: Path, trust: Any) -> Trained:
    if not has_training(place):
        raise InvalidModel(
            f"{printable(place)} is not on this machine, where another one has trained: give a "
            "folder on a path that all machines share with to=…"
        )
    return Trained(load_model(place, trust=trust), place)
