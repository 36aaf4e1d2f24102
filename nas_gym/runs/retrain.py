"""Evaluators that train again what a search has found, or look its entry up in a table."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nas_gym.errors import InvalidDataset, InvalidOption, StoreError, UnknownName
from nas_gym.evaluators.evaluation import Validation
from nas_gym.evaluators.tables.tabular import TabularEvaluator
from nas_gym.evaluators.trained.final import FINAL
from nas_gym.options import check, check_all
from nas_gym.options.counts import Pixels
from nas_gym.registry import check_trusted, make
from nas_gym.runs.config import recorded_parts, trained_protocol
from nas_gym.runs.findings import best_rows, protocol_text
from nas_gym.store import RunData
from nas_gym.training.named import AnyRecipe
from nas_gym.training.places import images_at

if TYPE_CHECKING:
    from nas_gym.training.images.sources import Dataset
    from nas_gym.training.text.dataset import TextDataset


def final_training(
    run: RunData,
    recipe: AnyRecipe | None = None,
    dataset: "str | Dataset | TextDataset | None" = None,
    folder: str | None = None,
    trust: Collection[str] = (),
    image_size: int | None = None,
    device: str | None = None,
) -> Any:
    """Make what trains the architectures of ``run`` again; see ``validate`` for the arguments."""
    parts = recorded_parts(run, ("space", "evaluator"))
    protocol, spec = trained_protocol(run.config), parts["evaluator"]
    if protocol.get("evaluator") not in FINAL:
        raise InvalidOption(
            f"run {run.name!r} cannot be validated: its evaluator {spec['name']!r} has no test "
            f"part; validate a run whose children were trained (evaluator "
            f"{' or '.join(map(repr, FINAL))})"
        )
    if any(protocol.get(name) is None for name in ("dataset", "fingerprint", "recipe")):
        raise StoreError(
            f"run {run.name!r} cannot be validated: its protocol does not say what its children "
            "were trained on, and how"
        )
    check_trusted(f"run {run.name!r}", {"space": parts["space"]}, trust)
    final, kept = FINAL[protocol["evaluator"]]
    options: dict[str, Any] = {name: spec[name] for name in kept if name in spec}
    options["recipe"] = _recipe(run, final.recipe_class, recipe)
    options["dataset"] = spec.get("dataset", protocol["dataset"]) if dataset is None else dataset
    if device is not None:
        options["device"] = device
    if folder is not None:
        if "folder" not in kept:
            raise InvalidOption(
                f"folder is {folder!r}, and run {run.name!r} was trained on text: say where the "
                "text lies with --dataset (dataset=...)"
            )
        options["folder"] = folder
    if image_size is not None:
        image_size = check("image_size", image_size, Pixels)
        _check_resizable(run, options["dataset"], image_size)
    evaluator = final(space=make("space", parts["space"]), **options)
    _check_data(run, evaluator)
    return evaluator if image_size is None else _at_size(evaluator, image_size)


def _recipe(run: RunData, kind: type, given: AnyRecipe | None) -> Any:
    """Return the recipe given; a mapping without a name changes that of the run."""
    if given is None:
        return _recipe_of_run(run, kind)
    if not isinstance(given, Mapping) or "name" in given:
        return given
    changes = check_all(kind, given, f"the recipe of run {run.name!r}")
    if "epochs" in changes and hasattr(kind, "steps"):
        changes = {"steps": None, **changes}  # else the epochs would not count
    return replace(_recipe_of_run(run, kind), **changes)


def _check_resizable(run: RunData, dataset: Any, image_size: int) -> None:
    """Raise InvalidOption for data that has no other size; nothing is loaded."""
    trained_on = None
    if trained_protocol(run.config)["evaluator"] != "training":
        trained_on = "text"
    elif not isinstance(dataset, str):
        trained_on = "images that have their size already"
    else:
        with suppress(UnknownName, InvalidDataset):  # ``_check_data`` says where it may lie
            trained_on = None if images_at(dataset) == "folder" else repr(dataset)
    if trained_on is not None:
        raise InvalidOption(
            f"image_size is {image_size}, and run {run.name!r} was trained on {trained_on}: leave "
            "it out, only a folder of images can be read at another size"
        )


def _at_size(evaluator: Any, image_size: int) -> Any:
    """Return the evaluator with its data, which was checked, read again at another size."""
    if tuple(evaluator.data.image_shape[1:]) == (image_size, image_size):
        return evaluator
    del vars(evaluator)["data"]  # both need not be in memory at once
    resized = replace(evaluator, image_size=image_size)
    resized.settle()
    return resized


def _recipe_of_run(run: RunData, kind: type) -> Any:
    try:
        return kind(**trained_protocol(run.config)["recipe"])
    except (TypeError, InvalidOption, UnknownName) as error:
        raise InvalidOption(
            f"the recipe of run {run.name!r} is of another version of nas-gym ({error}): give one "
            "with recipe=…"
        ) from error


def _check_data(run: RunData, evaluator: Any) -> None:
    """Raise InvalidDataset unless the data is what the run was searched on, bit for bit."""
    recorded = run.config["protocol"]
    try:
        evaluator.settle()
        fingerprint = evaluator.data.fingerprint
    except (UnknownName, InvalidDataset) as error:
        raise InvalidDataset(
            f"the data set {recorded['dataset']!r} of run {run.name!r} cannot be read again "
            f"({error}); say where it lies now with {_places(evaluator)}"
        ) from error
    if fingerprint != recorded["fingerprint"]:
        raise InvalidDataset(
            f"the data set {evaluator.data.name!r} is not the one that run {run.name!r} was "
            f"searched on (fingerprint {fingerprint[:12]}…, recorded "
            f"{str(recorded['fingerprint'])[:12]}…): bring the old data back, or say where it lies "
            f"with {_places(evaluator)}"
        )


def _places(evaluator: Any) -> str:
    """Return the options that say where the data of a run lies."""
    return "dataset=… or folder=…" if hasattr(evaluator, "folder") else "dataset=…"


def check_only_looked_up(run: RunData, **given: Any) -> None:
    """Raise InvalidOption for an option of trainings, where figures are looked up in a table."""
    for option, value in given.items():
        if value is not None:
            raise InvalidOption(
                f"{option} is {value!r}, and the figures of run {run.name!r} are looked up in its "
                "table, nothing is trained: leave it out"
            )


def table_of(run: RunData, trust: Collection[str] = ()) -> TabularEvaluator | None:
    """Return the table that answered the run's requests; None if its evaluator is no table."""
    if "seeds" not in (run.config.get("protocol") or {}):
        return None
    parts = recorded_parts(run, ("space", "evaluator"))
    check_trusted(f"run {run.name!r}", parts, trust)
    space = make("space", parts["space"])
    evaluator = make("evaluator", parts["evaluator"], space=space)
    return evaluator if isinstance(evaluator, TabularEvaluator) else None


def look_up(run: RunData, table: TabularEvaluator, best: int) -> list[Validation]:
    """Look up the mean accuracies, validation and test, of the run's best architectures.

    They are means over all seeds of the table.

    Args:
        run: From ``load_run``.
        table: From ``table_of``.
        best: Different architectures with the highest rewards, >= 1.

    Raises:
        InvalidOption: The table has no test accuracies, or is not the one of the search.
    """
    if protocol_text(table.protocol) != protocol_text(run.config["protocol"]):
        raise InvalidOption(
            f"the table of run {run.name!r} has changed since its search: bring back the file that "
            "was searched"
        )
    validations = [
        Validation(
            key=row.key,
            tokens=row.tokens,
            seed=0,  # of no training in particular
            accuracy=table.mean_accuracy(row.tokens),
            test_accuracy=table.test_accuracy(row.tokens),
            seconds=0.0,
            failure=None,
            detail=None,
            protocol=run.config["protocol"],
        )
        for row in best_rows(run, best)
    ]
    if all(validation.test_accuracy is None for validation in validations):
        raise InvalidOption(
            f"run {run.name!r} cannot be validated: its table "
            f"{run.config['evaluator']['name']!r} has no test accuracies"
        )
    return validations
