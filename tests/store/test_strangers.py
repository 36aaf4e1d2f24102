"""Stores from somebody else, with right checksums: what is in them is believed only if it fits."""

import functools
import json
import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nas_gym
from nas_gym.errors import InvalidOption, StoreError
from nas_gym.evaluators.evaluation import Validation
from nas_gym.store import Store, load_run, long_runs, start_run
from nas_gym.store.reading import BadRecord, json_value
from nas_gym.store.schema import TABLES, summed, to_text

PARTS: Any = {"name": "nasnet-cell", "blocks": 1}, {"name": "landscape"}, "random-search"
DEEP = "[" * 100 + "]" * 100


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "store.sqlite"
    nas_gym.search(*PARTS, budget=4, run="first", store=path)
    with Store(path) as store:
        trained = Validation("key", (0, 1), 7, 0.5, 0.25, 1.5, None, None, {"dataset": "digits"})
        store.save_validation("first", trained)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    return path


@pytest.fixture
def path(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(sound, tmp_path / "store.sqlite"))


def change(path: Path, table: str, **values: Any) -> None:
    """Change the first row of a table, under a right checksum."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    row = dict(connection.execute(f"SELECT rowid AS place, * FROM {table}").fetchone())
    place = row.pop("place")
    row = summed(TABLES.tables[table], row | values)
    for name in (*values, "checksum"):
        connection.execute(f"UPDATE {table} SET {name} = ? WHERE rowid = {place}", (row[name],))
    connection.commit()
    connection.close()


def config(**changes: Any) -> str:
    base = {"space": {"name": "nasnet-cell"}, "budget": 4, "seed": 0}
    return json.dumps(base | changes)


@pytest.mark.parametrize(
    ("table", "values", "message"),
    [
        ("runs", {"config": "hello"}, "its configuration is 'hello': expected JSON text"),
        ("runs", {"config": "[]"}, "configuration is []: expected a JSON object"),
        ("runs", {"config": DEEP}, "more than 64 levels"),
        ("runs", {"config": "[" * 100_000}, "more than 64 levels"),
        ("runs", {"config": b"{}"}, "expected JSON text"),
        ("runs", {"config": f'"{"x" * 2**22}"'}, "4,194,304 are the most"),
        ("runs", {"config": config(budget="many")}, "its budget in the configuration is 'many'"),
        ("runs", {"config": config(budget=True)}, "budget in the configuration is True"),
        ("runs", {"config": config(seed=2**63)}, "seed in the configuration"),
        ("runs", {"config": config(seed="NaN").replace('"NaN"', "NaN")}, "NaN is no number"),
        ("runs", {"config": config(failure_reward=1).replace("1", "1e999")}, "1e999 is no number"),
        ("runs", {"config": config(space="nasnet-cell")}, "expected a JSON object with a name"),
        ("runs", {"config": config(space={"name": "a b;c"})}, "expected a JSON object with a name"),
        ("runs", {"config": config(agent={})}, "expected a JSON object with a name"),
        ("runs", {"config": config(protocol=[1])}, "its protocol in the configuration is [1]"),
        ("runs", {"config": config(limits={"timeout": "x"})}, "timeout among the limits"),
        (
            "runs",
            {"config": config(simulated={"other": 1})},
            "budget_seconds, budget_epochs and simulated",
        ),
        ("runs", {"config": config(leading_metric={"name": "test_x"})}, "expected a metric"),
        (
            "runs",
            {"config": config(leading_metric={"name": "x", "reward_alone": "9999999999.4f"})},
            "the format of a reward is '9999999999.4f'",
        ),
        ("runs", {"sessions": "{}"}, "its list of sessions is {}: expected a JSON list"),
        ("runs", {"sessions": '[{"workers": -1}]'}, "number of workers is -1"),
        ("runs", {"sessions": '[{"command": ["ls"]}]'}, "its command is ['ls']: expected a text"),
        ("runs", {"sessions": '[{"most_epochs": "9"}]'}, "number of epochs is '9'"),
        ("runs", {"sessions": '[{"most_epochs": 0}]'}, "number of epochs is 0"),
        ("runs", {"started": "\x1b[2J"}, "expected a time"),
        ("runs", {"env_spec": '{"entry_point": "os:system"}'}, "entry_point in the env_spec"),
        ("runs", {"env_spec": '{"additional_wrappers": [1]}'}, "wrappers in the env_spec is [1]"),
        ("evaluations", {"genotype": DEEP}, "evaluation 0: its genotype is"),
        ("evaluations", {"tokens": "[1.5]"}, "list of tokens is [1.5]: expected a list of whole"),
        ("evaluations", {"tokens": "[-1]"}, "expected whole numbers of 0 or more"),
        ("evaluations", {"tokens": "[true]"}, "expected a list of whole numbers"),
        ("evaluations", {"metrics": "[1]"}, "expected a JSON object with numbers"),
        ("evaluations", {"metrics": '{"accuracy": "high"}'}, "metric 'accuracy' is 'high'"),
        ("evaluations", {"metrics": '{"accuracy": NaN}'}, "NaN is no number"),
        ("evaluations", {"metrics": f'{{"accuracy": 1{"0" * 400}}}'}, "expected a finite number"),
        ("evaluations", {"reward": "much"}, "reward is 'much': expected a finite number"),
        ("evaluations", {"reward": float("inf")}, "reward is inf: expected a finite number"),
        ("evaluations", {"seconds": -1.0}, "time is -1.0: expected a finite number of 0 or more"),
        ("evaluations", {"seed": "x"}, "seed is 'x': expected a whole number"),
        ("evaluations", {"key": b"k"}, "key is b'k': expected a text"),
        ("requests", {"reward": b""}, "request 0: its reward is b''"),
        ("requests", {"source": b"x"}, "request 0: its source is b'x': expected a text"),
        ("validations", {"content": "[]"}, "its validation is []: expected a JSON object"),
        ("validations", {"content": "{}"}, "its validation is {}: expected one with"),
    ],
)
def test_a_value_of_another_type_is_one_sentence(
    table: str, values: dict[str, Any], message: str, path: Path
) -> None:
    change(path, table, **values)
    with pytest.raises(BadRecord) as error:
        load_run("first", path)
    sentence = str(error.value)
    assert message in sentence
    assert sentence.startswith("run 'first' in ")
    assert sentence.isprintable()
    assert len(sentence) < 800


@pytest.mark.parametrize(
    ("table", "values", "message"),
    [
        ("evaluations", {"metrics": "[1]"}, "expected a JSON object with numbers"),
        ("evaluations", {"metrics": b"{}"}, "expected JSON text"),
        ("evaluations", {"seconds": -1.0}, "time is -1.0: expected a finite number of 0 or more"),
        ("evaluations", {"seconds": "long"}, "time is 'long': expected a finite number"),
        ("evaluations", {"key": b"k"}, "key is b'k': expected a text"),
        ("evaluations", {"detail": b"x"}, "detail is b'x': expected a text"),
        ("evaluations", {"genotype": DEEP}, "evaluation 0: its genotype is"),
        ("requests", {"reward": b""}, "reward is b'': expected a finite number"),
        ("requests", {"reward": float("inf")}, "reward is inf: expected a finite number"),
        ("requests", {"source": b"x"}, "source is b'x': expected a text"),
        ("requests", {"failure": b"x"}, "failure is b'x': expected a text"),
        ("requests", {"evaluation_serial": 2**60}, "evaluation is 1152921504606846976: expected"),
        ("requests", {"evaluation_serial": 7}, "a row of its table"),
    ],
)
def test_the_columns_of_a_long_run_are_checked_like_its_rows(
    table: str, values: dict[str, Any], message: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_runs, "LONG", 0)
    change(path, table, **values)

    def read_all() -> None:
        rows = load_run("first", path).rows
        for name in ("reward", "failure", "source", "seconds", "detail", "key"):
            long_runs.column(rows, name)
        long_runs.metric(long_runs.choose(rows, range(4)), "accuracy")
        list(rows)

    with pytest.raises(StoreError) as error:
        read_all()
    sentence = str(error.value)
    assert message in sentence
    assert sentence.startswith("run 'first' in ") or "damaged" in sentence


@pytest.mark.parametrize(
    "name", ["../out", "/tmp/out", "a/b", "..", "con", "NUL.txt", "a\x1b[m", "a."]
)
def test_a_name_is_checked_where_it_is_read_and_where_it_is_written(
    name: str, path: Path, tmp_path: Path
) -> None:
    change(path, "runs", name=name)
    with Store(path, read_only=True) as store:
        for read in (store.runs, lambda: store.load_run(name)):
            with pytest.raises(
                StoreError, match=r"its name is .*: expected what can name a folder"
            ):
                read()
        with pytest.raises(StoreError, match="there is no run 'first'"):
            store.load_run("first")
    with pytest.raises(InvalidOption, match="cannot name a folder"):
        start_run(tmp_path / "new.sqlite", name, {})


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TRIGGER t AFTER INSERT ON requests BEGIN DELETE FROM runs; END",
        "ALTER TABLE claims RENAME TO c; CREATE VIEW claims AS SELECT * FROM c",
        "DROP TABLE claims; CREATE VIRTUAL TABLE claims USING fts5(protocol_id, key, seed, run_id)",
        "ALTER TABLE claims ADD COLUMN more INTEGER GENERATED ALWAYS AS (seed * 2)",
        "DROP TABLE claims",
    ],
)
def test_what_acts_or_computes_in_place_of_a_table_is_refused(script: str, path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    with pytest.raises(StoreError, match="is damaged"):
        Store(path)


def test_a_huge_value_is_not_even_read(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE runs SET config = ?", (f'"{"x" * 2**25}"',))
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="holds a value of more than 16 MiB"):
        load_run("first", path)


def test_what_is_no_json_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="what is to be recorded is no JSON"):
        start_run(tmp_path / "s.sqlite", "first", {"learning_rate": float("nan")})


@pytest.mark.parametrize(
    "config",
    [{"budget": 2**60}, {"seed": -1}, {"num_envs": 0}, {"failure_reward": True}, {"limits": [1]}],
)
def test_a_run_that_nobody_could_read_is_not_begun(config: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="run 'first' cannot be recorded: its"):
        start_run(tmp_path / "s.sqlite", "first", config)
    with Store(tmp_path / "s.sqlite") as store:
        assert store.runs() == []


NESTED: Any = functools.reduce(lambda inner, _: (inner,), range(100), 1)


@pytest.mark.parametrize("value", [NESTED, {"a": NESTED}, "x" * 2**22, ["xyz"] * 2**20])
def test_what_would_be_refused_when_it_is_read_is_not_written(value: Any) -> None:
    with pytest.raises(StoreError, match=r"64 levels|4,194,304 are the most"):
        to_text(value)


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.integers(0, 70),
)
def test_what_is_written_is_read(value: Any, levels: int) -> None:
    for _ in range(levels):
        value = [value]
    with suppress(StoreError):
        assert to_text(json_value("value", to_text(value))) == to_text(value)


@pytest.mark.parametrize("figure", [93.4, -0.5, 1e300])
def test_a_search_does_not_believe_a_figure_that_no_evaluator_may_give(
    figure: float, path: Path
) -> None:
    change(path, "evaluations", metrics=json.dumps({"accuracy": figure}))
    with pytest.raises(InvalidOption, match=r"another run of this store recorded .*accuracy is"):
        nas_gym.search(*PARTS, budget=4, run="second", store=path)
    assert len(nas_gym.search(*PARTS, budget=4, run="anew", child_seed=1, store=path).answers) == 4


@pytest.mark.parametrize("table", [*TABLES.tables])
def test_tables_without_their_keys_are_refused(table: str, path: Path) -> None:
    connection = sqlite3.connect(path)
    names = ", ".join(f'"{column.name}"' for column in TABLES.tables[table].columns)
    connection.execute(f"ALTER TABLE {table} RENAME TO old")
    connection.execute(f"CREATE TABLE {table} ({names})")
    connection.execute(f"INSERT INTO {table} SELECT * FROM old")
    connection.execute("DROP TABLE old")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="is damaged"):
        load_run("first", path)


def test_a_name_without_end_is_cut_in_the_message(path: Path) -> None:
    change(path, "runs", name="é" * 100_000)
    with pytest.raises(StoreError, match="its name is") as refused, Store(path) as store:
        store.runs()
    assert len(str(refused.value)) < 1000
