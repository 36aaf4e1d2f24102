"""Cache of finished work: one file per chunk of seeds, named by a hash of what it depends on.

It depends on the agent's settings and its code, the data set, the numbers of the suite, and the
code of ``trials`` and ``nas_gym.agent``. After any other change to the package, delete the folder.
"""

import hashlib
import inspect
import json
import os
import re
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import nas_gym
from nas_gym import agent as recommending
from nas_gym.benchmark import trials
from nas_gym.benchmark.suite import DataSet, Entrant, Suite, shares
from nas_gym.benchmark.trials import Chunk, Trials, prepared
from nas_gym.errors import StoreError
from nas_gym.registry import make

VERSION = 1  # of what a file holds
CHUNK = 20  # seeds


@dataclass(frozen=True)
class Unit:
    """A chunk of a suite, and the file that its trials are kept in."""

    entry: Entrant
    dataset: DataSet
    chunk: Chunk
    file: Path

    def done(self) -> bool:
        """Return whether the file is there."""
        return self.file.is_file()


def units(suite: Suite, folder: Path) -> list[Unit]:
    """List the suite's chunks; the first seeds of every agent and data set come first.

    Args:
        suite: The suite.
        folder: Where their files go; made if it is not there.

    Raises:
        NASGymError: An agent or data set that cannot be made, or a folder that cannot be.
    """
    for dataset in suite.datasets:
        prepared(dataset.space, dataset.evaluator)
    keys = {entry.label: _agent_key(entry) for entry in suite.entries}
    of_data = {dataset.label: _data_key(dataset) for dataset in suite.datasets}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return [
        _unit(suite, entry, dataset, seeds, folder, keys[entry.label] + of_data[dataset.label])
        # A search that trains takes its time: each has a file of its own.
        for seeds in shares(suite.seeds, 1 if suite.rewards else CHUNK)
        for dataset in suite.datasets
        for entry in suite.entries
    ]


def write(trials_: Trials, file: Path) -> None:
    """Write a chunk's file, whole or not at all.

    Raises:
        StoreError: It cannot be written.
    """
    part = file.with_suffix(f".{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            np.savez_compressed(stream, **vars(trials_))
        part.replace(file)
    except OSError as error:
        raise _unwritable(file, error) from error


def read(file: Path) -> Trials:
    """Read a chunk's file.

    Raises:
        StoreError: It is broken.
    """
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return Trials(*(arrays[field.name] for field in fields(Trials)))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise StoreError(
            f"{file} cannot be read ({error}): delete it and run the benchmark again"
        ) from error


def _unit(
    suite: Suite, entry: Entrant, dataset: DataSet, seeds: range, folder: Path, key: str
) -> Unit:
    chunk = Chunk(
        entry.agent,
        dataset.space,
        dataset.evaluator,
        tuple(seeds),
        suite.budget,
        suite.checkpoints,
        suite.workers,
    )
    depends = [repr(getattr(chunk, field.name)) for field in fields(Chunk)[1:]]
    digest = _digest(entry.label, dataset.label, key, *depends)
    name = re.sub(r"[^A-Za-z0-9.,_-]", "-", f"{entry.label}.{dataset.label}")[:80]
    return Unit(entry, dataset, chunk, folder / f"{name}.{seeds.start:04d}.{digest}.npz")


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot write {path}: {error.strerror or error}; give a folder that you may write to"
    )


def _agent_key(entry: Entrant) -> str:
    """Return a key that changes with the agent's settings, its code and nas-gym's version."""
    agent = make("agent", entry.agent)
    module = sys.modules[type(agent).__module__]
    code = [*_sources(module, set()), inspect.getsource(trials), inspect.getsource(recommending)]
    return _digest(str(VERSION), nas_gym.__version__, module.__name__, repr(agent), *code)


def _data_key(dataset: DataSet) -> str:
    """Return a key that changes with the user's own space and evaluator, or their tables."""
    space, evaluator, _ = prepared(dataset.space, dataset.evaluator)
    modules = [sys.modules[type(part).__module__] for part in (space, evaluator)]
    own = [m for m in modules if m.__name__.partition(".")[0] != nas_gym.__name__]
    code = [text for module in own for text in _sources(module, set())]
    protocol = json.dumps(getattr(evaluator, "protocol", None), sort_keys=True, default=repr)
    return _digest(protocol, *code)


def _sources(module: ModuleType, seen: set[str]) -> Iterator[str]:
    """Yield the source of ``module`` and of what it uses of its own package."""
    seen.add(module.__name__)
    try:
        yield inspect.getsource(module)
    except (OSError, TypeError):  # typed in, or compiled
        return
    package = module.__name__.partition(".")[0] + "."
    for name in sorted({_module_of(value) for value in vars(module).values()}):
        if name.startswith(package) and name not in seen and name in sys.modules:
            yield from _sources(sys.modules[name], seen)


def _module_of(value: Any) -> str:
    return str(value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", ""))


def _digest(*parts: str) -> str:
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=6).hexdigest()
