"""The user's own table: what it may look like, what is said of a wrong one, what a search sees."""

import csv
import json
import pickle
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import nas_gym  # noqa: F401
from nas_gym.cli.evaluators import parts_of
from nas_gym.cli.main import main
from nas_gym.cli.search import Search
from nas_gym.cli.settings import settings_of
from nas_gym.errors import InvalidOption, InvalidSpace, InvalidTable, UnknownName
from nas_gym.evaluators.tables.file import TableFile
from nas_gym.registry import make, restorable, spec_of
from nas_gym.runs.resume import resume
from nas_gym.runs.search import search
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.grammar import decode
from nas_gym.search_spaces.moves import enumerate_tokens
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.store import load_run
from nas_gym.testing import BitString, LayerChain
from nas_gym.testing.evaluator_suite import EvaluatorSuite

BITS = BitString(2)
CELL = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
# Everything a table can say, of all architectures of BITS; the last was trained once.
FULL = """architecture,acc_1,acc_2,hours,seconds,latency,test_acc
"0,0",10,20,1,100,0.5,15
"0,1",30,40,1,200,0.25,35
1 0,50.5,60,1,300,0.125,55
"[1, 1]",70,,1,0,-1,
"""
OPTIONS = {
    "unit": "percent",
    "form": "tokens",
    "accuracy": ("acc_1", "acc_2"),
    "seconds": "seconds",
    "metrics": "latency",
    "test": "test_acc",
}


@pytest.fixture
def full(tmp_path: Path) -> TableFile:
    path = tmp_path / "full.csv"
    path.write_text(FULL, encoding="utf-8")
    return TableFile.from_file(path, space=BITS, **OPTIONS)


class TestSuite(EvaluatorSuite):
    batch = 3

    @pytest.fixture
    def space(self):
        return BITS

    @pytest.fixture
    def evaluator(self, full):
        return full


def table(folder: Path, text: str, **options: object) -> TableFile:
    path = folder / "t.csv"
    path.write_text(text, encoding="utf-8")
    defaults = {"space": BITS, "unit": "fraction", "form": "tokens", "missing": "failure"}
    return TableFile(**{"file": path, **defaults, **options})


def test_what_it_says(full):
    assert full.entry((0, 1))[:3] == ((0.3, 0.4), 200.0, {"latency": 0.25})
    assert full.entry((1, 1))[:3] == ((0.7,), 0.0, {"latency": -1.0})
    assert full.mean_accuracy((1, 0)) == 0.5525
    assert full.test_accuracy((1, 0)) == 0.55
    assert full.test_accuracy((1, 1)) is None
    (answer,) = full.evaluate([architecture_of(BITS, (0, 1))], [7])
    assert answer.metrics == {"accuracy": 0.35, "latency": 0.25}
    assert (answer.seconds, answer.source) == (200.0, "table")


def test_a_seed_is_one_column_or_drawn(full, tmp_path):
    options = OPTIONS | {"space": BITS, "file": tmp_path / "full.csv"}
    first = architecture_of(BITS, (0, 0))
    for seeds, expected in ((0, {0.1}), (1, {0.2}), ("random", {0.1, 0.2})):
        evaluator = TableFile(**options, seeds=seeds)
        answers = evaluator.evaluate([first] * 9, range(9))
        assert {answer.accuracy for answer in answers} == expected
        assert evaluator.stateful == (seeds == "random")
    with pytest.raises(InvalidOption, match=r"seeds is 2, but the table has 2"):
        TableFile(**options, seeds=2)


def test_it_is_json_data_and_goes_to_other_processes(full, tmp_path):
    spec = json.loads(json.dumps(spec_of("evaluator", full)))
    again = make("evaluator", spec, space=BITS)
    assert again == full
    assert hash(again) == hash(full)
    assert restorable("evaluator", full, space=BITS)
    assert spec["metrics"] == ["latency"]
    copy = pickle.loads(pickle.dumps(full))
    assert copy.entry((0, 1)) == full.entry((0, 1))
    env = gym.make("NASNetCell-v0", space=spec_of("space", BITS), evaluator=spec)
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert again.unwrapped.ledger.evaluator == full


def test_the_protocol_knows_the_file_by_its_content(full, tmp_path):
    moved = tmp_path / "moved.csv"
    moved.write_text(FULL, encoding="utf-8")
    assert TableFile(BITS, moved, **OPTIONS).protocol == full.protocol
    moved.write_text(FULL.replace("0.125", "0.126"), encoding="utf-8")
    assert TableFile(BITS, moved, **OPTIONS).protocol != full.protocol
    assert "test_acc" not in json.dumps(full.protocol)


def test_architectures_are_strings_or_json(tmp_path):
    space = NASBench201()
    text = f"architecture,accuracy\n{CELL},0.9\n"
    strings = table(tmp_path, text, space=space, form="string")
    assert strings.entry((3, 0, 3, 1, 0, 1)).accuracies == (0.9,)
    text = f'architecture,accuracy\n"""{CELL}""",0.9\n'
    assert table(tmp_path, text, space=space, form="json").entry((3, 0, 3, 1, 0, 1))


def test_npz_has_columns_or_matrices(tmp_path):
    path = tmp_path / "t.npz"
    tokens = np.array(list(enumerate_tokens(BITS)), np.int8)
    accuracies = np.array([[0.1, 0.2], [0.3, np.nan], [0.5, 0.6], [0.7, 0.8]], np.float32)
    np.savez(path, architecture=tokens, accuracy=accuracies)
    evaluator = TableFile(BITS, path, "fraction", form="tokens")
    assert evaluator.entry((0, 1)).accuracies == pytest.approx((0.3,))
    assert evaluator.entry((1, 1)).accuracies == pytest.approx((0.7, 0.8))
    np.savez(path, architecture=np.array(["0,0", "0,1", "1,0", "1,1"]), accuracy=accuracies[:, 0])
    assert TableFile(BITS, path, "fraction", form="tokens").mean_accuracy((1, 0)) == 0.5


def test_parquet_needs_pyarrow(tmp_path, monkeypatch):
    path = tmp_path / "t.parquet"
    path.write_bytes(b"nothing")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InvalidTable, match=r"pip install 'nas-gym\[parquet\]'"):
        TableFile(BITS, path, "fraction")


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "t.parquet"
    rows = {"architecture": ["0,0", "0,1", "1,0", "1,1"], "accuracy": [0.1, 0.2, 0.3, 0.4]}
    parquet.write_table(pyarrow.table({**rows, "more": [[0.1, None]] * 4}), path)
    assert TableFile(BITS, path, "fraction", form="tokens").mean_accuracy((1, 0)) == 0.3
    lists = TableFile(BITS, path, "fraction", form="tokens", accuracy="more")
    assert lists.entry((0, 0)).accuracies == (0.1,)
    with pytest.raises(UnknownName, match="did you mean 'accuracy'"):
        TableFile(BITS, path, "fraction", form="tokens", accuracy="accurcy")
    path.write_bytes(b"nothing")
    with pytest.raises(InvalidTable, match="cannot be read as Parquet"):
        TableFile(BITS, path, "fraction")


ROWS = "architecture,accuracy,s\n"
WRONG = [
    (ROWS + '"0,0",0.5,1\n"0,1",nan,1\n', {}, r"line 3: there is no accuracy in 'accuracy'"),
    (ROWS + '"0,0",0.5,1\n"0,1",,1\n', {}, "line 3: there is no accuracy"),
    (ROWS + '"0,0",0.5,1\n"0,1",1.5,1\n', {}, "line 3: accuracy is 1.5: with unit 'fraction' it"),
    (ROWS + '"0,0",-0.5,1\n', {}, "line 2: accuracy is -0.5"),
    (ROWS + '"0,0",101,1\n', {"unit": "percent"}, "with unit 'percent' it is from 0 to 100"),
    (ROWS + '"0,0",0.9,1\n', {"unit": "percent"}, "no accuracy is above 1.*give 'fraction'"),
    (ROWS + '"0,0",good,1\n', {}, "line 2: accuracy is 'good': give a number"),
    (ROWS + '"0,0",0.5,-1\n', {"seconds": "s"}, "line 2: s is -1: give a finite number of 0"),
    (ROWS + '"0,0",0.5,inf\n', {"seconds": "s"}, "line 2: s is inf"),
    (ROWS + '"0,0",0.5,\n', {"metrics": ["s"]}, "line 2: s is empty or NaN: give a number"),
    (ROWS + '"0,0",0.5,1\n0 0,0.6,1\n', {}, "line 2 and line 3 are the same arch.*tokens 0,0"),
    (ROWS + '"0,2",0.5,1\n', {}, "line 2: the architecture '0,2' cannot be read.*bit1 has 2 opt"),
    (ROWS + '"0",0.5,1\n', {}, "line 2.*1 tokens were given.*bit1 is still open"),
    (ROWS + '"0;1",0.5,1\n', {}, "line 2.*not whole numbers with commas"),
    (ROWS + '"0,0",0.5\n', {}, "line 2 has 2 fields, but the header has 3"),
    (ROWS + '"0,0"x,0.5,1\n', {}, "line 2 is no CSV"),
    (ROWS + '"0,0",0_5,1\n', {}, "line 2: accuracy is '0_5': give a number"),
    (ROWS + f'"0,0",{"9" * 5000},1\n', {}, "line 2: accuracy is 9{80}…: with unit"),
    (ROWS + f'"0,{"9" * 5000}",0.5,1\n', {}, "the architecture '0,9{77}… cannot be read"),
    (ROWS + f'"{"0," * 50000}0",0.5,1\n', {}, r"the architecture '[0,]{79}… cannot be read"),
    (ROWS, {}, "has no rows"),
    ("", {}, "is empty"),
    (ROWS, {"accuracy": "acuracy"}, "unknown column.*did you mean 'accuracy'"),
    ("architecture,accuracy,accuracy\n", {}, "two columns 'accuracy'"),
    (ROWS + '"0,0",0.5,1\n', {"missing": "error"}, "no row for 3 of the 4 .*the tokens 0,1"),
    (ROWS, {"unit": "percents"}, "unknown unit.*did you mean 'percent'"),
    (ROWS, {"form": "strings"}, "did you mean 'string'"),
    (ROWS, {"accuracy": ()}, r"accuracy is \(\): give a word or a list of 1 or more"),
    (ROWS, {"accuracy": ["s", "s"]}, "give a word or a list of 1 or more, each once"),
    (ROWS, {"accuracy": 3}, "accuracy is 3: give a word or a list"),
    (ROWS, {"metrics": "accuracy"}, "there already"),
    (ROWS, {"metrics": "s", "test": "s"}, "metrics names the column 's', which is a test figure"),
    (ROWS + '"0,0",0.5,1\n', {"form": "string"}, "BitString reads no genotypes.*form 'tokens'"),
    (ROWS, {"seeds": "all"}, "seeds is 'all'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "options", "message"), WRONG)
def test_what_is_wrong_is_said_with_its_row(text, options, message, tmp_path):
    with pytest.raises((InvalidTable, InvalidOption, InvalidSpace, UnknownName), match=message):
        table(tmp_path, text, **options)


def test_a_wrong_operation_is_named(tmp_path):
    text = f"architecture,accuracy\n{CELL.replace('skip_connect', 'skip')},0.9\n"
    with pytest.raises(InvalidTable, match=r"line 2.*operations from none, skip_connect"):
        table(tmp_path, text, space=NASBench201(), form="string")


@pytest.mark.parametrize(
    "name", ["test_acc", "ori-test", "accTest", "Test accuracy", "testacc", "x_TEST", "TestError"]
)
def test_a_test_figure_is_refused_in_a_search(name, tmp_path):
    for option in ("accuracy", "metrics"):
        with pytest.raises(InvalidOption, match="a search must not see one"):
            table(tmp_path, ROWS, **{option: name})


@pytest.mark.parametrize(
    "name", ["latest", "fastest_acc", "contest", "greatest-latency", "accuracy"]
)
def test_other_words_with_these_letters_are_none(name, tmp_path):
    assert table(tmp_path, f'architecture,{name}\n"0,0",0.5\n', accuracy=name)


def test_whatever_pyarrow_raises_at_damage_is_one_sentence(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "t.parquet"
    rows = {"architecture": ["0,0", "0,1", "1,0", "1,1"], "accuracy": [0.1, 0.2, 0.3, 0.4]}
    parquet.write_table(pyarrow.table(rows), path)
    good, random, said = path.read_bytes(), np.random.default_rng(0), []
    for _ in range(150):
        first, length = random.integers(4, len(good)), random.integers(1, 60)
        damaged = bytearray(good)
        damaged[first : first + length] = bytes(b ^ 0x5A for b in damaged[first : first + length])
        path.write_bytes(damaged)
        try:
            TableFile(BITS, path, "fraction", form="tokens")
        except (InvalidTable, UnknownName) as error:
            said.append(str(error))
    assert len(said) > 100
    assert all("t.parquet" in sentence and len(sentence) < 500 for sentence in said)


@pytest.mark.parametrize("suffix", ["npz", "parquet"])
def test_truth_values_are_no_accuracies(suffix, tmp_path):
    path = tmp_path / f"t.{suffix}"
    columns = {"architecture": ["0,0", "0,1", "1,0", "1,1"], "accuracy": [True, False] * 2}
    if suffix == "npz":
        np.savez(path, **columns)
    else:
        pyarrow = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table(columns), path)
    with pytest.raises(InvalidTable, match="row 0: accuracy is True: give a number"):
        TableFile(BITS, path, "fraction", form="tokens")


def test_percent_and_fractions_in_one_column_are_said(tmp_path, caplog):
    text = 'architecture,accuracy\n"0,0",91.2\n"0,1",0.9\n"1,0",90\n"1,1",0.88\n'
    found = table(tmp_path, text, unit="percent")
    assert "2 of the accuracies are below 1 and others are not" in caplog.text
    assert found.mean_accuracy((0, 1)) == pytest.approx(0.009)


@pytest.mark.parametrize("damage", ["encrypted", "method"])
def test_an_archive_that_cannot_be_unpacked(damage, tmp_path):
    path = tmp_path / "t.npz"
    np.savez(path, architecture=np.array(["0,0"]), accuracy=np.ones(1))
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = data.find(mark)
        while at >= 0:
            if damage == "encrypted":
                data[at + offset] |= 1
            else:
                data[at + offset + 2] = 97
            at = data.find(mark, at + 4)
    path.write_bytes(data)
    with pytest.raises(InvalidTable, match=r"t\.npz"):
        TableFile(BITS, path, "fraction", form="tokens")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("t.csv", None, "cannot be read.*give the path"),
        ("t.xlsx", b"x", "give a file that ends in .csv, .npz, .parquet"),
        ("t.csv", "é".encode("latin-1"), "no UTF-8"),
        ("t.npz", b"hello", "t.npz"),
        ("t.npz", b"PK\x03\x04hello", "t.npz"),
    ],
)
def test_a_file_that_is_no_table(file, content, message, tmp_path):
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(InvalidTable, match=message):
        TableFile(BITS, tmp_path / file, "percent")


def test_npz_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("nas_gym.evaluators.tables.columns.LARGEST_FILE", 10_000)
    path = tmp_path / "t.npz"
    np.savez_compressed(path, architecture=np.zeros((9, 2), int), accuracy=np.zeros(10_000))
    with pytest.raises(
        InvalidTable, match=r"unpacks to 80,\d+ bytes, more than the 10,000 allowed"
    ):
        TableFile(BITS, path, "fraction", form="tokens")


def test_npz_with_objects_or_unequal_columns(tmp_path):
    path = tmp_path / "t.npz"
    np.savez(path, architecture=np.array(["0,0", None], object), accuracy=np.ones(2))
    with pytest.raises(InvalidTable, match="not of objects"):
        TableFile(BITS, path, "fraction")
    np.savez(path, architecture=np.array(["0,0"]), accuracy=np.ones(2))
    with pytest.raises(InvalidTable, match=r"different lengths.*accuracy \(2,\)"):
        TableFile(BITS, path, "fraction")
    np.savez(path, architecture=np.array([[0.0, 0.0]]), accuracy=np.ones(1))
    with pytest.raises(InvalidTable, match=r"row 0.*token 0 is 0.0: expected an integer"):
        TableFile(BITS, path, "fraction", form="tokens")


def test_what_is_missing_fails_and_the_search_goes_on(tmp_path):
    evaluator = table(tmp_path, 'architecture,accuracy\n"0,0",0.5\n')
    answers = list(evaluator.evaluate([architecture_of(BITS, t) for t in ((0, 0), (0, 1))], [1, 2]))
    assert answers[0].failure is None
    assert "has no row for this architecture" in str(answers[1].failure)
    text = 'architecture,accuracy\n"' + ",".join("0" * 40) + '",0.5\n'
    assert table(tmp_path, text, space=BitString(40), missing="error")  # too many to look for


def test_a_conditional_space(tmp_path):
    space = LayerChain(2)
    rows = [(",".join(map(str, t)), i / 100) for i, t in enumerate(enumerate_tokens(space))]
    path = tmp_path / "chain.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("architecture", "accuracy"), *rows])
    evaluator = TableFile(space, path, "fraction", form="tokens")
    assert evaluator.mean_accuracy((0, 1)) == 0.04
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-1]))
    with pytest.raises(InvalidTable, match="no row for 1 of the 50 architectures of LayerChain"):
        TableFile(space, path, "fraction", form="tokens")


def test_a_search_resumes_and_sees_no_test_figure(full, tmp_path):
    store = tmp_path / "store.sqlite"
    search(BITS, full, "random-search", budget=8, run="r", store=store, seed=3)
    first = load_run("r", store)
    resume("r", store=store)
    run = load_run("r", store)
    assert run.rows == first.rows
    assert make("evaluator", run.config["evaluator"], space=BITS) == full
    assert all(set(row.metrics) == {"accuracy", "latency"} for row in run.rows)
    best = max(run.rows, key=lambda row: row.reward)
    assert best.reward == pytest.approx(full.mean_accuracy(best.tokens))
    assert "test" not in json.dumps([row.metrics for row in run.rows])


def command_line(folder: Path) -> str:
    cells = [str(decode(NASBench201(), (a, b, 0, 0, 0, 0))) for a in range(5) for b in range(5)]
    rows = "".join(f"{cell},{i},{i + 1},0.1\n" for i, cell in enumerate(cells))
    (folder / "mine.csv").write_text("cell,one,two,latency\n" + rows)
    return (
        'evaluator.unit=percent evaluator.architecture=cell evaluator.accuracy=["one","two"] '
        "evaluator.metrics=latency evaluator.missing=failure"
    )


def test_options_of_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    settings = command_line(tmp_path)
    made = []
    for evaluator, more in (("mine.csv", ""), ("table", " evaluator.file=mine.csv")):
        command = Search(space="nasbench201", evaluator=evaluator)
        made.append(parts_of(command, settings_of((settings + more).split()))["evaluator"])
    assert made[0] == made[1]
    assert made[0].accuracy == ("one", "two")
    assert made[0].metrics == ("latency",)
    for line, message in (
        ("--evaluator mine.csv", "--set evaluator.unit=…"),
        ("--evaluator mine.csv --dataset cifar10", "does not train"),
        ("--evaluator table --set evaluator.fil=x", "did you mean 'file'"),
        ("--evaluator no.csv --set evaluator.unit=percent", "no.csv cannot be read"),
    ):
        with pytest.raises(SystemExit) as end:
            main(["search", "--space", "nasbench201", *line.split()])
        assert end.value.code == 2
        assert message in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.slow
def test_a_search_from_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = "search --space nasbench201 --agent random-search --budget 40 --workers 1 --run r "
    settings = command_line(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(f"{line} --store a.sqlite --evaluator mine.csv --set {settings}".split())
    assert end.value.code in (0, 1)  # 1 where none of the forty is in the table
    assert len(load_run("r", "a.sqlite").rows) == 40


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", b"architecture;accuracy\n0,0;70,5\n", "separated by ';'"),
        ("t.csv", b"architecture\taccuracy\n0 0\t70.5\n", "separated by tabs"),
        ("t.csv", b'architecture,accuracy\n"0,0","70,5"\n', "with a decimal point"),
        ("t.csv", b'architecture,accuracy\n"0,0",70.5%\n', "without %"),
        ("t.csv", "architecture,accuracy\n".encode("utf-16"), "in UTF-16"),
        ("t.csv", "architecture,accuracy\n".encode("utf-16-le"), "bytes of 0"),
        ("t.csv", b"PK\x03\x04rest", "a workbook"),
        ("t.csv", b"\x1f\x8brest", "packed by gzip"),
        ("t.csv", b"PAR1rest", "a Parquet file"),
        ("t.csv", b"\n", "is empty"),
        ("t.csv.gz", b"\x1f\x8brest", "unpack it"),
        ("t.XLSX", b"PK\x03\x04rest", "save the sheet as CSV"),
        ("t.tsv", b"a\tb\n", "save it with commas"),
    ],
)
def test_a_file_that_is_no_csv_is_called_what_it_is(
    name: str, content: bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidTable, match=said):
        TableFile.from_file(tmp_path / name, space=BitString(2), unit="percent", form="tokens")


def test_a_csv_may_have_a_mark_blanks_and_capitals(tmp_path: Path) -> None:
    text = "\ufeff\r\narchitecture , accuracy\r\n" + "".join(
        f'"{i},{j}",70\r\n' for i in (0, 1) for j in (0, 1)
    )
    (tmp_path / "T.CSV").write_text(text, encoding="utf-8", newline="")
    table = TableFile.from_file(
        tmp_path / "T.CSV", space=BitString(2), unit="percent", form="tokens"
    )
    assert table.entry((0, 1)).accuracies == (0.7,)
