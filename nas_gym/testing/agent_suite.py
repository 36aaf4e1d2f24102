"""Conformance tests for an agent: subclass ``AgentSuite`` and override ``agent``."""

import pickle
import random
from collections.abc import Sequence
from dataclasses import is_dataclass
from typing import Any

import numpy as np
import pytest

from nas_gym.agent import Agent, searches_async
from nas_gym.envs.async_env import NASAsyncVectorEnv
from nas_gym.envs.recorder import Answer, Recorder
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.evaluators.evaluation import Evaluator
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.search_spaces.grammar import SearchSpace
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.testing.evaluators import FailingEvaluator
from nas_gym.testing.spaces import LayerChain

SPACES: dict[str, SearchSpace[Any]] = {
    "static": NASNetCell(blocks=1),
    "conditional": LayerChain(max_depth=3),
}


class History(Recorder):
    """A recorder that keeps (tokens, reward) of every request."""

    def __init__(self) -> None:
        self.requests: list[tuple[tuple[int, ...], float]] = []

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        """Keep a batch."""
        assert first == len(self.requests)
        self.requests += [(a.evaluation.architecture.tokens, a.reward) for a in answers]


def run_agent(
    agent: Agent,
    evaluator: Evaluator,
    space: SearchSpace[Any],
    *,
    budget: int,
    num_envs: int | None = None,
    seed: int = 0,
    in_flight: int | None = None,
) -> list[tuple[tuple[int, ...], float]]:
    """Search, and return (tokens, reward) of every request in order.

    Args:
        agent: Searches.
        evaluator: Answers.
        space: Is searched.
        budget: Evaluations.
        num_envs: Architectures per batch; the agent's ``batch_size`` by default.
        seed: Of agent and children.
        in_flight: Children in flight, if the agent does not wait for batches.
    """
    history = History()
    options: dict[str, Any] = {
        "num_envs": num_envs or agent.batch_size, "budget": budget, "seed": seed, "record": history,
    }  # fmt: skip
    if in_flight is not None:
        flying = NASAsyncVectorEnv(space, evaluator, in_flight=in_flight, **options)
        flying.reset(seed=seed)
        agent.search_async(flying)  # type: ignore[attr-defined]
        assert flying.waiting == 0
        return history.requests
    env = NASVectorEnv(space, evaluator, **options)
    env.reset(seed=seed)
    agent.search(env)
    return history.requests


def landscape(space: SearchSpace[Any]) -> Landscape:
    """Return a landscape whose children can be trained in part, as some agents ask for it."""
    return Landscape(space, epochs=9)


class AgentSuite:
    """The tests that every agent must pass, in a static and in a conditional space."""

    @pytest.fixture
    def agent(self) -> Agent:
        """Return the agent under test: override this."""
        raise NotImplementedError("override the fixture `agent` to return your agent")

    @pytest.fixture(params=list(SPACES))
    def space(self, request: pytest.FixtureRequest) -> SearchSpace[Any]:
        """Return each of the spaces that every agent must be able to search."""
        return SPACES[request.param]

    def test_it_is_its_configuration(self, agent: Agent) -> None:
        """Check for a frozen dataclass: equal after pickling, hashable, with a batch size."""
        assert isinstance(agent, Agent)
        assert is_dataclass(type(agent))
        assert pickle.loads(pickle.dumps(agent)) == agent
        assert hash(agent) == hash(pickle.loads(pickle.dumps(agent)))
        assert agent.batch_size >= 1

    @pytest.mark.parametrize(("budget", "num_envs"), [(1, 1), (1, 3), (7, 1), (10, 4), (23, 8)])
    def test_it_spends_the_budget_exactly(
        self, agent: Agent, space: SearchSpace[Any], budget: int, num_envs: int
    ) -> None:
        """Try budgets smaller than its batch or population, and ones that no round divides."""
        requests = run_agent(agent, landscape(space), space, budget=budget, num_envs=num_envs)
        assert len(requests) == budget

    def test_same_seed_same_history(self, agent: Agent, space: SearchSpace[Any]) -> None:
        """Check that another seed has another history as well."""
        one, same, other = (
            run_agent(agent, landscape(space), space, budget=20, seed=seed) for seed in (1, 1, 2)
        )
        assert one == same
        assert one != other

    def test_it_lives_with_failing_children(self, agent: Agent, space: SearchSpace[Any]) -> None:
        """Let some children, then all of them, have no accuracy."""
        for rate in (0.3, 1.0):
            evaluator = FailingEvaluator(landscape(space), rate=rate)
            assert len(run_agent(agent, evaluator, space, budget=20)) == 20

    @pytest.mark.parametrize(("budget", "in_flight"), [(1, 3), (10, 1), (23, 8)])
    def test_it_searches_without_waiting(
        self, agent: Agent, space: SearchSpace[Any], budget: int, in_flight: int
    ) -> None:
        """Try it with children in flight, some of which fail, if it has ``search_async``."""
        if not searches_async(agent):
            pytest.skip("it waits for batches")
        evaluator = FailingEvaluator(landscape(space), rate=0.2)
        one, same = (
            run_agent(agent, evaluator, space, budget=budget, in_flight=in_flight) for _ in range(2)
        )
        assert len(one) == budget
        assert one == same

    def test_it_leaves_global_generators_alone(self, agent: Agent, space: SearchSpace[Any]) -> None:
        """Check that all its randomness comes from ``env.np_random``."""
        before = _global_states()
        run_agent(agent, landscape(space), space, budget=10)
        assert _global_states() == before


def _global_states() -> list[object]:
    import torch

    # The global generator is numpy's legacy one: read here, never drawn from.
    legacy = np.random.get_state(legacy=False)  # noqa: NPY002
    return [random.getstate(), str(legacy), torch.get_rng_state().tolist()]
