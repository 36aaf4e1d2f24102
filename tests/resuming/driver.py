"""Searches that end by a signal at a chosen event, each in a forked process; run by test_kills.py.

An event is whatever a kill could fall between: the evaluator's work on each child, every statement
that the store sends to its database, every commit. Prints, as JSON, the history of an uninterrupted
run and those of runs that were killed and resumed until they ended.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # or a fork would wait for threads that it does not have

import sqlalchemy as sa

import nas_gym
from nas_gym.store import Store, load_run, recorder
from nas_gym.store.schema import CLAIMS, EVALUATIONS
from nas_gym.testing import Landscape

BUDGET = 21
_events = 0
_deadly = 0  # the number of the event that kills; 0: none
_signal = signal.SIGKILL
# Exit status of a fork that got SIGINT: its record is finished; it is not, but no child was asked
# for yet; it is not, though one was.
FINISHED, BEFORE, LEFT = 7, 8, 9
_asked = False  # this fork's search asked the evaluator for a child
_interrupted: list[int] = []  # these statuses


def happens(*_: object, **__: object) -> None:
    global _events
    _events += 1
    if _events == _deadly:
        os.kill(os.getpid(), _signal)


def watch_events() -> None:
    for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
        sa.event.listen(sa.Engine, name, happens)
    evaluate = Landscape.evaluate

    def watched(self: Landscape, *asked: Any, **parts: Any) -> Iterator[Any]:
        global _asked
        _asked = True
        for evaluation in evaluate(self, *asked, **parts):
            happens()
            yield evaluation
            happens()

    Landscape.evaluate = watched


def search(folder: Path, options: dict[str, Any]) -> None:
    nas_gym.search(
        options["space"],
        options["evaluator"],
        options["agent"],
        budget=BUDGET,
        num_envs=options.get("num_envs"),
        in_flight=options.get("in_flight"),
        limits=options.get("limits"),
        seed=3,
        run="killed",
        resume=True,
        store=folder / "store.sqlite",
    )


def in_a_fork(folder: Path, options: dict[str, Any], deadly: int = 0, delay: float = 0.0) -> int:
    """Events of a search that ended; -1 where it was killed, at an event or after ``delay`` s."""
    global _deadly, _events
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        _deadly, _events = deadly, 0  # reading histories made events in the parent
        try:
            search(folder, options)
        except KeyboardInterrupt:
            with Store(folder / "store.sqlite") as store:
                ended = [run["status"] for run in store.runs()]
            finished = ended in (["interrupted"], ["finished"])
            os._exit(FINISHED if finished else LEFT if _asked else BEFORE)
        os.write(tell, str(_events).encode())
        os._exit(0)
    os.close(tell)
    if delay:
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with os.fdopen(told) as reader:
        events = reader.read()
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return -1
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) in (FINISHED, BEFORE, LEFT):
        _interrupted.append(os.WEXITSTATUS(status))
        return -1
    assert status == 0, f"the search failed with wait status {status}"
    return int(events)


def history(folder: Path) -> dict[str, Any]:
    store = folder / "store.sqlite"
    run = load_run("killed", store)
    with Store(store) as opened:
        count = opened.database.read(
            lambda c: [
                c.execute(sa.select(sa.func.count()).select_from(table)).scalar()
                for table in (EVALUATIONS, CLAIMS)
            ]
        )
    rows = [
        [r.number, r.tokens, r.key, r.seed, r.epochs, r.metrics, r.source, r.reward, r.failure]
        for r in run.rows
    ]
    return {"status": run.status, "rows": rows, "evaluations": count[0], "claims": count[1]}


def main(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    global _signal
    _signal = signal.Signals[options.get("signal", "SIGKILL")]
    # What a search imports is there before the forks: kills fall into its work, and it is quick.
    parts = (options["space"], options["evaluator"], options["agent"])
    nas_gym.search(*parts, budget=2, run="before", store=folder / "before.sqlite")
    watch_events()
    recorder.COMMIT_SECONDS = options["commit_seconds"]
    whole = folder / "whole"
    events = in_a_fork(whole, options)
    draw = random.Random(options["seed"])
    killed = []
    for number in range(options["runs"]):
        each = folder / str(number)
        kills, ended = 0, -1
        while ended < 0:
            limit = events // (1 + kills)  # later kills fall earlier, so that it ends
            if number % 4 == 3 and _signal == signal.SIGKILL:
                ended = in_a_fork(each, options, delay=draw.uniform(0.001, 0.1) * (1 + kills))
            elif kills < 3 and limit > 1:
                ended = in_a_fork(each, options, deadly=draw.randint(1, limit))
            else:
                ended = in_a_fork(each, options)
            kills += ended < 0
        killed.append({"kills": kills, **history(each)})
    return {
        "events": events,
        "whole": history(whole),
        "killed": killed,
        "interrupted": [_interrupted.count(status) for status in (FINISHED, BEFORE, LEFT)],
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), json.loads(sys.argv[2]))))
