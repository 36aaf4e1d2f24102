"""Searches that do not wait for batches: what they repeat, what they refuse, who can do it."""

import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nas_gym
from nas_gym.agent import searches_async
from nas_gym.cli.main import main
from nas_gym.errors import InvalidOption
from nas_gym.evaluators.workers.engines.engine import Engine
from nas_gym.evaluators.workers.engines.naming import executor_of
from nas_gym.evaluators.workers.spread import in_workers
from nas_gym.registry import make
from nas_gym.runs.flying import children_in_flight
from nas_gym.store import load_run
from nas_gym.testing import BitCount, BitString, Landscape, SlowEvaluator

AGENTS = (
    "random-search", "regularized-evolution", "local-search", "nsga2", "reinforce", "ppo",
    "reinforce/zoph2016", "asha",
)  # fmt: skip
CURVES = {"name": "landscape", "noise": 0.01, "epochs": 9}
CHAIN = {"name": "nas_gym.testing:LayerChain", "max_depth": 3}


class Stop:
    """Ends a search as Ctrl-C does, after so many requests."""

    def __init__(self, after: int) -> None:
        self.after = after

    def started(self) -> None: ...
    def replayed(self, first: int, answers: Any) -> None: ...
    def evaluated(self, answer: Any, seed: int) -> None: ...
    def requested(self, first: int, answers: Any) -> None:
        if first + len(answers) >= self.after:
            raise KeyboardInterrupt


def rows(run: str, store: Path) -> list[Any]:
    return [(r.tokens, r.epochs, r.reward, r.key) for r in load_run(run, store).rows]


@pytest.mark.few(2)
@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("space", ["nasbench201", CHAIN], ids=["static", "conditional"])
def test_a_run_that_was_cut_goes_on_to_the_identical_history(
    agent: str, space: Any, tmp_path: Path
) -> None:
    store = tmp_path / "s.sqlite"
    options: dict[str, Any] = {"budget": 50, "store": store, "seed": 2}
    flying = {"asynchronous": True, "in_flight": 5}
    nas_gym.search(space, CURVES, agent, run="whole", **options, **flying)
    with pytest.raises(KeyboardInterrupt):
        nas_gym.search(
            space, CURVES, agent, run="cut", watcher=Stop(23), child_seed=2, **options, **flying
        )
    before = rows("cut", store)
    assert len(before) == 23
    resumed = nas_gym.resume("cut", store, trust=["nas_gym"])
    assert rows("cut", store)[:23] == before
    assert rows("cut", store) == rows("whole", store)
    assert len(resumed.answers) == 50
    assert load_run("cut", store).config["in_flight"] == 5


@pytest.mark.slow
@pytest.mark.parametrize(("agent", "above"), [("regularized-evolution", 0.07), ("reinforce", 0.04)])
def test_agents_learn_from_answers_as_they_come(agent: str, above: float) -> None:
    """The last architectures are better than the first ones, which random search's are not."""
    gains = []
    for seed in range(3):
        result = nas_gym.search(
            "nasbench201", {"name": "landscape", "seed": seed}, agent, budget=400, seed=seed,
            asynchronous=True, in_flight=8,
        )  # fmt: skip
        rewards = [answer.reward for answer in result.answers]
        gains.append(np.mean(rewards[-80:]) - np.mean(rewards[:20]))
    assert np.median(gains) > above


@pytest.mark.slow
def test_what_is_too_old_is_left_out_and_batches_grow_with_what_flies() -> None:
    """With 64 in flight a batch has 16, or samples would be older than 4 updates."""
    many: dict[str, Any] = {"budget": 400, "asynchronous": True, "in_flight": 64, "seed": 1}
    bounded = nas_gym.search("nasbench201", CURVES, "reinforce", **many)
    every = nas_gym.search("nasbench201", CURVES, {"name": "reinforce", "max_lag": None}, **many)
    tokens = [[a.evaluation.architecture.tokens for a in r.answers] for r in (bounded, every)]
    assert tokens[0][:64] == tokens[1][:64]  # nothing was learnt before
    assert tokens[0] != tokens[1]


def test_agents_that_wait_are_refused(tmp_path: Path) -> None:
    for agent in ("genetic", "sb3-ppo", "hyperband", {"name": "asha", "proposer": "genetic"}):
        assert not searches_async(make("agent", agent))
        with pytest.raises(InvalidOption, match="waits for whole batches and cannot search"):
            nas_gym.search("nasbench201", CURVES, agent, budget=5, asynchronous=True)


@dataclass(frozen=True)
class Leaves:
    """Asks for all of the budget, and does not wait for the answers."""

    batch_size: int = 1

    def search(self, env: Any) -> None:
        raise NotImplementedError

    def search_async(self, env: Any) -> None:
        while env.remaining > 0:
            env.submit((0,) * env.space.max_length)


def test_an_agent_that_leaves_before_the_answers_leaves_a_run_to_go_on_with(tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    options: dict[str, Any] = {"budget": 4, "asynchronous": True, "run": "r", "store": store}
    nas_gym.search("nasbench201", CURVES, Leaves(), **options)
    assert load_run("r", store).status == "unfinished"


def flying(evaluator: Any, agent: Any = "random-search", **given: Any) -> int | None:
    options = {"asynchronous": None, "given": None, "num_envs": None, "simulated_workers": 1}
    return children_in_flight(make("agent", agent), evaluator, **(options | given))


class Quiet(Executor):
    """Says nothing of its size."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(2)

    def submit(self, *call: Any, **named: Any) -> "Future[Any]":
        return self.threads.submit(*call, **named)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.threads.shutdown(wait, cancel_futures=cancel_futures)


def test_it_is_the_default_where_several_children_are_trained_at_once() -> None:
    slow = SlowEvaluator(BitCount())
    three = in_workers(slow, 3)
    assert flying(three) == 3
    assert flying(three, agent="genetic") is None  # it cannot
    assert flying(three, num_envs=4) is None  # batches are asked for
    assert flying(three, asynchronous=False) is None
    assert flying(three, given=7) == 7
    assert flying(in_workers(slow, 1)) is None
    assert flying(in_workers(slow, 1), asynchronous=True) == 1
    assert flying(slow, simulated_workers=9) is None  # rounds, as the published protocols
    assert flying(slow, simulated_workers=9, asynchronous=True) == 9
    with ThreadPoolExecutor(5) as executor:
        assert flying(in_workers(slow, 0, executor=executor)) == 5
    with pytest.raises(InvalidOption, match="in_flight is 3 and asynchronous is False"):
        flying(three, asynchronous=False, given=3)


def test_an_engine_is_asked_for_its_room() -> None:
    slow = SlowEvaluator(BitCount())
    threads = {"name": "concurrent.futures:ThreadPoolExecutor", "max_workers": 6}
    for executor, agent, says in (
        (threads, "random-search", 6),
        ({**threads, "max_workers": 1}, "random-search", None),
        ({"name": f"{__name__}:Quiet"}, "regularized-evolution", 8),
        ({"name": f"{__name__}:Quiet"}, {"name": "random-search", "batch_size": 16}, 16),
    ):
        spread = in_workers(slow, 0, executor=executor)
        assert flying(spread, agent=agent) == says
        spread.close()


def test_an_engine_is_closed_if_the_search_does_not_begin() -> None:
    engine = executor_of({"name": "concurrent.futures:ThreadPoolExecutor", "max_workers": 3})
    assert isinstance(engine, Engine)
    with pytest.raises(InvalidOption, match="resume=True needs the name"):
        nas_gym.search(
            "nas_gym.testing:BitString", SlowEvaluator(BitCount()), "random-search", budget=5,
            executor=engine, resume=True,
        )  # fmt: skip
    assert not engine._live


def test_what_other_runs_train_is_not_cut_by_the_time_of_this_one(tmp_path: Path) -> None:
    """Both ask for the same; the first trains it, the second waits for it in vain."""
    store, space = tmp_path / "s.sqlite", BitString(8)
    evaluator = HeldLandscape(space)
    options: dict[str, Any] = {"budget": 2, "store": store, "seed": 3, "asynchronous": True}

    def first() -> None:
        with ThreadPoolExecutor(2) as executor:
            nas_gym.search(
                space, evaluator, "random-search", run="one", executor=executor, in_flight=2,
                **options,
            )  # fmt: skip

    other = threading.Thread(target=first)
    other.start()
    try:
        assert all(BEGUN.acquire(timeout=60) for _ in range(2))
        with ThreadPoolExecutor(2) as executor:
            second = nas_gym.search(
                space, evaluator, "random-search", run="two", executor=executor, in_flight=2,
                time_limit=0.3, **options,
            )  # fmt: skip
    finally:
        FREE.set()
        other.join()
    assert second.time_up is not None
    assert second.time_up.cut == 0
    assert load_run("two", store).status == "out of time"


BEGUN, FREE = threading.Semaphore(0), threading.Event()


@dataclass(frozen=True)
class HeldLandscape(Landscape):
    """Tells that a child has begun, and is done with it when it may."""

    instant = False

    def evaluate(self, *asked: Any) -> Any:
        for evaluation in super().evaluate(*asked):
            BEGUN.release()
            FREE.wait(200)
            yield evaluation


@pytest.mark.slow
def test_a_run_says_that_it_is_asynchronous(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(tmp_path / "s.sqlite")
    search = ("search", "--space", "nasbench201", "--evaluator", "nasbench201", "--store", store)
    how = "asynchronous, 8 in flight"
    for run, more in (("flying", ("--async", "--in-flight", "8")), ("rounds", ("--rounds",))):
        with pytest.raises(SystemExit) as ended:
            main([*search, "--run", run, "--agent", "random-search", "--budget", "5", *more])
        assert ended.value.code == 0
        out, err = capsys.readouterr()
        flew = run == "flying"
        assert (f", {how}; recorded in" in err) == flew
        assert (f" by random-search in nasbench201 (cifar10), {how}" in out) == flew


@pytest.mark.parametrize("bad", [0, -1, 2.5, True, "3"])
def test_in_flight_is_checked_first(bad: Any) -> None:
    with pytest.raises(InvalidOption, match="in_flight is"):
        nas_gym.search("nasbench201", CURVES, "random-search", budget=5, in_flight=bad)


def test_a_run_keeps_its_children_in_flight_with_other_workers(tmp_path: Path) -> None:
    """Real threads: the order is that of the record, whoever trains the rest."""
    store, slow = tmp_path / "s.sqlite", SlowEvaluator(BitCount(), 0.002)
    options: dict[str, Any] = {"budget": 30, "store": store, "run": "r", "resume": True}
    search = ("nas_gym.testing:BitString", slow, "regularized-evolution")
    with ThreadPoolExecutor(3) as executor, pytest.raises(KeyboardInterrupt):
        nas_gym.search(*search, executor=executor, watcher=Stop(11), **options)
    before = rows("r", store)
    assert load_run("r", store).config["in_flight"] == 3
    with ThreadPoolExecutor(1) as executor:
        nas_gym.search(*search, executor=executor, **options)
    assert rows("r", store)[:11] == before
    assert len(rows("r", store)) == 30
