"""``nas-gym predict``."""

import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from nas_gym.cli.shared import AsJson, Count, OptionalText, Trust, Words, at_least_one, print_json
from nas_gym.errors import InvalidModel, InvalidOption, StoreError
from nas_gym.options.paths import user_path
from nas_gym.options.printable import printable
from nas_gym.store.location import DEFAULT_STORE, check_there, run_command, run_meant
from nas_gym.training.devices import check_there as check_device
from nas_gym.training.devices import moved, one_device


@dataclass(frozen=True)
class Predict:
    """Say what a model makes of images (classes, probabilities) or texts (perplexity)."""

    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="FOLDER")]
    """Folder of a model, which `nas-gym export --to` wrote."""
    files: Annotated[tyro.conf.Positional[Words], tyro.conf.arg(metavar="IMAGE...")] = ()
    """Image files or folders of them; text files for a language model."""
    top: Count = 5
    """Most probable classes to name."""
    device: OptionalText = None
    """Device that computes: cpu (default), cuda or cuda:1."""
    trust: Trust = ()
    json: AsJson = False

    def __call__(self) -> int:
        """Print one line per file."""
        at_least_one(top=self.top)
        if not self.files:
            raise InvalidOption("no file is given: name images, or folders of them")
        if self.device is not None:
            check_device(one_device(self.device))
        from nas_gym.models.loading import load_model
        from nas_gym.models.predict import predict

        try:
            model = load_model(self.model, trust=self.trust)
        except InvalidModel:
            _refuse_a_run(self.model)
            raise
        if model.fresh:
            print("the weights are fresh: this network has not been trained", file=sys.stderr)
        moved(model.network, self.device)
        found = predict(model, self.files, self.top)
        if self.json:
            print_json(list(found))
            return 0
        for each in found:
            print(f"{printable(each['path'])}: {_in_words(each)}")
        return 0


def _refuse_a_run(given: str) -> None:
    """Raise InvalidModel if a run of the usual store was given, by name or by its files' folder."""
    from nas_gym.models.folder import CONFIG
    from nas_gym.store import Store

    place = user_path(given, "FOLDER")
    run = run_meant(place)
    if (place / CONFIG).exists():
        return
    with suppress(StoreError):  # no store, or one that cannot be read
        check_there(DEFAULT_STORE)
        with Store(DEFAULT_STORE, read_only=True) as store:
            if not store.has_run(run):
                return
            config = store.config_of(run)
        raise InvalidModel(
            f"{printable(given)} is a run, not a model: train its best architecture first, "
            f"`{run_command('train', run, config)}`, and give the folder that this writes"
        )


def _in_words(found: dict[str, Any]) -> str:
    if "perplexity" in found:
        unknown = f", {found['unknown']:,} of them unknown" * (found["unknown"] > 0)
        return f"perplexity {found['perplexity']:.2f} ({found['entries']:,} entries{unknown})"
    return ", ".join(f"{printable(c['class'])} {c['probability']:.3f}" for c in found["classes"])
