"""Names of other things than architectures, where an architecture is asked for: what to type."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

from nas_gym.envs.ids import EDIT_IDS, IDS, MULTI_OBJECTIVE_IDS
from nas_gym.errors import InvalidOption, NASGymError, near
from nas_gym.plugins import names
from nas_gym.registry import modules_to_trust
from nas_gym.search_spaces.published import PUBLISHED
from nas_gym.store.location import DEFAULT_STORE, file_of, folder_beside, run_command, run_meant
from nas_gym.training.named import NAMED_RECIPES
from nas_gym.training.places import BUILT_IN

_CODE = re.compile(r"[\w.]+:[^\W\d]\w*")  # module:attribute
_ENVIRONMENTS = IDS | EDIT_IDS | MULTI_OBJECTIVE_IDS
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
    runs = {} if store is None else _runs(store)
    if name in names("space"):
        raise InvalidOption(f"{name!r} is a search space: {_of_space(name)}")
    bare = name.removeprefix("nas_gym:")
    ids = [bare] if bare in _ENVIRONMENTS else []
    if not ids and not near(name, PUBLISHED, cutoff=0.75):
        ids = near(bare, _ENVIRONMENTS, most=1, cutoff=0.85)
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
            f"{name!r} is code of your own: `nas-gym describe {name} --text` describes it as a "
            "search space; of its architectures give tokens, or a run's file best-1.json, and "
            f"--space {name}"
        )
    for run in [] if name in runs else near(name, runs, most=1, cutoff=0.75):
        if not near(name, PUBLISHED, cutoff=0.75):
            raise InvalidOption(
                f"{name!r} is no architecture: did you mean the recorded run {run!r}? "
                f"`{run_command('report', run, runs[run], str(store))}` shows it"
            )
    if store is not None:
        run = run_meant(name, store)
        if run in runs:
            raise InvalidOption(f"{name!r} is a recorded run: {_of_run(run, runs[run], store)}")


def _of_space(name: str) -> str:
    return (
        f"`nas-gym describe {name} --text` describes it, and `nas-gym search --space {name}` "
        "searches it"
    )


def _benchmarks() -> set[str]:
    from nas_gym.benchmark.suite import BENCHMARKS

    return set(BENCHMARKS)


def _of_run(run: str, config: Mapping[str, Any], store: str) -> str:
    """Return what can be done with a run, and how its best architecture is described."""
    file = folder_beside(store) / run / "best-1.json"
    modules = modules_to_trust({"space": config.get("space")})
    space = f" --space {shlex.quote(str(config['space']['name']))}" if modules else ""
    describe = f"`nas-gym describe {shlex.quote(str(file))}{space}`"
    export = "" if file.is_file() else f"`{run_command('export', run, config, store)}`, then "
    return (
        f"`{run_command('report', run, config, store)}` shows it, "
        f"`{run_command('train', run, config, store)}` trains its best, and {export}{describe} "
        "describes that"
    )


def _runs(store: str) -> dict[str, Mapping[str, Any]]:
    """Return a store's runs by name, with what they are made of.

    There are none if there is no such file, or it cannot be read.
    """
    try:
        file = file_of(store)
        if file is not None and not file.is_file():
            return {}
        from nas_gym.store import Store

        with Store(store, read_only=True) as opened:
            named = [str(run["name"]) for run in opened.runs()]
            return {name: opened.config_of(name) for name in named}
    except NASGymError:
        return {}
