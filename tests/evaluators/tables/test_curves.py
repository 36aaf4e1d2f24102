"""Tables with learning curves: parts of trainings are answered from them, and gaps are refused."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_gym.envs.registration import make_vector_env
from nas_gym.errors import InvalidOption, InvalidTable
from nas_gym.evaluators.tables.file import TableFile
from nas_gym.evaluators.tables.note import note_of
from nas_gym.evaluators.tables.writing import write_table
from nas_gym.search_spaces.moves import enumerate_tokens
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing import BitString

BITS = BitString(2)
EPOCHS = 4
CURVES = np.array(
    [[[0.1, 0.3, 0.2, 0.25], [0.1, 0.2, 0.4, 0.5]]] * 4
) + 0.05 * np.arange(4).reshape(4, 1, 1)  # fmt: skip


def columns(**changes: Any) -> dict[str, Any]:
    return {
        "architecture": np.array(["0,0", "0,1", "1,0", "1,1"]),
        "accuracy": CURVES[:, :, -3:].max(axis=2),
        "curves": CURVES,
        "seconds": np.array([8.0, 4.0, 2.0, 1.0]),
        **changes,
    }


def saved(path: Path, **changes: Any) -> Path:
    np.savez(path, **columns(**changes))
    return path


OPTIONS = {"unit": "fraction", "form": "tokens", "curves": "curves", "seconds": "seconds"}


@pytest.mark.parametrize("seeds", ["mean", 0, 1])
def test_a_part_of_a_training_is_the_best_of_its_last_epochs(tmp_path: Path, seeds: Any) -> None:
    file = saved(tmp_path / "t.npz")
    part = {"name": "table", "file": file, **OPTIONS, "counted": 3, "seeds": seeds}
    env = make_vector_env(BITS, part, budget_epochs=100)
    table: TableFile = env.ledger.evaluator
    assert table.most_epochs == EPOCHS
    for row, tokens in enumerate(enumerate_tokens(BITS)):
        for epochs in range(1, EPOCHS + 1):
            (played,) = env.play([tokens], epochs=epochs)
            best = CURVES[row, :, max(0, epochs - 3) : epochs].max(axis=1)
            wanted = best.mean() if seeds == "mean" else best[seeds]
            assert played.reward == pytest.approx(wanted, abs=1e-12)
            assert played.evaluation.epochs == epochs % EPOCHS
            # Only the new epoch costs something.
            assert played.evaluation.seconds == pytest.approx([8, 4, 2, 1][row] / EPOCHS)
    assert env.ledger.budget.paid_epochs == 4 * EPOCHS
    with pytest.raises(InvalidOption, match="epochs is 5: give a whole number from 1 to 4"):
        env.play([(0, 0)], epochs=5)


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".parquet"])
def test_the_forms_of_a_file_say_the_same(tmp_path: Path, suffix: str) -> None:
    note = {
        "nas_gym_table": 1,
        "making": {"space": {"name": "nas_gym.testing.spaces:BitString", "bits": 2}},
        "layout": {
            "unit": "fraction", "form": "tokens", "seeds": 2, "curves": True,
            "metrics": ["parameters"],
        },
        "counted": 3, "complete": True, "isomorphic": True,
    }  # fmt: skip
    gaps = CURVES.copy()
    gaps[3, 1] = np.nan
    accuracy = columns()["accuracy"]
    accuracy[3, 1] = np.nan
    failure = np.full((4, 2), "")
    whole = columns(
        accuracy=accuracy,
        curves=gaps,
        seconds=np.array([[1.0, 3.0], [2.0, 2.0], [0.0, 1.0], [5.0, np.nan]]),
        failure=failure,
        parameters=np.array([10, 20, 30, 40]),
    )
    path = tmp_path / f"t{suffix}"
    write_table(path, whole, note)
    assert note_of(path, path.read_bytes()) == note
    table = TableFile(BITS, path)  # nothing else is needed
    for row, tokens in enumerate(enumerate_tokens(BITS)):
        entry = table.entry(tokens)
        seeds = 1 if row == 3 else 2
        assert entry.accuracies == tuple(accuracy[row, :seeds])
        assert entry.curves == tuple(map(tuple, CURVES[row, :seeds]))
        assert entry.seconds == [2.0, 2.0, 0.5, 5.0][row]
        assert entry.metrics == {"parameters": 10.0 * (row + 1)}
    assert (table.most_epochs, table.last_counted) == (EPOCHS, 3)
    assert table.protocol["counted"] == 3
    # What the user gives comes first.
    other = TableFile(BITS, path, counted=4, metrics=(), seconds=None)
    assert other.last_counted == 4
    assert other.protocol != table.protocol
    with pytest.raises(InvalidTable, match=r"is a table of the space .*BitString"):
        TableFile(BitString(3), path)


def test_a_csv_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["architecture", "accuracy", "curve"])
        for row, tokens in enumerate(enumerate_tokens(BITS)):
            curve = (100 * CURVES[row, 0]).round(6).tolist()
            text = [" ".join(map(str, curve)), ",".join(map(str, curve)), json.dumps(curve)][
                row % 3
            ]
            rows.writerow([" ".join(map(str, tokens)), curve[-1], text])
    table = TableFile(BITS, path, unit="percent", form="tokens", curves="curve")
    for row, tokens in enumerate(enumerate_tokens(BITS)):
        assert table.entry(tokens).curves[0] == pytest.approx(CURVES[row, 0])


def changed(row: int, seed: int, epoch: slice | int, value: float) -> Any:
    curves = CURVES.copy()
    curves[row, seed, epoch] = value
    return curves


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"curves": changed(1, 0, 2, np.nan)},
            r"row 1: the curve of accuracy 0 has a gap after ep",
        ),
        ({"curves": changed(2, 1, slice(2, None), np.nan)}, r"accuracy 1 has 2 epochs, and others"),
        ({"curves": changed(2, 1, slice(1, None), np.nan)}, r"accuracy 1 has 1 epoch, and others"),
        ({"curves": changed(2, 1, slice(None), np.nan)}, "row 2: the curve of accuracy 1 is empty"),
        ({"curves": changed(0, 1, 3, 1.5)}, "has 1.5: with unit 'fraction' each number is from 0"),
        ({"curves": CURVES[:, :1]}, "row 0 has 1 curves and 2 accuracies: give each accuracy the"),
        ({"curves": np.full((4, 2), "best")}, "has 'best': give numbers with blanks between them"),
    ],
)
def test_curves_that_are_none(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    file = saved(tmp_path / "t.npz", **changes)
    with pytest.raises(InvalidTable, match=says) as error:
        TableFile(BITS, file, **OPTIONS)
    assert "\n" not in str(error.value)


def test_an_accuracy_that_is_not_where_its_curve_ends(tmp_path: Path) -> None:
    file = saved(tmp_path / "t.npz", accuracy=columns()["accuracy"].round(3))
    assert TableFile(BITS, file, **OPTIONS, counted=3).most_epochs == EPOCHS
    says = r"row 0: accuracy 0 is 0\.3, but the last number .* is 0\.25: give counted=3, which"
    with pytest.raises(InvalidTable, match=says):
        TableFile(BITS, file, **OPTIONS)
    accuracy = columns()["accuracy"]
    accuracy[2, 1] = 0.75
    file = saved(tmp_path / "t.npz", accuracy=accuracy)
    says = r"row 2: accuracy 1 is 0\.75, but the best of the last 3 .* is 0\.6: mend that row"
    with pytest.raises(InvalidTable, match=says) as error:
        TableFile(BITS, file, **OPTIONS, counted=3)
    assert "\n" not in str(error.value)


def test_epochs_that_no_curve_has_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wider = np.pad(CURVES, ((0, 0), (0, 0), (0, 2)), constant_values=np.nan)
    whole = TableFile(BITS, saved(tmp_path / "t.npz"), **OPTIONS, counted=3)
    assert caplog.messages == []
    file = saved(tmp_path / "wider.npz", curves=wider)
    table = TableFile(BITS, file, **OPTIONS, counted=3)
    assert whole.most_epochs == table.most_epochs == EPOCHS
    (said,) = caplog.messages
    assert "room for 6 epochs, and none has a number after epoch 4; a whole training is" in said


def test_without_a_note_the_unit_has_to_be_given(tmp_path: Path) -> None:
    file = saved(tmp_path / "t.npz")
    with pytest.raises(InvalidOption, match="give unit, 'percent' or 'fraction'"):
        TableFile(BITS, file, form="tokens")
    plain = TableFile(BITS, file, unit="fraction", form="tokens")
    assert plain.most_epochs is None
    env = make_vector_env(BITS, plain)
    with pytest.raises(InvalidOption, match="TableFile cannot train in part"):
        env.play([(0, 0)], epochs=1)


def test_a_row_answers_for_isomorphic_cells_if_that_is_asked_for(tmp_path: Path) -> None:
    dead = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|"
    same = "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|none~0|nor_conv_1x1~1|none~2|"
    path, space = tmp_path / "t.csv", NASBench201()
    path.write_text(f"architecture,accuracy\n{dead},0.5\n")
    tokens = [_tokens(space, text) for text in (dead, same)]
    options = {"unit": "fraction", "missing": "failure"}
    shared = TableFile(space, path, isomorphic=True, **options)
    assert shared.entry(tokens[0]) == shared.entry(tokens[1])
    alone = TableFile(space, path, **options)
    with pytest.raises(LookupError, match="has no row for this architecture"):
        alone.entry(tokens[1])
    path.write_text(f"architecture,accuracy\n{dead},0.5\n{same},0.6\n")
    assert TableFile(space, path, **options).entry(tokens[1]).accuracies == (0.6,)
    with pytest.raises(InvalidTable, match="line 2 and line 3 are isomorphic architectures"):
        TableFile(space, path, isomorphic=True, **options)


def _tokens(space: NASBench201, text: str) -> tuple[int, ...]:
    from nas_gym.search_spaces.grammar import tokens_of

    return tokens_of(space, space.genotype_from_json(text))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"nas_gym_table": 2}, "was written by another version of nas-gym"),
        ({"counted": "many"}, "the note of .* is broken"),
        ({"layout": {"unit": "miles"}}, "the note of .* is broken"),
        ({"making": None}, "the note of .* is broken"),
    ],
)
def test_a_broken_note(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    note = {"nas_gym_table": 1, "making": {"space": {}}, "layout": {}, **change}
    write_table(tmp_path / "t.npz", columns(), note)
    with pytest.raises(InvalidTable, match=says):
        TableFile(BITS, tmp_path / "t.npz")
