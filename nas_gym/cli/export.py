"""``nas-gym export``."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from nas_gym.cli.shared import (
    OptionalPath,
    OptionalText,
    OutFolder,
    StorePlace,
    Trust,
    at_least_one,
    dashed,
    optional_path,
    print_json,
)
from nas_gym.cli.sizes import Sizes, check_latency_device, latencies
from nas_gym.errors import InvalidOption, UnknownName
from nas_gym.options.paths import user_path
from nas_gym.options.printable import printable
from nas_gym.store.location import DEFAULT_STORE, check_there

if TYPE_CHECKING:
    from nas_gym.models.folder import Model


_OF_NETWORKS = ("space", "seed", "force", "pt2", "onnx", "latency", "device")


@dataclass(frozen=True)
class Export(Sizes):
    """Write the best architectures of a run, or (--to) a network that loads without nas-gym.

    A network is a folder with its weights, the network as plain PyTorch, what it takes, and a card.
    """

    run: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN|MODEL")]
    """Name of a run; with --to a model's folder, or an architecture as `nas-gym describe` takes
    it, whose weights are then fresh."""
    best: int = 3
    """Architectures of a run to write: those with the highest rewards."""
    out: OutFolder = None
    store: StorePlace = str(DEFAULT_STORE)
    trust: Trust = ()
    json: bool = False
    """Print what the JSON files hold, as one list."""
    to: OptionalPath = None
    """Write a network into this folder; its size is set by the options from --repeats to
    --untied."""
    space: OptionalText = None
    """Search space of a token list or string (`nas-gym list`)."""
    seed: int = 0
    """Seed of fresh weights."""
    force: bool = False
    """Replace a model that is in the folder already."""
    pt2: bool = False
    """Write model.pt2 as well, which torch.export.load reads; of networks for images."""
    onnx: bool = False
    """Write model.onnx as well (pip install 'nas-gym[onnx]'); of networks for images."""
    latency: bool = False
    """Measure how long a batch of 1 and of 64 takes on one thread, and print it."""
    device: OptionalText = None
    """Where the latency is measured: cpu (default), cuda or cuda:1."""

    def __call__(self) -> int:
        """Write the files; return 0 when all are written."""
        if self.to is not None:
            return self._write_network(self.to)
        self._refuse(_OF_NETWORKS, "is only for a network: give --to FOLDER")
        return self._write_architectures()

    def _refuse(self, options: Sequence[str], why: str) -> None:
        """Raise InvalidOption if a size or one of the options is given."""
        for option in (*self.given_sizes(), *(n for n in options if getattr(self, n))):
            raise InvalidOption(f"--{dashed(option)} {why}")

    def _write_architectures(self) -> int:
        at_least_one(best=self.best)
        out = optional_path("--out", self.out)
        check_there(self.store)
        from nas_gym.cli.output import say_untrusted
        from nas_gym.runs.export import export, folder_of
        from nas_gym.runs.findings import Findings
        from nas_gym.store import load_run

        run = load_run(self.run, self.store)
        found = Findings.of(run, self.trust)
        folder = folder_of(self.store, run.name) if out is None else out
        files = export(found, self.best, folder)
        say_untrusted(found)
        written = [file for file in files if file.suffix == ".json"]
        if len(written) < self.best:
            print(f"the run has {len(written)} different architectures", file=sys.stderr)
        if self.json:
            print_json([json.loads(file.read_text(encoding="utf-8")) for file in written])
            return 0
        for file in files:
            print(printable(file))
        return 0

    def _write_network(self, to: str) -> int:
        place = user_path(to, "--to")
        given = "out" if self.out is not None else "best" if self.best != 3 else None
        if given is not None:
            raise InvalidOption(f"--{given} is only for the architectures of a run: leave it out")
        check_latency_device(self.device, self.latency)
        model = self._model()
        from nas_gym.models.folder import write_model

        programs = [f"model.{name}" for name in ("pt2", "onnx") if getattr(self, name)]
        files = write_model(model, place, replace=self.force, programs=programs)
        latency = latencies(model, self.device) if self.latency else []
        if self.json:
            config = json.loads((place / "config.json").read_text(encoding="utf-8"))
            more = {"latency": [each.to_json() for each in latency]} if latency else {}
            print_json({**config, **more})
            return 0
        for line in [*files, *(each.in_words() for each in latency)]:
            print(printable(line))
        return 0

    def _model(self) -> "Model":
        """Read the model, or build the network that was named."""
        from nas_gym.models.folder import fresh_model
        from nas_gym.models.loading import load_model

        if os.path.isdir(user_path(self.run, "MODEL")):
            self._refuse(
                ("space", "seed"),
                f"is only for fresh weights, and {printable(self.run)} is a model: leave it out",
            )
            return load_model(self.run, trust=self.trust)
        from nas_gym.models.architectures import find

        try:
            found = find(self.run, self.space)
        except UnknownName as error:
            raise UnknownName(
                f"{error}; a run's best becomes a network by `nas-gym train RUN`, or with fresh "
                "weights by its file best-1.json, which `nas-gym export RUN` writes"
            ) from error
        self.refuse_what_does_not_fit(found, self.run)
        print("the weights are fresh: this network has not been trained", file=sys.stderr)
        return fresh_model(found.space, found.genotype, self.task_of(found), self.seed)
