"""A claimed result is held against itself and against a new evaluation."""

import json
import sqlite3
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nas_gym
from nas_gym import AskTell, check, load_run
from nas_gym.cli.check import _spans
from nas_gym.errors import InvalidOption, StoreError, UntrustedModule
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.evaluators.tables.tabular import Entry, TabularEvaluator
from nas_gym.evaluators.tasks import task_of
from nas_gym.networks.cost import cost_for
from nas_gym.runs.check import Checker, check_rows
from nas_gym.runs.lines import respond
from nas_gym.search_spaces.from_json import architecture_from_json
from nas_gym.store.run_data import Row, RunData
from nas_gym.store.schema import EVALUATIONS, checksum

TABLE = {"space": "nasbench201", "evaluator": "nasbench201"}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    store = tmp_path_factory.mktemp("store") / "store.sqlite"
    nas_gym.search(**TABLE, agent="random-search", budget=12, run="table", store=store, seed=4)
    return load_run("table", store)


@pytest.mark.few(5)
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tokens": (0,) * 5}, "its tokens are no architecture of the space: 5 tokens were given"),
        ({"genotype": "|none~0|"}, "its genotype is not that of its tokens, which is"),
        ({"key": "other"}, "its key is 'other', and that of its tokens"),
        ({"seed": 5}, "its seed is 5, which does not follow from 4 and its key"),
        ({"epochs": 3}, "it was trained for 3 epochs, and a whole training has no parts"),
        ({"reward": 0.5}, "its reward is 0.5, and that of its figures"),
        ({"seconds": -1.0}, "it took -1.0 seconds"),
        ({"failure": "crashed"}, r"it failed \(crashed\), and has a figure \(accuracy\)"),
        ({"metrics": {}}, "its reward cannot be found again"),
        ({"seconds": 0.001}, r"it took 0.001 seconds, and in the table \d+"),
        ({"seed": -1}, "its seed is -1, which does not follow from 4 and its key"),
        ({"source": "bogus"}, "its source is 'bogus', and evaluated again 'table'"),
        (
            {"metrics": {"accuracy": 1.5}, "reward": 1.5},
            "its accuracy is 1.5, which is out of rang",
        ),
        ({"metrics": {"accuracy": 0.93}, "reward": 0.93}, "its accuracy is 0.93, and evaluated ag"),
    ],
)
def test_each_misfit_is_said(table: RunData, change: dict[str, Any], says: str) -> None:
    row = table.rows[3]
    assert check(row, table) == []
    sentences = check(replace(row, **change), table)
    with pytest.raises(AssertionError, match=says):
        raise AssertionError("\n".join(sentences))
    assert all("\n" not in sentence for sentence in sentences)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seed": None}, "seed of the claim is None: give a whole number"),
        ({"seconds": "3"}, "seconds of the claim is '3': give a number"),
        ({"reward": None}, "reward of the claim is None: give a number"),
        ({"source": None}, "source of the claim is None: give a text"),
        ({"key": 3}, "key of the claim is 3: give a text"),
        ({"tokens": 3}, "tokens of the claim is 3: give a list of them"),
    ],
)
def test_a_row_of_a_wrong_form_is_one_sentence(
    table: RunData, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidOption, match=says):
        check(replace(table.rows[0], **change), table)


def test_what_a_network_costs_is_counted_without_a_training() -> None:
    claim = {"tokens": [0, 1, 0, 0, 0, 0, 1, 0, 0, 0], "reward": 0.9, "epochs": 0}
    space = {"name": "nasnet-cell", "blocks": 1}
    says = check({**claim, "metrics": {"accuracy": 0.9, "parameters": 1, "multiply_adds": 1}},
                 space=space)  # fmt: skip
    assert [each.split(", and counted again ")[0] for each in says] == [
        "its parameters is 1", "its multiply_adds is 1",
    ]  # fmt: skip
    true = {name: float(each.split(" ")[-1])
            for name, each in zip(("parameters", "multiply_adds"), says, strict=True)}  # fmt: skip
    assert check({**claim, "metrics": {"accuracy": 0.9, **true}}, space=space) == []
    (source,) = check({**claim, "metrics": {"accuracy": 0.9}, "source": "bogus"}, space=space)
    assert source == "its source is 'bogus', and its evaluator trains"
    unknown = {"accuracy": 0.9, "parameters": 1}
    assert check({**claim, "metrics": unknown}, space=space, evaluator="landscape") == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["zero-cost", "weight-sharing"])
def test_what_no_child_is_trained_for_is_counted_too(name: str) -> None:
    space = {"name": "nasbench201", "isomorphic": True}
    evaluator = {"name": name} | ({"task": {"filters": 4}} if name == "zero-cost" else {})
    tokens = [0, 0, 0, 0, 0, 3]  # no path leads to its only convolution
    made = nas_gym.registry.make("space", space)
    judge = nas_gym.registry.make("evaluator", evaluator, space=made)
    claim = {"tokens": tokens, "reward": 0.5, "metrics": {judge.leading_metric.name: 0.5}}
    own, canonical = (
        cost_for(partial(made.build, each, task), task)._asdict()
        for genotype in [made.choose(_told(tokens))]
        for task in [task_of(judge, genotype)]
        for each in (genotype, made.canonical(genotype))
    )
    assert own["parameters"] > canonical["parameters"]
    for costs in (own, canonical):
        metrics = {**claim["metrics"], **costs}
        assert check({**claim, "metrics": metrics}, space=space, evaluator=evaluator) == []
    wrong = {**claim["metrics"], "parameters": canonical["parameters"] + 1}
    (says,) = check({**claim, "metrics": wrong}, space=space, evaluator=evaluator)
    assert says.startswith(f"its parameters is {wrong['parameters']}, and counted again ")


def _told(tokens: list[int]) -> Any:
    told = iter(tokens)
    return lambda name, options: options[next(told)]


@pytest.mark.slow
def test_an_answer_of_memory_is_of_an_isomorphic_architecture(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    nas_gym.search(
        {"name": "nasbench201", "isomorphic": True},
        {"name": "nasbench201", "dataset": "digits"},
        "random-search",
        budget=80,
        run="isomorphic",
        store=store,
    )
    run = load_run("isomorphic", store)
    checker = Checker.of(run)
    assert check_rows(checker, list(run.rows)) == [[]] * len(run.rows)
    genotypes = {row.key: row.genotype for row in run.rows}
    written = architecture_from_json
    recalled = [
        row
        for row in run.rows
        if row.source == "memo" and written(checker.space, row.genotype).tokens != row.tokens
    ]
    assert recalled  # or this has tested nothing
    other = next(text for key, text in genotypes.items() if key != recalled[0].key)
    (says, *_) = check_rows(checker, [replace(recalled[0], genotype=other)])[0]
    assert says.startswith("its genotype is not that of its tokens, which is ")
    (says,) = check_rows(checker, [replace(recalled[0], source="table")])[0][:1]
    assert says.startswith("its genotype is not that of its tokens, which is ")


class Curved(TabularEvaluator):
    """Accuracies after each of nine epochs."""

    seeds = "mean"
    protocol: dict[str, Any] = {}  # noqa: RUF012
    most_epochs = 9

    def entry(self, tokens: tuple[int, ...]) -> Entry:
        curve = tuple(sum(tokens) / 100 * epoch / 9 for epoch in range(1, 10))
        return Entry((curve[-1],), 90.0, {}, (curve,))


def test_children_that_go_on_take_the_seconds_of_their_new_epochs(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    space = nas_gym.registry.make("space", "nasbench201")
    nas_gym.search(space, Curved(), "asha", budget=40, run="parts", store=store)
    run = load_run("parts", store)
    assert len({row.seconds for row in run.rows}) > 2
    checker = Checker(space, Curved(), nas_gym.registry.make("reward", "accuracy"))
    assert check_rows(checker, list(run.rows)) == [[]] * len(run.rows)
    (says,) = check_rows(checker, [replace(run.rows[-1], seconds=1.0)])[0]
    assert says.startswith("it took 1.0 seconds, and in the table ")


@pytest.mark.parametrize("name", ["random-search", "asha"])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_true_runs_fit_evaluated_again(tmp_path: Path, name: str, noise: float) -> None:
    store = tmp_path / "store.sqlite"
    space = {"name": "nas_gym.testing:LayerChain", "max_depth": 2}
    landscape = {"name": "landscape", "epochs": 9, "noise": noise}
    nas_gym.search(space, landscape, name, budget=40, run="run", store=store, seed=1)
    run = load_run("run", store)
    found = check_rows(Checker.of(run, ["nas_gym"]), list(run.rows), evaluate=True)
    assert found == [[]] * 40


@pytest.mark.slow
def test_a_real_training_comes_out_again(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    space = {"name": "nasnet-cell", "blocks": 1}
    evaluator = {"name": "training", "recipe": {"name": "quick", "epochs": 1}}
    with AskTell(space, evaluator, budget=1, run="real", store=store) as session:
        session.evaluate([[0, 1, 0, 0, 0, 0, 1, 0, 0, 0]])
    run = load_run("real", store)
    assert check(run.rows[0], run, evaluate=True) == []
    metrics = {**run.rows[0].metrics, "parameters": 7.0}
    (says,) = check(replace(run.rows[0], metrics=metrics), run, evaluate=True)
    assert says.startswith("its parameters is 7.0, and evaluated again")
    assert check(run.rows[0], run) == []
    (says,) = check(replace(run.rows[0], metrics=metrics), run)
    assert says.startswith("its parameters is 7.0, and counted again")


def test_answers_of_ask_tell_are_claims(tmp_path: Path) -> None:
    with AskTell(**TABLE) as session:
        claim = json.loads(respond(session, '{"tokens": [3, 3, 3, 1, 3, 0]}'))
    assert check(claim, **TABLE) == []
    assert check({"genotype": claim["genotype"], "reward": claim["reward"],
                  "metrics": claim["metrics"]}, **TABLE) == []  # fmt: skip
    says = check({**claim, "reward": 0.99, "metrics": {"accuracy": 0.99}}, **TABLE)
    assert says == [f"its accuracy is 0.99, and evaluated again {claim['metrics']['accuracy']}"]
    assert check({**claim, "metrics": {"accuracy": claim["reward"] + 1e-3},
                  "reward": claim["reward"] + 1e-3}, **TABLE, tolerance=1e-2) == []  # fmt: skip


def test_bad_claims_are_refused(table: RunData) -> None:
    row = table.rows[0]
    for claim in (None, 3, {}, {"tokens": [0] * 6}, {"reward": 1.0}):
        with pytest.raises(InvalidOption, match="the claim has"):
            check(claim, table)  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="give run or space"):
        check(row)
    with pytest.raises(InvalidOption, match="tolerance is -1"):
        check(row, table, tolerance=-1)
    with pytest.raises(InvalidOption, match="none comes out again"):
        check(row, space="nasbench201", evaluator=KeepsState(), evaluate=True)
    config = {**table.config, "space": {"name": "stranger:Space"}}
    with pytest.raises(UntrustedModule):
        check(row, replace(table, config=config))
    with pytest.raises(StoreError, match="not recorded by a search"):
        check(row, replace(table, config={}))


class KeepsState(Landscape):
    stateful = True
    seeded = False

    def __init__(self) -> None:
        super().__init__(nas_gym.registry.make("space", "nasbench201"))


def forged(store: Path, serial: int, **changes: Any) -> None:
    """Change an evaluation as somebody would who knows how the store sums its rows."""
    with sqlite3.connect(store) as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute("SELECT * FROM evaluations WHERE serial = ?", [serial])
        row = {**dict(found.fetchone()), **changes}
        row["checksum"] = checksum(EVALUATIONS, row)
        names = ", ".join(f"{name} = ?" for name in row)
        connection.execute(
            f"UPDATE evaluations SET {names} WHERE serial = ?", [*row.values(), serial]
        )


@pytest.mark.slow
def test_the_command_says_what_does_not_fit(tmp_path: Path) -> None:
    store = tmp_path / "runs" / "store.sqlite"
    nas_gym.search(**TABLE, agent="random-search", budget=6, run="mine", store=store)

    def run(*arguments: str) -> Any:
        return subprocess.run(
            [sys.executable, "-m", "nas_gym", "check", "mine", *arguments],
            cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip

    true = run()
    assert (true.returncode, true.stdout) == (0, "")
    assert true.stderr.endswith("6 requests of run mine checked, all of them fit\n")
    forged(store, 2, metrics='{"accuracy": 0.99}')
    false = run("--json", "--evaluate")
    assert false.returncode == 1
    said = json.loads(false.stdout)
    assert (said["checked"], said["evaluated"]) == (6, True)
    assert {each["number"] for each in said["misfits"]} == {2}
    assert any("its accuracy is 0.99" in each["says"] for each in said["misfits"])
    assert run("--rows", "0,3-5").returncode == 0
    assert run("--rows", "1-2").stdout.startswith("request 2: its ")
    refused = run("--rows", "6")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)


@pytest.mark.parametrize("text", ["x", "3-1", "-1", "", "1,,2", "1e3"])
def test_numbers_of_requests_are_checked(text: str) -> None:
    with pytest.raises(InvalidOption, match="give numbers of requests"):
        _spans(text)


def test_rows_are_read_only(table: RunData) -> None:
    before = list(table.rows)
    assert all(isinstance(row, Row) for row in before)
    assert not any(check_rows(Checker.of(table), before, evaluate=True))
    assert list(table.rows) == before


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"reward": np.array([0.9, -73_306.0])}, "of several objectives give the scalar one"),
        ({"reward": [0.9, -73_306.0]}, "of several objectives give the scalar one"),
        ({"reward": None}, "reward of the claim is None: give a number"),
        ({"reward": "high"}, "reward of the claim is 'high'"),
        ({"seed": 1.5}, "seed of the claim is 1.5: give a whole number"),
        ({"seconds": [3]}, "seconds of the claim is"),
        ({"metrics": [0.9]}, "metrics of the claim is"),
        ({"metrics": {"accuracy": "0.9"}}, "give names with numbers"),
        ({"tokens": 3}, "tokens of the claim is 3: give a list of them"),
    ],
)
def test_a_claim_of_a_wrong_form_is_one_sentence(wrong: dict[str, Any], words: str) -> None:
    claim = {"tokens": [0] * 6, "reward": 0.5, "metrics": {"accuracy": 0.5}, **wrong}
    with pytest.raises(InvalidOption, match=words):
        nas_gym.check(claim, space="nasbench201", evaluator="nasbench201")


@pytest.mark.slow
def test_runs_of_several_objectives_and_of_edits_fit(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    several = {"name": "nsga2", "objectives": ["accuracy", "-parameters"]}
    for name, agent in (("mo", several), ("edits", {"name": "sb3-dqn", "action": "edit"})):
        nas_gym.search("nasbench201", "nasbench201", agent, budget=20, run=name, store=store)
        run = nas_gym.load_run(name, store)
        assert [nas_gym.check(row, run) for row in run.rows] == [[]] * 20
        assert nas_gym.check(replace(run.rows[3], reward=0.99), run)
