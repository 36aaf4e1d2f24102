"""A model in a folder: weights, how to build the network, how to feed it, and a card.

======================  ==========================================================================
``model.safetensors``   the weights; tied ones once
``config.json``         space, architecture and task, checksums of the other files
``preprocess.json``     size, mean, std, classes (or the vocabulary)
``model.py``            the network as plain PyTorch, for whoever has no nas-gym; never read by us;
                        of spaces with a method ``to_source`` (all of ours)
``README.md``           a model card, as the Hugging Face Hub shows it
``model.pt2, .onnx``    on request: the network as torch.export and as ONNX have it
======================  ==========================================================================

``nas_gym.models.loading`` reads it back.
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
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge

from nas_gym import __version__
from nas_gym.errors import InvalidModel, InvalidOption, unknown_name
from nas_gym.models.card import card, without_source
from nas_gym.models.genotypes import check_loadable, genotype_data, has_source
from nas_gym.models.preprocessing import (
    Preprocessing,
    plain_preprocessing,
)
from nas_gym.networks.task import LanguageTask, Task, task_to_json
from nas_gym.options import check
from nas_gym.options.paths import AnyPath, user_path
from nas_gym.options.printable import printable
from nas_gym.registry import foreign_modules, spec_of
from nas_gym.search_spaces.grammar import Tokens

if TYPE_CHECKING:
    from torch import nn

FORMAT = 1
CONFIG, WEIGHTS, PREPROCESS, SOURCE, CARD = (
    "config.json", "model.safetensors", "preprocess.json", "model.py", "README.md",
)  # fmt: skip
TRAINING = "training.json"  # of the training that ends with the model
READ_BY_SOURCE = ("torch.float32", "torch.int64")  # types of tensors that ``model.py`` reads
HASHED = (WEIGHTS, PREPROCESS)
TIED = {"decoder.weight": "embedding.weight"}  # one tensor under two names


@dataclass(frozen=True)
class Model:
    """A network, what it was built from, and how it is fed."""

    network: "nn.Module" = field(repr=False)  # in evaluation mode
    space: Any
    genotype: Any
    task: Task | LanguageTask
    preprocessing: Preprocessing
    figures: Mapping[str, Any] = field(default_factory=dict)  # JSON data of how it was trained
    fresh: bool = False  # whether the weights are as they were drawn
    tokens: Tokens | None = None  # kept of a space that cannot read genotypes

    def predict(self, inputs: Any, top: int = 5) -> list[dict[str, Any]]:
        """Say what the network makes of images; of a language model, of texts.

        Args:
            inputs: One, or a list: paths of files or of folders of images, images of Pillow's,
                arrays (height, width) or (height, width, 3), uint8; also a batch of these, (images,
                height, width, 3). Any size: each is cut to a square and resized.
            top: Most probable classes to name, >= 1.

        Returns:
            One per image, in their order: ``{"classes": [{"class", "probability"}, …]}``, the most
            probable class first; of a file with its ``"path"``. Of a text ``{"path",
            "perplexity", "entries", "unknown"}``.

        Raises:
            InvalidDataset: One that is not there or cannot be read.
            InvalidModel: The network takes no pixels, or its output is not finite.
        """
        from nas_gym.models.predict import one_or_more, predict

        return list(predict(self, one_or_more(inputs), check("top", top, Annotated[int, Ge(1)])))

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules of the user's own that are imported to load it."""
        return tuple(foreign_modules("space", spec_of("space", self.space)))

    @property
    def has_source(self) -> bool:
        """Whether its folder has ``model.py``, so that others need no code of the user's."""
        return has_source(self.space)


def fresh_model(
    space: Any, genotype: Any, task: Any, seed: int = 0, tokens: Tokens | None = None
) -> Model:
    """Return a network with fresh weights, drawn under ``seed``, that has seen no data."""
    network, feed = built(space, genotype, task, seed), plain_preprocessing(task)
    return Model(network, space, genotype, task, feed, fresh=True, tokens=tokens)


def built(space: Any, genotype: Any, task: Any, seed: int) -> "nn.Module":
    """Build a network in evaluation mode, with weights drawn under ``seed``."""
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
        InvalidGenotype: Nor the genotype: its space has neither ``genotype_from_json`` nor tokens.
        UnknownName: No such program.
    """
    place = user_path(folder, "folder")
    _check_place(place, replace)
    if isinstance(model.task, Task) and model.task.auxiliary:  # it is for training alone
        model = with_changes(model, task=with_changes(model.task, auxiliary=False))
    from nas_gym.models.programs import PROGRAMS, check_images
    from nas_gym.models.source import model_source

    check_loadable(model.space, model.genotype, model.tokens)
    for name in programs:
        if name not in PROGRAMS:
            raise unknown_name("program", name, PROGRAMS)
        check_images(model.task)
    title = _title(model)
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
        of_source = () if source is None else (SOURCE,)
        files = (*of_source, WEIGHTS, PREPROCESS, CARD, *programs, CONFIG)  # what counts is last
        for name in files:
            os.replace(new / name, place / name)
        for name in {SOURCE, *PROGRAMS} - set(files):  # of an earlier model
            (place / name).unlink(missing_ok=True)
    except OSError as error:
        raise _not_written(place, error) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return [place / name for name in files]


def _title(model: Model) -> str:
    named, data = (model.figures.get(n) for n in ("architecture", "dataset"))
    if isinstance(named, str) and isinstance(data, str):
        return printable(f"{named[:60]} trained on {data[:60]}")
    return f"A network of {type(model.space).__name__}"


def _check_place(place: Path, replace: bool) -> None:
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        raise InvalidModel(f"{printable(place)} is no folder: give another place")
    known = any((place / name).is_file() for name in (CONFIG, TRAINING))
    if place.is_dir() and any(place.iterdir()) and not known:
        raise InvalidModel(
            f"{printable(place)} has files and no model in it: give an empty folder, or a new one"
        )
    if not replace and (place / CONFIG).is_file():
        raise InvalidModel(
            f"{printable(place)} has a model in it: give another folder, or say that it is to be "
            "replaced, with replace=True"
        )


def _not_written(place: Path, error: OSError) -> InvalidModel:
    return InvalidModel(
        f"cannot write to {printable(place)} ({error.strerror or error}); what was there is "
        "unchanged: make room, or give another folder"
    )


def _write_files(model: Model, new: Path, source: str | None, title: str) -> None:
    from safetensors.torch import save

    once = TIED if getattr(model.task, "tied", False) else {}
    plain = {
        name: tensor.detach().cpu().contiguous().clone()  # a shared one is written twice
        for name, tensor in model.network.state_dict().items()
        if name not in once and not name.startswith("auxiliary.")
    }
    for name, tensor in plain.items():
        if source is not None and str(tensor.dtype) not in READ_BY_SOURCE:
            raise InvalidOption(
                f"{printable(name)} of the network is {tensor.dtype}, and a model has "
                f"{' and '.join(READ_BY_SOURCE)}: give the network tensors of these"
            )
    (new / WEIGHTS).write_bytes(save(plain, metadata={"format": "pt"}))
    if source is not None:
        (new / SOURCE).write_text(source, encoding="utf-8")
    _write_json(new / PREPROCESS, model.preprocessing.to_json())
    text = card(
        title, model.task, model.preprocessing, model.figures, model.fresh, model.modules,
        "" if model.has_source else without_source(model.space),
    )  # fmt: skip
    (new / CARD).write_text(text, encoding="utf-8", errors="backslashreplace")
    config = {
        "format": FORMAT,
        "nas_gym": __version__,
        "space": spec_of("space", model.space),
        **genotype_data(model.space, model.genotype, model.tokens),
        "task": task_to_json(model.task),
        "figures": dict(model.figures),
        "fresh": model.fresh,
        "sha256": {name: sha256_of(new / name) for name in HASHED},
    }
    _write_json(new / CONFIG, {**config, "checksum": checksum(config)})


def _write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def sha256_of(path: Path) -> str:
    """Return the checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksum(config: Mapping[str, Any]) -> str:
    """Return the checksum of JSON data."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
