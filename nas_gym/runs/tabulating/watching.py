"""What a run tells a table that is being made."""

from collections.abc import Callable, Sequence

from nas_gym.envs.recorder import Answer, Recorder
from nas_gym.runs.tabulating.sheet import Sheet


class SheetWatcher(Recorder):
    """Puts what a run evaluates into a sheet.

    Args:
        sheet: Where to.
        number: Of the seed.
        progress: Called after that.
    """

    def __init__(self, sheet: Sheet, number: int, progress: Callable[[], None]) -> None:
        self.sheet, self.number, self.progress = sheet, number, progress

    def started(self) -> None:
        """Do nothing: nothing is trained yet."""

    def replayed(self, first: int, answers: Sequence[Answer]) -> None:
        """Keep what the run's record has."""
        self._keep(answers)

    def evaluated(self, answer: Answer, seed: int) -> None:
        """Keep a new evaluation."""
        self._keep([answer])

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """Keep what another run of the store has trained."""
        self._keep(answers)

    def _keep(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            self.sheet.add(self.number, answer.evaluation)
        self.sheet.save_sometimes()
        self.progress()
