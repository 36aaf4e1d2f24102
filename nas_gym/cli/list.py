"""``nas-gym list``."""

import os
from dataclasses import dataclass
from typing import Any

import gymnasium

from nas_gym.benchmark.suite import SUITES
from nas_gym.cli.output import print_json
from nas_gym.cli.shared import StorePlace
from nas_gym.plugins import names
from nas_gym.search_spaces.published import PUBLISHED
from nas_gym.store import DEFAULT_STORE, Store
from nas_gym.training.named import NAMED_RECIPES


@dataclass(frozen=True)
class List:
    """List environments, spaces, agents, data sets, recipes, rewards, benchmarks, recorded runs."""

    store: StorePlace = str(DEFAULT_STORE)
    json: bool = False
    """Print the lists as JSON."""

    def __call__(self) -> int:
        """Print the lists."""
        listing = _listing(self.store)
        if self.json:
            print_json(listing)
            return 0
        for kind, entries in listing.items():
            if kind == "runs":
                print("runs:" if entries else "runs: none yet")
                for run in entries:
                    best = run["best_reward"]
                    shown = "-" if best is None else f"{best:.4f}"
                    done = run["requests"] + run["unanswered"]
                    print(
                        f"  {run['name']}: {run['status']}, {done} evaluations, "
                        f"best reward {shown}, started {run['started']}"
                    )
            else:
                print(f"{kind}: {', '.join(entries)}")
        return 0


def _runs(store: str) -> list[dict[str, Any]]:
    if store == str(DEFAULT_STORE) and not os.path.exists(store):
        return []  # nothing was searched here yet
    with Store(store, must_exist=True) as opened:
        return opened.runs()


def _listing(store: str) -> dict[str, Any]:
    from nas_gym.training.images.sources import DATASETS  # imports torch
    from nas_gym.training.text.dataset import TEXTS

    entry = "nas_gym.envs.registration:make_env"
    return {
        "environments": [i for i, s in gymnasium.registry.items() if s.entry_point == entry],
        "spaces": names("space"),
        "agents": names("agent"),
        "evaluators": names("evaluator"),
        "rewards": names("reward"),
        "datasets": [
            *sorted([*DATASETS, *TEXTS]),
            "a folder of images",
            "a .npz file",
            "a folder of text",
        ],
        "recipes": sorted(NAMED_RECIPES),
        "architectures": sorted(PUBLISHED),
        "benchmarks": sorted(SUITES),
        "runs": _runs(store),
    }
