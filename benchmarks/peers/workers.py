"""An adapter's process, asked for one search after the other."""

import json
import os
import select
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.peers.environments import HERE, last_line

LIMIT = 300  # seconds that one search may take


class Broken(Exception):
    """The adapter's process ended or hangs; says with which last line."""


class Worker:
    """``adapters/search_<adapter>.py`` in another interpreter."""

    def __init__(self, python: str, adapter: str, table: Path, hash_seed: str = "random") -> None:
        self.folder = TemporaryDirectory()  # where it may leave files, as home and current folder
        self.errors = Path(self.folder.name) / "stderr"
        script = HERE / "adapters" / f"search_{adapter}.py"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [python, str(script), str(table)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self.folder.name,
                env=surroundings(self.folder.name) | {"PYTHONHASHSEED": hash_seed},
                text=True,
            )

    def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return the result of a search.

        Raises:
            Broken: There is none.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            print(json.dumps(job), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            raise self.broken() from None
        if not select.select([self.process.stdout], [], [], LIMIT)[0]:
            raise Broken(f"no answer after {LIMIT} s")
        line = self.process.stdout.readline()
        if not line:
            raise self.broken()
        result: dict[str, Any] = json.loads(line)
        return result

    def broken(self) -> Broken:
        """Return why the process ended."""
        status = self.process.wait()
        return Broken(last_line(self.errors.read_text()) or f"exit status {status}")

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()
        self.folder.cleanup()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def surroundings(home: str) -> dict[str, str]:
    """Return environment variables: one thread, no packages but the environment's own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    threads = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")
    return kept | {f"{name}_NUM_THREADS": "1" for name in threads} | {"HOME": home}
