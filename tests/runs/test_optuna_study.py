"""A run as a study, read by Optuna."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise, repeat
from pathlib import Path
from typing import Any

import pytest

import nas_gym
from nas_gym.cli.main import main
from nas_gym.errors import InvalidOption, StoreError, UntrustedModule
from nas_gym.evaluators.evaluation import WHOLE
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.runs.findings import Findings
from nas_gym.runs.optuna_study import write_optuna
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.store import RunData, load_run
from nas_gym.testing.evaluators import FailingEvaluator
from nas_gym.testing.spaces import LayerChain

optuna = pytest.importorskip("optuna", reason="pip install optuna")
TABLE = ("nasbench201", "nasbench201")


class Curved(Landscape):
    """A landscape that says how a child came to its accuracy."""

    def evaluate(self, architectures: Any, seeds: Any, fidelities: Any = None) -> Iterator[Any]:
        parts = fidelities or repeat(WHOLE)
        evaluations = super().evaluate(architectures, seeds, fidelities)
        for evaluation, part in zip(evaluations, parts, strict=False):
            whole = evaluation.metrics["accuracy"]
            epochs = part.epochs or self.epochs
            assert epochs is not None
            curve = tuple([whole * epoch / epochs for epoch in range(1, epochs + 1)])
            yield replace(evaluation, curve=curve)


def written(run: RunData, tmp_path: Path, trust: Any = ()) -> Any:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    return optuna.load_study(study_name=write_optuna(run, storage, trust), storage=storage)


def searched(tmp_path: Path, *parts: Any, **options: Any) -> RunData:
    store = tmp_path / "store.sqlite"
    nas_gym.search(*parts, run="shown", store=store, **options)
    return load_run("shown", store)


@pytest.mark.slow
def test_a_trial_is_a_request(tmp_path: Path) -> None:
    run = searched(tmp_path, *TABLE, "regularized-evolution", budget=30)
    study = written(run, tmp_path)
    assert study.study_name == "shown"
    assert study.metric_names == ["reward"]
    assert study.user_attrs["agent"] == "regularized-evolution"
    trials = study.trials
    assert [trial.number for trial in trials] == [*range(30)]
    assert [trial.value for trial in trials] == [row.reward for row in run.rows]
    assert study.best_value == max(row.reward for row in run.rows)
    operations = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    for trial, row in zip(trials, run.rows, strict=True):
        assert trial.state == optuna.trial.TrialState.COMPLETE
        assert len(trial.params) == 6
        for distribution in trial.distributions.values():
            assert distribution.choices == operations
        assert [*trial.params.values()] == [operations[token] for token in row.tokens]
        assert trial.user_attrs["tokens"] == ",".join(map(str, row.tokens))
        assert trial.user_attrs["parameters"] == row.metrics["parameters"]
        paid = 0 if row.source == "memo" else row.seconds
        assert abs(trial.duration - timedelta(seconds=paid)) < timedelta(milliseconds=1)
    for before, after in pairwise(trials):
        assert before.datetime_complete == after.datetime_start
    # What the dashboard shows of choices.
    importances = optuna.importance.get_param_importances(study)
    assert sum(importances.values()) == pytest.approx(1)


@pytest.mark.slow
def test_several_objectives_have_directions(tmp_path: Path) -> None:
    agent = {"name": "nsga2", "objectives": ["accuracy", "-parameters"]}
    run = searched(tmp_path, *TABLE, agent, budget=30)
    study = written(run, tmp_path)
    up, down = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
    assert study.directions == [up, down]
    assert study.metric_names == ["accuracy", "parameters"]
    values = [tuple(trial.values) for trial in study.trials]
    assert values == [(r.metrics["accuracy"], r.metrics["parameters"]) for r in run.rows]
    front = Findings.of(run).front
    assert front is not None
    ours = {(r.metrics["accuracy"], r.metrics["parameters"]) for r in front.rows}
    assert {tuple(trial.values) for trial in study.best_trials} == ours


@pytest.mark.slow
def test_what_was_trained_in_part_is_pruned_and_has_a_curve(tmp_path: Path) -> None:
    space = NASBench201()
    run = searched(tmp_path, space, Curved(space, noise=0.01, epochs=9), "asha", budget=20)
    study = written(run, tmp_path)
    states = optuna.trial.TrialState
    furthest = max(row.epochs or 9 for row in run.rows)
    assert [trial.state for trial in study.trials] == [
        states.COMPLETE if (row.epochs or 9) == furthest else states.PRUNED for row in run.rows
    ]
    assert {states.PRUNED, states.COMPLETE} == {trial.state for trial in study.trials}
    for trial, row in zip(study.trials, run.rows, strict=True):
        assert len(row.curve) == (row.epochs or 9)
        assert trial.intermediate_values == dict(enumerate(row.curve, start=1))


@pytest.mark.slow
def test_a_failure_failed_and_choices_that_depend_on_others_have_all_options(
    tmp_path: Path,
) -> None:
    """A chain ends after as many layers as it chose, and each has options of its own."""
    space = LayerChain(max_depth=3)
    evaluator = FailingEvaluator(Landscape(space), rate=0.3)
    run = searched(tmp_path, space, evaluator, "random-search", budget=30)
    study = written(run, tmp_path)
    failed = optuna.trial.TrialState.FAIL
    assert [t.state == failed for t in study.trials] == [r.failure is not None for r in run.rows]
    assert 0 < sum(trial.state == failed for trial in study.trials) < 30
    for trial, row in zip(study.trials, run.rows, strict=True):
        assert trial.user_attrs.get("failure") == row.failure
        assert len(trial.params) == len(row.tokens)
        for name, value in trial.params.items():
            assert value in trial.distributions[name].choices
    numbers = [v for t in study.trials for v in t.params.values() if isinstance(v, int | float)]
    assert numbers  # they stay numbers, for the axes of plots


@pytest.mark.slow
def test_what_cannot_be_written_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = searched(tmp_path, *TABLE, "random-search", budget=5)
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    write_optuna(run, storage)
    with pytest.raises(StoreError, match=r"a study 'shown' in sqlite:.* already") as refused:
        write_optuna(run, storage)
    command = shlex.split(str(refused.value).split("`")[1])
    command[0] = str(Path(sys.executable).with_name(command[0]))
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    assert write_optuna(run, storage) == "shown"  # there is none of that name any more
    for wrong in ("study.db", "sqlite:////nowhere/study.db", "postgresql://me:secret@[::1]:1/x"):
        with pytest.raises(InvalidOption, match=r"cannot be opened .*such as sqlite") as told:
            write_optuna(run, wrong)
        assert "secret" not in str(told.value)
        assert "\n" not in str(told.value)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InvalidOption, match=r"pip install 'nas-gym\[optuna\]'"):
        write_optuna(run, storage)


@pytest.mark.slow
def test_a_space_of_the_users_own_is_imported_only_if_it_is_trusted(tmp_path: Path) -> None:
    space = {"name": "nas_gym.testing:LayerChain", "max_depth": 3}
    run = searched(tmp_path, space, "landscape", "random-search", budget=10)
    config = {**run.config, "space": {"name": "nobody_knows_it:Space"}}
    with pytest.raises(UntrustedModule, match="nobody_knows_it"):
        write_optuna(RunData(**{**vars(run), "config": config}), "sqlite:///x.db")
    assert len(written(run, tmp_path, ["nas_gym"]).trials) == 10


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    nas_gym.search(*TABLE, "random-search", budget=5, run="a", store="runs/store.sqlite")

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["export", "a", *arguments])
        return (int(ended.value.code or 0), *capsys.readouterr())

    assert run("--optuna", "sqlite:///study.db") == (0, "study a: 5 trials\n", "")
    status, _, said = run("--optuna", "sqlite:///study.db", "--best", "2")
    assert (status, said.count("\n")) == (2, 1)
    assert "--best is for architectures, --optuna writes all requests" in said
    status, _, said = run("--optuna", "sqlite:///study.db", "--minari", "a-v0")
    assert status == 2
    assert "exclude each other" in said
