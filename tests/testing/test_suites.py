"""The shipped suites pass on what is right, and fail on what is wrong."""

from dataclasses import dataclass
from typing import Any

import pytest

from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidSpace
from nas_gym.search_spaces.nasnet_cell.genotype import AMOEBANET_OPERATIONS
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.testing import (
    BitCount,
    BitString,
    FailingEvaluator,
    Landscape,
    LayerChain,
    SlowEvaluator,
)
from nas_gym.testing.agent_suite import AgentSuite
from nas_gym.testing.evaluator_suite import EvaluatorSuite
from nas_gym.testing.space_suite import SpaceSuite


class TestSpaces(SpaceSuite):
    @pytest.fixture(
        params=[
            NASNetCell(),
            NASNetCell(3, AMOEBANET_OPERATIONS, ("add",), "all"),
            BitString(7),
            BitString(1),
            LayerChain(1),
            LayerChain(4),
        ],
        ids=repr,
    )
    def space(self, request):
        return request.param


class TestLandscape(EvaluatorSuite):
    @pytest.fixture
    def evaluator(self, space):
        return Landscape(space, noise=0.01)


class TestConditionalLandscape(EvaluatorSuite):
    @pytest.fixture
    def space(self):
        return LayerChain()

    @pytest.fixture
    def evaluator(self, space):
        return FailingEvaluator(SlowEvaluator(Landscape(space), 0.001), rate=0.5)


class TestBitCount(EvaluatorSuite):
    @pytest.fixture
    def space(self):
        return BitString(10)

    @pytest.fixture
    def evaluator(self):
        return BitCount()


# ---------------------------------------------------------------- the suites can fail


@dataclass(frozen=True)
class Lies:
    """Declares what it does not hold."""

    max_length: int = 2
    max_options: int = 3
    static: bool = False
    same_name: bool = False

    def choose(self, pick) -> Any:
        first = pick("a", (0, 1, 2))
        second = pick("a" if self.same_name else "b", (0, 1, 2)[: 2 + first % 2])
        return first, second


def failures(suite, tests):
    """Names of the tests that fail, each given its arguments as {name: arguments}."""
    failed = []
    for name, arguments in tests.items():
        try:
            getattr(suite, name)(*arguments)
        except (AssertionError, InvalidSpace):
            failed.append(name)
    return failed


@pytest.mark.parametrize(
    ("space", "test"),
    [
        (Lies(max_length=1), "test_it_declares_its_limits"),
        (Lies(max_options=2), "test_it_declares_its_limits"),
        (Lies(static=True), "test_static_is_true_where_declared"),
        (Lies(same_name=True), "test_names_are_unique_on_a_path"),
    ],
)
def test_space_suite_catches_a_space_that_lies(space, test):
    samples = [(a, b) for a in range(3) for b in range(2)]
    assert failures(SpaceSuite(), {test: (space, samples)}) == [test]
    assert failures(SpaceSuite(), {test: (Lies(), samples)}) == []


@dataclass(frozen=True)
class Lazy:
    """Leaves one request unspent, and draws from elsewhere."""

    batch_size: int = 1

    def search(self, env: NASVectorEnv[Any]) -> None:
        import random

        while env.remaining > 1:
            env.play([[random.randrange(2) for _ in range(env.space.max_length)]])


def test_agent_suite_catches_a_lazy_agent():
    space = BitString(12)
    tests: dict[str, tuple[Any, ...]] = {
        "test_it_is_its_configuration": (Lazy(),),
        "test_it_spends_the_budget_exactly": (Lazy(), space, 5, 1),
        "test_same_seed_same_history": (Lazy(), space),
        "test_it_leaves_global_generators_alone": (Lazy(), space),
    }
    assert failures(AgentSuite(), tests) == list(tests)[1:]


class Half(Landscape):
    """Answers the first child alone, with a percentage."""

    def evaluate(self, architectures, seeds):
        for evaluation in super().evaluate(architectures[:1], seeds[:1]):
            evaluation.metrics["accuracy"] *= 100
            yield evaluation


def test_evaluator_suite_catches_missing_and_wrong_answers():
    from nas_gym.search_spaces.architecture import architecture_of

    space = BitString(6)
    architectures = [architecture_of(space, [i % 2] * 6) for i in range(2)]
    tests = {
        "test_every_child_is_answered_once": (Half(space), architectures),
        "test_an_answer_is_an_accuracy_or_a_failure": (Half(space), architectures),
    }
    assert failures(EvaluatorSuite(), tests) == list(tests)
