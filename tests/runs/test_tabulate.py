"""Tables that are made here: what was trained is what they answer, and nothing is trained twice."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import nas_gym
from nas_gym.errors import InvalidOption, InvalidTable
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.evaluators.tables.columns import SUFFIXES
from nas_gym.evaluators.tables.file import TableFile
from nas_gym.evaluators.tables.tabular import NotInTable
from nas_gym.registry import make
from nas_gym.runs.tabulating.architectures import architectures_of
from nas_gym.runs.tabulating.tabulate import Tabulation, tabulate
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.moves import enumerate_tokens
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.store import load_run
from nas_gym.testing import BitString, LayerChain
from nas_gym.testing.evaluators import FailingEvaluator

CELLS = NASBench201()
TRAINED = {"name": "training", "recipe": {"name": "quick", "epochs": 2, "repeats": 1}}


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def landscape(space: Any, **options: Any) -> Landscape:
    return Landscape(space, seed=1, **options)


def note_of(file: str) -> dict[str, Any]:
    with np.load(file) as arrays:
        note: dict[str, Any] = json.loads(str(arrays["note"]))
    return note


@pytest.mark.slow
def test_the_table_answers_what_was_trained_for_every_isomorphic_cell() -> None:
    """Real trainings, of four cells with two seeds."""
    done = nas_gym.tabulate("nasbench201", "cells.npz", TRAINED, sample=4)
    assert (done.architectures, done.seeds, done.trained, done.failed) == (4, 2, 8, 0)
    assert done.complete
    table = TableFile(CELLS, "cells.npz", missing="failure")
    assert table.most_epochs == 2
    by_key: dict[str, list[tuple[int, ...]]] = {}
    keyed = NASBench201(isomorphic=True)
    for tokens in enumerate_tokens(CELLS):
        by_key.setdefault(architecture_of(keyed, tokens).key, []).append(tokens)
    for number in range(2):
        rows = load_run(f"cells-seed{number}").rows
        assert len(rows) == 4
        for row in rows:
            for tokens in by_key[row.key]:
                entry = table.entry(tokens)
                assert entry.accuracies[number] == row.metrics["accuracy"]
                assert entry.curves[number] == tuple(row.curve)
                assert max(entry.curves[number]) == row.metrics["accuracy"]
                assert entry.metrics["parameters"] == row.metrics["parameters"]
    with np.load("cells.npz") as arrays:
        seconds = [row.metrics["processor_seconds"] for row in load_run("cells-seed1").rows]
        assert sorted(arrays["seconds"][:, 1]) == pytest.approx(sorted(seconds), abs=1e-4)
    # The same as the evaluator says by itself, under the seeds of the two runs.
    row = load_run("cells-seed1").rows[0]
    trainer = make("evaluator", {**TRAINED, "curve": True}, space=keyed)
    (again,) = trainer.evaluate([architecture_of(keyed, row.tokens)], [row.seed])
    assert again.curve == tuple(row.curve)


@pytest.mark.few(1)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_alone_is_gone_on_with_and_only_what_lacks_is_trained(suffix: str) -> None:
    space, file = BitString(4), f"bits{suffix}"
    first = tabulate(space, file, landscape(space), sample=5, store="one.sqlite")
    assert (first.architectures, first.trained) == (5, 10)
    # On another machine, so to say: another store.
    whole = tabulate(space, file, landscape(space), seeds=3, store="other.sqlite")
    assert (whole.architectures, whole.trained, whole.complete) == (16, 48, True)
    lengths = [len(load_run(f"bits-seed{n}", "other.sqlite").rows) for n in range(3)]
    assert lengths == [11, 11, 16]
    again = tabulate(space, file, landscape(space), seeds=1, store="third.sqlite")
    assert (again.trained, again.seeds) == (48, 3)
    assert not Path("third.sqlite").exists()
    table, truth = TableFile(space, file), landscape(space)
    for tokens in enumerate_tokens(space):
        (known,) = truth.evaluate([architecture_of(space, tokens)], [0])
        assert table.entry(tokens).accuracies == (known.accuracy,) * 3


def test_a_table_made_in_pieces_is_that_made_at_once() -> None:
    space = BitString(5)
    noisy = landscape(space)
    for sample in (7, 20, None):
        tabulate(space, "pieces.npz", noisy, sample=sample, run="pieces")
    tabulate(space, "once.npz", noisy)
    with np.load("pieces.npz") as one, np.load("once.npz") as other:
        assert set(one.files) == set(other.files)
        for name in set(one.files) - {"note", "seconds"}:
            assert (one[name] == other[name]).all(), name


def test_a_sample_is_the_beginning_of_a_larger_one() -> None:
    for space in (BitString(6), LayerChain(3), BitString(60)):
        small = architectures_of(space, 5, 3)
        assert architectures_of(space, 9, 3)[:5] == small
        assert architectures_of(space, 5, 4) != small
        assert len({each.key for each in small}) == 5


def test_one_of_each_class_is_trained() -> None:
    architectures = architectures_of(NASBench201(isomorphic=True), None, 0)
    assert len(architectures) == len({each.key for each in architectures}) == 5_267


@pytest.mark.parametrize(
    ("space", "sample", "says"),
    [
        ("nasnet-cell", None, "architectures, more than can be trained: give a number of random"),
        ("nasbench201", 6_000, "sample is 6,000, and NASBench201 has 5,267 architectures"),
        (LayerChain(2), 51, "LayerChain has 50 architectures"),
        (BitString(3), 0, "sample is 0: give"),
    ],
)
def test_what_cannot_be_tabulated(space: Any, sample: int | None, says: str) -> None:
    made = make("space", space)
    with pytest.raises(InvalidOption, match=says):
        tabulate(space, "t.npz", landscape(made), sample=sample)
    assert not Path("t.npz").exists()


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("t.txt", "is no table: save it with commas as CSV, and give a file that ends in"),
        ("nowhere/t.npz", "there is no folder"),
        ("full.csv", "was not made by `nas-gym tabulate`: name another file"),
    ],
)
def test_a_file_that_is_no_place_for_it(file: str, says: str) -> None:
    Path("full.csv").write_text('architecture,accuracy\n"0,1",0.5\n')
    with pytest.raises(InvalidTable, match=says):
        tabulate(BitString(2), file, landscape(BitString(2)))


def test_a_table_of_another_making_is_refused() -> None:
    space = BitString(2)
    tabulate(space, "t.npz", landscape(space))
    before = Path("t.npz").read_bytes()
    with pytest.raises(InvalidTable, match=r"was made otherwise \(protocol.best is 0\.98 there"):
        tabulate(space, "t.npz", Landscape(space, seed=1, best=0.9))
    with pytest.raises(InvalidTable, match="seed is 0 there and 1 here"):
        tabulate(space, "t.npz", landscape(space), seed=1)
    assert Path("t.npz").read_bytes() == before


def test_a_damaged_file_is_refused_and_left_as_it_is() -> None:
    space = BitString(2)
    tabulate(space, "t.csv", landscape(space))
    whole = Path("t.csv").read_text()
    for damage in (
        whole.replace('""seeds"": 2', '""seeds"": ""two""'),
        whole.replace('""metrics"": []', '""other"": []'),
        whole.replace("\n0,", "\nx,").replace('\n"0,', '\n"x,'),
        whole[: len(whole) // 2],
    ):
        assert damage != whole
        Path("t.csv").write_text(damage)
        with pytest.raises(InvalidTable):
            tabulate(space, "t.csv", landscape(space))
        assert Path("t.csv").read_text() == damage


def test_failures_are_rows_with_gaps() -> None:
    space = BitString(4)
    failing = FailingEvaluator(landscape(space), rate=0.5, reason="diverged")
    done = tabulate(space, "t.npz", failing)
    assert done.complete
    assert 0 < done.failed < 32
    with np.load("t.npz") as arrays:
        assert ((arrays["failure"] == "diverged") == np.isnan(arrays["accuracy"])).all()
        lost = np.isnan(arrays["accuracy"]).all(axis=1)
        architectures = arrays["architecture"][lost].tolist()
    table = TableFile(space, "t.npz")
    assert architectures
    for text in architectures:
        tokens = tuple(map(int, text.split(",")))
        (answer,) = table.evaluate([architecture_of(space, tokens)], [0])
        assert answer.failure == "error: it failed when the table was made: diverged"
    # They are not trained once more.
    assert tabulate(space, "t.npz", failing, store="new.sqlite").failed == done.failed
    assert not Path("new.sqlite").exists()


@dataclass(frozen=True)
class Slow:
    """Takes a tenth of a second."""

    stateful = False
    clock: ClassVar[Callable[[float], float]]

    def evaluate(self, architectures: Any, seeds: Any) -> Any:
        for architecture in architectures:
            Slow.clock(0.1)
            yield Evaluation(architecture, {"accuracy": 0.5}, 0.1)

    def close(self) -> None:
        pass


def test_a_time_limit_leaves_a_partial_table_that_says_so(clock: Callable[[float], float]) -> None:
    space = BitString(6)
    told: list[Tabulation] = []
    Slow.clock = clock
    done = tabulate(space, "t.npz", Slow(), time_limit=0.55, progress=told.append)
    assert done.time_up is not None
    assert 0 < done.trained < 64
    assert not done.complete
    assert [each.trained for each in told][:2] == [0, 1]
    assert note_of("t.npz")["complete"] is False
    assert note_of("t.npz")["architectures"] == 64
    with pytest.raises(InvalidTable, match="not finished or a sample, has no row for"):
        TableFile(space, "t.npz")
    known = TableFile(space, "t.npz", missing="failure")
    assert known.most_epochs is None
    more = tabulate(space, "t.npz", Slow(), time_limit=0.35)
    assert more.trained > done.trained


def test_the_test_part_is_in_no_table() -> None:
    tabulate("nasbench201", "cells.npz", TRAINED, sample=1, seeds=1)
    with np.load("cells.npz") as arrays:
        assert not [name for name in arrays.files if "test" in name]
    note = note_of("cells.npz")
    assert note["making"]["protocol"]["dataset"] == "digits"
    assert note["making"]["protocol"]["recipe"]["epochs"] == 2
    assert note["versions"][0]["torch"]


@dataclass(frozen=True)
class Moody(Slow):
    """Says another thing each time."""

    stateful = True


def test_an_evaluator_that_changes_its_mind_is_refused() -> None:
    space = BitString(2)
    with pytest.raises(InvalidOption, match="Moody gives another answer each time"):
        tabulate(space, "t.npz", Moody())
    # Noise that follows from the seed is something else.
    noisy = tabulate(space, "t.npz", landscape(space, noise=0.1))
    assert noisy.complete
    with np.load("t.npz") as arrays:
        assert (arrays["accuracy"][:, 0] != arrays["accuracy"][:, 1]).all()


def test_what_a_run_of_the_name_has_trained_more_is_in_the_table() -> None:
    space = BitString(4)
    assert tabulate(space, "same.npz", landscape(space), sample=5, seeds=2).trained == 10
    done = tabulate(space, "same.csv", landscape(space), sample=3, seeds=2)
    assert (done.architectures, done.trained, done.complete) == (5, 10, True)
    table = TableFile(space, "same.csv", missing="failure")
    entries = 0
    for tokens in enumerate_tokens(space):
        with contextlib.suppress(NotInTable):
            entries += len(table.entry(tokens).accuracies) == 2
    assert entries == 5


def test_an_evaluator_without_accuracy_makes_no_table(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match=r"ZeroCost gives no accuracy, .*'training'$"):
        tabulate("nasbench201", "scores.npz", "zero-cost", sample=2)
    assert not list(tmp_path.iterdir())


def test_paths_of_shared_weights_make_no_table(tmp_path: Path) -> None:
    message = (
        "WeightSharing measures architectures that were not trained for themselves.*'training'$"
    )
    with pytest.raises(InvalidOption, match=message):
        tabulate("nasbench201", "shared.npz", "weight-sharing", sample=2)
    assert not list(tmp_path.iterdir())
