"""Surroundings in which a session of a run was started: command, versions, git state, machine."""

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import nas_gym
from nas_gym.store.location import passwords_removed

RECORDED_VERSIONS = (
    "nas-gym", "gymnasium", "numpy", "torch", "torchvision", "scikit-learn", "stable-baselines3",
    "sb3-contrib",
)  # fmt: skip
LONGEST_COMMAND = 10_000  # characters; of a longer one nothing is recorded
_command: ContextVar[str | None] = ContextVar("command", default=None)


@contextmanager
def begun_with(arguments: Sequence[str]) -> Iterator[None]:
    """Let ``session`` know, in the block, that ``nas-gym`` was called with these arguments."""
    line = shlex.join(["nas-gym", *map(passwords_removed, arguments)])
    token = _command.set(line if len(line) <= LONGEST_COMMAND else None)
    try:
        yield
    finally:
        _command.reset(token)


def session() -> dict[str, Any]:
    """Return what a record keeps of this process's surroundings, as JSON data.

    ``command`` is there if it was one: quoted for a shell, without passwords.
    """
    line = _command.get()
    command = {} if line is None else {"command": line}
    return command | {"versions": _versions(), "git": _git_states(), "machine": _machine()}


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in RECORDED_VERSIONS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # run from its source without being installed
            continue
    return versions


def _machine() -> dict[str, Any]:
    machine: dict[str, Any] = {"platform": platform.platform(), "cpus": os.cpu_count()}
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        machine["memory_bytes"] = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    torch = sys.modules.get("torch")  # not imported for this
    if torch is not None and torch.cuda.is_available():
        machine["gpus"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return machine


def _git_states() -> dict[str, Any]:
    """Describe the working folder, where the user's own parts are, and a checked out nas-gym."""
    # "." and not its name: it may have been removed, and then git says nothing of it.
    folders = {"working_folder": Path(), "nas_gym": Path(nas_gym.__file__).parent}
    return {name: _git_state(folder) for name, folder in folders.items()}


def _git_state(folder: Path) -> dict[str, Any] | None:
    """Return the commit and whether tracked files differ from it; None outside a checkout."""
    commit = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no", ".")
    if not commit or changes is None:
        return None
    return {"commit": commit, "changed": bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
