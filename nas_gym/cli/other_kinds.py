"""Names of other things than architectures, where an architecture is asked for: what to type."""

from nas_gym.envs.ids import EDIT_IDS, IDS, MULTI_OBJECTIVE_IDS
from nas_gym.errors import InvalidOption, NASGymError, near
from nas_gym.plugins import names
from nas_gym.search_spaces.published import PUBLISHED
from nas_gym.store.location import DEFAULT_STORE, file_of, store_option
from nas_gym.training.named import NAMED_RECIPES
from nas_gym.training.places import BUILT_IN

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
    of_store = "" if store is None else store_option(store)
    for run in [] if name in runs else near(name, runs, most=1, cutoff=0.75):
        if not near(name, PUBLISHED, cutoff=0.75):
            raise InvalidOption(
                f"{name!r} is no architecture: did you mean the recorded run {run!r}? "
                f"`nas-gym report {run}{of_store}` shows it"
            )
    if name in runs:
        raise InvalidOption(
            f"{name!r} is a recorded run: `nas-gym report {name}{of_store}` shows it, "
            f"`nas-gym train {name}{of_store}` trains its best, and `nas-gym export {name}"
            f"{of_store}` writes them as files that are described"
        )


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
