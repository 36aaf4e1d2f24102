"""Find out whether a cell found on little data is a good one, stacked larger, on all of it.

    python benchmarks/learning/transfer.py [--time 30m] [--quick] [--write]

Searches NASNet cells at proxy size on a small part of Fashion-MNIST, stacks the found cell larger
and trains it on all training images, beside NASNet-A, two networks made by hand and random cells:
the same number of parameters, the same recipe, three seeds each, the test part once per training.
An hour and a half or so on two cores. Every finished training is kept in ``results/transfer.json``;
a run that was cut, or whose ``--time`` was over, goes on by the same command. ``--write`` also
writes ``results/transfer.md``, which is made of those records. ``--quick`` goes through all of it
with digits in a minute, and keeps its files in ``runs/transfer-quick``.
"""

import argparse
import math
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from statistics import mean

import numpy as np

import nas_gym
from benchmarks.learning.transfer_parts.networks import SPACE, Network, sized
from benchmarks.learning.transfer_parts.page import (
    FOUND,
    MOBILE,
    NASNET,
    RANDOM,
    RESIDUAL,
    chosen,
    page,
)
from benchmarks.learning.transfer_parts.setting import FULL, QUICK, Setting
from benchmarks.learning.transfer_parts.trainings import (
    Job,
    Record,
    Records,
    begin,
    done,
    key_of,
    missing,
    part,
    whole,
)
from benchmarks.measure import RESULTS
from nas_agents.regularized_evolution import RegularizedEvolution
from nas_gym.envs.rewards import AccuracyUnderTarget
from nas_gym.errors import NASGymError, StoreError
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.options.durations import seconds_of, time_in_words
from nas_gym.search_spaces.moves import random_tokens

WORKERS = 2
Planned = tuple[Job, Record]  # a training, and its record without the outcome
BASELINES = {NASNET: "nasnet-a", RESIDUAL: "residual", MOBILE: "inverted-residual"}


class Comparing:
    """One comparison: what is recorded already, and what is left to do.

    Args:
        setting: Its sizes.
        folder: Where the data lies; None: in its usual places.
        results: Folder of the records and the page.
        seconds: After which nothing more is begun.
    """

    def __init__(self, setting: Setting, folder: str | None, results: Path, seconds: float) -> None:
        self.setting, self.folder, self.results = setting, folder, results
        self.end = time.monotonic() + seconds
        self.data = whole(setting.dataset, folder)
        self.part = part(setting.dataset, folder, setting.part)
        self.shape = self.data.image_shape
        results.mkdir(parents=True, exist_ok=True)
        self.records = Records(results / "transfer.json")

    # ------------------------------------------------------------ the search

    def searched(self, store: Path) -> Record | None:
        """Return the record of the search, which goes on first if it is not over."""
        setting, agent = self.setting, RegularizedEvolution()
        recipe = setting.search
        proxy = Network("nasnet-a", (), recipe.repeats, recipe.filters)
        target = proxy.cost(recipe, self.shape, self.data.classes).parameters
        matters = {
            "what": "search",
            "budget": setting.budget,
            "seed": 0,
            "agent": asdict(agent),
            "recipe": recipe.to_json(),
            "data": self.part.fingerprint,
            "target": target,
            "exponent": setting.exponent,
        }
        key = key_of(matters)
        if key in self.records.by_key:
            return self.records.by_key[key]
        if (left := self.end - time.monotonic()) <= 0:
            return None
        store.parent.mkdir(parents=True, exist_ok=True)
        print(f"searching: {setting.budget} evaluations", flush=True)
        result = nas_gym.search(
            SPACE,
            TrainingEvaluator(SPACE, self.part, recipe),
            agent,
            budget=setting.budget,
            reward=AccuracyUnderTarget(target, exponent=setting.exponent),
            seed=0,
            run=f"transfer-{key}",
            resume=True,
            workers=WORKERS,
            asynchronous=False,
            store=store,
            time_limit=left,
        )
        if result.time_up is not None:
            return None
        best = result.best(setting.best)
        outcome = {
            "rewards": [round(answer.reward, 6) for answer in result.answers],
            "best": [round(answer.reward, 6) for answer in best],
            "tokens": [list(answer.evaluation.architecture.tokens) for answer in best],
        }
        self.records.add({"key": key, **matters, **outcome})
        return self.records.by_key[key]

    def checks(self, search: Record) -> list[Planned]:
        """Return the trainings by which one of the best children is chosen."""
        recipe = self.setting.check
        return [
            self._planned("check", f"child {place}", network, 1000 + number)
            for place, tokens in enumerate(search["tokens"], 1)
            for network in [Network("cell", tuple(tokens), recipe.repeats, recipe.filters)]
            for number in range(self.setting.again)
        ]

    # ------------------------------------------------------------ the final trainings

    def finals(self, choice: Sequence[Sequence[int]]) -> list[Planned]:
        """Return the final trainings, all networks with the first seed first.

        Args:
            choice: Tokens of the children of the search, the one to be taken first. (The next one
                takes the place of one that no size brings to the number of parameters.)
        """
        networks = {
            FOUND: next(filter(None, (self._sized("cell", tokens) for tokens in choice)), None)
        }
        networks |= {name: self._sized(kind) for name, kind in BASELINES.items()}
        for name, network in networks.items():
            if network is None:
                raise StoreError(f"no size of {name} has the parameters of NASNet-A: change them")
        for number, cell in enumerate(islice(self._random_cells(), self.setting.random_cells), 1):
            networks[f"{RANDOM} {number}"] = cell
        return [
            self._planned("final", name, network, seed)
            for seed in range(self.setting.seeds)
            for name, network in networks.items()
            if network is not None
        ]

    def _random_cells(self) -> Iterator[Network]:
        """Yield random cells, without those that no size brings to the number of parameters."""
        rng = np.random.default_rng(1)
        while True:
            network = self._sized("cell", random_tokens(SPACE, rng))
            if network is not None:
                yield network

    def _sized(self, kind: str, tokens: Sequence[int] = ()) -> Network | None:
        recipe, classes = self.setting.final, self.data.classes
        yardstick = Network("nasnet-a", (), recipe.repeats, recipe.filters)
        if kind == yardstick.kind:
            return yardstick
        target = yardstick.cost(recipe, self.shape, classes).parameters
        return sized(kind, tokens, target, self.setting.tolerance, recipe, self.shape, classes)

    # ------------------------------------------------------------ doing it

    def _planned(self, what: str, name: str, network: Network, seed: int) -> Planned:
        job = Job(what, name, network, seed, self.setting.name, self.folder)
        return job, job.described()

    def train(self, planned: Sequence[Planned]) -> bool:
        """Do the trainings that have no record; return whether all have one now."""
        left = missing(planned, self.records)
        if not left or time.monotonic() >= self.end:
            return not left
        pool = ProcessPoolExecutor(WORKERS, get_context("spawn"), begin)
        running: set[Future[Record]] = set()
        seconds: list[float] = []
        try:
            while left or running:
                while left and len(running) < WORKERS and time.monotonic() < self.end:
                    running.add(pool.submit(done, *left.pop(0)))
                if not running:
                    return False
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    record = future.result()
                    self.records.add(record)
                    seconds.append(record["seconds"])
                    togo = (len(left) + len(running)) * mean(seconds) / WORKERS
                    print(
                        f"{record['what']}: {record['name']}, seed {record['seed']}: validation "
                        f"{record['validation']}, test {record['test']}, {record['seconds']} s; "
                        f"about {time_in_words(round(togo))} to go",
                        flush=True,
                    )
            return True
        except BrokenProcessPool as error:
            raise StoreError(
                "a process that trained was ended, perhaps for want of memory: what was finished "
                "is kept; go on by the same command"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def run(self, store: Path) -> str:
        """Do all that is left, or as much as there is time for; return the page."""
        search = self.searched(store)
        checks = [] if search is None else self.checks(search)
        finals: list[Planned] = []
        if search is not None and self.train(checks):
            finals = self.finals(chosen(self.setting, search, self._recorded(checks)))
            self.train(finals)
        networks = 1 + len(BASELINES) + self.setting.random_cells
        return page(
            self.setting,
            search,
            self._recorded(checks),
            self._recorded(finals),
            networks * self.setting.seeds,
            self.data.classes,
        )

    def _recorded(self, planned: Sequence[Planned]) -> list[Record]:
        return self.records.of(described["key"] for _, described in planned)


def main(arguments: Sequence[str] | None = None) -> int:
    """Search, train, print, write; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="try every step, on digits")
    parser.add_argument("--time", help="begin nothing more after e.g. 30m or 2h")
    parser.add_argument("--folder", help="where the files of the data set lie")
    parser.add_argument("--results", type=Path, help="folder of transfer.json and transfer.md")
    parser.add_argument("--store", type=Path, help="where the search is recorded")
    parser.add_argument("--write", action="store_true", help="write transfer.md")
    given = parser.parse_args(arguments)
    quick = Path("runs") / "transfer-quick"
    results = given.results or (quick if given.quick else RESULTS)
    store = given.store or (quick if given.quick else Path("runs")) / "transfer.sqlite"
    try:
        seconds = seconds_of("--time", given.time)
        setting = QUICK if given.quick else FULL
        limit = math.inf if seconds is None else seconds
        text = Comparing(setting, given.folder, results, limit).run(store)
    except NASGymError as error:
        print(f"transfer: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("transfer: cut; what was finished is kept, go on by the same command",
              file=sys.stderr)  # fmt: skip
        return 130
    print(text)
    if given.write:
        (results / "transfer.md").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
