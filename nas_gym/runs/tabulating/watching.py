"""What a run tells a table that is being made."""

import logging
from collections.abc import Callable, Sequence

from nas_gym.envs.recorder import Answer, Recorder
from nas_gym.runs.tabulating.sheet import Sheet

_log = logging.getLogger("nas_gym")


class SheetWatcher(Recorder):
    """Puts what the runs of a table evaluate into its sheet.

    Args:
        sheet: Where to.
        progress: Called after that.
    """

    number = 0  # of the seed whose run it watches

    def __init__(self, sheet: Sheet, progress: Callable[[], None]) -> None:
        self.sheet, self.progress = sheet, progress
        self._doubted = False

    def started(self) -> None:
        """Do nothing: nothing is trained yet."""

    def replayed(self, first: int, answers: Sequence[Answer]) -> None:
        """Keep what the run's record has."""
        before = self.sheet.trained
        self._keep(answers, said=False)
        self.sheet.recorded += self.sheet.trained - before
        self.progress()

    def evaluated(self, answer: Answer, seed: int) -> None:
        """Keep a new evaluation."""
        self._keep([answer])

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """Keep what another run of the store has trained."""
        self._keep(answers)

    def doubted(self, said: str) -> None:
        """Log what is wrong with a network, once for all seeds."""
        if not self._doubted:
            self._doubted = True
            _log.warning("%s", said)

    def _keep(self, answers: Sequence[Answer], said: bool = True) -> None:
        for answer in answers:
            self.sheet.add(self.number, answer.evaluation)
        self.sheet.save_sometimes()
        if said:
            self.progress()
