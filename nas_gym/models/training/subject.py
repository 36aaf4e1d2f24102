"""What is to be trained: a run's best, a published name, a file, tokens or a string."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nas_gym.errors import InvalidModel, InvalidOption, StoreError, UnknownName
from nas_gym.evaluators.trained.final import FINAL
from nas_gym.evaluators.trained.trainers import TRAINERS
from nas_gym.models.architectures import Found, find
from nas_gym.options.paths import user_path
from nas_gym.options.printable import printable
from nas_gym.registry import check_trusted, make, usual
from nas_gym.runs.config import recorded_parts, trained_protocol
from nas_gym.runs.findings import best_rows
from nas_gym.search_spaces.grammar import decode
from nas_gym.search_spaces.nasbench201.size_space import NATSSize
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.store import DEFAULT_STORE, RunData, load_run

MODERN = {"training": "modern", "language-model": "modern-text"}  # where no paper says how
# How the papers trained what they published.
OF_PAPERS: Mapping[str, str] = {
    "nasnet-a": "nasnet-cifar",
    "amoebanet-a": "amoebanet-cifar",
    "darts-v1": "darts-cifar",
    "darts-v2": "darts-cifar",
    "nas-v1": "zoph2016-cifar",
    "nas-v1-dense": "zoph2016-cifar",
    "nas-v1-chain": "zoph2016-cifar",
    "nas-cell": "zoph2016-ptb",
}


class Subject(NamedTuple):
    """An architecture, and what goes without saying when it is trained."""

    genotype: Any
    space: Any
    shown: str  # what was named, for people
    evaluator: str  # a name of ``TRAINERS``
    recipe: str  # a name
    data: Mapping[str, Any] = {}  # options of the evaluator that say what a run was trained on
    argument: tuple[str, ...] | None = None  # what names it in a command; None: its own record


def subject_of(
    given: "str | Found | RunData",
    *,
    space: str | None = None,
    store: str | Path,
    rank: int = 1,
    trust: Collection[str] = (),
) -> Subject:
    """Return what is meant.

    Args:
        given: A name, a file, tokens or a string, as ``nas-gym describe`` takes them; the name of a
            run; or one of the two as an object.
        space: The search space of tokens or a string.
        store: The results database that has the run.
        rank: Which of the run's best, from 1.
        trust: Modules of the user's own search space.

    Raises:
        UnknownName: It is none of these.
        InvalidModel: It is a model's folder.
        StoreError: The run has not so many architectures without a failure.
        UntrustedModule: The run's search space is neither ours nor trusted.
    """
    if isinstance(given, RunData):
        return _of_run(given, rank, trust)
    if isinstance(given, Found):
        return _of_found(given, f"a network of {type(given.space).__name__}")
    if user_path(given, "MODEL").is_dir():
        raise InvalidModel(
            f"{printable(given)} is a folder without a training to go on with: give an "
            "architecture (a name, a .json file, tokens) or the name of a run"
        )
    try:
        found = _of_found(find(given, space), given)
        named = () if space is None else ("--space", space)
        return found._replace(argument=(given, *named))
    except UnknownName as error:
        try:
            run = load_run(given, store)
        except StoreError as of_store:
            raise UnknownName(f"{error}; and {of_store}") from error
    if space is not None:
        raise InvalidOption(
            f"--space is {space!r}, and {given} is a run, whose space is recorded: leave it out"
        )
    return _of_run(run, rank, trust)


def model_to_send(
    model: Any, *, space: str | None = None, store: str | Path = DEFAULT_STORE, **others: Any
) -> Any:
    """Return what means the same on a machine that has no results database: a run itself."""
    if not isinstance(model, str) or user_path(model, "MODEL").is_dir():
        return model
    try:
        find(model, space)
    except UnknownName:
        return _run(model, store) or model
    return model


def _of_found(found: Found, shown: str) -> Subject:
    kind = usual("evaluator", found.space)
    kind = kind if kind in TRAINERS else "training"
    ours = isinstance(found.space, NASBench201 | NATSSize)
    recipe = "nasbench201" if ours else OF_PAPERS.get(shown, MODERN[kind])
    return Subject(found.genotype, found.space, shown, kind, recipe)


def _run(name: str, store: str | Path) -> RunData | None:
    try:
        return load_run(name, store)
    except StoreError:
        return None


def _of_run(run: RunData, rank: int, trust: Collection[str]) -> Subject:
    parts = recorded_parts(run, ("space", "evaluator"))
    check_trusted(f"run {run.name!r}", {"space": parts["space"]}, trust)
    space = make("space", parts["space"])
    if not callable(getattr(space, "build", None)):
        raise InvalidOption(
            f"architectures of {type(space).__name__} cannot be trained: it needs a method "
            "build(genotype, task) that returns the network"
        )
    rows = best_rows(run, rank)
    if len(rows) < rank:
        raise StoreError(
            f"run {run.name!r} has {len(rows)} different architectures that were evaluated without "
            f"a failure, and number {rank} is asked for: give a smaller one"
        )
    kind = trained_protocol(run.config).get("evaluator", "")
    data: dict[str, Any] = {}
    if kind in FINAL:
        kept = [name for name in FINAL[kind][1] if name not in ("threads", "device")]
        spec = parts["evaluator"]
        data = {name: spec[name] for name in ("dataset", *kept) if name in spec}
    else:
        named = usual("evaluator", space)
        kind = named if named in TRAINERS else "training"
    place = f"number {rank} of run {run.name}" if rank > 1 else f"the best of run {run.name}"
    genotype = decode(space, rows[rank - 1].tokens)
    return Subject(genotype, space, place, kind, MODERN[kind], data)
