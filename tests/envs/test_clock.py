"""The simulated clock, and budgets of simulated seconds."""

import math

import gymnasium as gym
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nas_gym
from nas_gym.envs.budget import TIMELESS
from nas_gym.envs.clock import SimulatedClock, makespan
from nas_gym.envs.registration import make_vector_env
from nas_gym.errors import BudgetExceeded, InvalidOption
from nas_gym.registry import make
from nas_gym.testing import BitString, Landscape

TABLE = {"name": "nasbench201", "seeds": "random"}


@given(st.lists(st.floats(0, 1e6), max_size=30), st.integers(1, 6))
def test_a_batch_takes_at_least_its_share_and_at_most_one_child_more(seconds, workers):
    longest = max(seconds, default=0)
    share = math.fsum(seconds) / workers
    spent = makespan(seconds, workers)
    assert max(share, longest) <= spent * (1 + 1e-9) + 1e-9
    assert spent <= (share + longest) * (1 + 1e-9) + 1e-9
    assert makespan(seconds, max(1, len(seconds))) == longest


def test_batches_wait_for_their_last_child():
    clock = SimulatedClock(2)
    clock.add([3.0, 1.0, 1.0])  # the second machine takes both short ones
    clock.add([4.0])
    assert (clock.seconds, clock.busy_seconds) == (7.0, 9.0)


def test_a_search_ends_with_the_batch_in_which_its_seconds_run_out():
    result = nas_gym.search("nasbench201", TABLE, "random-search", budget_seconds=20_000, seed=1)
    seconds = [answer.evaluation.seconds for answer in result.answers]
    assert len(seconds) % 8 == 0
    assert sum(seconds[:-8]) < 20_000 <= sum(seconds) == pytest.approx(result.simulated_seconds)
    four = nas_gym.search(
        "nasbench201", TABLE, "random-search", budget_seconds=20_000, simulated_workers=8, seed=1
    )
    assert len(four.answers) > 3 * len(seconds)
    assert four.answers[: len(seconds)] == result.answers


def test_repeats_cost_their_seconds_again():
    env = make_vector_env("nasbench201", "nasbench201", budget_seconds=2 * 2934)
    assert [played.evaluation.source for played in env.play([(3, 3, 3, 1, 3, 3)])] == ["table"]
    assert env.remaining == math.inf
    assert [played.evaluation.source for played in env.play([(3, 3, 3, 1, 3, 3)])] == ["memo"]
    assert env.remaining == 0
    with pytest.raises(BudgetExceeded, match="simulated seconds"):
        env.play([(3, 3, 3, 1, 3, 3)])


def test_the_single_environment_has_the_clock_too():
    env = gym.make("NASBench201-v0", budget_seconds=1).unwrapped
    env.reset(seed=0)
    while not env.step(0)[2]:
        pass
    assert env.clock.seconds > 1
    assert env.remaining == 0


def test_a_resumed_run_goes_on_at_its_time(tmp_path):
    options = {"budget_seconds": 30_000, "run": "r", "seed": 2}
    whole = nas_gym.search(
        "nasbench201", TABLE, "regularized-evolution", store=tmp_path / "a.sqlite", **options
    )

    class Stop:
        def started(self): ...
        def replayed(self, first, answers): ...
        def evaluated(self, answer, seed): ...
        def requested(self, first, answers):
            if first >= 8:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nas_gym.search(
            "nasbench201", TABLE, "regularized-evolution", store=tmp_path / "b.sqlite",
            watcher=Stop(), **options,
        )  # fmt: skip
    resumed = nas_gym.resume("r", tmp_path / "b.sqlite")
    assert resumed.simulated_seconds == whole.simulated_seconds
    assert [a.reward for a in resumed.answers] == [a.reward for a in whole.answers]


def test_a_budget_of_seconds_cannot_be_made_larger(tmp_path):
    store = tmp_path / "s.sqlite"
    nas_gym.search("nasbench201", TABLE, "random-search", budget_seconds=5000, run="r", store=store)
    with pytest.raises(InvalidOption, match="a budget of 5000 simulated seconds, and one of"):
        nas_gym.resume("r", store, budget=40)


def test_the_number_of_machines_stays_with_the_run(tmp_path):
    options = {"budget": 40, "simulated_workers": 4, "run": "r", "store": tmp_path / "s.sqlite"}
    whole = nas_gym.search("nasbench201", TABLE, "random-search", **options)
    assert nas_gym.resume("r", options["store"]).simulated_seconds == whole.simulated_seconds


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"budget_seconds": 0}, "budget_seconds is 0: give a finite number above 0"),
        ({"budget_seconds": math.inf}, "give a finite number above 0"),
        ({"simulated_workers": 0}, "simulated_workers is 0: give a whole number"),
        ({"simulated_workers": True}, "simulated_workers is True"),
    ],
)
def test_bad_options(options, sentence):
    with pytest.raises(InvalidOption, match=sentence):
        make_vector_env("nasbench201", "nasbench201", **options)


def test_a_budget_of_seconds_needs_an_evaluator_that_takes_time():
    space = BitString(3)
    env = make_vector_env(space, Landscape(space), budget_seconds=1)
    with pytest.raises(InvalidOption, match="took no time"):
        env.play([(0, 0, 0)] * (TIMELESS + 1))
    assert make("evaluator", "nasbench201").seeds == "mean"
