"""A search as TensorBoard shows it while it goes on: scalars, drawings, hyperparameters.

What is written goes through TensorBoard's own writer, which needs neither TensorFlow nor torch.
"""

import io
import logging
import math
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nas_gym.drawing.plain import plain_style
from nas_gym.envs.recorder import Answer, Recorder
from nas_gym.errors import InvalidOption, not_installed
from nas_gym.evaluators.evaluation import rank
from nas_gym.options.paths import user_path
from nas_gym.options.printable import printable
from nas_gym.runs.hyperparameters import Plain, hyperparameters
from nas_gym.search_spaces.rendering import draw_genotype, genotype_as_text

FOLDER = "tensorboard"  # of a run's files
FLUSH_SECONDS = 5  # after which what was written can be read at the latest
DRAWING_SECONDS = 10  # between two drawings, at least
WINDOW = 100  # requests, of which the different architectures are counted
BEST = "best_reward"  # the tag by which it is seen how far the files go

_log = logging.getLogger("nas_gym")


class TensorBoard(Recorder):
    """A watcher that writes a search into a folder that TensorBoard reads.

    One step is one request of the agent, from 0. Scalars: ``reward``, ``best_reward`` (of those
    trained furthest), ``metrics/…`` and ``search/…``: seconds of the training, failures, answers
    from the memo, different architectures among the last 100 requests. The best architecture is
    drawn and written in words whenever it changes, every ten seconds at most. Hyperparameters are
    the options of all parts, seeds and budget.

    A search that goes on goes on in the same folder: what a kill kept from the files is written
    then, and no step twice. Trouble with the files is logged and ends no search.

    Args:
        folder: Where to, made if it is not there; each run needs a folder of its own.

    Raises:
        InvalidOption: TensorBoard is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            import tensorboard.summary  # noqa: F401
        except ImportError as error:
            raise InvalidOption(
                not_installed("what TensorBoard reads", error.name, "tensorboard")
            ) from error
        self.folder = user_path(folder, "folder")
        self._space: Any = None
        self._hyperparameters: dict[str, Plain] = {}
        self._writer: Any = None
        self._broken = False
        self._written = 0  # steps that the files have
        self._best: tuple[tuple[float, float], int, Answer] | None = None  # rank, step
        self._undrawn = False
        self._next_drawing = 0.0  # of time.monotonic()
        self._failed = self._memo = 0
        self._last: deque[str] = deque(maxlen=WINDOW)  # keys

    def begun(self, parts: Mapping[str, Any], config: Mapping[str, Any]) -> None:
        """Take note of what is searched, and how."""
        self._space = parts["space"]
        self._hyperparameters = hyperparameters(parts, config)

    def started(self) -> None:
        """Begin a file."""
        self._safely(self._open)

    def replayed(self, first: int, answers: Sequence[Answer]) -> None:
        """Write what the files do not have yet of requests that the record answered."""
        self._safely(self._add, first, answers)

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """Write requests, and draw the best architecture if it is time to."""
        self._safely(self._add, first, answers)
        if self._undrawn and time.monotonic() >= self._next_drawing:
            self._safely(self._draw)

    def close(self) -> None:
        """Write the rest; safe to call twice."""
        if self._writer is not None:
            if self._undrawn:
                self._safely(self._draw)
            self._safely(self._writer.close)
            self._writer = None

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write the rest."""
        self.close()

    def _safely(self, work: Any, *given: Any) -> None:
        """Do it; no picture is worth a search."""
        if self._broken:
            return
        try:
            work(*given)
        except Exception as error:
            self._broken = True
            _log.warning("TensorBoard's files in %s cannot be written: %s", self.folder, error)

    def _open(self) -> None:
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._written = steps_in(self.folder)
        self._writer = EventFileWriter(str(self.folder), 1_000, FLUSH_SECONDS)
        if self._hyperparameters and not self._written:  # the first ones stay
            began = time.time()
            summary = hparams_pb(self._hyperparameters, str(self.folder), began)
            self._write(0, summary.value)

    def _add(self, first: int, answers: Sequence[Answer]) -> None:
        for step, answer in enumerate(answers, first):
            evaluation, reward = answer
            self._failed += evaluation.failure is not None
            self._memo += evaluation.source == "memo"
            self._last.append(evaluation.architecture.key)
            ranked = rank(evaluation.epochs, reward)
            better = self._best is None or ranked < self._best[0]
            if evaluation.failure is None and better:
                self._best, self._undrawn = (ranked, step, answer), step >= self._written
            if step >= self._written:
                self._write(step, self._scalars(answer))

    def _scalars(self, answer: Answer) -> list[Any]:
        from tensorboard.compat.proto.summary_pb2 import Summary

        evaluation, reward = answer
        failed = evaluation.failure is not None
        values = {
            **({} if failed else {"reward": reward}),
            **({} if self._best is None else {BEST: self._best[2].reward}),
            **{f"metrics/{name}": value for name, value in evaluation.metrics.items()},
            "search/seconds": evaluation.seconds,
            "search/failed": self._failed,
            "search/from_memo": self._memo,
            f"search/different_of_{WINDOW}": len(set(self._last)),
        }
        return [
            Summary.Value(tag=tag, simple_value=value)
            for tag, value in values.items()
            if math.isfinite(value)
        ]

    def _draw(self) -> None:
        assert self._best is not None
        _, step, answer = self._best
        tokens = answer.evaluation.architecture.tokens
        self._undrawn = False
        begun = time.monotonic()
        try:
            self._write(step, list(_shown(self._space, tokens)))
        except Exception as error:  # of a user's ``draw``
            _log.debug("the best architecture cannot be drawn: %s", error)
        now = time.monotonic()
        self._next_drawing = now + max(DRAWING_SECONDS, 20 * (now - begun))

    def _write(self, step: int, values: Sequence[Any]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        summary = Summary(value=values)
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))


def steps_in(folder: Path) -> int:
    """Return how many requests TensorBoard's files in a folder have, the first ones of a run."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    steps = 0
    for file in sorted(folder.glob("events.out.tfevents.*")):
        for event in LegacyEventFileLoader(str(file)).Load():
            if any(value.tag.startswith("search/") for value in event.summary.value):
                steps = max(steps, event.step + 1)
    return steps


def _shown(space: Any, tokens: Sequence[int]) -> Iterator[Any]:
    """Yield an architecture as a picture and in words."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.plugins.text.metadata import create_summary_metadata

    picture = io.BytesIO()
    with plain_style():
        figure = draw_genotype(space, tokens)
        figure.savefig(picture, format="png", dpi=100)
    width, height = (round(100 * inches) for inches in figure.get_size_inches())
    image = Summary.Image(
        height=height, width=width, colorspace=4, encoded_image_string=picture.getvalue()
    )
    yield Summary.Value(tag="best_architecture", image=image)
    words = printable(genotype_as_text(space, tokens), lines=True)
    text = "\n".join(f"    {line}" for line in words.splitlines())  # as it is, in Markdown
    yield Summary.Value(
        tag="best_architecture_in_words",
        metadata=create_summary_metadata(None, None),
        tensor=TensorProto(
            dtype="DT_STRING",
            string_val=[text.encode()],
            tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)]),
        ),
    )
