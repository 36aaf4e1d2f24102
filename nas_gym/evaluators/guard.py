"""One checked evaluation per job, whatever the evaluator does.

An evaluator may raise, stay silent, answer twice, or give what is no finite number. The guard turns
a child's misfortune into a failed evaluation, and an evaluator's mistake into one sentence.
"""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from annotated_types import Interval

from nas_gym.errors import InvalidOption, NASGymError
from nas_gym.evaluators.doubts import judged
from nas_gym.evaluators.evaluation import Evaluation, Evaluator, Job, asked, settle_evaluator
from nas_gym.evaluators.failures import DETAIL_MOST, FAILURE_MOST, cut, ends_the_process, failed
from nas_gym.evaluators.metrics import METRICS, Metric, is_test_figure, leading_metric
from nas_gym.options import check
from nas_gym.options.printable import shown
from nas_gym.options.scalars import python_number
from nas_gym.registry import unwrapped
from nas_gym.search_spaces.architecture import Architecture

SOURCE_MOST = 200  # characters of a source
LONGEST = 1e15  # seconds of a child; the sum of many is still a number


class Guard:
    """Asks an evaluator, and passes on only what an evaluator should give.

    Args:
        evaluator: Gives the numbers.
        final: Whether figures of the test part may pass: in the workers of a final validation.
    """

    def __init__(self, evaluator: Evaluator, final: bool = False) -> None:
        self.evaluator = evaluator
        self._final = final
        self._settled = False
        self._leading = leading_metric(unwrapped(evaluator))
        # By the names of metrics that may be seen: the least and the largest value of each.
        self._ranges: dict[tuple[str, ...], list[tuple[float, float]]] = {}

    def settle(self) -> None:
        """Let the evaluator find what concerns all children, if it has not been asked to yet.

        Data that comes with what is installed is loaded only with the first child.
        """
        if not self._settled:
            if not getattr(unwrapped(self.evaluator), "built_in_data", False):
                settle_evaluator(self.evaluator)
            self._settled = True

    def evaluations(self, jobs: Mapping[int, Job]) -> Iterator[tuple[int, Evaluation]]:
        """Yield the position of each job with its evaluation, as they finish.

        Args:
            jobs: What is asked, by any positions; those come back, each exactly once.

        Raises:
            InvalidOption: What the evaluator gave is no ``Evaluation``, was not asked for, has a
                figure that is no number or out of its range, or shows one of the test part.
        """
        while jobs:
            # Answers are known by their tokens: what is asked twice (with two seeds) has to wait.
            waiting: dict[tuple[int, ...], int] = {}
            later: dict[int, Job] = {}
            for position, job in jobs.items():
                if waiting.setdefault(job.architecture.tokens, position) != position:
                    later[position] = job
            for evaluation in self._answers([jobs[position] for position in waiting.values()]):
                position, checked = self._checked(evaluation, waiting)
                yield position, judged(self.evaluator, _of_part(checked, jobs[position]))
            for position in waiting.values():
                silent = "error: the evaluator gave no answer"
                job = jobs[position]
                yield position, _of_part(Evaluation(job.architecture, failure=silent), job)
            jobs = later

    def answer(self, evaluation: Any, job: Job) -> Evaluation:
        """Return the answer to one job, checked as those of ``evaluations`` are."""
        _, checked = self._checked(evaluation, {job.architecture.tokens: 0})
        return judged(self.evaluator, _of_part(checked, job))

    def recorded(self, evaluation: Evaluation) -> Evaluation:
        """Return what another run has recorded, checked as what the evaluator says itself.

        Raises:
            InvalidOption: A figure out of its range: whoever wrote that record had no such guard.
        """
        try:
            self._numbers(evaluation.metrics)
        except InvalidOption as error:
            raise InvalidOption(
                f"another run of this store recorded what no evaluator may say ({error}): name "
                "another store with store=…, or give another child_seed=…, to train anew"
            ) from error
        return judged(self.evaluator, evaluation)

    def _answers(self, jobs: Sequence[Job]) -> Iterator[Evaluation]:
        """Yield what the evaluator answers; if it raises, ask once more for each child left.

        A child for which it raises again has failed, as it would in a worker process.
        """
        answered = set()
        start, answers = time.perf_counter(), None
        while True:  # nothing is yielded inside ``try``: what the caller raises is no child's
            try:
                if answers is None:
                    answers = _iterator(asked(self.evaluator, jobs))
                evaluation = next(answers)
            except StopIteration:
                return
            except NASGymError:
                raise
            except (Exception, SystemExit) as error:  # ``sys.exit`` of a child ends the child
                if ends_the_process(error):  # as test runners and event loops do by other classes
                    raise
                fault = failed(jobs[0].architecture, error, max(0.0, time.perf_counter() - start))
                break
            if isinstance(getattr(evaluation, "architecture", None), Architecture):
                answered.add(evaluation.architecture.tokens)
            yield evaluation
        if len(jobs) == 1:
            yield fault
            return
        for job in jobs:
            if job.architecture.tokens not in answered:
                yield from self._answers([job])

    def _checked(
        self, evaluation: Evaluation, waiting: dict[tuple[int, ...], int]
    ) -> tuple[int, Evaluation]:
        """Return whose answer this is, no longer ``waiting``, and the evaluation to go on with."""
        evaluation = _with_fields(evaluation)
        position = waiting.pop(evaluation.architecture.tokens, None)
        if position is None:
            raise InvalidOption(
                f"the evaluator answered {evaluation.architecture.tokens} once more than it "
                "was asked: an evaluator yields one Evaluation per architecture"
            )
        metrics, failure = self._numbers(evaluation.metrics)
        failure = evaluation.failure or failure
        if failure is not None:
            detail = evaluation.detail
            evaluation = replace(
                evaluation,
                metrics={},
                failure=cut(failure, FAILURE_MOST),
                detail=None if detail is None else cut(detail, DETAIL_MOST),
                curve=(),
            )
        elif metrics is not evaluation.metrics:
            evaluation = replace(evaluation, metrics=metrics)
        if evaluation.curve:
            evaluation = replace(evaluation, curve=self._curve(evaluation.curve))
        return position, evaluation

    def _curve(self, curve: Any) -> tuple[float, ...]:
        """Return the value of the leading metric after each epoch, in its range.

        Raises:
            InvalidOption: A value that is no finite number, or out of its range.
        """
        name = self._leading.name
        least, most = _range_of(name, self._leading)
        values = tuple(_number(f"{name} in a curve", value) for value in curve)
        for value in values:
            if not (_is_finite(value) and least <= value <= most):
                raise InvalidOption(
                    f"{name} in a curve is {shown(value)}: give {_in_words(name, least, most)}"
                )
        return values

    def _numbers(self, metrics: Mapping[str, Any]) -> tuple[Mapping[str, float], str | None]:
        """Return the metrics as Python's numbers, and the failure if one is no finite number.

        Raises:
            InvalidOption: A metric that is no number, is out of its range, or of the test part.
        """
        names = tuple(metrics)
        ranges = self._ranges.get(names)
        if ranges is None:
            _refuse_names(names, self._final)
            ranges = self._ranges[names] = [_range_of(name, self._leading) for name in names]
        for value, (least, most) in zip(metrics.values(), ranges, strict=True):
            if (type(value) is not float and type(value) is not int) or not least <= value <= most:
                break
        else:  # as almost always
            return metrics, None
        plain = {}
        for (name, given), (least, most) in zip(metrics.items(), ranges, strict=True):
            value = None if given is None else _number(name, given)
            if value is None or not _is_finite(value):
                return {}, f"error: the metric {name} is {shown(given)}"
            if not least <= value <= most:
                raise InvalidOption(
                    f"{name} is {shown(given)}: give {_in_words(name, least, most)}"
                )
            plain[name] = value
        return plain, None


def _iterator(answers: Any) -> Iterator[Any]:
    """Return an iterator over what ``evaluate`` gave, else raise InvalidOption."""
    if not isinstance(answers, Iterable):
        raise InvalidOption(
            f"the evaluator gave {shown(answers)}: an evaluator yields Evaluation objects"
        )
    return iter(answers)


def _with_fields(evaluation: Any) -> Evaluation:
    """Return the evaluation if its fields are of the right types, else raise InvalidOption."""
    if not isinstance(evaluation, Evaluation):
        raise InvalidOption(
            f"the evaluator gave {shown(evaluation)}: an evaluator yields Evaluation objects"
        )
    e: Any = evaluation
    texts = all(each is None or type(each) is str for each in (e.failure, e.detail))
    if (
        type(e.seconds) is float and 0.0 <= e.seconds <= LONGEST
        and type(e.architecture) is Architecture and isinstance(e.metrics, Mapping)
        and type(e.source) is str and len(e.source) <= SOURCE_MOST and texts and e.failure != ""
        and type(e.curve) is tuple
    ):  # fmt: skip
        return evaluation
    checked = {n: check(f"{n} of an Evaluation", getattr(e, n), kind) for n, kind in _FIELDS}
    if e.failure == "":
        raise InvalidOption("failure of an Evaluation is '': say why it failed, or give None")
    if len(e.source) > SOURCE_MOST:
        raise InvalidOption(
            f"source of an Evaluation has {len(e.source):,} characters: give a word"
        )
    return replace(evaluation, **checked)


_FIELDS: tuple[tuple[str, Any], ...] = (
    ("architecture", Architecture),
    ("metrics", Mapping),
    ("seconds", Annotated[float, Interval(ge=0, le=LONGEST)]),
    ("source", str),
    ("failure", str | None),
    ("detail", str | None),
    ("curve", tuple[float, ...]),
)


def _of_part(evaluation: Evaluation, job: Job) -> Evaluation:
    """Return the evaluation with how far the child was to be trained."""
    epochs = job.fidelity.epochs
    return evaluation if evaluation.epochs == epochs else replace(evaluation, epochs=epochs)


def _range_of(name: str, leading: Metric) -> tuple[float, float]:
    """Return the least and the largest value that a metric may have."""
    known = {**METRICS, leading.name: leading}.get(name.removeprefix("final_"))
    least, most = (None, None) if known is None else (known.least, known.most)
    largest = sys.float_info.max
    return -largest if least is None else least, largest if most is None else most


def _in_words(name: str, least: float, most: float) -> str:
    if (least, most) == (0, 1):
        return "a fraction from 0 to 1 (percent divided by 100)"
    if most == sys.float_info.max:
        return f"a number of {least:g} or more"
    return f"a number from {least:g} to {most:g}"


def _number(name: str, given: Any) -> float:
    """Return a number of Python, numpy or torch as Python's own."""
    value = python_number(given)
    if value is None:
        raise InvalidOption(f"{name} is {shown(given)}: an evaluator gives numbers as metrics")
    return value


def _is_finite(value: float) -> bool:
    return abs(value) <= sys.float_info.max  # whole numbers may be larger than any float


def _refuse_names(names: Sequence[str], final: bool) -> None:
    """Raise InvalidOption if a metric is named like a figure of the test part, or has no name."""
    for name in names:
        if not isinstance(name, str):
            raise InvalidOption(
                f"the evaluator reports {shown(name)}: give a text as a metric's name"
            )
        if is_test_figure(name) and not final:
            raise InvalidOption(
                f"the evaluator reports {name!r}: no search may see a figure of the test part, "
                "so leave it out of the metrics, or rename it if it is a validation figure"
            )
