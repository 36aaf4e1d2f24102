import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

import nas_gym
from nas_gym.cli.main import main
from nas_gym.envs.ledger import Ledger
from nas_gym.envs.rewards import Accuracy
from nas_gym.errors import InvalidDataset, InvalidOption, InvalidSpace, NASGymError, StoreError
from nas_gym.evaluators.evaluation import Validation
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.evaluators.trained.final import FinalLanguageTraining, FinalTraining
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.evaluators.workers.parallel import ParallelEvaluator
from nas_gym.plugins import names
from nas_gym.runs.findings import Findings, Validated, best_rows, summary
from nas_gym.runs.validate import planned_trainings, validate
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.search_spaces.rnn_cell.space import RNNCell
from nas_gym.store import RunData, Store, load_run
from nas_gym.training.images.recipe import Recipe
from nas_gym.training.images.sources import load_dataset, split_dataset
from nas_gym.training.images.train import train
from nas_gym.training.text.dataset import load_text
from nas_gym.training.text.recipe import LanguageRecipe
from nas_gym.training.text.sizing import build_language_model
from nas_gym.training.text.train import measure_test_perplexity, train_language_model

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


# ---------------------------------------------------------------- language models

CELLS = RNNCell(base=2)
SMALL = {"epochs": 1, "batch_size": 4, "bptt": 5, "hidden": 4}
LINES = "the cat sat on the mat\nthe dog sat on the cat\na dog and a cat\n"


def text_folder(folder: Path, test: str = LINES * 2) -> Path:
    folder.mkdir()
    for part, content in (("train", LINES * 9), ("valid", LINES), ("test", test)):
        (folder / f"{part}.txt").write_text(content)
    return folder


@pytest.fixture
def read(tmp_path: Path) -> RunData:
    """A run of two language models on a folder of text."""
    spec = {
        "name": "language-model", "recipe": SMALL, "vocabulary": 6,
        "dataset": str(text_folder(tmp_path / "text")),
    }  # fmt: skip
    store = tmp_path / "read.sqlite"
    nas_gym.search(
        CELLS, spec, "random-search", reward="inverse-perplexity", budget=2, run="r", store=store
    )
    return load_run("r", store)


def test_language_models_are_trained_again_and_read_the_test_text(
    read: RunData, tmp_path: Path
) -> None:
    (result,) = validate(read, best=1, repeats=1)
    assert result.failure is None
    assert result.protocol == read.config["protocol"]
    text = load_text(tmp_path / "text", vocabulary=6)
    recipe = LanguageRecipe(**read.config["protocol"]["recipe"])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(result.seed)
            genotype = architecture_of(CELLS, result.tokens).genotype
            network = build_language_model(CELLS, genotype, recipe, 6)
        trained = train_language_model(network, text, recipe, result.seed)
        tested = measure_test_perplexity(network, text)
    finally:
        torch.set_num_threads(threads)
    assert trained.best is not None
    assert tested is not None
    assert result.metrics == {
        "perplexity": trained.best.perplexity,
        "bits_per_character": trained.best.bits_per_character,
        "test_perplexity": tested.perplexity,
        "test_bits_per_character": tested.bits_per_character,
    }
    assert (result.accuracy, result.test_accuracy) == (trained.best.accuracy, tested.accuracy)


def test_validations_with_metrics_go_through_the_store(read: RunData, tmp_path: Path) -> None:
    with Store(tmp_path / "read.sqlite", must_exist=True) as store:
        validate(read, best=1, repeats=1, save=lambda each: store.save_validation("r", each))
    (stored,) = load_run("r", tmp_path / "read.sqlite").validations
    assert stored.metrics.keys() == {
        *("perplexity", "bits_per_character", "test_perplexity", "test_bits_per_character")
    }
    assert validate(replace(read, validations=(stored,)), best=1, repeats=1) == [stored]
    old = {k: v for k, v in asdict(stored).items() if k != "metrics"}  # before there were metrics
    assert Validation(**old).metrics == {}


def test_texts_that_are_another_or_lie_elsewhere(read: RunData, tmp_path: Path) -> None:
    there = text_folder(tmp_path / "there")
    (result,) = validate(read, best=1, repeats=1, dataset=str(there))
    assert result.failure is None
    other = text_folder(tmp_path / "other", test="the cat\n" * 5)
    with pytest.raises(InvalidDataset, match="is not the one that run 'r' was searched on"):
        validate(read, best=1, repeats=1, dataset=str(other))
    with pytest.raises(InvalidOption, match=r"folder is 'x'.*say where the text lies with --data"):
        validate(read, best=1, repeats=1, folder="x")


def test_no_search_can_read_the_test_text() -> None:
    evaluator = FinalLanguageTraining(CELLS)
    with pytest.raises(InvalidOption, match="reads the test part, which no search may see"):
        nas_gym.search(CELLS, evaluator, "random-search", budget=1)


# ---------------------------------------------------------------- what is trained and measured


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


# ---------------------------------------------------------------- out of reach of a search


def test_no_search_sees_a_test_figure(found: RunData) -> None:
    assert found.rows
    shown = [row.metrics for row in found.rows] + [
        summary(Findings.of(found))["best"],
        found.config,
    ]
    assert "test" not in json.dumps(shown)
    env = gym.make("NASNetCell-v0", space=SPACE, evaluator={"name": "training", "recipe": SHORT})
    _, info = env.reset(seed=0)
    done = False
    while not done:
        mask = info["action_mask"]
        _, _, done, _, info = env.step(int(np.flatnonzero(mask)[0]))
    env.close()
    assert info["evaluation"]["accuracy"] > 0
    assert "test" not in json.dumps(info["evaluation"])


@pytest.mark.parametrize(
    "evaluator",
    [
        "nas_gym.evaluators.trained.final:FinalTraining",
        {"name": "nas_gym.evaluators.trained.final:FinalTraining", "recipe": SHORT},
        FinalTraining(SPACE),
        ParallelEvaluator(FinalTraining(SPACE), workers=1),
    ],
)
def test_no_search_gets_at_the_final_training(evaluator: Any) -> None:
    assert not any("final" in name for name in names("evaluator"))
    with pytest.raises(InvalidOption, match="the test part, which no search may see"):
        nas_gym.search(SPACE, evaluator, "random-search", budget=1)
    with pytest.raises(InvalidOption, match="nas-gym validate"):
        gym.make("NASNetCell-v0", space=SPACE, evaluator=evaluator)


def test_no_ledger_asks_the_final_training() -> None:
    ledger = Ledger(FinalTraining(SPACE, recipe=SHORT), Accuracy())
    with pytest.raises(InvalidOption, match="no search may see"):
        ledger.request([architecture_of(SPACE, (0,) * SPACE.max_length)])


def test_the_final_training_is_the_searchs_with_one_more_figure() -> None:
    architecture = architecture_of(SPACE, (0,) * SPACE.max_length)
    evaluators = TrainingEvaluator(SPACE, recipe=SHORT), FinalTraining(SPACE, recipe=SHORT)
    (searched,), (final,) = (list(e.evaluate([architecture], [5])) for e in evaluators)
    assert final.metrics.keys() - searched.metrics.keys() == {"test_accuracy"}
    assert {**searched.metrics, **final.metrics} == dict(final.metrics)
    assert evaluators[0].protocol == evaluators[1].protocol


# ---------------------------------------------------------------- what cannot be validated


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"best": 0}, "best is 0: give a whole number of 1 or more"),
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
    with pytest.raises(InvalidDataset, match=r"cannot be read again .* --dataset"):
        validate(run, best=1, repeats=1)
    assert validate(run, best=1, repeats=1, dataset="moved.npz")[0].failure is None
    npz("mine.npz", 1)
    with pytest.raises(InvalidDataset, match="not the one that run 'mine' was searched on"):
        validate(run, best=1, repeats=1)


def test_a_live_data_set_is_given_again() -> None:
    images = np.random.default_rng(0).integers(0, 255, (60, 1, 8, 8)).astype(np.uint8)
    data = split_dataset("mine", images, np.arange(60) % 2)
    run = search("live", TrainingEvaluator(SPACE, data, Recipe(1, 8, 0.1, filters=2)), budget=1)
    with pytest.raises(InvalidDataset, match="unknown data set 'mine'"):
        validate(run, best=1, repeats=1)
    (validation,) = validate(run, best=1, repeats=1, dataset=data)
    assert validation.test_accuracy is not None
    assert validation.protocol == run.config["protocol"]


def test_the_space_must_be_that_of_the_search(found: RunData) -> None:
    row = found.rows[0]
    changed = replace(found, rows=(replace(row, genotype={**row.genotype, "normal": {}}),))
    with pytest.raises(InvalidSpace, match="NASNetCell, made again from the record"):
        validate(changed, best=1)


# ---------------------------------------------------------------- the command


def command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    return int(exit_.value.code or 0)


def test_the_command_validates_and_the_report_shows_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = search("mine", {"name": "training", "recipe": SHORT})
    asked = ("validate", "mine", "--best", "2", "--repeats", "2", "--workers", "1")
    assert command(*asked) == 0
    shown = capsys.readouterr()
    assert "final validation" in shown.out
    assert shown.out.count("±") == 5  # validation and test of two, and the words below
    assert "recipe" not in shown.out
    assert "4/4 final trainings" in shown.err
    assert command(*asked, "--json") == 0
    shown = capsys.readouterr()
    result = json.loads(shown.out)
    assert shown.err.splitlines()[:-1] == ["4/4 final trainings"]  # nothing is left to do
    recorded = load_run("mine", STORE).validations
    assert figures(list(recorded)) == figures(validate(run, best=2, repeats=2))
    for rank, group in enumerate(result["validations"], start=1):
        mine = [v for v in recorded if v.tokens == best_rows(run, 2)[rank - 1].tokens]
        assert group["rank"] == rank
        assert group["test_accuracies"] == [v.test_accuracy for v in mine]
        assert group["test_accuracy_mean"] == pytest.approx(np.mean(group["test_accuracies"]))
        assert group["accuracy_std"] == pytest.approx(np.std(group["accuracies"], ddof=1))
    assert command("validate", "mine", "--best", "1", "--repeats", "1", "--recipe", "quick") == 0
    assert "quick" in capsys.readouterr().out
    assert command("report", "mine") == 0
    shown = capsys.readouterr()
    assert "final validation" in shown.out
    assert "as in the search" in shown.out
    assert command("report", "mine", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["validations"][0] == result["validations"][0]
    assert [group["rank"] for group in report["validations"]] == [1, 1, 2]


def test_failed_trainings_are_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    npz("mine.npz", 0)
    run = search("mine", {"name": "training", "dataset": "mine.npz", "recipe": SHORT}, budget=1)
    failed = replace(validate(run, best=1, repeats=1)[0], failure="diverged", accuracy=None)
    with Store(STORE) as store:
        store.save_validation("mine", replace(failed, test_accuracy=None))
    assert command("validate", "mine", "--best", "1", "--repeats", "1", "--workers", "1") == 1
    assert "rank 1: 1 x diverged" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("validate mien", "did you mean 'mine'"),
        ("validate mine --best 0", "--best is 0: give 1 or more"),
        ("validate mine --repeats 0", "--repeats is 0: give 1 or more"),
        ("validate mine --workers 0", "--workers is 0: give 1 or more"),
        ("validate mine --timeout 0", "timeout is 0.0"),
        ("validate mine --recipe quik", "did you mean 'quick'"),
        ("validate mine --dataset no/where", "say where it lies now with --dataset"),
        ("validate synthetic", "'landscape' has no test part"),
        ("validate failed", "nothing to validate"),
        ("validate mine --store nothing.sqlite", "no results database"),
    ],
)
def test_bad_input_gets_one_clear_sentence(
    line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    search("mine", {"name": "training", "recipe": SHORT}, budget=1)
    search("synthetic", Landscape(SPACE), budget=2)
    search("failed", {"name": "training", "recipe": {**SHORT, "learning_rate": 1e30}}, budget=1)
    capsys.readouterr()
    assert command(*line.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (sentence,) = shown.err.splitlines()
    assert sentence.startswith("nas-gym: ")
    assert message in sentence
    assert load_run("mine", STORE).validations == ()


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_done() -> None:
    search("mine", {"name": "training", "recipe": SHORT}, budget=1)
    asked = ("validate", "mine", "--best", "1", "--workers", "1", "--repeats")
    process = subprocess.Popen(
        [sys.executable, "-m", "nas_gym", *asked, "1000"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while len(load_run("mine", STORE).validations) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it, too
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "the trainings that were done are recorded" in err
    assert "Traceback" not in err
    done = len(load_run("mine", STORE).validations)
    assert done >= 2
    assert command(*asked, str(done)) == 0
    assert len(load_run("mine", STORE).validations) == done
