"""Record the golden data of ``tests/golden`` anew: ``python tests/golden/make.py``.

Run this only when a change is meant to be seen by users; then read the difference of ``data/``
before you commit it.
"""

import shutil
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


class GoldenRecord:
    """Its presence tells ``conftest.py`` to record instead of comparing."""


def main() -> int:
    """Run all tests here, the slow ones too, and let them record."""
    shutil.rmtree(HERE / "data", ignore_errors=True)
    options = ["-n", "0", "-m", "slow or not slow", "-p", "no:cacheprovider"]
    return int(pytest.main([str(HERE), *options], plugins=[GoldenRecord()]))


if __name__ == "__main__":
    sys.exit(main())
