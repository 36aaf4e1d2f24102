"""The fuzzing command: nothing broken is read wrongly, and nothing ends in a traceback."""

import pytest

from benchmarks.robustness.fuzz import DOORS, main


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of Pillow, about what is damaged
@pytest.mark.parametrize("door", DOORS)
def test_everything_broken_is_read_or_refused(
    door: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["--examples", "60", "--doors", door])
    shown = capsys.readouterr()
    assert status == 0, shown.err
    assert f"\n{door} " in shown.out
