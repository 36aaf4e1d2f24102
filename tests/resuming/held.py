"""The command, whose main process stops for good when so many evaluations are recorded.

``python held.py 8 search …`` is to be killed: however late that happens, it has not ended before.
"""

import sys
import time
from typing import Any

from nas_gym.cli.main import main
from nas_gym.store.recorder import RunRecorder


def hold(left: int) -> None:
    """Let no more evaluations be recorded than ``left``."""
    evaluated = RunRecorder.evaluated

    def held(self: RunRecorder, *told: Any) -> None:
        nonlocal left
        evaluated(self, *told)
        left -= 1
        if left <= 0:
            time.sleep(1000)

    RunRecorder.evaluated = held  # type: ignore[method-assign]


if __name__ == "__main__":
    hold(int(sys.argv.pop(1)))
    main()
