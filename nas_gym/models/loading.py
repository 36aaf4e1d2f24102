"""Read a model back from its folder, which may come from anybody.

JSON is read within bounds and checked, weights are safetensors (no pickle), ``model.py`` is not
read, and a search space that is none of ours is imported only if the user trusts it.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_gym.errors import InvalidModel, NASGymError
from nas_gym.models.folder import (
    CONFIG,
    FORMAT,
    HASHED,
    PREPROCESS,
    TIED,
    TRAINING,
    WEIGHTS,
    Model,
    built,
    checksum,
    sha256_of,
)
from nas_gym.models.genotypes import genotype_of
from nas_gym.models.preprocessing import preprocessing_from_json
from nas_gym.networks.task import task_from_json
from nas_gym.options.json_text import read_json
from nas_gym.options.paths import AnyPath, user_path
from nas_gym.options.printable import printable
from nas_gym.registry import check_trusted, make

if TYPE_CHECKING:
    from torch import nn

LARGEST_JSON = 64 * 2**20  # bytes; a vocabulary may be large


def load_model(folder: AnyPath, *, trust: Collection[str] = ()) -> Model:
    """Read a model that ``nas-gym export --to`` or ``write_model`` wrote.

    To keep what you have trained: ``write_model(replace(model, fresh=False, figures={…}), folder)``
    with ``dataclasses.replace``; training changes ``model.network`` in place.

    ``model.py`` is not read: the network is built by its search space.

    Args:
        folder: The model's.
        trust: Modules and packages of the user's own search space, which may be imported.

    Returns:
        The network in evaluation mode, on the CPU, and its preprocessing.

    Raises:
        InvalidModel: The folder has no model, or one that is cut off, changed or not complete.
        UntrustedModule: Its search space is neither ours nor trusted.
    """
    place = user_path(folder, "folder")
    shown = printable(place)
    if place.is_file():
        raise InvalidModel(f"{shown} is a file, not a model: give {_folder_of(place)}")
    if not (place / CONFIG).exists() and (place / TRAINING).exists():
        raise InvalidModel(
            f"{shown} has a training that is not finished: go on with it by `nas-gym train {shown} "
            "--resume`, which ends with the model"
        )
    config = _read_json(place / CONFIG, shown)
    if not isinstance(config, dict) or config.get("format") != FORMAT or config["format"] is True:
        raise InvalidModel(
            f'{shown} is no model: its {CONFIG} does not say "format": {FORMAT}; give a folder '
            "that `nas-gym train` or `nas-gym export --to` wrote"
        )
    if checksum({k: v for k, v in config.items() if k != "checksum"}) != config.get("checksum"):
        raise _changed(shown, CONFIG)
    for name in HASHED:
        try:
            _check_file(place / name)
            found = sha256_of(place / name)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise InvalidModel(
                f"{shown}: {name} cannot be read ({why}): bring the whole folder back"
            ) from error
        if not isinstance(config.get("sha256"), dict) or config["sha256"].get(name) != found:
            raise _changed(shown, name)
    try:
        return _model(config, place, trust)
    except InvalidModel:
        raise
    except NASGymError as error:
        if not isinstance(error, ValueError | LookupError | TypeError):
            raise
        raise InvalidModel(f"{shown} is no model that can be built: {error}") from error


def _folder_of(file: Path) -> str:
    """Return which folder is meant by a file, in words."""
    if (file.parent / CONFIG).exists():
        return f"the folder that it is in, {printable(file.parent)}"
    return "a folder that `nas-gym train` or `nas-gym export --to` wrote"


def _read_json(path: Path, shown: str) -> Any:
    try:
        _check_file(path)
        if path.stat().st_size > LARGEST_JSON:
            raise ValueError(f"it has more than {LARGEST_JSON:,} bytes")
        return read_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise InvalidModel(
            f"{shown} is no model: {path.name} cannot be read ({why}); give a folder that "
            "`nas-gym train` or `nas-gym export --to` wrote"
        ) from error


def _check_file(path: Path) -> None:
    if path.exists() and not path.is_file():  # a pipe would be waited for, a device never ends
        raise ValueError("it is no file")


def _changed(shown: str, name: str) -> InvalidModel:
    return InvalidModel(
        f"{shown}: {name} is cut off, or was changed after it was written: bring the old file "
        "back, or export the model again"
    )


def _model(config: Mapping[str, Any], place: Path, trust: Collection[str]) -> Model:
    shown, spec = printable(place), config.get("space")
    if not isinstance(spec, dict) or not isinstance(spec.get("name"), str):
        raise InvalidModel(f"{shown} does not say of which search space its network is")
    check_trusted(f"the model {shown}", {"space": spec}, trust)
    space = make("space", spec)
    task = task_from_json(config.get("task"))
    genotype, tokens = genotype_of(space, config)
    preprocessing = preprocessing_from_json(_read_json(place / PREPROCESS, shown))
    if not preprocessing.fits(task):
        raise InvalidModel(f"{shown}: {PREPROCESS} is that of another network: export it again")
    network = built(space, genotype, task, 0)
    _load_weights(network, place / WEIGHTS, shown, getattr(task, "tied", False))
    figures = config.get("figures")
    figures = figures if isinstance(figures, dict) else {}
    fresh = config.get("fresh") is True
    return Model(network, space, genotype, task, preprocessing, figures, fresh, tokens)


def _load_weights(network: "nn.Module", path: Path, shown: str, tied: bool) -> None:
    """Load all weights, each as it is: none stays fresh, none is rounded or given twice."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    own = network.state_dict()
    for name in TIED if tied else ():
        own.pop(name, None)
    try:
        weights = load_file(path)
        others = weights.keys() ^ own.keys()
        if others or any(w.dtype != own[name].dtype for name, w in weights.items()):
            raise InvalidModel(
                f"{shown}: {path.name} has the weights of another network: export it again"
            )
        network.load_state_dict(weights, strict=False)  # tied ones are there once
    except (SafetensorError, OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InvalidModel(f"{shown}: {path.name} does not fit its network ({reason})") from error
