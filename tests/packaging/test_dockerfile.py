"""The Dockerfile: what it copies suffices for the whole wheel, and it ends with a search.

No image is built: that takes Docker and its registry.
"""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INSTRUCTIONS = [
    line.split(maxsplit=1)
    for line in (ROOT / "packaging" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def test_it_ends_with_a_search() -> None:
    assert INSTRUCTIONS[0][0] == "FROM"
    assert {name for name, _ in INSTRUCTIONS} <= {
        "FROM", "RUN", "WORKDIR", "COPY", "ENTRYPOINT", "CMD",
    }  # fmt: skip
    (entry, _), (command, _) = INSTRUCTIONS[-2:]
    assert (entry, command) == ("ENTRYPOINT", "CMD")
    assert [*json.loads(INSTRUCTIONS[-2][1]), *json.loads(INSTRUCTIONS[-1][1])] == [
        "nas-gym", "search",
    ]  # fmt: skip


def test_it_installs_what_it_copied_with_the_cpu_build_of_torch() -> None:
    names = [name for name, _ in INSTRUCTIONS]
    (install,) = [words for name, words in INSTRUCTIONS if name == "RUN" and words.endswith(" .")]
    assert "--torch-backend=cpu" in install.split()
    assert max(i for i, name in enumerate(names) if name == "COPY") < names.index("ENTRYPOINT")


def members(source: Path, folder: Path) -> set[str]:
    build = [sys.executable, "-m", "pip", "-q", "wheel", "--no-deps", "-w", folder, source]
    done = subprocess.run(build, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.mark.slow
def test_the_files_that_it_copies_make_the_whole_wheel(tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    for words in (words.split() for name, words in INSTRUCTIONS if name == "COPY"):
        *files, target = words
        for file in files:
            if (ROOT / file).is_dir():
                shutil.copytree(ROOT / file, source / target)
            else:
                shutil.copy2(ROOT / file, source / target)
    assert members(source, tmp_path / "copied") == members(ROOT, tmp_path / "whole")
