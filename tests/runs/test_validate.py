"""Final validation: what is trained again and measured, and what cannot be."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import nas_gym
from nas_gym.errors import InvalidDataset, InvalidOption, InvalidSpace, NASGymError, StoreError
from nas_gym.evaluators.evaluation import Validation
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.runs.findings import Findings, best_rows
from nas_gym.runs.validate import planned_trainings, validate
from nas_gym.runs.validated import Validated
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import RunData, load_run
from nas_gym.training.images.recipe import Recipe
from nas_gym.training.images.sources import load_dataset, split_dataset
from nas_gym.training.images.train import train

SPACE = NASNetCell(blocks=1)
SHORT = {"name": "quick", "epochs": 1, "filters": 2, "learning_rate": 0.1}
STORE = "runs/store.sqlite"


def search(run: str, evaluator: Any, store: Path | str = STORE, **options: Any) -> RunData:
    settings = {"budget": 4, "run": run, "store": store} | options
    nas_gym.search(SPACE, evaluator, "random-search", **settings)
    return load_run(run, store)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    """A run of four children that were really trained."""
    store = tmp_path_factory.mktemp("found") / "store.sqlite"
    return search("found", {"name": "training", "recipe": SHORT}, store)


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")


def validated(run: RunData) -> tuple[Validated, ...]:
    return Findings.of(run).validations


def figures(validations: list[Validation]) -> list[tuple[Any, ...]]:
    """All but the time they took."""
    return [(v.key, v.tokens, v.seed, v.accuracy, v.test_accuracy, v.failure) for v in validations]


@pytest.mark.slow
def test_the_best_are_trained_again_with_new_seeds(found: RunData) -> None:
    saved: list[Validation] = []
    counts: list[tuple[int, int]] = []
    result = validate(
        found, best=2, repeats=2, save=saved.append, progress=lambda *done: counts.append(done)
    )
    assert saved == result
    assert counts == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert [v.key for v in result] == [row.key for row in best_rows(found, 2) for _ in range(2)]
    seeds = [v.seed for v in result]
    assert len(set(seeds)) == 4
    assert not set(seeds) & {row.seed for row in found.rows}
    assert all(v.failure is None and v.seconds > 0 for v in result)
    assert [v.protocol for v in result] == [found.config["protocol"]] * 4
    assert figures(validate(found, best=2, repeats=2)) == figures(result)


def test_the_figures_are_those_of_a_plain_training_and_a_slow_loop(found: RunData) -> None:
    (result,) = validate(found, best=1, repeats=1)
    data = load_dataset("digits")
    recipe = Recipe(**found.config["protocol"]["recipe"])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(result.seed)
            architecture = architecture_of(SPACE, result.tokens)
            network = SPACE.build(architecture.genotype, recipe.task(*data.image_shape, 10))
        trained = train(network, data, recipe, result.seed, device="cpu")
        right = 0
        with torch.no_grad():
            for image, label in zip(data.test_images, data.test_labels, strict=True):
                logits = network((image[None].float() - data.mean) / data.deviation)
                right += int(logits.argmax()) == int(label)
    finally:
        torch.set_num_threads(threads)
    if not torch.cuda.is_available():
        assert result.accuracy == trained.accuracy
        assert result.test_accuracy == right / len(data.test_labels)
    assert 0.05 < right / len(data.test_labels) < 1


@pytest.mark.slow
def test_workers_change_nothing(found: RunData) -> None:
    saved: list[Validation] = []
    there = validate(found, best=2, repeats=2, workers=2, timeout=300, save=saved.append)
    assert figures(there) == figures(validate(found, best=2, repeats=2))
    assert sorted(figures(saved)) == sorted(figures(there))


def test_what_is_recorded_is_not_trained_again(found: RunData) -> None:
    saved: list[Validation] = []

    def cut(validation: Validation) -> None:
        saved.append(validation)
        if len(saved) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        validate(found, best=3, repeats=1, save=cut)
    cut_run = replace(found, validations=tuple(saved))
    later: list[Validation] = []
    whole = validate(cut_run, best=3, repeats=1, save=later.append)
    assert whole == [*saved, *later]
    assert len(later) == 1
    done = replace(found, validations=tuple(whole))
    assert validate(done, best=3, repeats=1, save=later.append) == whole
    assert len(later) == 1
    more = validate(done, best=1, repeats=2, save=later.append)
    assert more[0] == whole[0]
    assert len(later) == 2


def test_another_recipe_is_another_protocol(found: RunData) -> None:
    own = validate(found, best=1, repeats=1)
    run = replace(found, validations=tuple(own))
    (other,) = validate(run, best=1, repeats=1, recipe={**SHORT, "epochs": 2})
    assert other.protocol["recipe"]["epochs"] == 2
    assert other.seed == own[0].seed
    assert other.test_accuracy != own[0].test_accuracy
    both = validated(replace(found, validations=(*own, other)))
    assert [(group.rank, group.test_accuracies) for group in both] == [
        (1, [own[0].test_accuracy]),
        (1, [other.test_accuracy]),
    ]


def test_no_seed_of_the_search_is_used_again(found: RunData) -> None:
    planned = planned_trainings(found, 1, 3)
    taken = [replace(row, seed=p.seed) for row, p in zip(found.rows, planned[::2], strict=False)]
    again = planned_trainings(replace(found, rows=(*found.rows, *taken)), 1, 3)
    assert again[0].seed == planned[1].seed
    assert not {p.seed for p in again} & {row.seed for row in taken}
    assert len({p.seed for p in again}) == 3


def test_fewer_architectures_than_asked_for(found: RunData) -> None:
    assert len(planned_trainings(found, 100, 2)) == 2 * len({row.key for row in found.rows})


@pytest.mark.slow
def test_failed_trainings_are_results(found: RunData) -> None:
    (diverged,) = validate(found, best=1, repeats=1, recipe={**SHORT, "learning_rate": 1e30})
    assert (diverged.failure, diverged.accuracy, diverged.test_accuracy) == ("diverged", None, None)
    (late,) = validate(
        found, best=1, repeats=1, recipe={**SHORT, "epochs": 100_000}, workers=1, timeout=1.0
    )
    assert (late.failure, late.test_accuracy) == ("timeout", None)
    (group,) = validated(replace(found, validations=(diverged,)))
    assert group.to_json()["test_accuracy_mean"] is None
    assert group.failures == {"diverged": 1}


@pytest.mark.few(1)
@pytest.mark.parametrize(("failure", "again"), [("timeout", True), ("diverged", False)])
def test_what_failed_for_want_of_time_is_tried_again(
    found: RunData, failure: str, again: bool
) -> None:
    (fine,) = validate(found, best=1, repeats=1)
    failed = replace(fine, accuracy=None, test_accuracy=None, failure=failure)
    saved: list[Validation] = []
    run = replace(found, validations=(failed,))
    (result,) = validate(run, best=1, repeats=1, save=saved.append)
    assert figures([result]) == figures([fine if again else failed])
    assert len(saved) == again
    (group,) = validated(replace(found, validations=(failed, *saved)))
    assert len(group.trainings) == 1  # the last try counts
    assert group.trainings[0] == result


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"best": 0}, "best is 0: give a whole number from 1 to 1000000"),
        ({"repeats": 0}, "repeats is 0"),
        ({"best": True}, "best is True"),
        ({"recipe": "quik"}, "unknown recipe 'quik': did you mean 'quick'"),
        ({"recipe": {**SHORT, "epoch": 3}}, "did you mean 'epochs'"),
        ({"workers": -1}, "workers is -1"),
        ({"timeout": 5.0}, "only worker processes can be limited"),
        ({"timeout": -5.0, "workers": 1}, "timeout is -5.0"),
        ({"dataset": "digit"}, "did you mean 'digits'"),
    ],
)
def test_bad_options_are_refused(found: RunData, options: Any, message: str) -> None:
    with pytest.raises(NASGymError, match=message):
        validate(found, **options)


def test_only_what_was_trained_can_be_validated() -> None:
    run = search("synthetic", {"name": "landscape"})
    with pytest.raises(InvalidOption, match="'landscape' has no test part"):
        validate(run)


def test_a_run_without_a_success_has_nothing_to_validate(found: RunData) -> None:
    with pytest.raises(StoreError, match="nothing to validate"):
        validate(replace(found, rows=(), unanswered=()))


def npz(path: str, seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, 255, (60, 8, 8)).astype(np.uint8)
    np.savez(path, images=images, labels=np.arange(60) % 2)


def test_the_data_must_be_that_of_the_search() -> None:
    npz("mine.npz", 0)
    run = search("mine", {"name": "training", "dataset": "mine.npz", "recipe": SHORT}, budget=1)
    assert len(validate(run, best=1, repeats=1)) == 1
    Path("mine.npz").rename("moved.npz")
    with pytest.raises(InvalidDataset, match=r"cannot be read again .* dataset=…"):
        validate(run, best=1, repeats=1)
    assert validate(run, best=1, repeats=1, dataset="moved.npz")[0].failure is None
    npz("mine.npz", 1)
    with pytest.raises(InvalidDataset, match="not the one that run 'mine' was searched on"):
        validate(run, best=1, repeats=1)


def test_a_live_data_set_is_given_again() -> None:
    images = np.random.default_rng(0).integers(0, 255, (60, 1, 8, 8)).astype(np.uint8)
    data = split_dataset("mine", images, np.arange(60) % 2)
    run = search("live", TrainingEvaluator(SPACE, data, Recipe(1, 8, 0.1, filters=2)), budget=1)
    with pytest.raises(InvalidDataset, match="no folder or data set 'mine'"):
        validate(run, best=1, repeats=1)
    (validation,) = validate(run, best=1, repeats=1, dataset=data)
    assert validation.test_accuracy is not None
    assert validation.protocol == run.config["protocol"]


def test_the_space_must_be_that_of_the_search(found: RunData) -> None:
    row = found.rows[0]
    changed = replace(found, rows=(replace(row, genotype={**row.genotype, "normal": {}}),))
    with pytest.raises(InvalidSpace, match="NASNetCell, made again from the record"):
        validate(changed, best=1)


# ---------------------------------------------------------------- another recipe, another size


def test_a_mapping_without_a_name_changes_the_recipe_of_the_run(found: RunData) -> None:
    own = found.config["protocol"]["recipe"]
    (longer,) = validate(found, best=1, repeats=1, recipe={"epochs": 2, "filters": 3})
    assert longer.protocol["recipe"] == {**own, "epochs": 2, "filters": 3}
    assert longer.protocol["task"]["filters"] == 3
    assert longer.protocol["fingerprint"] == found.config["protocol"]["fingerprint"]
    for recipe, message in [
        ({"epoch": 3}, "option of the recipe of run 'found' 'epoch': did you mean 'epochs'"),
        ({"epochs": 0}, "epochs of the recipe of run 'found' is 0"),
    ]:
        with pytest.raises(NASGymError, match=message):
            validate(found, recipe=recipe)


@pytest.mark.slow
def test_epochs_take_the_place_of_the_steps_that_a_fitted_recipe_had() -> None:
    npz("mine.npz", 0)
    evaluator = {"name": "training", "dataset": "mine.npz", "recipe": {"name": "fitted"}}
    run = search("fitted", evaluator, budget=1)
    assert run.config["protocol"]["recipe"]["steps"] is not None
    (longer,) = validate(run, best=1, repeats=1, recipe={"epochs": 2})
    assert longer.protocol["recipe"].get("steps") is None
    assert longer.protocol["recipe"]["epochs"] == 2
    (steps,) = validate(run, best=1, repeats=1, recipe={"epochs": 2, "steps": 3})
    assert steps.protocol["recipe"]["steps"] == 3


def pictures(root: Path) -> None:
    for label in ("cat", "dog"):
        (root / label).mkdir(parents=True)
        for i in range(20):
            random = np.random.default_rng(100 * i + (label == "cat"))
            values = random.integers(0, 255, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(values).save(root / label / f"{i}.png")


@pytest.mark.slow
def test_a_folder_is_read_at_another_size_once_it_is_known_to_be_the_same() -> None:
    pictures(Path("pets"))
    spec = {"name": "training", "dataset": "pets", "image_size": 8, "recipe": SHORT}
    run = search("pets", spec, budget=1)
    own = validate(run, best=1, repeats=1)
    assert own[0].protocol["task"]["height"] == 8
    assert validate(run, best=1, repeats=1, image_size=8)[0].protocol == own[0].protocol
    (larger,) = validate(replace(run, validations=tuple(own)), best=1, repeats=1, image_size=16)
    assert (larger.protocol["task"]["height"], larger.protocol["task"]["width"]) == (16, 16)
    assert larger.protocol["recipe"] == own[0].protocol["recipe"]
    assert larger.seed == own[0].seed
    assert larger.failure is None
    both = validated(replace(run, validations=(*own, larger)))
    assert [group.recipe_in_words for group in both] == [
        "as in the search",
        "as in the search, 16 x 16 pixels",
    ]
    done = replace(run, validations=(*own, larger))
    saved: list[Validation] = []
    assert validate(done, best=1, repeats=1, image_size=16, save=saved.append) == [larger]
    assert saved == []
    (Path("pets") / "cat" / "1.png").unlink()
    with pytest.raises(InvalidDataset, match="not the one that run 'pets' was searched on"):
        validate(run, best=1, repeats=1, image_size=16)


def test_only_a_folder_of_images_has_another_size(found: RunData) -> None:
    with pytest.raises(InvalidOption, match=r"image_size is 16, .* .digits.: leave"):
        validate(found, image_size=16)
    with pytest.raises(InvalidOption, match=r"image_size is 0: give a whole number"):
        validate(found, image_size=0)
    images = np.random.default_rng(0).integers(0, 255, (60, 1, 8, 8)).astype(np.uint8)
    data = split_dataset("digits", images, np.arange(60) % 2)
    with pytest.raises(InvalidOption, match="trained on images that have their size already"):
        validate(found, image_size=16, dataset=data)


def test_what_a_table_looks_up_takes_no_recipe() -> None:
    parts = ("nasbench201", "nasbench201", "random-search")
    nas_gym.search(*parts, budget=2, run="table", store=STORE)
    run = load_run("table", STORE)
    for option in ({"recipe": "quick"}, {"image_size": 16}):
        with pytest.raises(InvalidOption, match="are looked up in its table, nothing is trained"):
            validate(run, best=1, **option)
