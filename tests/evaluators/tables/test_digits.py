"""NAS-Bench-201 on digits: how its table is packed, and what it answers."""

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import nas_gym  # noqa: F401
from benchmarks.tables import digits_against_cifar, make_digits_table
from nas_gym.errors import InvalidOption, InvalidTable
from nas_gym.evaluators.tables import digits
from nas_gym.evaluators.tables.nasbench201 import DATASETS, NASBench201Table
from nas_gym.evaluators.tables.writing import write_table
from nas_gym.runs.tabulating.architectures import architectures_of
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.moves import enumerate_tokens
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.training.images.presets import recipe_of
from nas_gym.training.images.sources import load_dataset

KEYED = NASBench201(isomorphic=True)
SEEDS, EPOCHS, IMAGES = 2, 6, 629
LARGEST = 2**20  # bytes in the wheel


def parameters(cell: tuple[int, ...]) -> int:
    return 1_000 + 70 * cell.count(2) + 500 * cell.count(3)


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table as ``nas-gym tabulate`` writes it, of made-up counts; the last cell failed once."""
    architectures = architectures_of(KEYED, None, 0)
    rng = np.random.default_rng(0)
    count = len(architectures)
    curves = rng.integers(60, IMAGES, (count, SEEDS, EPOCHS)) / IMAGES
    curves[-1, 1] = np.nan
    curves[-2] = np.nan
    recipe = recipe_of("nasbench201-digits").to_json()
    note = {
        "nas_gym_table": 1,
        "making": {
            "space": {"name": "nasbench201", "isomorphic": True},
            "protocol": {"fingerprint": load_dataset("digits").fingerprint, "recipe": recipe},
        },
        "layout": {},
        "counted": 5,
    }
    path = tmp_path_factory.mktemp("digits") / "made_up.npz"
    failure = np.where(np.isnan(curves[:, :, 0]), "diverged", "")
    columns = {
        "failure": failure,
        "architecture": np.array([str(each.genotype) for each in architectures]),
        "accuracy": curves[:, :, -5:].max(axis=2),
        "curves": curves,
        "seconds": rng.random((count, SEEDS)),
        "parameters": np.array([parameters(each.tokens) for each in architectures]),
        "multiply_adds": np.array([9 * parameters(each.tokens) for each in architectures]),
    }
    write_table(path, columns, note)
    return path


@pytest.fixture
def packed(made_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The packed table, in the place of the wheel's."""
    path = tmp_path / "packed.npz"
    path.write_bytes(make_digits_table.pack(made_up))
    assert len(path.read_bytes()) < LARGEST
    monkeypatch.setattr(digits, "FILE", path)
    return path


@pytest.mark.slow
def test_what_is_packed_is_answered_for_every_cell(made_up: Path, packed: Path) -> None:
    with np.load(made_up) as arrays:
        rows = {text: row for row, text in enumerate(arrays["architecture"].tolist())}
        table = {name: arrays[name] for name in ("accuracy", "curves", "seconds")}
    of_key = {each.key: rows[str(each.genotype)] for each in architectures_of(KEYED, None, 0)}
    answers = NASBench201Table(dataset="digits")
    untrained = 0
    for tokens in enumerate_tokens(NASBench201()):
        row = of_key[architecture_of(KEYED, tokens).key]
        if row == len(rows) - 2:
            untrained += 1
            with pytest.raises(LookupError, match="was not trained on digits"):
                answers.entry(tokens)
            continue
        entry = answers.entry(tokens)
        seeds = 1 if row == len(rows) - 1 else SEEDS
        assert entry.accuracies == tuple(table["accuracy"][row, :seeds])
        assert entry.curves == tuple(map(tuple, table["curves"][row, :seeds]))
        assert entry.seconds == pytest.approx(table["seconds"][row, :seeds].mean(), rel=1e-6)
        costs = {"parameters": parameters(tokens), "multiply_adds": 9 * parameters(tokens)}
        assert entry.metrics == costs
    assert untrained > 0
    assert answers.most_epochs == EPOCHS
    assert answers.index_of((4, 2, 1, 2, 1, 1)) == 0


@pytest.mark.slow
def test_an_environment_on_digits(packed: Path) -> None:
    env: Any = gym.make_vec("NASBench201-v0", dataset="digits", num_envs=2, budget_epochs=30)
    env = env.unwrapped
    cell = (3, 3, 4, 1, 3, 1)
    curves = NASBench201Table(dataset="digits").entry(cell).curves
    (played,) = env.play([cell], epochs=3)
    assert played.reward == pytest.approx(np.mean([max(curve[:3]) for curve in curves]))
    (played,) = env.play([cell])
    assert played.reward == pytest.approx(np.mean([max(curve[1:]) for curve in curves]))
    assert env.ledger.budget.paid_epochs == EPOCHS
    with pytest.raises(InvalidOption, match="epochs is 7: give a whole number from 1 to 6"):
        env.play([cell], epochs=7)


@pytest.mark.slow
def test_the_table_of_the_package_is_what_tabulate_wrote() -> None:
    """Every cell that differs, two seeds and all epochs, from the file beside its command."""
    table = digits.read_digits_table()
    assert len(table.keys) == len(table.right) == len(architectures_of(KEYED, None, 0)) == 5_267
    assert table.right.shape[1:] == (SEEDS, EPOCHS)
    assert table.images == IMAGES
    assert (table.right <= IMAGES).all()  # none is UNTRAINED
    assert digits.FILE.read_bytes() == make_digits_table.pack(make_digits_table.SOURCE)
    answers = NASBench201Table(dataset="digits")
    first = architectures_of(KEYED, None, 0)[0]
    with np.load(make_digits_table.SOURCE) as arrays:
        row = arrays["architecture"].tolist().index(str(first.genotype))
        assert answers.entry(first.tokens).accuracies == tuple(arrays["accuracy"][row].tolist())
        assert answers.entry(first.tokens).metrics["parameters"] == arrays["parameters"][row]


def test_the_other_data_sets_have_no_curves() -> None:
    for name in DATASETS:
        table = NASBench201Table(dataset=name)
        assert table.most_epochs is None
        assert table.protocol == {"evaluator": "nasbench201", "dataset": name, "seeds": "mean"}


def test_a_table_that_is_missing_or_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "FILE", tmp_path / "nowhere.npz")
    with pytest.raises(InvalidTable, match=r"cannot be read .*make_digits_table\.py`") as error:
        gym.make("NASBench201-v0", dataset="digits").unwrapped.ledger.evaluator.protocol  # noqa: B018
    assert "\n" not in str(error.value)
    monkeypatch.setattr(digits, "FILE", tmp_path / "broken.npz")
    digits.FILE.write_bytes(b"PK\x03\x04nonsense")
    with pytest.raises(InvalidTable, match="is no table of NAS-Bench-201 on digits"):
        NASBench201Table(dataset="digits").entry((0, 0, 0, 0, 0, 0))


def test_only_the_table_that_is_meant_is_packed(made_up: Path, tmp_path: Path) -> None:
    with np.load(made_up) as arrays:
        content = {name: arrays[name] for name in arrays.files}
    note = json.loads(str(content.pop("note")))
    note["making"]["protocol"]["recipe"]["epochs"] = 7
    write_table(tmp_path / "other.npz", content, note)
    with pytest.raises(AssertionError, match="another recipe than nasbench201-digits"):
        make_digits_table.pack(tmp_path / "other.npz")


@pytest.mark.parametrize("how", ["a cell is missing", "a training is missing", "one seed"])
def test_a_table_that_is_not_complete_is_not_packed(
    how: str, made_up: Path, tmp_path: Path
) -> None:
    with np.load(made_up) as arrays:
        content = {name: arrays[name] for name in arrays.files}
    note = json.loads(str(content.pop("note")))
    if how == "a cell is missing":
        content = {name: array[1:] for name, array in content.items()}
    elif how == "a training is missing":
        content["accuracy"][0, 1] = np.nan
    else:
        seeds = ("accuracy", "curves", "seconds", "failure")
        content |= {name: content[name][:, :1] for name in seeds}
    write_table(tmp_path / "part.npz", content, note)
    lacks = {"a cell is missing": "2", "a training is missing": "1", "one seed": "5,267"}[how]
    message = rf"lacks {lacks} of the trainings .* until it is complete$"
    with pytest.raises(InvalidTable, match=message):
        make_digits_table.pack(tmp_path / "part.npz")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::scipy.stats.ConstantInputWarning")
def test_the_page_of_what_digits_say(packed: Path) -> None:
    page = "\n".join(digits_against_cifar.lines(None))
    rows = {line.split(" | ")[0].lstrip("| "): line for line in page.splitlines() if "|" in line}
    assert {"digits, epoch 1", "digits, whole training", "parameters", "CIFAR-10"} <= rows.keys()
    # Known figures of the whole table (Spearman of CIFAR-10 and of its seeds); counts made up at
    # random say nothing.
    assert "0.976 / 0.86" in rows["CIFAR-10"]
    assert "0.98" in rows["another seed of the same table"]
    whole = rows["digits, whole training"].split(" | ")[1]
    assert abs(float(whole.split(" / ")[0])) < 0.1
