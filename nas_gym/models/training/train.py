"""``nas_gym.train``: from an architecture to a model in a folder, exactly resumable."""

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt

from nas_gym.errors import InvalidModel, InvalidOption
from nas_gym.models.architectures import Found
from nas_gym.models.folder import CONFIG, TRAINING, Model
from nas_gym.models.genotypes import check_loadable
from nas_gym.models.loading import load_model
from nas_gym.models.training.checkpoint import (
    CHECKPOINT,
    read_checked,
    remove_tensors,
)
from nas_gym.models.training.hold import held
from nas_gym.models.training.plan import Plan, check_same, new_plan, recorded_plan
from nas_gym.models.training.subject import subject_of
from nas_gym.options import check
from nas_gym.options.counts import Seed, Threads, Workers
from nas_gym.options.paths import AnyPath, user_path
from nas_gym.options.printable import printable
from nas_gym.store import DEFAULT_STORE, RunData
from nas_gym.training.devices import check_there, one_device
from nas_gym.training.machine import cores
from nas_gym.training.named import AnyRecipe

if TYPE_CHECKING:
    from nas_gym.training.images.dataset import Dataset
    from nas_gym.training.text.dataset import TextDataset

MINUTES = 10.0  # between two checkpoints within an epoch


@dataclass(frozen=True)
class Trained:
    """A training that is done."""

    model: Model  # in evaluation mode, on the CPU
    folder: Path  # what ``load_model`` reads


def train(
    model: str | os.PathLike[str] | os.PathLike[bytes] | Found | RunData,
    to: AnyPath | None = None,
    *,
    dataset: "str | os.PathLike[str] | Dataset | TextDataset | None" = None,
    recipe: AnyRecipe | None = None,
    seed: int = 0,
    space: str | None = None,
    store: str | Path = DEFAULT_STORE,
    rank: int = 1,
    folder: str | None = None,
    download: bool = False,
    image_size: int | None = None,
    validation: float | None = None,
    test: float | None = None,
    level: str | None = None,
    vocabulary: int | None = None,
    stream: bool | None = None,
    data_workers: int | None = None,
    device: str | None = None,
    threads: int | None = None,
    checkpoint_minutes: float = MINUTES,
    resume: bool = False,
    replace: bool = False,
    trust: Collection[str] = (),
    say: Callable[[str], None] | None = None,
) -> Trained:
    """Train one network to its end, and write it as a model in a folder.

    The folder has a checkpoint while the training is under way, ``log.csv`` with a line per epoch,
    the learning curve (``curve.png``, ``.svg``), ``training.json``, and in the end the files of a
    model (``nas_gym.models.folder``). A training that was cut, at any moment, goes on with
    ``resume=True`` and ends with the weights of one that was not: on a CPU bit for bit, with the
    same number of threads. The test part is opened once, at the end.

    Under ``torchrun`` all processes train this one network together (``DistributedDataParallel``):
    they share the recipe's batch, so that nothing changes but the time it takes.

    Args:
        model: A published name, a ``.json`` file, tokens or an architecture string, as ``nas-gym
            describe`` takes them; the name of a run, or a run from ``load_run``; with ``resume``
            also the folder of a training.
        to: Folder to write to; made from the names of the model and the data by default.
        dataset: As for a search: a name, a path or the data; by default what the run was searched
            on, else digits (of language models python-docs).
        recipe: A name, ``{"name": …}`` with values to change (the name may be missing), or a
            recipe. By default how its paper trained it, if the data is named, and ``"modern"``
            (``"modern-text"``) otherwise. ``repeats``, ``filters`` and ``stem`` set the size.
        seed: Of the initial weights and of all that is random in the training.
        space: Search space of tokens or of an architecture string.
        store: The results database that has the run.
        rank: Which of a run's best, from 1.
        folder: Where a named data set lies.
        download: Whether it may be downloaded.
        image_size: Side in pixels of a folder's images, >= 1; by default 32, or that of the paper
            with a recipe for ImageNet.
        validation: Share of each class that validates, in (0, 1); as for a search.
        test: The same of the test part.
        level: ``"word"`` or ``"character"``, of a text.
        vocabulary: Most entries of its vocabulary.
        stream: Whether images are read from a folder again for each batch, by worker processes,
            instead of being held in memory; by default those of 128 pixels and more.
        data_workers: Processes that read them, >= 0; by default one for each core, 1 to 8.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``; by default the GPU if there is one. Under
            ``torchrun`` each process takes the GPU of its own number.
        threads: Of torch, >= 1; all cores by default, or as many as the training began with.
        checkpoint_minutes: Between two checkpoints within an epoch, > 0; there is one after each
            epoch.
        resume: Go on with the training in the folder, if there is one.
        replace: Begin again although the folder has a training or a model.
        trust: Modules of the user's own search space.
        say: Told in words, line by line, how it goes. Without it a warning goes to the log.

    Returns:
        The model; ``figures`` has what was measured.

    Raises:
        UnknownName: No such architecture, run, data set or recipe, or no such value in it.
        InvalidOption: An option out of range, or one that says nothing here.
        InvalidDataset: The data cannot be read.
        InvalidModel: The folder has something else in it, another process trains in it, a
            checkpoint is damaged, or the disk is full; the last checkpoint is kept.
        TrainingDiverged: A loss is not finite.
        UntrustedModule: A search space that is neither ours nor trusted.
    """
    check("seed", seed, Seed)
    rank = check("rank", rank, Annotated[int, Ge(1)])
    threads = check("threads", threads, Threads | None)
    data_workers = check("data_workers", data_workers, Workers | None)
    minutes = check("checkpoint_minutes", checkpoint_minutes, Annotated[float, Gt(0)])
    if device is not None:
        check_there(one_device(device))
    if resume and replace:
        raise InvalidOption("resume and replace are both given: go on, or begin again")
    tell = say or (lambda line: None)
    if isinstance(model, os.PathLike):
        model = os.fsdecode(model)
    if isinstance(model, str) and has_training(user_path(model, "MODEL")):
        place = user_path(model, "MODEL")
        if not resume:
            raise InvalidModel(f"{printable(place)} has a training: go on with it with resume=True")
        _check_recorded(
            place, to=to, recipe=recipe, seed=seed, space=space, rank=rank - 1, folder=folder,
            download=download, image_size=image_size, validation=validation, test=test, level=level,
            vocabulary=vocabulary, stream=stream,
        )  # fmt: skip
        if _is_done(place):
            return _done(place, trust, tell)
        begins = partial(_say_where, place, printable(model), True, tell)
        plan = recorded_plan(place, trust, threads, data_workers, dataset, begins)
        goes_on = True
    else:
        subject = subject_of(model, space=space, store=store, rank=rank, trust=trust)
        place = user_path(to, "--to") if to is not None else Path(
            _folder_name(subject.shown, dataset, subject.data))  # fmt: skip
        goes_on = resume and has_training(place)
        check_loadable(subject.space, subject.genotype, subject.tokens)  # not after hours
        if not goes_on:
            check_place(place, replace)
        begun_with = _recorded_threads(place) if goes_on else None
        plan = new_plan(
            subject, recipe=recipe, seed=seed, threads=threads or begun_with or cores(),
            stream=stream, data_workers=data_workers,
            begins=partial(_say_where, place, subject.shown, goes_on, tell),
            dataset=dataset, folder=folder, download=download, image_size=image_size,
            validation=validation, test=test, level=level, vocabulary=vocabulary,
        )  # fmt: skip
        if goes_on:
            check_same(place, read_checked(place / TRAINING), plan, but=("threads",))
    with ExitStack() as stack:
        if os.environ.get("RANK", "0") == "0":  # of several processes the first holds it for all
            stack.enter_context(held(place))  # before anything is changed
        if _is_done(place) and resume:
            return _done(place, trust, tell)
        where, processes = stack.enter_context(_together(device))
        from nas_gym.models.training.finish import check_plan, run_to_the_end

        check_plan(plan)  # not after hours
        _make_folder(place, plan, goes_on, processes)
        if processes.first and not goes_on:
            stack.enter_context(held(place))  # its new record
        finished = run_to_the_end(plan, place, where, minutes, say, processes)
        processes.wait()
    return Trained(finished, place)


@contextmanager
def _together(device: str | None) -> Iterator[tuple[Any, Any]]:
    """Yield the device, and the processes that train together."""
    import torch

    from nas_gym.training.loop import training_device
    from nas_gym.training.processes import joined, place_on_machine, started_together

    where = training_device(device)
    if where == torch.device("cuda"):
        where = torch.device("cuda", place_on_machine() if started_together() > 1 else 0)
    with joined(where) as processes:
        yield where, processes


def has_training(place: Path) -> bool:
    """Return whether a folder has a training, under way or done."""
    return (place / TRAINING).is_file()


def _is_done(place: Path) -> bool:
    return has_training(place) and (place / CONFIG).is_file() and not (place / CHECKPOINT).exists()


def _done(place: Path, trust: Collection[str], tell: Callable[[str], None]) -> Trained:
    tell(f"the training in {printable(place)} is done")
    return Trained(load_model(place, trust=trust), place)


def _say_where(place: Path, shown: str, goes_on: bool, tell: Callable[[str], None]) -> None:
    """Say what begins and where it writes, before the data is read and anything takes time."""
    if not (goes_on and _is_done(place)) and os.environ.get("RANK", "0") == "0":
        how = "goes on" if goes_on else "begins"
        tell(f"the training of {shown} {how}; it writes to the folder {printable(place)}")


def _check_recorded(place: Path, **given: Any) -> None:
    """Raise InvalidOption if a training named by its folder is told what it has on record."""
    for name, value in given.items():
        if value not in (None, False, 0):
            raise InvalidOption(
                f"{'best' if name == 'rank' else name} is given, and {printable(place)} has it on "
                f"record: leave it out, or name the architecture again and this folder with to=…"
            )


def _recorded_threads(place: Path) -> int | None:
    threads = read_checked(place / TRAINING).get("protocol", {}).get("threads")
    return threads if isinstance(threads, int) and threads >= 1 else None


def _folder_name(shown: str, dataset: Any, of_run: Any) -> str:
    """Return a name for the folder, from those of the model and of the data."""
    data = of_run.get("dataset") if dataset is None else dataset
    name = getattr(data, "name", None) or (os.fsdecode(data) if data else "")
    model = Path(shown.rpartition("the best of run ")[2] or "model").stem
    words = [model, Path(name).name] if name else [model]
    plain = "-".join("".join(c if c.isalnum() or c in "-_." else "-" for c in w) for w in words)
    return plain.strip("-.")[:80] or "model"


def check_place(place: Path, replace: bool) -> None:
    """Raise InvalidModel if a new training may not begin in the folder."""
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        raise InvalidModel(f"{printable(place)} is no folder: give another place with to=…")
    if not place.is_dir() or not any(place.iterdir()):
        return
    if has_training(place):
        if not replace:
            raise InvalidModel(
                f"{printable(place)} has a training: go on with it with resume=True, give another "
                "folder with to=…, or replace=True to begin again"
            )
    elif not (replace and (place / CONFIG).is_file()):
        kind = "a model" if (place / CONFIG).is_file() else "files and no training"
        again = ", or replace=True to replace it" if kind == "a model" else ""
        raise InvalidModel(
            f"{printable(place)} has {kind} in it: give another folder with to=…{again}"
        )


def _make_folder(place: Path, plan: Plan, goes_on: bool, processes: Any) -> None:
    """Make the folder of a training that begins; leave that of one that goes on."""
    processes.wait()  # until all have looked
    if goes_on or not processes.first:
        return
    try:
        place.mkdir(parents=True, exist_ok=True)
        (place / CHECKPOINT).unlink(missing_ok=True)
        (place / CONFIG).unlink(missing_ok=True)  # of an earlier model
        remove_tensors(place)
    except OSError as error:
        raise InvalidModel(
            f"cannot write to {printable(place)} ({error.strerror or error}): give another folder "
            "with to=…"
        ) from error
    plan.record(place)
