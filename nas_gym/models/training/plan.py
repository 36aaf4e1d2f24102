"""The plan of a training: what, on which data, how; recorded in its folder to go on with it."""

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from nas_gym.errors import InvalidModel, InvalidOption, NASGymError, UntrustedModule
from nas_gym.evaluators.trained.child import ChildTraining
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.evaluators.trained.trainers import TRAINERS
from nas_gym.models.folder import TRAINING
from nas_gym.models.training.checkpoint import read_checked, write_checked
from nas_gym.models.training.subject import MODERN, Subject
from nas_gym.options import check
from nas_gym.options.paths import user_path
from nas_gym.options.printable import printable, shortened
from nas_gym.registry import check_trusted, make, options_of, spec_of
from nas_gym.search_spaces.architecture import genotype_to_json
from nas_gym.training.images.presets import SIDES
from nas_gym.training.images.recipe import Recipe
from nas_gym.training.named import AnyRecipe
from nas_gym.training.text.recipe import LanguageRecipe

PHOTOGRAPHS = 128  # pixels of a side: from here on a folder is streamed unless the user says else
# Of the evaluator's protocol: what follows from the rest, and where it is computed.
_NOT_THE_SAME = ("evaluator", "device")
_OF_THE_DATA = ("dataset", "folder", "download", "image_size", "validation", "test", "level",
                "vocabulary")  # fmt: skip


@dataclass(frozen=True)
class StreamedTraining(TrainingEvaluator):
    """A ``TrainingEvaluator`` whose data set streams its images from files; it builds networks.

    Args:
        space: As all others, see ``TrainingEvaluator``.
    """

    data_has: ClassVar[tuple[str, ...]] = ("name", "fingerprint", "image_shape", "classes", "feed")

    @cached_property
    def data(self) -> Any:
        """The data set itself."""
        return self.dataset


@dataclass(frozen=True)
class Plan:
    """A training to be done."""

    genotype: Any
    space: Any
    shown: str  # what was named, for people
    evaluator: ChildTraining  # has the data and the recipe, builds the network
    source: Mapping[str, Any]  # options that say where the data lies, as JSON data
    streamed: bool  # whether its images are read again for each batch
    seed: int
    argument: tuple[str, ...] | None = None  # what names the architecture in a command, anywhere

    @property
    def recipe(self) -> Recipe | LanguageRecipe:
        """How to train."""
        recipe: Recipe | LanguageRecipe = self.evaluator.named_recipe
        return recipe

    def identity(self) -> dict[str, Any]:
        """Return what a training that goes on must have in common with the one that began."""
        protocol = self.evaluator.protocol
        return {
            "space": spec_of("space", self.space),
            "architecture": genotype_to_json(self.genotype),
            "protocol": {n: protocol[n] for n in protocol if n not in _NOT_THE_SAME},
            "seed": self.seed,
        }

    def record(self, folder: Path) -> None:
        """Write it into its folder; raise InvalidModel if that cannot be done."""
        content = {
            **self.identity(),
            "shown": self.shown,
            "evaluator": self.evaluator.name,
            "source": dict(self.source),
            "streamed": self.streamed,
            "argument": None if self.argument is None else list(self.argument),
        }
        try:
            write_checked(folder / TRAINING, content)
        except OSError as error:
            raise InvalidModel(
                f"cannot write to {printable(folder)} ({error.strerror or error}): make room, or "
                "give another folder"
            ) from error


def new_plan(
    subject: Subject,
    *,
    recipe: AnyRecipe | None,
    seed: int,
    threads: int,
    stream: bool | None,
    data_workers: int | None,
    begins: Callable[[], None] | None = None,
    **data: Any,
) -> Plan:
    """Return the plan of what the user asks for.

    Args:
        subject: The architecture.
        recipe: A name, ``{"name": …}`` with values to change (the name may be missing), or a
            recipe; None: the subject's.
        seed: Of the whole training.
        threads: Of torch, >= 1.
        stream: Whether images are read again for each batch; None: as is best.
        data_workers: Processes that read them; None: as is best.
        begins: Called when all options are checked, before the data is read.
        data: Options of the evaluator that say what the data is; None: not given.

    Raises:
        InvalidOption: An option that the evaluator does not have, or a value that it does not take.
        UnknownName: No such data set or recipe, or no such value in it.
        InvalidDataset: The data cannot be read.
    """
    given = {
        name: value for name, value in data.items() if value is not None and value is not False
    }
    source = {**({} if "dataset" in given else subject.data), **given}
    # How a paper trained is meant for its data, not for ours that stands in if none is named.
    usual = subject.recipe if "dataset" in source else MODERN[subject.evaluator]
    if isinstance(recipe, Mapping):
        recipe = {"name": usual, **recipe}
    recipe = usual if recipe is None else recipe
    name = recipe["name"] if isinstance(recipe, Mapping) else recipe
    if (
        isinstance(name, str)
        and name in SIDES
        and "image_size" not in source
        and _is_folder(source.get("dataset"))
    ):
        source["image_size"] = SIDES[name]
    options = {"recipe": recipe, "threads": threads}
    return _plan(subject, options, source, seed, stream, data_workers, begins)


def _plan(
    subject: Subject, options: Mapping[str, Any], source: Mapping[str, Any], seed: int,
    stream: bool | None, data_workers: int | None, begins: Callable[[], None] | None,
) -> Plan:  # fmt: skip
    kind = TRAINERS[subject.evaluator]
    takes = [
        option for option in _OF_THE_DATA if option in options_of("evaluator", subject.evaluator)
    ]
    for option in source:
        if option not in takes:
            raise InvalidOption(
                f"{option} is {source[option]!r}, and {subject.shown} is trained by the evaluator "
                f"{kind.name!r}, which takes {', '.join(takes)}: leave it out"
            )
    streams = _streams(source, stream, subject.evaluator)
    if streams:
        from nas_gym.training.images.sources import FOLDER_IMAGE_SIZE
        from nas_gym.training.images.stream import stream_folder

        place = user_path(source["dataset"], "dataset")
        streamed: Any = stream_folder(
            place, source.get("image_size", FOLDER_IMAGE_SIZE), workers=data_workers,
            validation=source.get("validation"), test=source.get("test"),
        )  # fmt: skip
        evaluator: ChildTraining = StreamedTraining(subject.space, dataset=streamed, **options)
    else:
        spec = {"name": subject.evaluator, **source, **options}
        evaluator = make("evaluator", spec, space=subject.space)
    if begins is not None:
        begins()
    evaluator.settle()
    recorded = dict(source)
    if not isinstance(source.get("dataset", ""), str):
        recorded["dataset"] = None  # it was given as an object, and no record can hold it
    elif "dataset" in source and not streams:
        recorded["dataset"] = evaluator.dataset  # a path from the root
    elif streams:
        recorded["dataset"] = os.path.abspath(place)
    return Plan(
        subject.genotype, subject.space, subject.shown, evaluator, recorded,
        streams, seed, subject.argument,
    )  # fmt: skip


def _streams(source: Mapping[str, Any], stream: bool | None, evaluator: str) -> bool:
    """Return whether the images are read again for each batch."""
    folder = _is_folder(source.get("dataset"))
    if stream and not (folder and evaluator == "training"):
        raise InvalidOption(
            "stream is asked for, and only a folder of images is streamed: leave it out"
        )
    if stream is None and folder and evaluator == "training":
        return bool(source.get("image_size", 0) >= PHOTOGRAPHS)
    return bool(stream)


def _is_folder(dataset: Any) -> bool:
    return isinstance(dataset, str | os.PathLike) and user_path(dataset, "dataset").is_dir()


def recorded_plan(
    folder: Path, trust: Collection[str], threads: int | None, data_workers: int | None,
    dataset: Any = None, begins: Callable[[], None] | None = None,
) -> Plan:  # fmt: skip
    """Return the plan that is recorded in a folder.

    Args:
        folder: Of the training.
        trust: Modules of the user's own search space.
        threads: In place of those that it had; None: the same.
        data_workers: Processes that read a streamed data set; None: as is best.
        dataset: The data, where it lies elsewhere now or was given as an object.
        begins: Called before the data is read.

    Raises:
        InvalidModel: The record is damaged, or the data is no more what it was.
        UntrustedModule: Its search space is neither ours nor trusted.
    """
    content = read_checked(folder / TRAINING)
    try:
        subject, options, source = _read(content, folder, trust)
        if threads is not None:
            options["threads"] = threads
        if dataset is not None:
            source = {**source, "dataset": dataset}
        elif "dataset" in source and source["dataset"] is None:
            raise InvalidOption(
                "its data was given as an object: go on from Python, with dataset=... again"
            )
        plan = _plan(
            subject, options, source, check("seed", content["seed"], int),
            check("streamed", content["streamed"], bool), data_workers, begins,
        )  # fmt: skip
    except UntrustedModule:
        raise
    except NASGymError as error:
        raise InvalidModel(f"the training in {printable(folder)} cannot go on: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidModel(
            f"{printable(folder / TRAINING)} is none that this version of nas-gym wrote: begin the "
            "training again with replace=True"
        ) from error
    check_same(folder, content, plan, but=("threads",))
    return plan


def _read(
    content: Mapping[str, Any], folder: Path, trust: Collection[str]
) -> tuple[Subject, dict[str, Any], Mapping[str, Any]]:
    check_trusted(f"the training {printable(folder)}", {"space": content["space"]}, trust)
    space = make("space", content["space"])
    genotype = space.genotype_from_json(content["architecture"])
    kind, protocol = content["evaluator"], content["protocol"]
    recipe = TRAINERS[kind].recipe_class(**protocol["recipe"])
    words = content["argument"]
    argument = None if words is None else tuple(map(str, words))
    subject = Subject(genotype, space, str(content["shown"]), kind, "", {}, argument)
    return subject, {"recipe": recipe, "threads": protocol["threads"]}, dict(content["source"])


def check_same(
    folder: Path, recorded: Mapping[str, Any], plan: Plan, but: Collection[str] = ()
) -> None:
    """Raise InvalidModel unless a recorded training is the planned one."""
    for name, value in _flat(plan.identity()).items():
        before = _flat(recorded).get(name)
        if name.split(".")[-1] not in but and before != value:
            if name.endswith("fingerprint"):
                raise InvalidModel(
                    f"the data of the training in {printable(folder)} is not what it was when it "
                    "began (a file was added, taken away or replaced): bring it back, or begin "
                    "again with replace=True"
                )
            then, now = (shortened(str(each), 80) for each in (before, value))
            raise InvalidModel(
                f"{printable(folder)} has another training: its {name.replace('protocol.', '')} is "
                f"{then}, and {now} is asked for; give the same options, another folder with to=…, "
                "or replace=True to begin again"
            )


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, Mapping) and name in ("protocol", "recipe"):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
