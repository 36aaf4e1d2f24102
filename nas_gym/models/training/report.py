"""What is said when a training is done."""

import json
import shlex
from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from nas_gym.evaluators.doubts import interval_in_words
from nas_gym.models.card import without_source
from nas_gym.models.folder import CONFIG
from nas_gym.models.training.plan import Plan
from nas_gym.options.durations import time_in_words
from nas_gym.registry import foreign_modules, spec_of, trust_option
from nas_gym.training.named import NAMED_RECIPES

if TYPE_CHECKING:
    from nas_gym.models.training.train import Trained


def lines_of(trained: "Trained") -> Iterator[str]:
    """Yield the figures of a training, and what can be done with its model."""
    figures, folder = trained.model.figures, trained.folder
    yield f"{figures['architecture']} on {figures['dataset']}, seed {figures['seed']}"
    for name, words in (
        ("validation_accuracy", "validation accuracy"),
        ("test_accuracy", "test accuracy"),
        ("validation_perplexity", "validation perplexity"),
        ("test_perplexity", "test perplexity"),
    ):
        if name in figures and not ("accuracy" in name and "validation_perplexity" in figures):
            yield f"{words}: {figures[name]:.4f}{_of(figures, name)}"
    yield (
        f"{figures['parameters']:,} parameters, {figures['multiply_adds']:,} multiply-adds, "
        f"{figures['steps']:,} steps in {time_in_words(float(figures['training_seconds']))}"
    )
    model = trained.model
    source = "model.py, " * model.has_source
    yield f"written to {folder}: model.safetensors, {source}README.md, log.csv, curve.png, …"
    images = "test_images" in figures or "train_images" in figures
    files = "IMAGE..." if images else "TEXT.txt"
    yield f"`nas-gym predict {folder} {files}{trust_option(model.modules)}` uses it"
    if not model.has_source:
        yield without_source(model.space)


def _of(figures: Any, name: str) -> str:
    """Return how many images an accuracy is of, and how sure it is."""
    part = name.partition("_")[0]
    count = figures.get(f"{part}_images")
    if not count:
        return ""
    share = figures[name]
    sure = interval_in_words(share, count)
    return f" ({round(share * count):,} of {count:,} images; 95 % interval {sure})"


def _argument_of(space: Any) -> list[str]:
    """Return what names an architecture by the model's record; no file says what is imported."""
    spec = spec_of("space", space)
    return [CONFIG, *(["--space", spec["name"]] if any(foreign_modules("space", spec)) else [])]


def command_of(plan: Plan) -> str | None:
    """Return the command that does this training again; None if its data was given as an object.

    It is for others: what lay on this machine is named by its last name, and an architecture that
    has no name by the model's own ``config.json``.
    """
    source = {n: v for n, v in plan.source.items() if v is not None}
    if "dataset" in plan.source.keys() - source.keys():
        return None
    own = plan.recipe.to_json()
    same = {n: r.to_json() for n, r in NAMED_RECIPES.items() if isinstance(r, type(plan.recipe))}
    changes = {
        name: {o: v for o, v in own.items() if o not in recipe or recipe[o] != v}
        | {o: vars(plan.recipe)[o] for o in recipe.keys() - own.keys()}
        for name, recipe in same.items()
    }
    name = min(changes, key=lambda n: len(changes[n]))
    words = ["nas-gym", "train", *(plan.argument or _argument_of(plan.space))]
    settings = [f"recipe.{o}={json.dumps(v)}" for o, v in changes[name].items()]
    for option, value in source.items():
        if option in ("dataset", "folder", "image_size"):
            shown = value if option == "image_size" else PurePath(value).name or value
            words += [f"--{option.replace('_', '-')}", str(shown)]
        elif option != "download":
            settings.append(f"evaluator.{option}={json.dumps(value)}")
    words += ["--recipe", name, "--seed", str(plan.seed), "--threads", str(plan.evaluator.threads)]
    if plan.streamed:
        words.append("--stream")
    return shlex.join([*words, *(["--set", *settings] if settings else [])])
