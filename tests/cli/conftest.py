from collections.abc import Callable
from pathlib import Path

import pytest

from nas_gym.cli.main import main


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def run() -> Callable[..., int]:
    """The command with these arguments, in this process; its exit status."""

    def status(*arguments: str) -> int:
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        return int(exit_.value.code or 0)

    return status
