"""Names of other things than architectures, where an architecture is asked for: what to type."""

import re
import shlex
from pathlib import Path

from nas_gym.envs.ids import EDIT_IDS, IDS, MULTI_OBJECTIVE_IDS
from nas_gym.errors import InvalidOption, NASGymError, near
from nas_gym.plugins import foreign_module, names
from nas_gym.search_spaces.published import PUBLISHED
from nas_gym.store.location import DEFAULT_STORE, file_of, folder_beside, store_option
from nas_gym.training.named import NAMED_RECIPES
from nas_gym.training.places import BUILT_IN

_ENVIRONMENTS = IDS | EDIT_IDS | MULTI_OBJECTIVE_IDS
_CODE = re.compile(r"[\w.]+:[^\W\d]\w*")  # module:attribute
_PARTS = {
    "agent": ("an agent", "`nas-gym search --agent"),
    "evaluator": ("an evaluator", "`nas-gym search --evaluator"),
    "executor": ("an executor", "`nas-gym search --executor"),
    "reward": ("a reward", "`nas-gym search --reward"),
}


def refuse_other_kinds(name: str, store: str | None = str(DEFAULT_STORE)) -> None:
    """Raise InvalidOption if this is, or almost is, something else that `nas-gym list` shows.

    Args:
        name: Given as an architecture, and none.
        store: Whose runs are known; None: they were looked for before.
    """
    runs = set() if store is None else _runs(store)
    if name in names("space"):
        raise InvalidOption(f"{name!r} is a search space: {_of_space(name)}")
    bare = name.removeprefix("nas_gym:")
    ids = [bare] if bare in _ENVIRONMENTS else near(bare, _ENVIRONMENTS, most=1, cutoff=0.85)
    if ids:
        said = "is" if ids == [bare] else f"is no architecture, and {ids[0]!r} is"
        space = str(_ENVIRONMENTS[ids[0]]["space"])
        raise InvalidOption(
            f"{name!r} {said} an environment, for gymnasium.make in Python; its search space is "
            f"{space}: {_of_space(space)}"
        )
    if name in {*names("dataset"), *names("text"), *BUILT_IN}:
        raise InvalidOption(f"{name!r} is a data set: `nas-gym describe --dataset {name}`")
    for kind, (what, command) in _PARTS.items():
        if name in names(kind):
            raise InvalidOption(
                f"{name!r} is the name of {what}, not of an architecture: {command} {name}` takes "
                "it, and `nas-gym list` says what it does"
            )
    if name in NAMED_RECIPES:
        raise InvalidOption(
            f"{name!r} is a recipe, by which networks are trained: `nas-gym train NAME --recipe "
            f"{name}` takes it"
        )
    if name in _benchmarks():
        raise InvalidOption(f"{name!r} is a benchmark: `nas-gym benchmark {name}` runs it")
    if _CODE.fullmatch(name):
        raise InvalidOption(
            f"{name!r} is code of your own: give --text with it to describe it as a search space, "
            f"or an architecture (tokens, or a run's file best-1.json) and --space {name}"
        )
    if store is not None:
        _refuse_runs(name, runs, store)


def _refuse_runs(name: str, runs: set[str], store: str) -> None:
    """Raise InvalidOption if this is a run, its folder, or almost the name of one."""
    of_store = store_option(store)
    for run in [] if name in runs else near(name, runs, most=1, cutoff=0.75):
        if not near(name, PUBLISHED, cutoff=0.75):
            raise InvalidOption(
                f"{name!r} is no architecture: did you mean the recorded run {run!r}? "
                f"`nas-gym report {run}{of_store}` shows it"
            )
    run = Path(name).name
    folder = folder_beside(store) / run
    if run not in runs or Path(name) not in (Path(run), folder):
        return
    file = folder / "best-1.json"
    first = "" if file.exists() else f"`nas-gym export {run}{of_store}` and then "
    raise InvalidOption(
        f"{name!r} is a recorded run: `nas-gym report {run}{of_store}` shows it, "
        f"`nas-gym train {run}{of_store}` trains its best, and {first}"
        f"`nas-gym describe {shlex.quote(str(file))}{_own_space(run, store)}` describes it"
    )


def _own_space(run: str, store: str) -> str:
    """Return the option that names the space of a run, if it is not one of ours."""
    from nas_gym.store import Store

    with Store(store, read_only=True) as opened:
        space = str((opened.config_of(run).get("space") or {}).get("name"))
    return "" if foreign_module("space", space) is None else f" --space {shlex.quote(space)}"


def _of_space(name: str) -> str:
    return (
        f"`nas-gym describe {name} --text` describes it, and `nas-gym search --space {name}` "
        "searches it"
    )


def _benchmarks() -> set[str]:
    from nas_gym.benchmark.suite import BENCHMARKS

    return set(BENCHMARKS)


def _runs(store: str) -> set[str]:
    """Return the names of a store's runs; none if there is no such file, or it cannot be read."""
    try:
        file = file_of(store)
        if file is not None and not file.is_file():
            return set()
        from nas_gym.store import Store

        with Store(store, read_only=True) as opened:
            return {str(run["name"]) for run in opened.runs()}
    except NASGymError:
        return set()
