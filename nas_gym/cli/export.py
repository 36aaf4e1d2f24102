"""``nas-gym export``."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from nas_gym.cli.shared import (
    Count,
    OptionalPath,
    OptionalText,
    OutFolder,
    StorePlace,
    Trust,
    at_least_one,
    optional_path,
    print_json,
)
from nas_gym.cli.sizes import Sizes, check_latency_device, latencies
from nas_gym.cli.typed import dashed
from nas_gym.errors import InvalidOption, UnknownName
from nas_gym.options import check
from nas_gym.options.counts import Seed
from nas_gym.options.paths import user_path
from nas_gym.options.printable import printable
from nas_gym.store.location import DEFAULT_STORE, check_there

if TYPE_CHECKING:
    from nas_gym.models.folder import Model


_OF_RUNS = ("out", "minari", "optuna")
_OF_NETWORKS = ("space", "seed", "force", "pt2", "onnx", "latency", "device")


@dataclass(frozen=True)
class Export(Sizes):
    """Write the best architectures of a run, or (--to) a network that loads without nas-gym.

    A network is a folder with its weights, the network as plain PyTorch, what it takes, and a card.
    """

    run: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN|MODEL")]
    """Name of a run; with --to a model's folder, or an architecture as `nas-gym describe` takes
    it, whose weights are then fresh."""
    best: Count = 3
    """Architectures of a run to write: those with the highest rewards."""
    front: bool = False
    """Write the Pareto front of a run instead: of the agent's objectives, else of the reward and
    the parameters; with front.csv and a drawing."""
    out: OutFolder = None
    store: StorePlace = str(DEFAULT_STORE)
    trust: Trust = ()
    json: bool = False
    """Print what the JSON files hold, as one list."""
    minari: OptionalText = None
    """Write a run's requests as episodes for offline reinforcement learning instead: a Minari
    dataset, by its id (nasbench201/evolution-v0) or as a path (./data/evolution-v0); pip install
    'nas-gym[minari]'."""
    optuna: OptionalText = None
    """Write a run as a study of Optuna's instead, into the database of this URL
    (sqlite:///study.db), for optuna-dashboard; pip install 'nas-gym[optuna]'."""
    to: OptionalPath = None
    """Write a network into this folder; its size is set by the options from --repeats to
    --untied."""
    space: OptionalText = None
    """Search space of a token list or string (`nas-gym list`)."""
    seed: Count = 0
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
        for option in ("minari", "optuna"):
            if getattr(self, option) is not None:
                self._refuse_of_architectures(option)
        if self.minari is not None:
            return self._write_trajectories(self.minari)
        if self.optuna is not None:
            return self._write_study(self.optuna)
        return self._write_architectures()

    def _refuse(self, options: Sequence[str], why: str) -> None:
        """Raise InvalidOption if a size or one of the options is given."""
        for option in (*self.given_sizes(), *(n for n in options if getattr(self, n))):
            raise InvalidOption(f"--{dashed(option)} {why}")

    def _write_architectures(self) -> int:
        at_least_one(best=self.best)
        if self.front and self.best != 3:
            raise InvalidOption("--best and --front exclude each other: give one of the two")
        out = optional_path("--out", self.out)
        check_there(self.store)
        from nas_gym.cli.output import say_untrusted
        from nas_gym.runs.export import export, export_front, folder_of
        from nas_gym.runs.findings import Findings
        from nas_gym.store import load_run

        run = load_run(self.run, self.store)
        found = Findings.of(run, self.trust)
        folder = folder_of(self.store, run.name) if out is None else out
        files = export_front(found, folder) if self.front else export(found, self.best, folder)
        say_untrusted(found)
        written = [file for file in files if file.suffix == ".json"]
        if len(written) < self.best and not self.front:
            print(f"the run has {len(written)} different architectures", file=sys.stderr)
        if self.json:
            print_json([json.loads(file.read_text(encoding="utf-8")) for file in written])
            return 0
        for file in files:
            print(printable(file))
        return 0

    def _refuse_of_architectures(self, option: str) -> None:
        """Raise InvalidOption if there is another option than this one, which writes all."""
        given = [
            *([] if self.out is None else ["--out"]),
            *([] if self.best == 3 else ["--best"]),
            *(["--front"] if self.front else []),
        ]
        if self.minari is not None and self.optuna is not None:
            raise InvalidOption("--minari and --optuna exclude each other: give one of the two")
        if given:
            raise InvalidOption(
                f"{given[0]} is for architectures, --{option} writes all requests: leave it out"
            )

    def _write_study(self, storage: str) -> int:
        check_there(self.store)
        from nas_gym.runs.optuna_study import write_optuna
        from nas_gym.store import load_run

        run = load_run(self.run, self.store)
        study = write_optuna(run, storage, self.trust)
        if self.json:
            print_json({"run": run.name, "study": study, "trials": len(run.rows)})
        else:
            print(printable(f"study {study}: {len(run.rows):,} trials"))
        return 0

    def _write_trajectories(self, dataset: str) -> int:
        check_there(self.store)
        from nas_gym.runs.trajectories import write_minari
        from nas_gym.store import load_run

        run = load_run(self.run, self.store)
        folder = write_minari(run, dataset, self.trust)
        if self.json:
            print_json({"run": run.name, "episodes": len(run.rows), "folder": str(folder)})
        else:
            print(printable(folder))
        return 0

    def _write_network(self, to: str) -> int:
        place = user_path(to, "--to")
        given = next((n for n in _OF_RUNS if getattr(self, n) is not None), None)
        given = "best" if given is None and self.best != 3 else given
        given = "front" if given is None and self.front else given
        if given is not None:
            raise InvalidOption(
                f"--{given} does not go with --to, which writes one network: leave one of them out"
            )
        check("seed", self.seed, Seed)
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
            from nas_gym.cli.other_kinds import refuse_other_kinds

            refuse_other_kinds(self.run, self.store)
            raise UnknownName(
                f"{error}; a run's best becomes a network by `nas-gym train RUN`, or with fresh "
                "weights by its file best-1.json, which `nas-gym export RUN` writes"
            ) from error
        self.refuse_what_does_not_fit(found, self.run)
        task = self.task_of(found)
        print("the weights are fresh: this network has not been trained", file=sys.stderr)
        return fresh_model(found.space, found.genotype, task, self.seed)
