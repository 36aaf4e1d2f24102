"""``nas-gym list``."""

from dataclasses import dataclass
from typing import Any

from nas_gym.cli.shared import StorePlace, print_json
from nas_gym.options.printable import printable
from nas_gym.store.location import DEFAULT_STORE


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
                        f"  {printable(run['name'])}: {run['status']}, {done} evaluations, "
                        f"best reward {shown}, started {printable(run['started'])}"
                    )
            else:
                print(f"{kind}: {', '.join(entries)}")
        return 0


def _runs(store: str) -> list[dict[str, Any]]:
    if store == str(DEFAULT_STORE) and not DEFAULT_STORE.exists():
        return []  # nothing was searched here yet
    from nas_gym.store import Store

    with Store(store, must_exist=True) as opened:
        return opened.runs()


def _listing(store: str) -> dict[str, Any]:
    from nas_gym.benchmark.suite import BENCHMARKS
    from nas_gym.envs.ids import IDS
    from nas_gym.plugins import names
    from nas_gym.search_spaces.published import PUBLISHED
    from nas_gym.training.named import NAMED_RECIPES

    return {
        "environments": list(IDS),
        "spaces": names("space"),
        "agents": names("agent"),
        "evaluators": names("evaluator"),
        "rewards": names("reward"),
        "datasets": [
            *sorted([*names("dataset"), *names("text")]),
            "a folder of images",
            "a .npz file",
            "a folder of text",
        ],
        "recipes": sorted(NAMED_RECIPES),
        "architectures": sorted(PUBLISHED),
        "benchmarks": sorted(BENCHMARKS),
        "runs": _runs(store),
    }
