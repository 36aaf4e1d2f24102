"""``nas-gym train``."""

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from annotated_types import Interval

from nas_gym.cli.executors import ExecutorName, executor_for
from nas_gym.cli.interrupts import during
from nas_gym.cli.settings import Assignments, settings_of
from nas_gym.cli.shared import (
    AsJson,
    Count,
    DataFolder,
    Download,
    Number,
    OptionalCount,
    OptionalPath,
    OptionalText,
    StorePlace,
    Trust,
    at_least_one,
    print_json,
)
from nas_gym.cli.sizes import latencies
from nas_gym.errors import InvalidOption, UnknownName
from nas_gym.options import check
from nas_gym.options.printable import printable
from nas_gym.store.location import DEFAULT_STORE

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from nas_gym.models.training.train import Trained

_OF_THE_DATA = ("validation", "test", "level", "vocabulary")  # for --set evaluator.…
MOST = 1_000  # seeds, or of a run's best
_OF_A_RECIPE = ("epochs", "repeats", "filters", "stem")  # with a switch of their own


@dataclass(frozen=True)
class Train:
    """Train one network to its end, exactly resumable: a model that loads without nas-gym.

    (A space of your own without `to_source` needs its module beside.)

    The test part is opened once, at the end. `torchrun --nproc-per-node 2 -m nas_gym train …`
    trains it in several processes.
    """

    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN|ARCHITECTURE|FOLDER")]
    """Name of a run, whose best is trained; an architecture as `nas-gym describe` takes it (a
    published name, a JSON file, tokens, a string); with --resume the folder of a training."""
    to: OptionalPath = None
    """Folder to write to; made from the names of the model and the data by default."""
    best: Count = 1
    """Of a run: train so many of its best, each into best-1, best-2, … of the folder."""
    dataset: OptionalText = None
    """Data set or text, as for a search; by default the run's own, else digits or python-docs."""
    folder: DataFolder = None
    download: Download = False
    image_size: OptionalCount = None
    """Pixels per side of a folder's images; by default 32, or the paper's with a recipe for
    ImageNet."""
    recipe: OptionalText = None
    """Recipe (`nas-gym list`); by default the paper's own if the data is named, else modern
    (modern-text)."""
    epochs: OptionalCount = None
    """Epochs of the recipe."""
    repeats: OptionalCount = None
    """N of the recipe: cells per stack."""
    filters: OptionalCount = None
    """F of the recipe: filters of the first stack."""
    stem: OptionalText = None
    """Stem of the recipe: cifar, imagenet or pooled."""
    set: Assignments = ()
    """An option of the recipe, the evaluator or the executor, e.g. --set recipe.mixup=0.2
    evaluator.validation=0.2."""
    space: OptionalText = None
    """Search space of a token list or string (`nas-gym list`)."""
    seed: Count = 0
    """Seed of the initial weights and of all that is random in the training."""
    seeds: Count = 1
    """Train with so many seeds, from --seed on, each into seed-0, seed-1, … of the folder."""
    executor: ExecutorName = None
    stream: bool = False
    """Read images from their folder for each batch, not at once into memory; so it is by default
    from 128 pixels on."""
    data_workers: OptionalCount = None
    """Processes that read a streamed data set; by default one for each core, 1 to 8."""
    device: OptionalText = None
    """Where to compute: cpu, cuda or cuda:1; by default the GPU if there is one."""
    threads: OptionalCount = None
    """Threads of torch; all cores by default."""
    checkpoint_minutes: Number = 10.0
    """Minutes between two checkpoints within an epoch; there is one after each epoch."""
    resume: bool = False
    """Go on with the training in the folder, if there is one."""
    force: bool = False
    """Begin again although the folder has a training or a model."""
    latency: bool = False
    """Measure how long a batch of 1 and of 64 takes on one thread, and print it."""
    store: StorePlace = str(DEFAULT_STORE)
    trust: Trust = ()
    json: AsJson = False

    def __call__(self) -> int:
        """Train; return 0 when the model is written."""
        at_least_one(best=self.best, threads=self.threads, seeds=self.seeds)
        for name, count in (("best", self.best), ("seeds", self.seeds)):
            check(name, count, Annotated[int, Interval(ge=1, le=MOST)])
        if self.resume and self.force:
            raise InvalidOption("--resume and --force are both given: go on, or begin again")
        recipe, data, executor = self._options()
        for name, count in (("best", self.best), ("seeds", self.seeds)):
            if count > 1 and self.to is None:
                raise InvalidOption(
                    f"--{name} is {count}: say where the folders go, with --to FOLDER"
                )
        if executor is not None and (self.to is None or self.force):
            raise InvalidOption(
                "--executor trains on other machines: give a folder that all share with --to, and "
                "instead of --force remove what is in it"
            )
        if self.best > 1:
            from nas_gym.models.training.subject import subject_of

            # That there are so many is found out now, not after hours.
            subject_of(self.model, space=self.space, store=self.store, rank=self.best,
                       trust=self.trust)  # fmt: skip
        trainings = [
            {**self._shared(), "to": self._folder(rank, seed), "rank": rank, "seed": seed,
             "recipe": recipe, **data}
            for rank in range(1, self.best + 1)
            for seed in range(self.seed, self.seed + self.seeds)
        ]  # fmt: skip
        try:
            done = self._train(trainings, executor)
        except UnknownName as error:
            if str(error).startswith(f"unknown architecture {self.model!r}: "):
                from nas_gym.cli.other_kinds import refuse_other_kinds

                refuse_other_kinds(self.model, store=None)
            raise
        if int(os.environ.get("RANK", "0") or 0) == 0:
            self._present(done)
        return 0

    def _folder(self, rank: int, seed: int) -> str | None:
        """Return where a training goes; None for a name of its own."""
        parts = [f"best-{rank}"] if self.best > 1 else []
        parts += [f"seed-{seed}"] if self.seeds > 1 else []
        return os.path.join(str(self.to), *parts) if parts else self.to

    def _options(self) -> "tuple[dict[str, Any] | None, dict[str, Any], Executor | None]":
        """Return the recipe, the options of the data and the engine, from switches and --set."""
        given = settings_of(self.set, ("recipe", "evaluator", "executor"))
        for option in given["evaluator"]:
            if option not in _OF_THE_DATA:
                raise InvalidOption(
                    f"--set evaluator.{option} is not used here: {', '.join(_OF_THE_DATA)} are; "
                    "others have switches of their own (nas-gym train --help)"
                )
        changes = {o: getattr(self, o) for o in _OF_A_RECIPE if getattr(self, o) is not None}
        for option in changes.keys() & given["recipe"].keys():
            raise InvalidOption(f"--{option} and --set recipe.{option} are both given: give one")
        recipe = {**changes, **given["recipe"]}
        if self.recipe is not None:
            recipe["name"] = self.recipe
        engine = executor_for(self.executor, given["executor"], None)
        return recipe or None, given["evaluator"], engine

    def _shared(self) -> dict[str, Any]:
        """Return the options of every training."""
        names = (
            "model", "dataset", "folder", "download", "image_size", "space", "store",
            "data_workers", "device", "threads", "checkpoint_minutes", "trust",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names} | {"stream": self.stream or None}

    def _train(
        self, trainings: list[dict[str, Any]], executor: "Executor | None"
    ) -> "list[Trained]":
        from nas_gym.cli.output import preparation_shown

        says = "interrupted: go on with the same command and --resume"
        with during(says), preparation_shown("training"):
            if executor is not None:
                from nas_gym.models.training.many import train_many

                return train_many(trainings, executor, resume=self.resume, say=_say)
            from nas_gym.evaluators.doubts import SaidOnce
            from nas_gym.models.training.train import train
            from nas_gym.training.once import loaded_once

            say = SaidOnce(_say)
            going_on: dict[str, Any] = {"resume": self.resume, "replace": self.force, "say": say}
            with loaded_once():
                done = [train(**each, **going_on) for each in trainings]
            say.count(len(done))
            return done

    def _present(self, done: "list[Trained]") -> None:
        speed = [latencies(each.model) if self.latency else [] for each in done]
        if self.json:
            found = [
                {
                    "folder": str(each.folder),
                    **each.model.figures,
                    **({"latency": [one.to_json() for one in times]} if times else {}),
                }
                for each, times in zip(done, speed, strict=True)
            ]
            print_json(found[0] if len(found) == 1 else found)
            return
        from nas_gym.models.training.report import lines_of

        for each, times in zip(done, speed, strict=True):
            for line in [*lines_of(each), *(time.in_words() for time in times)]:
                print(printable(line))


def _say(line: str) -> None:
    print(printable(line), file=sys.stderr, flush=True)
