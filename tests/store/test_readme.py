import re
from importlib.resources import files
from pathlib import Path

import pytest


def test_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = files("nas_gym.store").joinpath("README.md").read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
