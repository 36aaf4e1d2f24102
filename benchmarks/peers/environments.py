"""One virtual environment per package, from the ``requirements-*.txt`` beside this file."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@dataclass(frozen=True)
class Environment:
    """An installation, and what became of it."""

    name: str
    python: str  # the interpreter's path
    failure: str | None  # the last line that the installation printed
    packages: int
    size: float  # MiB on disk


def prepare(name: str, folder: Path) -> Environment:
    """Return the environment ``name`` in ``folder``; make it unless it is there as required."""
    place = folder.resolve() / name
    requirements = HERE / f"requirements-{name}.txt"
    marker = place / "made-from.json"
    made_from = {"requirements": requirements.read_text(), "python": sys.version}
    failure = None
    if not marker.is_file() or json.loads(marker.read_text()) != made_from:
        print(f"installing {name} …", flush=True)
        failure = install(place, requirements)
        if failure is None:
            marker.write_text(json.dumps(made_from))
    packages = len(list(place.glob("lib/python*/site-packages/*.dist-info")))
    return Environment(name, f"{place}/bin/python", failure, packages, size_of(place, name))


def install(place: Path, requirements: Path) -> str | None:
    """Install; return None if it went well, else the last line that was printed."""
    python = f"{place}/bin/python"
    for command in (
        [sys.executable, "-m", "venv", "--clear", "--without-pip", str(place)],
        # From here, since paths in the file are seen from the current folder.
        [sys.executable, "-m", "pip", "--python", python, "install", "-q", "-r", str(requirements)],
    ):
        result = subprocess.run(
            command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if result.returncode:
            return last_line(result.stdout) or f"exit status {result.returncode}"
    return None


def size_of(place: Path, name: str) -> float:
    """Return the MiB on disk; nas-gym's packages are added, as it lies in its checkout."""
    folders = [place] + ([ROOT / "nas_gym", ROOT / "agents"] if name == "nas-gym" else [])
    files = (path for folder in folders for path in folder.rglob("*"))
    return sum(path.lstat().st_blocks * 512 for path in files if not path.is_dir()) / 2**20


def last_line(text: str) -> str:
    """Return the last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def described(environment: Environment) -> dict[str, object]:
    """Return JSON data without a path of this machine."""
    return {key: value for key, value in asdict(environment).items() if key != "python"}
