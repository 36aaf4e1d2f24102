"""The evaluator that a command names, with its options: for every command that trains children."""

from collections.abc import Mapping
from typing import Any

from nas_gym.errors import InvalidDataset, InvalidOption

SWITCHES = ("dataset", "folder", "download", "recipe", "device")  # options of evaluators
TABLES = (".csv", ".npz", ".parquet")


def evaluator_of(
    space: Any,
    named: str | None,
    switches: Mapping[str, Any],
    settings: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return an evaluator as JSON data.

    Args:
        space: Whose architectures it is to evaluate.
        named: Its name, or the path of a table; None: what is usual for the space.
        switches: What the switches of ``SWITCHES`` give; None and False if they are left out.
        settings: What ``--set`` gives, by part.

    Raises:
        InvalidOption: Options that it does not take, or that are given twice.
    """
    from nas_gym.evaluators.trained.trainers import TRAINERS
    from nas_gym.registry import options_of, usual

    name, own = named or usual("evaluator", space), settings["evaluator"]
    if name.lower().endswith(TABLES):
        evaluator = {"name": "table", "file": name, **own}
    else:
        evaluator = {"name": name, **own}
    given = {option: v for option, v in switches.items() if v is not None and v is not False}
    takes = options_of("evaluator", evaluator["name"])
    if "recipe" in takes:
        if name in TRAINERS:
            given.setdefault("recipe", usual("recipe", space))
        if name in TRAINERS or settings["recipe"]:  # without a name it is the evaluator's own
            recipe = {"name": given["recipe"]} if "recipe" in given else {}
            given["recipe"] = {**recipe, **settings["recipe"]}
        for option in SWITCHES:
            if option in own:
                raise InvalidOption(f"--set evaluator.{option} is not used: give --{option}")
    for option in given.keys() & own.keys():
        raise InvalidOption(f"--{option} and --set evaluator.{option} are both given: give one")
    unused = [f"--{option}" for option in given if option not in takes]
    if settings["recipe"] and "recipe" not in takes:
        unused.append("--set recipe.…")
    if unused:
        trains = "recipe" in takes
        why = "has no such option" if trains else "does not train or has no such option"
        raise InvalidOption(f"evaluator {name!r} {why}: leave out {' and '.join(unused)}")
    return evaluator | given


def parts_of(command: Any, options: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Make the space, the evaluator and the reward that a command names; no reward is None.

    Args:
        command: Has ``space``, ``evaluator``, ``reward`` and the switches of ``SWITCHES``.
        options: What ``--set`` gives, by part.

    Raises:
        NASGymError: What cannot be made.
    """
    from nas_gym.registry import make, usual

    space = make("space", {"name": command.space, **options["space"]})
    reward = None
    if command.reward is not None or options["reward"]:
        name = command.reward or usual("reward", space)
        reward = make("reward", {"name": name, **options["reward"]})
    switches = {option: getattr(command, option) for option in SWITCHES}
    evaluator = evaluator_of(space, command.evaluator, switches, options)
    _check_data(command.space, evaluator)
    return {
        "space": space,
        "evaluator": make("evaluator", evaluator, space=space),
        "reward": reward,
    }


def _check_data(space: str, evaluator: Mapping[str, Any]) -> None:
    """Raise InvalidDataset if data that is to be read is not there, before torch is imported."""
    from nas_gym.registry import options_of
    from nas_gym.training.places import missing_from, not_there

    if evaluator.get("download") is True or "folder" not in options_of(
        "evaluator", evaluator["name"]
    ):
        return
    dataset = evaluator.get("dataset")
    root = missing_from(dataset, evaluator.get("folder"))
    if root is not None:
        said = str(not_there(str(dataset), root))
        table = "; or look it up in its table, which needs no data: --evaluator nasbench201"
        raise InvalidDataset(said + (table if space == "nasbench201" else ""))
