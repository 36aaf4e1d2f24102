"""One training from its network, fresh or of a checkpoint, to the model."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nas_gym.errors import InvalidModel, StoreError
from nas_gym.evaluators.doubts import interval, learnt_nothing, warn
from nas_gym.models.folder import Model, built, write_model
from nas_gym.models.preprocessing import preprocessing_of
from nas_gym.models.source import model_source
from nas_gym.models.training.checkpoint import (
    CHECKPOINT,
    damaged,
    read_checkpoint,
    remove_tensors,
)
from nas_gym.models.training.log import draw_curve, rounded
from nas_gym.models.training.loop import Loop
from nas_gym.models.training.plan import Plan
from nas_gym.models.training.report import command_of
from nas_gym.networks.cost import count_multiply_adds, count_parameters
from nas_gym.networks.isolation import isolated
from nas_gym.networks.task import LanguageTask
from nas_gym.options.durations import time_in_words
from nas_gym.options.printable import printable
from nas_gym.runs.recipe_words import unit_of
from nas_gym.training.images.augmentation import check_cutout
from nas_gym.training.images.recipe import Recipe
from nas_gym.training.images.train import ImageTraining
from nas_gym.training.loop import Training, seeded
from nas_gym.training.processes import Processes
from nas_gym.training.text.train import TextTraining, measure_test_perplexity

OF_RANKS = 1_000_003  # what tells the randomness of processes that train together apart


def run_to_the_end(
    plan: Plan, folder: Path, device: torch.device, minutes: float,
    say: Callable[[str], None] | None, processes: Processes,
) -> Model:  # fmt: skip
    """Train as planned, from a checkpoint if there is one, and write the model.

    Args:
        plan: What, on which data, how.
        folder: Of the training; it is there.
        device: What this process trains on.
        minutes: Between two checkpoints within an epoch.
        say: Told in words how it goes; None: the log is told what is wrong, and nobody else.
        processes: Those that train together.

    Raises:
        InvalidModel: A checkpoint is damaged or of another training, or the disk is full.
        TrainingDiverged: A loss or an output is not finite.
        InvalidOption: The processes cannot share a batch equally.
    """
    checkpoint = read_checkpoint(folder)
    threads, seed = plan.evaluator.threads, plan.seed % 2**32
    tell = say if say is not None and processes.first else lambda line: None
    with isolated(threads, seed):
        with seeded(plan.seed, torch.device("cpu")):
            network = plan.evaluator.build(plan.genotype)
        with (
            seeded(plan.seed + OF_RANKS * processes.rank, device),
            closing(_training(plan, network, device, processes)) as training,
        ):
            unit = unit_of(plan.recipe)
            loop = Loop(training, folder, minutes, tell, processes, unit)
            if checkpoint is not None:
                try:
                    loop.restore(checkpoint)
                except (LookupError, RuntimeError, TypeError, ValueError) as error:
                    raise damaged(folder / CHECKPOINT) from error
            _say_what_comes(loop, plan, device, tell, processes)
            loop.run()
            measured = _measured(training, plan, device)
            if measured is None:
                tell("the test part has no figures: an output of the network is not finite")
        if not processes.first:
            return _model(plan, training, {})
        figures = _figures(plan, loop, measured or {})
        model = _model(plan, training, figures)
    validated = {n.removeprefix("validation_"): v for n, v in loop.epochs[-1].items()}
    doubt = learnt_nothing(plan.evaluator.data_summary(), validated)
    if doubt is not None:
        if say is None:
            warn(doubt)
        else:
            say(f"warning: {doubt}")
    try:
        draw_curve(folder, loop.epochs, f"{plan.shown} on {plan.evaluator.data.name}")
        write_model(model, folder, replace=True)
    except (InvalidModel, StoreError) as error:
        raise InvalidModel(
            f"the training is over, and its model cannot be written to {printable(folder)} "
            f"({_reason(error)}): make room, then go on with resume=True"
        ) from error
    (folder / CHECKPOINT).unlink(missing_ok=True)
    remove_tensors(folder)
    return model


def _reason(error: Exception) -> str:
    """Return what the system said, in a few words."""
    cause = error.__cause__
    return str(getattr(cause, "strerror", None) or cause or error)[:200]


def check_plan(plan: Plan) -> None:
    """Raise InvalidOption if nothing can be learnt, or the network not be written as a model."""
    model_source(plan.space, plan.genotype, _task(plan), "")
    if isinstance(plan.recipe, Recipe):
        check_cutout(plan.recipe, plan.evaluator.data.image_shape[1:])


def _training(
    plan: Plan, network: nn.Module, device: torch.device, processes: Processes
) -> Training[Any]:
    data, recipe = plan.evaluator.data, plan.recipe
    if isinstance(recipe, Recipe):
        return ImageTraining(network, data, recipe, plan.seed, device, processes)
    return TextTraining(network, data, recipe, device, processes)


def _say_what_comes(
    loop: Loop, plan: Plan, device: torch.device, say: Callable[[str], None], processes: Processes
) -> None:
    """Say what is trained, how large it is, and how long it will take."""
    training, data = loop.training, plan.evaluator.data
    total = training.end_of_epoch(training.epochs - 1)
    shape = getattr(data, "image_shape", ())
    images = f" ({' x '.join(map(str, shape))} pixels)" if shape else ""
    say(
        f"{plan.shown} on {printable(data.name)}{images}: {_parameters(plan):,} "
        f"parameters, {total:,} steps in {training.epochs:,} "
        f"{loop.unit}{'s'[: training.epochs != 1]} on {device}"
        + (f", {processes.count} processes" if processes.count > 1 else "")
    )
    if training.done:
        say(f"goes on after step {training.done:,} ({loop.unit} {training.epoch} is done)")
    left = (total - training.done) * loop.step_seconds()
    if left:
        say(f"about {time_in_words(rounded(left))}, by the time of the first steps")


def _measured(training: Training[Any], plan: Plan, device: torch.device) -> dict[str, float] | None:
    """Open the test part, for the first and only time; None if an output is not finite."""
    data = plan.evaluator.data
    found: Any
    if isinstance(training, ImageTraining):
        if data.test_labels is None or not len(data.test_labels):
            return {}
        found = training.scores("test")
    else:
        found = measure_test_perplexity(training.measured, data, device=device)
    return None if found is None else {f"test_{n}": v for n, v in found._asdict().items()}


def _figures(plan: Plan, loop: Loop, measured: dict[str, float]) -> dict[str, Any]:
    data, training = plan.evaluator.data, loop.training
    network = training.measured
    last = loop.epochs[-1]
    text = isinstance(_task(plan), LanguageTask)
    shape = (1,) if text else data.image_shape
    parts = {} if text else {"train_images": plan.evaluator.train_count}
    for part in () if text else ("validation", "test"):
        if getattr(data, f"{part}_labels") is not None:
            parts[f"{part}_images"] = len(getattr(data, f"{part}_labels"))
    network.eval()
    command = command_of(plan)
    return {
        **({} if command is None else {"command": command}),
        "architecture": plan.shown,
        "dataset": data.name,
        "fingerprint": data.fingerprint,
        **parts,
        **{n: v for n, v in last.items() if n.startswith("validation_")},
        **measured,
        **_intervals({**last, **measured}, parts),
        "parameters": _parameters(plan),
        "multiply_adds": count_multiply_adds(
            network.cpu(), shape, torch.int64 if text else torch.float32
        ),
        "steps": training.done,
        **({} if getattr(plan.recipe, "steps", None) else {"epochs": training.epochs}),
        "seed": plan.seed,
        "training_seconds": round(sum(epoch["seconds"] for epoch in loop.epochs), 1),
        "device": str(training.device.type),
        "recipe": plan.recipe.to_json(),
    }


def _intervals(found: Mapping[str, float], sizes: Mapping[str, int]) -> dict[str, list[float]]:
    """Return in which 95 % interval the accuracies lie, of those parts that have images."""
    return {
        f"{part}_accuracy_interval": [round(end, 4) for end in interval(accuracy, count)]
        for part in ("validation", "test")
        if (accuracy := found.get(f"{part}_accuracy")) is not None
        and (count := sizes.get(f"{part}_images"))
    }


def _parameters(plan: Plan) -> int:
    """Return the trainable parameters of the model, without a second classifier."""
    from nas_gym.networks.cost import on_meta

    with on_meta():
        return count_parameters(plan.space.build(plan.genotype, _task(plan)))


def _task(plan: Plan) -> Any:
    """Return what the model is built for: without what only its training needs."""
    recipe, data = plan.recipe, plan.evaluator.data
    if isinstance(recipe, Recipe):
        channels, height, width = data.image_shape
        return replace(recipe.task(channels, height, width, data.classes), auxiliary=False)
    from nas_gym.training.text.sizing import language_task_of

    return language_task_of(plan.space, plan.genotype, recipe, len(data.vocabulary))


def _model(plan: Plan, training: Training[Any], figures: dict[str, Any]) -> Model:
    """Return the model with the weights that were measured, in a network of its own."""
    task, weights = _task(plan), training.measured.state_dict()
    own = built(plan.space, plan.genotype, task, 0)
    own.load_state_dict({name: weights[name] for name in own.state_dict()})
    feed = preprocessing_of(plan.evaluator.data)
    return Model(own, plan.space, plan.genotype, task, feed, figures)
