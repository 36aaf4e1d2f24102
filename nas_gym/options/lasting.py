"""Output that is closed or full never ends the work."""

import os
from contextlib import suppress
from typing import Any


class LastingStream:
    """A text stream that swallows what cannot be written, and remembers why in ``lost``."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.lost: Exception | None = None

    def write(self, text: str) -> int:
        """Write, unless the stream is lost."""
        if self.lost is None:
            try:
                self.stream.write(text)
            except (OSError, ValueError) as error:  # the second: it was closed in this process
                self._lose(error)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write all."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand on what was written."""
        if self.lost is None:
            try:
                self.stream.flush()
            except (OSError, ValueError) as error:
                self._lose(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def _lose(self, error: Exception) -> None:
        """Send the rest nowhere: Python flushes the stream once more when it ends."""
        self.lost = error
        with suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)
