"""One checked evaluation per job, whatever the evaluator does.

An evaluator may raise, stay silent, answer twice, or give what is no finite number. The guard turns
a child's misfortune into a failed evaluation, and an evaluator's mistake into one sentence.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from nas_gym.errors import InvalidOption, NASGymError
from nas_gym.evaluators.evaluation import Evaluation, Evaluator, Job
from nas_gym.evaluators.failures import failed
from nas_gym.evaluators.metrics import is_test_figure

LONGEST = 1e15  # seconds of a child; the sum of many is still a number


class Guard:
    """Asks an evaluator, and passes on only what an evaluator should give.

    Args:
        evaluator: Gives the numbers.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self._harmless: set[tuple[str, ...]] = set()  # names of metrics that may be seen

    def evaluations(self, jobs: Mapping[int, Job]) -> Iterator[tuple[int, Evaluation]]:
        """Yield the position of each job with its evaluation, as they finish.

        Args:
            jobs: What is asked, by any positions; those come back, each exactly once.

        Raises:
            InvalidOption: What the evaluator gave is no ``Evaluation``, was not asked for, or
                shows a figure of the test part.
        """
        while jobs:
            # Answers are known by their tokens: what is asked twice (with two seeds) has to wait.
            waiting: dict[tuple[int, ...], int] = {}
            later: dict[int, Job] = {}
            for position, job in jobs.items():
                if waiting.setdefault(job.architecture.tokens, position) != position:
                    later[position] = job
            for evaluation in self._answers([jobs[position] for position in waiting.values()]):
                yield self._checked(evaluation, waiting)
            for position in waiting.values():
                silent = "error: the evaluator gave no answer"
                yield position, Evaluation(jobs[position].architecture, failure=silent)
            jobs = later

    def _answers(self, jobs: Sequence[Job]) -> Iterator[Evaluation]:
        """Yield what the evaluator answers; if it raises, ask once more for each child left.

        A child for which it raises again has failed, as it would in a worker process.
        """
        answered = set()
        architectures, seeds = zip(*jobs, strict=True)
        try:
            for evaluation in self.evaluator.evaluate(architectures, seeds):
                if isinstance(evaluation, Evaluation):
                    answered.add(evaluation.architecture.tokens)
                yield evaluation
            return
        except NASGymError:
            raise
        except Exception as error:
            if len(jobs) == 1:
                yield failed(architectures[0], error, 0.0)
                return
        for job in jobs:
            if job.architecture.tokens not in answered:
                yield from self._answers([job])

    def _checked(
        self, evaluation: Evaluation, waiting: dict[tuple[int, ...], int]
    ) -> tuple[int, Evaluation]:
        """Return whose answer this is, no longer ``waiting``, and the evaluation to go on with."""
        if not isinstance(evaluation, Evaluation):
            raise InvalidOption(
                f"the evaluator gave {evaluation!r}: an evaluator yields Evaluation objects"
            )
        position = waiting.pop(evaluation.architecture.tokens, None)
        if position is None:
            raise InvalidOption(
                f"the evaluator answered {evaluation.architecture.tokens} once more than it "
                "was asked: an evaluator yields one Evaluation per architecture"
            )
        names = tuple(evaluation.metrics)
        if names not in self._harmless:
            _refuse_test_figures(names)
            self._harmless.add(names)
        failure = evaluation.failure or _not_finite(evaluation.metrics)
        if failure is not None:
            evaluation = replace(evaluation, metrics={}, failure=failure)
        if not _is_time(evaluation.seconds):  # no store would be read again with it
            failure = evaluation.failure or f"error: the time is {evaluation.seconds!r} seconds"
            evaluation = replace(evaluation, metrics={}, failure=failure, seconds=0.0)
        return position, evaluation


def _refuse_test_figures(names: Sequence[str]) -> None:
    """Raise InvalidOption if a metric is named like a figure of the test part."""
    for name in names:
        if is_test_figure(name):
            raise InvalidOption(
                f"the evaluator reports {name!r}: no search may see a figure of the test part, "
                "so leave it out of the metrics, or rename it if it is a validation figure"
            )


def _is_time(seconds: object) -> bool:
    try:
        return 0 <= seconds <= LONGEST  # type: ignore[operator]
    except TypeError:
        return False


def _not_finite(metrics: Mapping[str, float]) -> str | None:
    """Return the failure if a metric is no finite number, else None."""
    try:
        if all(map(math.isfinite, metrics.values())):
            return None
    except TypeError:
        pass
    for name, value in metrics.items():
        try:
            finite = math.isfinite(value)
        except TypeError:
            finite = False
        if not finite:
            return f"error: the metric {name} is {value!r}"
    return None
