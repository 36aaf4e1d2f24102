"""Environments with limits: masks, folding, whole architectures, spaces of users."""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from rich.console import Console

import nas_gym
from nas_gym.envs.async_env import NASAsyncVectorEnv
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption, InvalidTokens, UnknownName
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.evaluators.tables.nasbench201 import NASBench201Table
from nas_gym.evaluators.within_limits import acceptance_in_words, acceptance_of
from nas_gym.evaluators.workers.executor import ExecutorEvaluator
from nas_gym.networks.task import Task
from nas_gym.runs.findings import Findings, summary
from nas_gym.runs.report import print_summary
from nas_gym.search_spaces.grammar import Pick
from nas_gym.search_spaces.limits import limited_space
from nas_gym.search_spaces.limits.wanted import limits_of
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.store import load_run

LIMITS = {"parameters": (300_000, 400_000)}  # one 3x3 convolution and up to three of 1x1


def parameters(tokens: tuple[int, ...]) -> int:
    return 73_306 + 243_040 * tokens.count(3) + 28_000 * tokens.count(2)


def keeps(tokens: tuple[int, ...]) -> bool:
    return 300_000 <= parameters(tokens) <= 400_000


def test_an_environment_closes_what_would_break_a_limit() -> None:
    env = gym.make("NASBench201-v0", limits=LIMITS)
    env.action_space.seed(0)
    for seed in range(20):
        _, info = env.reset(seed=seed)
        ended = False
        while not ended:
            mask = info["action_mask"]
            assert mask.any()
            assert (env.get_wrapper_attr("action_masks")() == mask.astype(bool)).all()
            _, _, ended, _, info = env.step(env.action_space.sample(mask))
        assert keeps(info["tokens"])
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))  # type: ignore[union-attr]
    assert again.unwrapped.space.limits == env.unwrapped.space.limits  # type: ignore[attr-defined]


def test_agents_without_masks_keep_the_limits_by_folding() -> None:
    env = gym.make_vec("NASBench201-v0", num_envs=8, limits=LIMITS)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(6):
        *_, infos = env.step(rng.integers(5, size=8))
    assert all(map(keeps, infos["final_info"]["tokens"]))


def test_a_closed_token_stands_for_the_next_open_one() -> None:
    env = gym.make("NASBench201-v0", limits={"parameters": 73_306})  # no convolution at all
    env.reset()
    for action in (2, 3, 4, 0, 1, 3):
        *_, info = env.step(action)
    assert info["tokens"] == (4, 4, 4, 0, 1, 4)


def vector_env(**options: Any) -> NASVectorEnv[Any]:
    return NASVectorEnv(NASBench201(), NASBench201Table(), **options)


def test_whole_architectures_that_break_a_limit_are_refused() -> None:
    env = vector_env(limits=LIMITS, budget=4)
    (played,) = env.play([(3, 2, 0, 0, 1, 4)])
    assert played.tokens == (3, 2, 0, 0, 1, 4)
    with pytest.raises(InvalidTokens, match=r"token 1 is 3, with which node2\.operation0 breaks"):
        env.play([(3, 3, 0, 0, 1, 4)])
    assert env.remaining == 3


@pytest.mark.parametrize(
    ("limits", "error", "message"),
    [
        ({"parameters": 10}, InvalidOption, "the fewest possible parameters are 73,306; give"),
        ({"size": 10}, UnknownName, "unknown limit 'size'"),
        ({"parameters": 10, "task": {"filter": 3}}, UnknownName, "filter"),
        ({"parameters": 10, "task": {"filters": -3}}, InvalidOption, "filters of task of limits"),
    ],
)
def test_limits_that_cannot_be_kept_are_refused(
    limits: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        gym.make("NASBench201-v0", limits=limits)


def test_limits_may_be_of_another_network() -> None:
    env = vector_env(limits={"parameters": 20_000, "task": {"filters": 4, "repeats": 1}})
    assert env.space.task.filters == 4  # type: ignore[attr-defined]
    limited = vector_env(limits={"parameters": 80_000})
    assert sum(env.action_masks()[0]) > sum(limited.action_masks()[0])


TABULATED = Path(__file__).parents[2] / "benchmarks" / "tables" / "nasbench201_digits.npz"


@pytest.mark.parametrize(
    ("evaluator", "least"),
    [
        ({"name": "zero-cost", "task": {"repeats": 1, "filters": 4}}, 4_894),
        ({"name": "table", "file": str(TABULATED), "missing": "failure"}, 4_822),
        ({"name": "weight-sharing", "recipe": {"name": "supernet", "filters": 4}}, 4_822),
    ],
)
def test_limits_are_those_of_the_networks_that_an_evaluator_builds_or_built(
    evaluator: dict[str, Any], least: int
) -> None:
    space = NASBench201()
    made = nas_gym.registry.make("evaluator", evaluator, space=space)
    reward = nas_gym.registry.make("reward", nas_gym.registry.usual_reward(space, made))
    env = NASVectorEnv(space, made, reward=reward, limits={"parameters": least})
    assert {sum(mask) for mask in env.action_masks().tolist()} == {3}  # no convolution
    with pytest.raises(InvalidOption, match=f"the fewest possible parameters are {least:,}"):
        NASVectorEnv(space, made, limits={"parameters": least - 1})
    env.close()


def test_an_evaluator_that_builds_nothing_asks_for_the_task() -> None:
    space = NASNetCell(blocks=1)
    with pytest.raises(InvalidOption, match=r"a task in limits, .*--limit task\.filters=32"):
        NASVectorEnv(space, Landscape(space), limits={"parameters": 10_000})
    limits = {"parameters": 100_000, "task": {"filters": 4, "repeats": 1}}
    env = NASVectorEnv(space, Landscape(space), limits=limits)
    with pytest.raises(InvalidOption, match="has some"):
        NASVectorEnv(env.space, Landscape(space), limits=limits)


@dataclass(frozen=True)
class Widths:
    """A user's space: three layers, whose widths are its parameters."""

    static = True
    max_length = 3
    max_options = 3

    def choose(self, pick: Pick) -> tuple[int, ...]:
        """Choose width after width."""
        return tuple([pick(f"layer{i}.width", (1, 10, 100)) for i in range(3)])


class Bounded(Widths):
    """The same, with bounds."""

    def cost_bounds(self, prefix: tuple[int, ...]) -> dict[str, tuple[int, int]]:
        """Return the least and the most parameters that can still come about."""
        chosen = sum((1, 10, 100)[token] for token in prefix)
        left = 3 - len(prefix)
        return {"parameters": (chosen + left, chosen + 100 * left)}


def test_a_users_space_may_bound_its_costs() -> None:
    space: Any = Bounded()
    env = NASVectorEnv(space, Landscape(space), limits={"parameters": 20})
    assert env.action_masks().tolist() == [[True, True, False]]
    assert [played.tokens for played in env.play([(1, 0, 0)])] == [(1, 0, 0)]
    with pytest.raises(InvalidOption, match="parameters are 3 to 300; give wider limits"):
        NASVectorEnv(space, Landscape(space), limits={"parameters": 2})


def test_bounds_that_know_no_task_refuse_one() -> None:
    limits = limits_of({"parameters": 20, "task": {"filters": 4}})
    with pytest.raises(InvalidOption, match="cost_bounds of Bounded is not told of any: leave"):
        limited_space(Bounded(), limits, None)


class Unreachable(Widths):
    """The same, with bounds that no architecture reaches."""

    def cost_bounds(self, prefix: tuple[int, ...]) -> dict[str, tuple[int, int]]:
        """Return 0 until all is chosen."""
        least = sum((1, 10, 100)[token] for token in prefix) if len(prefix) == 3 else 0
        return {"parameters": (least, 300)}


def test_bounds_that_lead_nowhere_say_so() -> None:
    space: Any = Unreachable()
    message = r"at layer2\.width no option is open"
    with pytest.raises(InvalidTokens, match=message):
        NASVectorEnv(space, Landscape(space), limits={"parameters": 2})
    limited = limited_space(space, limits_of({"parameters": 2}), None)
    with pytest.raises(InvalidTokens, match=message):
        random_tokens(limited, np.random.default_rng(0))


def test_a_users_space_without_costs_is_refused() -> None:
    space: Any = Widths()
    with pytest.raises(InvalidOption, match="give the space a method cost_bounds"):
        NASVectorEnv(space, Landscape(space), limits={"parameters": 20})


@dataclass(frozen=True)
class Buildable(Widths):
    """The same, with networks but no word about their costs."""

    usual_task = Task(channels=1, height=2, width=2, classes=2)

    def build(self, genotype: tuple[int, ...], task: Any) -> Any:
        """Build a linear network with as many weights."""
        from torch import nn

        return nn.Sequential(nn.Flatten(), nn.Linear(4, sum(genotype), bias=False))


def test_without_masks_architectures_are_drawn_again(caplog: pytest.LogCaptureFixture) -> None:
    from nas_agents.random_search import RandomSearch

    space: Any = Buildable()
    with caplog.at_level(logging.WARNING, "nas_gym"):
        env = NASVectorEnv(
            space, Landscape(space), limits={"parameters": 200, "task": {}}, budget=20
        )
    assert "what breaks a limit is drawn again" in caplog.text
    env.reset(seed=0)
    RandomSearch().search(env)
    limited: Any = env.space
    assert limited.kept == 20
    assert acceptance_of(limited, []) == limited.kept / limited.drawn < 1
    env.ledger.budget.evaluations = 22
    kept, broken = env.play([(1, 1, 1), (2, 0, 0)])
    assert kept.evaluation.failure is None
    assert broken.evaluation.failure == "limit: the network does not have at most 200 parameters"


@pytest.mark.parametrize(
    "agent", ["random-search", pytest.param("reinforce", marks=pytest.mark.slow),
              pytest.param("sb3-maskable-ppo", marks=pytest.mark.slow)]
)  # fmt: skip
def test_the_share_that_keeps_the_limits_is_reported_of_every_agent(
    agent: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    space: Any = Buildable()
    found = nas_gym.search(
        space, Landscape(space), agent, budget=20, asynchronous=False, run="r",
        store=tmp_path / "s.sqlite", limits={"parameters": 200, "task": {}},
    )  # fmt: skip
    assert found.acceptance is not None
    assert 0 < found.acceptance < 1
    broken = sum(answer.evaluation.failure is not None for answer in found.answers)
    if agent == "random-search":
        assert broken == 0
    else:  # a policy's are not drawn again
        assert found.acceptance == pytest.approx(1 - broken / 20)
    assert "of the architectures that were drawn or written keep them" in caplog.text
    recorded = Findings.of(load_run("r", tmp_path / "s.sqlite"))
    assert recorded.acceptance == summary(recorded)["acceptance"] == found.acceptance
    told = StringIO()
    print_summary(recorded, Console(file=told, width=300))
    assert f"limits: {100 * found.acceptance:.2g} % of the architectures" in told.getvalue()
    assert "every network has" not in told.getvalue()


@dataclass(frozen=True)
class SometimesBroken(Buildable):
    """Some of its networks cannot be built."""

    def build(self, genotype: tuple[int, ...], task: Any) -> Any:
        """Build the network, unless its first layer is the narrowest."""
        if genotype[0] == self.choose(lambda _, options: options[0])[0]:
            raise ValueError("too narrow")
        return super().build(genotype, task)


@pytest.mark.parametrize(
    ("share", "says"),
    [(1.0, "100 %"), (0.9999, "99.9 %"), (0.994, "99.4 %"), (0.55, "55 %"), (0.0055, "0.55 %")],
)
def test_the_share_is_told_in_percent(share: float, says: str) -> None:
    assert acceptance_in_words(share).startswith(f"limits: {says} of the architectures")


def test_what_cannot_be_built_is_a_failed_child_and_no_end() -> None:
    space: Any = SometimesBroken()
    env = NASVectorEnv(space, Builds(space), limits={"parameters": 200, "task": {}}, budget=2)
    narrow, other = env.play([(0, 1, 1), (1, 1, 1)])
    assert str(narrow.evaluation.failure).startswith("error: ValueError: too narrow")
    assert other.evaluation.failure is None


class Builds:
    """Builds each network, as a training does."""

    stateful = False

    def __init__(self, space: Any) -> None:
        self.space = space

    def evaluate(self, architectures: Any, seeds: Any) -> Any:
        for architecture in architectures:
            self.space.build(architecture.genotype, None)
            yield Evaluation(architecture, {"accuracy": 0.5})

    def close(self) -> None: ...


def test_what_breaks_a_limit_is_not_trained_where_nobody_waits() -> None:
    space: Any = Buildable()
    with ThreadPoolExecutor(2) as executor:
        spread = ExecutorEvaluator(Landscape(space), executor)
        limits = {"parameters": 200, "task": {}}
        env = NASAsyncVectorEnv(space, spread, num_envs=2, budget=2, limits=limits)
        tickets = [env.submit(tokens) for tokens in ((1, 1, 1), (2, 0, 0))]
        failures = {ticket: played.evaluation.failure for ticket, played in env.collect(2)}
    assert failures == {
        tickets[0]: None,
        tickets[1]: "limit: the network does not have at most 200 parameters",
    }
