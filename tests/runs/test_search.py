from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nas_gym
from nas_gym.envs.recorder import Recorder
from nas_gym.errors import InvalidOption
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.runs.findings import Findings, summary
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import load_run
from nas_gym.testing.evaluators import FailingEvaluator
from nas_gym.testing.spaces import LayerChain


@pytest.mark.few(3)
@pytest.mark.parametrize("agent", ["random-search", "regularized-evolution", "reinforce"])
@pytest.mark.parametrize("space", [NASNetCell(blocks=2), LayerChain()])
def test_every_agent_searches_every_space(agent: str, space: Any, tmp_path: Path) -> None:
    result = nas_gym.search(
        space,
        FailingEvaluator(Landscape(space), rate=0.2),
        agent,
        budget=33,
        seed=1,
        run="all",
        store=tmp_path / "store.sqlite",
    )
    assert len(result.answers) == 33
    run = load_run("all", tmp_path / "store.sqlite")
    assert run.status == "finished"
    assert [row.reward for row in run.rows] == [answer.reward for answer in result.answers]
    best = result.best(3)
    assert best[0].reward == max(row.reward for row in run.rows)
    assert len({answer.evaluation.architecture.key for answer in best}) == len(best)
    assert all(answer.evaluation.failure is None for answer in best)


def test_workers_change_nothing_in_rounds(tmp_path: Path) -> None:
    space = NASNetCell(blocks=2)
    histories = [
        [
            (a.evaluation.architecture.tokens, a.reward)
            for a in nas_gym.search(
                space,
                Landscape(space, noise=0.01),
                "regularized-evolution",
                budget=30,
                seed=4,
                workers=workers,
                asynchronous=False,
            ).answers
        ]
        for workers in (0, 1, 2)
    ]
    assert histories[0] == histories[1] == histories[2]


def test_nothing_is_written_without_a_run_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    space = NASNetCell(blocks=1)
    nas_gym.search(space, Landscape(space), "random-search", budget=3)
    assert list(tmp_path.iterdir()) == []


def test_an_agent_that_raises_leaves_a_failed_run(tmp_path: Path) -> None:
    class Raises:
        batch_size = 2

        def search(self, env: Any) -> None:
            env.play([[0] * 10])
            raise RuntimeError("a bug in the agent")

    space = NASNetCell(blocks=1)
    with pytest.raises(RuntimeError, match="a bug in the agent"):
        nas_gym.search(
            space, Landscape(space), Raises(), budget=5, run="bug", store=tmp_path / "s.sqlite"
        )
    run = load_run("bug", tmp_path / "s.sqlite")
    assert (run.status, len(run.rows)) == ("failed", 1)


def test_an_agent_that_stops_early_is_unfinished(tmp_path: Path) -> None:
    class Stops:
        batch_size = 2

        def search(self, env: Any) -> None:
            env.play([[0] * 10])

    space = NASNetCell(blocks=1)
    nas_gym.search(
        space, Landscape(space), Stops(), budget=5, run="early", store=tmp_path / "s.sqlite"
    )
    assert load_run("early", tmp_path / "s.sqlite").status == "unfinished"


def test_what_was_evaluated_when_the_run_was_cut_is_kept(tmp_path: Path) -> None:
    class Cut(Landscape):
        def evaluate(self, architectures: Any, seeds: Any) -> Any:
            for count, evaluation in enumerate(super().evaluate(architectures, seeds)):
                if count == 3:
                    raise KeyboardInterrupt
                yield evaluation

    space = NASNetCell(blocks=1)
    with pytest.raises(KeyboardInterrupt):
        nas_gym.search(
            space, Cut(space), "random-search", budget=8, run="cut", store=tmp_path / "s.sqlite"
        )
    run = load_run("cut", tmp_path / "s.sqlite")
    assert (run.status, len(run.rows), len(run.unanswered)) == ("interrupted", 0, 3)
    data = summary(Findings.of(run))
    assert data["evaluated"] == 3
    assert data["best"][0]["reward"] == max(row.reward for row in run.unanswered)


def test_a_bad_seed_is_refused() -> None:
    with pytest.raises(InvalidOption, match="seed is -1"):
        nas_gym.search(budget=1, seed=-1)


@pytest.mark.parametrize("options", [{"seed": 2**63}, {"seed": 10**23}, {"child_seed": 2**64}])
def test_a_seed_that_no_record_holds_is_refused_before_the_work(options: Any) -> None:
    with pytest.raises(InvalidOption, match=r"seed is \d+: give a whole number from 0 to 9"):
        nas_gym.search(NASNetCell(blocks=1), "landscape", "random-search", budget=1, **options)


def test_a_watcher_that_raises_at_the_start_lets_go_of_the_run(tmp_path: Path) -> None:
    class Raises:
        def started(self) -> None:
            raise RuntimeError("a bug in the watcher")

        replayed = evaluated = requested = lambda self, *_: None

    space, store = NASNetCell(blocks=1), tmp_path / "s.sqlite"
    parts: Any = space, Landscape(space), "random-search"
    with pytest.raises(RuntimeError, match="a bug in the watcher"):
        nas_gym.search(*parts, budget=5, run="r", store=store, watcher=Raises())
    assert load_run("r", store).status == "failed"
    assert len(nas_gym.search(*parts, budget=5, run="r", store=store, resume=True).answers) == 5


def test_a_search_in_which_every_child_fails_says_so(caplog: pytest.LogCaptureFixture) -> None:
    space = NASNetCell(blocks=1)
    failing = FailingEvaluator(Landscape(space), rate=1.0)
    result = nas_gym.search(space, failing, "random-search", budget=4)
    assert result.best() == []
    assert "every child failed, the first one with: " in caplog.text


def test_numpys_numbers_are_recorded_as_pythons(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    nas_gym.search(
        evaluator="landscape", agent="random-search", budget=np.int64(3), seed=np.int64(1),
        workers=np.int64(1), timeout=np.float64(60.0), run="numpy", store=store,
    )  # fmt: skip
    run = load_run("numpy", store)
    assert (run.config["budget"], run.config["seed"], len(run.rows)) == (3, 1, 3)
    assert run.config["limits"]["timeout"] == 60.0


@pytest.mark.parametrize("workers", ["2", True, -1, 1.5])
def test_workers_of_a_resumed_run_are_checked(workers: Any, tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    nas_gym.search(evaluator="landscape", agent="random-search", budget=2, run="cut", store=store)
    with pytest.raises(InvalidOption, match=r"^workers is .*: give a whole number from 0 to 4096"):
        nas_gym.resume("cut", store, budget=4, workers=workers)
    assert len(load_run("cut", store).rows) == 2


def test_what_an_agent_refuses_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    store, landscape = tmp_path / "s.sqlite", {"name": "landscape", "epochs": 6}
    parts: Any = "nasbench201", landscape
    with pytest.raises(InvalidOption, match="max_epochs is 9") as error:
        nas_gym.search(*parts, {"name": "asha", "max_epochs": 9}, budget=4, run="r", store=store)
    assert not getattr(error.value, "__notes__", None)  # there is nothing to go on with
    nas_gym.search(*parts, "asha", budget=4, run="r", store=store)  # the name is free
    assert len(load_run("r", store).rows) == 4


def test_several_watchers_are_told_in_their_order_and_what_each_can_hear() -> None:
    heard: list[tuple[Any, ...]] = []

    class Plain(Recorder):
        def started(self) -> None:
            heard.append(("plain", "started"))

        def requested(self, first: int, answers: Any) -> None:
            heard.append(("plain", first, len(answers)))

    class Curious(Plain):
        def begun(self, parts: Any, config: Any) -> None:
            heard.append(("begun", *parts, type(parts["space"]).__name__, config["seed"]))

        def phase(self, training: int, elsewhere: int) -> None:
            heard.append(("phase", training, elsewhere))

        def requested(self, first: int, answers: Any) -> None:
            heard.append(("curious", first, len(answers)))

    nas_gym.search(
        "nasbench201", "nasbench201", "random-search", budget=2, num_envs=2, seed=3,
        watcher=[Plain(), Curious()],
    )  # fmt: skip
    assert heard == [
        ("begun", "space", "evaluator", "agent", "reward", "NASBench201", 3),
        ("plain", "started"),
        ("plain", "started"),
        ("phase", 2, 0),
        ("phase", 1, 0),
        ("phase", 0, 0),
        ("plain", 0, 2),
        ("curious", 0, 2),
    ]
    with pytest.raises(InvalidOption, match="is no watcher: it lacks started"):
        nas_gym.search("nasbench201", "nasbench201", budget=2, watcher=[Plain(), object()])  # type: ignore[list-item]
