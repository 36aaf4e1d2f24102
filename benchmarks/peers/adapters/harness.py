"""The process of every adapter: jobs in, one JSON line each, results out.

It needs only the standard library.

An adapter is one file that defines ``search(evaluate, job)`` and ends with ``serve(search)``. It
runs in its package's own interpreter. ``evaluate(cell)`` (six whole numbers from 0 to 4) answers
with a validation accuracy, a fraction. A job is a JSON object:

- ``seed``: of the run; ``budget``: evaluations it may ask for;
- ``noise``: ``"random"``, the accuracy of one training of the cell, drawn from the run's seed and
  the number of the request; or ``"mean"`` of the trainings, the same at each request;
- ``raise_at``: the number of the request, from 1, that raises; null for none;
- ``settings``: what the adapter reads: ``population``, ``sample`` and its own.

``search`` may return how many requests were answered, where it answers some without ``evaluate``.
"""

import gc
import hashlib
import json
import os
import resource
import sys
import time
from pathlib import Path


class Evaluations:
    """The table as a function that remembers what it was asked and how long it took."""

    def __init__(self, table, job):
        self.table, self.job = table, job
        self.cells, self.rewards, self.seconds = [], [], 0.0

    def __call__(self, cell):
        """Return the accuracy of a cell."""
        start = time.process_time()
        try:
            return self.answer(cell)
        finally:
            self.seconds += time.process_time() - start

    def answer(self, cell):
        """Answer as ``__call__`` does, not timed."""
        row = sum(int(option) * 5**edge for edge, option in enumerate(cell))
        self.cells.append(row)
        if self.job.get("raise_at") == len(self.cells):
            self.rewards.append(None)
            raise RuntimeError(f"child {len(self.cells)} failed on purpose")
        trained = self.table[row]
        if self.job["noise"] == "mean":
            accuracy = sum(trained) / len(trained)
        else:
            key = f"{self.job['seed']}:{len(self.cells)}".encode()
            accuracy = trained[hashlib.blake2b(key).digest()[0] % 6 % len(trained)]
        self.rewards.append(accuracy)
        return accuracy


def run(search, table, job):
    """Search once; return everything that is measured."""
    evaluations = Evaluations(table, job)
    answered, error = None, None
    gc.collect()
    start = time.process_time()
    try:
        answered = search(evaluations, job)
    except Exception as problem:
        error = f"{type(problem).__name__}: {problem}"
    strategy = time.process_time() - start - evaluations.seconds
    return {
        "cells": evaluations.cells,
        "rewards": evaluations.rewards,
        "answered": max(len(evaluations.cells), answered or 0),
        "error": error,
        "strategy_seconds": strategy,  # processor time, all threads, less that of the look-ups
        "memory": peak_memory(),
    }


def peak_memory():
    """Return the MiB that this process held at most, imports included."""
    status = Path("/proc/self/status")
    if status.is_file():
        lines = [x for x in status.read_text().splitlines() if x.startswith("VmHWM")]
        return int(lines[0].split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def serve(search):
    """Answer jobs from standard input until it ends; what packages print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    table = json.loads(Path(sys.argv[1]).read_text())
    for line in sys.stdin:
        print(json.dumps(run(search, table, json.loads(line))), file=answers, flush=True)
