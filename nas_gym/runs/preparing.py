"""Progress of what comes before the first child, or of one training, on stderr."""

import time

from rich.console import Console

from nas_gym.runs.bars import LaterBar

PATIENCE = 2.0  # seconds of a preparation before it is shown


class PreparationProgress(LaterBar):
    """Files of a data set that are read, and the like; nothing is drawn if that takes no time.

    Args:
        console: Where to draw; stderr by default.
        title: What all of it belongs to.
    """

    def __init__(
        self, console: Console | None = None, title: str = "before the first child"
    ) -> None:
        super().__init__(title, None, console)
        self.what, self.done = "", 0

    def show(self, what: str, done: int, total: int) -> None:
        """Show how much of a preparation is done: ``nas_gym.training.preparation.Listener``."""
        now = time.monotonic()
        if what != self.what or done < self.done:
            self._begun = self._said = now
        self.what, self.done, self.total = what, done, total
        if not self.running and done < total and now - self._begun >= PATIENCE:
            self.running = True
            self._bar.start()
        if self.running:
            self._bar.update(self._task, total=total)
            left = (now - self._begun) / max(done, 1) * (total - done)
            self._show(done, f"{what}, {self._eta(left)}", f"{self._line()}, {self._eta(left)}")
        if self.running and done == total:
            self.__exit__(None, None, None)
            self.running = False

    def _line(self) -> str:
        return f"{self.done:,}/{self.total or 0:,} {self.what}"
