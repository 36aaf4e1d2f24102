"""A model in a folder: weights, how to build the network, how to feed it, and a card.

======================  ==========================================================================
``model.safetensors``   the weights; tied ones once
``config.json``         space, architecture and task, checksums of the other files
``preprocess.json``     size, mean, std, classes (or the vocabulary)
``model.py``            the network as plain PyTorch, for whoever has no nas-gym; never read by us
``README.md``           a model card, as the Hugging Face Hub shows it
``model.pt2, .onnx``    on request: the network as torch.export and as ONNX have it
======================  ==========================================================================

A folder may come from anybody: JSON is read within bounds and checked, weights are safetensors
(no pickle), and a search space that is none of ours is imported only if the user trusts it.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as with_changes
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_gym import __version__
from nas_gym.errors import InvalidModel, InvalidOption, NASGymError, unknown_name
from nas_gym.models.card import card
from nas_gym.models.preprocessing import (
    Preprocessing,
    plain_preprocessing,
    preprocessing_from_json,
)
from nas_gym.networks.task import LanguageTask, Task, task_from_json, task_to_json
from nas_gym.options.json_text import read_json
from nas_gym.options.paths import AnyPath, user_path
from nas_gym.options.printable import printable
from nas_gym.registry import check_trusted, make, spec_of
from nas_gym.search_spaces.architecture import genotype_to_json

if TYPE_CHECKING:
    from torch import nn

FORMAT = 1
LARGEST_JSON = 64 * 2**20  # bytes; a vocabulary may be large
CONFIG, WEIGHTS, PREPROCESS, SOURCE, CARD = (
    "config.json", "model.safetensors", "preprocess.json", "model.py", "README.md",
)  # fmt: skip
_HASHED = (WEIGHTS, PREPROCESS)
_TIED = {"decoder.weight": "embedding.weight"}  # one tensor under two names


@dataclass(frozen=True)
class Model:
    """A network, what it was built from, and how it is fed."""

    network: "nn.Module"  # in evaluation mode
    space: Any
    genotype: Any
    task: Task | LanguageTask
    preprocessing: Preprocessing
    figures: Mapping[str, Any] = field(default_factory=dict)  # JSON data of how it was trained
    fresh: bool = False  # whether the weights are as they were drawn


def fresh_model(space: Any, genotype: Any, task: Any, seed: int = 0) -> Model:
    """Return a network with fresh weights, drawn under ``seed``, that has seen no data."""
    network, feed = _built(space, genotype, task, seed), plain_preprocessing(task)
    return Model(network, space, genotype, task, feed, fresh=True)


def _built(space: Any, genotype: Any, task: Any, seed: int) -> "nn.Module":
    import torch

    from nas_gym.networks.cost import MOST_PARAMETERS, at_most, on_meta
    from nas_gym.networks.isolation import isolated
    from nas_gym.training.loop import seeded

    with on_meta(), at_most(MOST_PARAMETERS):  # before anything takes memory
        space.build(genotype, task)
    with isolated(1, seed), seeded(seed, torch.device("cpu")):
        network: nn.Module = space.build(genotype, task).eval()
    return network


def write_model(
    model: Model, folder: AnyPath, *, replace: bool = False, programs: Collection[str] = ()
) -> list[Path]:
    """Write a model into a folder, which is made if it is not there.

    All files are written beside the folder first: a disk that fills leaves the folder as it was.

    Args:
        model: What to write; tensors are written as they are, wherever they lie.
        folder: Where to.
        replace: Whether a model that is there already is replaced.
        programs: ``"model.pt2"``, ``"model.onnx"``: written as well; of networks for images only.

    Returns:
        The files.

    Raises:
        InvalidModel: The folder has files in it, or cannot be written to.
        InvalidOption: The space or the network cannot be written in such a form.
        UnknownName: No such program.
    """
    place = user_path(folder, "folder")
    _check_place(place, replace)
    if isinstance(model.task, Task) and model.task.auxiliary:  # it is for training alone
        model = with_changes(model, task=with_changes(model.task, auxiliary=False))
    from nas_gym.models.programs import PROGRAMS, check_images
    from nas_gym.models.source import model_source

    for name in programs:
        if name not in PROGRAMS:
            raise unknown_name("program", name, PROGRAMS)
        check_images(model.task)
    title = f"A network of {type(model.space).__name__}"
    source = model_source(model.space, model.genotype, model.task, f"{title}.")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    except OSError as error:
        raise _not_written(place, error) from error
    try:
        _write_files(model, new, source, title)
        for name in programs:
            PROGRAMS[name](model.network, model.task, new / name)
        place.mkdir(exist_ok=True)
        files = (SOURCE, WEIGHTS, PREPROCESS, CARD, *programs, CONFIG)  # what counts comes last
        for name in files:
            os.replace(new / name, place / name)
        for name in PROGRAMS.keys() - set(programs):  # of an earlier model
            (place / name).unlink(missing_ok=True)
    except OSError as error:
        raise _not_written(place, error) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return [place / name for name in files]


def _check_place(place: Path, replace: bool) -> None:
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        raise InvalidModel(f"{printable(place)} is no folder: give another place")
    if place.is_dir() and any(place.iterdir()) and not (place / CONFIG).is_file():
        raise InvalidModel(
            f"{printable(place)} has files and no model in it: give an empty folder, or a new one"
        )
    if not replace and (place / CONFIG).is_file():
        raise InvalidModel(
            f"{printable(place)} has a model in it: give another folder, or say that it is to be "
            "replaced, with --force (in Python replace=True)"
        )


def _not_written(place: Path, error: OSError) -> InvalidModel:
    return InvalidModel(
        f"cannot write to {printable(place)} ({error.strerror or error}); what was there is "
        "unchanged: make room, or give another folder"
    )


def _write_files(model: Model, new: Path, source: str, title: str) -> None:
    from safetensors.torch import save

    once = _TIED if getattr(model.task, "tied", False) else {}
    plain = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.network.state_dict().items()
        if name not in once and not name.startswith("auxiliary.")
    }
    (new / WEIGHTS).write_bytes(save(plain, metadata={"format": "pt"}))
    (new / SOURCE).write_text(source, encoding="utf-8")
    _write_json(new / PREPROCESS, model.preprocessing.to_json())
    text = card(title, model.task, model.preprocessing, model.figures, model.fresh)
    (new / CARD).write_text(text, encoding="utf-8", errors="backslashreplace")
    config = {
        "format": FORMAT,
        "nas_gym": __version__,
        "space": spec_of("space", model.space),
        "architecture": genotype_to_json(model.genotype),
        "task": task_to_json(model.task),
        "figures": dict(model.figures),
        "fresh": model.fresh,
        "sha256": {name: _sha256(new / name) for name in _HASHED},
    }
    _write_json(new / CONFIG, {**config, "checksum": _checksum(config)})


def _write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checksum(config: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


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
    config = _read_json(place / CONFIG, shown)
    if not isinstance(config, dict) or config.get("format") != FORMAT or config["format"] is True:
        raise InvalidModel(
            f'{shown} is no model: its {CONFIG} does not say "format": {FORMAT}; give a folder '
            "that `nas-gym export` wrote"
        )
    if _checksum({k: v for k, v in config.items() if k != "checksum"}) != config.get("checksum"):
        raise _changed(shown, CONFIG)
    for name in _HASHED:
        try:
            _check_file(place / name)
            found = _sha256(place / name)
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
            "`nas-gym export` wrote"
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
    read = getattr(space, "genotype_from_json", None)
    if read is None:
        raise InvalidOption(f"{type(space).__name__} reads no genotypes")
    genotype = read(config.get("architecture"))
    preprocessing = preprocessing_from_json(_read_json(place / PREPROCESS, shown))
    if not preprocessing.fits(task):
        raise InvalidModel(f"{shown}: {PREPROCESS} is that of another network: export it again")
    network = _built(space, genotype, task, 0)
    _load_weights(network, place / WEIGHTS, shown, getattr(task, "tied", False))
    figures = config.get("figures")
    figures = figures if isinstance(figures, dict) else {}
    fresh = config.get("fresh") is True
    return Model(network, space, genotype, task, preprocessing, figures, fresh)


def _load_weights(network: "nn.Module", path: Path, shown: str, tied: bool) -> None:
    """Load all weights, each as it is: none stays fresh, none is rounded or given twice."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    own = network.state_dict()
    for name in _TIED if tied else ():
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
