"""The command, which does nothing more after a line on stderr that begins with a text.

``python held.py "epoch 1/" train …`` is to be killed: however late that happens, it has not ended.
"""

import sys
import time
from typing import Any

from nas_gym.cli.main import main


class EndlessLine:
    """A stream with one line after which its process stops for good."""

    def __init__(self, stream: Any, begins: str) -> None:
        self._stream, self._begins = stream, begins
        self._met = False

    def write(self, text: str) -> int:
        """Write on, and stop at the end of that line."""
        written: int = self._stream.write(text)
        self._met = self._met or text.startswith(self._begins)
        if self._met and text.endswith("\n"):
            self._stream.flush()
            time.sleep(1000)
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


if __name__ == "__main__":
    sys.stderr = EndlessLine(sys.stderr, sys.argv.pop(1))
    main()
