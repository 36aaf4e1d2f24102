"""Run any experiment of this folder by its name.

    python -m benchmarks.run                         lists them, one line each
    python -m benchmarks.run rl-vs-evolution         runs one; further arguments are its own
    python -m benchmarks.run --update-readme         fills sections of the pages from the results

Experiments that keep what they have measured go on where they were cut: the same command again.
"""

import ast
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.readme import update_readme
from benchmarks.reference import POINTS, write_reference
from nas_gym.benchmark.suite import BENCHMARKS
from nas_gym.errors import NASGymError, unknown_name

HERE = Path(__file__).parent
# What the published results have beside the benchmark's own numbers, for narrower errors.
PUBLISHED = {"rl-vs-evolution": ("--seeds", "200")}
FOLDERS = ("speed", "learning", "recipes", "tables", "robustness")


def experiments() -> dict[str, tuple[str, list[str]]]:
    """Return for each name one line about it, and the command that runs it."""
    scripts = [*HERE.glob("peers/run.py"), *(s for f in FOLDERS for s in HERE.glob(f"{f}/*.py"))]
    found = {}
    for script in sorted(scripts):
        name = "peers" if script.stem == "run" else script.stem
        page = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
        line = " ".join(page.partition("\n\n")[0].split())
        found[name.replace("_", "-")] = (line, [sys.executable, str(script)])
    for name, summary in BENCHMARKS.items():
        words = ("benchmark", name, *PUBLISHED.get(name, ()))
        out = str(HERE / "results" / name)
        command = [sys.executable, "-m", "nas_gym", *words, "--out", out]
        found[name] = (f"{summary} (nas-gym {' '.join(words)})", command)
    return found


def main(arguments: Sequence[str]) -> int:
    """List, run, or fill the README; return the exit status."""
    known = experiments()
    if not arguments or arguments[0] in ("-h", "--help"):
        width = max(map(len, known))
        for name, (line, _) in known.items():
            print(f"{name:{width}}  {line}")
        return 0
    name, *further = arguments
    try:
        if name == "--update-readme":
            update_readme()
            return 0
        if name.replace("_", "-") not in known:
            raise unknown_name("experiment", name, known)
    except NASGymError as error:
        print(f"benchmarks.run: {error}", file=sys.stderr)
        return 2
    command = [*known[name.replace("_", "-")][1], *further]
    try:
        status = subprocess.run(command, check=False).returncode
    except KeyboardInterrupt:  # the experiment has had it too, and has said what there is to say
        return 130
    if status == 0 and name in POINTS and not further:
        write_reference(HERE / "results" / name)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
