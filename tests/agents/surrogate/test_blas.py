"""The model-based agents keep NumPy's linear algebra to one thread, and give the threads back."""

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import threadpoolctl
from threadpoolctl import ThreadpoolController, threadpool_limits

import nas_gym
from nas_agents.model_based_reinforce import ModelBasedReinforce
from nas_agents.predictor_evolution import PredictorEvolution
from nas_agents.surrogate.blas import one_blas_thread
from nas_agents.surrogate.gaussian_process import Predictor
from nas_agents.surrogate.log_linear_policy import LogLinearPolicy
from nas_gym.agent import Observed
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.testing import BitString, Landscape

MANY = 3  # threads that the library has outside, whatever this machine and its settings say
LIBRARIES = ThreadpoolController().select(user_api="blas")
AGENTS = {
    "predictor-evolution": PredictorEvolution(batch_size=4, initial=8, randoms=20, children=20),
    "model-based-reinforce": ModelBasedReinforce(
        batch_size=4, initial=8, samples=20, rollouts=8, updates=2
    ),
}


def threads() -> set[int]:
    return {each["num_threads"] for each in LIBRARIES.info()}  # threadpool_info searches anew


@pytest.fixture(autouse=True)
def _many() -> Iterator[None]:
    if not LIBRARIES.info():
        pytest.skip("threadpoolctl knows no linear algebra library here")
    with threadpool_limits(MANY, "blas"):
        assert threads() == {MANY}
        yield


class Counting(Landscape):
    """Notes how many threads children find."""

    def evaluate(self, architectures, seeds):
        found.append(("child", threads()))
        return super().evaluate(architectures, seeds)


found: list[tuple[str, set[int]]] = []


@pytest.mark.parametrize("name", AGENTS)
def test_a_search_computes_on_one_thread_and_its_children_on_all(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found.clear()

    def noted(owner: object, function: str) -> None:
        before = getattr(owner, function)

        def noting(*args, **kwargs):
            found.append((function, threads()))
            return before(*args, **kwargs)

        monkeypatch.setattr(owner, function, noting)

    for function in ("inv", "cholesky"):
        noted(np.linalg, function)
    for owner, functions in (
        (Predictor, ("_kernel", "_trend", "_parts")),
        (LogLinearPolicy, ("_probabilities", "_gradient")),
    ):
        for function in functions:
            noted(owner, function)
    space = BitString(10)
    result = nas_gym.search(space, Counting(space), AGENTS[name], budget=20, seed=1)
    AGENTS[name].recommend(
        space, [Observed(a.evaluation.architecture.tokens, a.reward) for a in result.answers]
    )
    assert {numbers == {MANY} for what, numbers in found if what == "child"} == {True}
    inside = {what: numbers for what, numbers in found if what != "child"}
    expected = {"inv", "cholesky", "_kernel", "_trend", "_parts"}
    if name == "model-based-reinforce":
        expected |= {"_probabilities", "_gradient"}
    assert set(inside) == expected
    assert [what for what, numbers in found if what != "child" and numbers != {1}] == []
    assert threads() == {MANY}


def test_it_nests_and_is_given_back_after_an_error() -> None:
    def fail() -> None:
        with one_blas_thread():
            with one_blas_thread():
                assert threads() == {1}
            assert threads() == {1}
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert threads() == {MANY}


def test_large_matrices_have_one_thread_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[int]] = []

    def noting(*args, **kwargs):
        seen.append(threads())
        return cholesky(*args, **kwargs)

    cholesky = np.linalg.cholesky
    monkeypatch.setattr(np.linalg, "cholesky", noting)
    choices = ChoiceTable(BitString(10))
    predictor = Predictor(choices, 600)
    drawn = [tuple(map(int, f"{n:010b}")) for n in range(520)]
    predictor.observe([Observed(tokens, sum(tokens) / 10) for tokens in drawn])
    predictor.fit(0)
    assert len(predictor.chosen) == 520
    assert seen
    assert set.union(*seen) == {1}


def test_many_searches_in_threads_give_back_what_was_there() -> None:
    wrong: list[set[int]] = []
    # Newer versions let nobody set the number but the thread that did so last, here ours.
    controller: Any = threadpoolctl.OpenBLASController
    getattr(controller, "clear_controlling_thread", lambda force: None)(force=True)

    def work() -> None:
        for _ in range(30):
            with one_blas_thread():
                if threads() != {1}:
                    wrong.append(threads())

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []
    assert threads() == {MANY}


def test_the_threads_change_no_figure() -> None:
    rng = np.random.default_rng(0)
    space = BitString(20)
    drawn = rng.integers(2, size=(150, 20)).tolist()
    observations = [Observed(tuple(t), float(sum(t)) + rng.normal()) for t in drawn]
    means = []
    for count in (1, MANY):
        with threadpool_limits(count, "blas"):
            predictor = Predictor(ChoiceTable(space))
            predictor.observe(observations)
            predictor.fit()
            means.append(predictor.posterior([(0,) * 20, (1,) * 20]).mean.tolist())
    assert means[0] == means[1]
