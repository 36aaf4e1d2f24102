"""File systems without locks, as some clusters have: one sentence, and nothing is left behind."""

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

import nas_gym
from nas_gym.errors import StoreError
from nas_gym.store import Store
from nas_gym.testing import BitCount, BitString


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EIO])
def test_a_run_that_cannot_be_locked_is_not_begun(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    def search() -> Any:
        return nas_gym.search(
            BitString(3), BitCount(), "random-search", budget=2, run="u", store=tmp_path / "s"
        )

    said = "has no locks, so give a path on a local disk"
    with monkeypatch.context() as m:
        m.setattr(fcntl, "flock", refuses)
        with pytest.raises(StoreError, match=said if number == errno.ENOLCK else "writable"):
            search()
    with Store(tmp_path / "s", must_exist=True) as store:
        assert not store.runs()
    assert len(search().answers) == 2
