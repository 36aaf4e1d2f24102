"""Figures as files, without a display."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nas_gym.drawing import save
from nas_gym.errors import InvalidOption, StoreError
from nas_gym.search_spaces.nasnet_cell.drawing import (
    draw_cells,
)
from nas_gym.search_spaces.nasnet_cell.published import NASNET_A


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("suffix", "begin"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")]
)
def test_saved_files_are_of_their_kind_and_the_same_each_time(
    tmp_path: Path, suffix: str, begin: bytes
) -> None:
    first, second = (
        save(draw_cells(NASNET_A), tmp_path / f"{name}{suffix}").read_bytes() for name in "ab"
    )
    assert first.startswith(begin)
    assert first == second


def test_bad_paths_get_one_clear_sentence(tmp_path: Path) -> None:
    figure = draw_cells(NASNET_A)
    with pytest.raises(InvalidOption, match=r"'cells\.jpeg'.*\.png, \.svg, \.pdf"):
        save(figure, tmp_path / "cells.jpeg")
    with pytest.raises(StoreError, match="give a folder that exists"):
        save(figure, tmp_path / "missing" / "cells.png")


def test_needs_no_display_no_pyplot_and_no_matplotlib_before_the_first_drawing() -> None:
    program = (
        "import sys, nas_gym.drawing as d\n"
        "assert not {'matplotlib', 'torch'} & set(sys.modules)\n"
        "from nas_gym.search_spaces.nasnet_cell.published import NASNET_A\n"
        "from nas_gym.search_spaces.nasnet_cell.drawing import draw_cells\n"
        "d.rgb_array(draw_cells(NASNET_A)); d.rgb_array(d.draw_learning_curve([0.5]))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
