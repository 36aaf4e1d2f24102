"""A line for each environment, data set, recipe, architecture and benchmark of ``nas-gym list``."""

from collections.abc import Callable, Mapping
from typing import Any

Summary = Callable[[str], str]  # of ``module:attribute``, what it says of itself


def told_of(title: str, summary: Summary) -> Mapping[str, str]:
    """Return what is said of each entry of a group, by its name; empty if nothing is known."""
    groups: dict[str, Callable[[Summary], Mapping[str, str]]] = {
        "environments": _environments,
        "datasets": _data_sets,
        "recipes": _recipes,
        "architectures": _architectures,
        "benchmarks": _benchmarks,
    }
    return groups[title](summary) if title in groups else {}


def _environments(_: Summary) -> dict[str, str]:
    from nas_gym.envs.ids import EDIT_IDS, IDS, MULTI_OBJECTIVE_IDS

    return {
        name: _environment(keywords)
        for name, keywords in {**IDS, **EDIT_IDS, **MULTI_OBJECTIVE_IDS}.items()
    }


def _environment(keywords: Mapping[str, Any]) -> str:
    how = "edit by edit" if keywords.get("action") == "edit" else "token by token"
    looked_up = ", looked up in its table" * ("evaluator" in keywords)
    objectives = keywords.get("objectives")
    several = f" for {', '.join(objectives)}" if objectives else ""
    return f"{keywords['space']} {how}{looked_up}{several}"


def _data_sets(summary: Summary) -> dict[str, str]:
    from nas_gym.plugins import names, table

    return {
        name: summary(table(kind)[name]).removeprefix("Load ")
        for kind in ("dataset", "text")
        for name in names(kind)
    }


def _recipes(_: Summary) -> dict[str, str]:
    from nas_gym.training.images.presets import UNFITTED
    from nas_gym.training.named import NAMED_RECIPES

    fitted = dict.fromkeys(UNFITTED, "images, fitted to their number and size")
    return {name: _recipe(recipe) for name, recipe in NAMED_RECIPES.items()} | fitted


def _recipe(recipe: Any) -> str:
    kind = "texts" if hasattr(recipe, "bptt") else "images"
    steps = getattr(recipe, "steps", None)
    length = f"{steps:,} steps" if steps else f"{recipe.epochs} epochs"
    return f"{kind}, {length}, batches of {recipe.batch_size}, {recipe.optimizer}"


def _architectures(_: Summary) -> dict[str, str]:
    from nas_gym.registry import spec_of
    from nas_gym.search_spaces.published import PUBLISHED

    return {
        name: f"of the space {spec_of('space', found.space)['name']}"
        for name, found in PUBLISHED.items()
    }


def _benchmarks(_: Summary) -> dict[str, str]:
    from nas_gym.benchmark.suite import BENCHMARKS

    return BENCHMARKS
