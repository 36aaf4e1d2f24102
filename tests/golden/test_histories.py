"""The history of every agent: which architectures it asks for, and what it is told.

Tokens are integers and rewards come from tables and closed forms, rounded, so the history is the
same on any Linux processor.
"""

import hashlib
import json
from typing import Any

import pytest

import nas_gym

BUDGET = 60
SEED = 3
LANDSCAPE = {"name": "landscape", "seed": 5, "noise": 0.01}
SEARCHED: dict[str, tuple[Any, Any]] = {
    # No choice depends on an earlier one; real training results.
    "nasbench201": ("nasbench201", {"name": "nasbench201", "seeds": "random"}),
    # How many layers there are, and which choices a layer has, depends on earlier choices.
    "conv-net": (
        {"name": "conv-net", "depth": [2, 3, 4], "types": ["conv", "pool"]},
        LANDSCAPE,
    ),
    # Long: 22 choices, and none depends on an earlier one.
    "rnn-cell": ({"name": "rnn-cell", "base": 4}, LANDSCAPE),
}
IN_PART = ("asha", "hyperband", "successive-halving")  # they need learning curves
CURVES = {**LANDSCAPE, "epochs": 9}
PROXIES = "with-proxy"  # its scores are those of networks, which differ by processor
SPACES = [
    pytest.param(name, marks=pytest.mark.slow if name == "rnn-cell" else ()) for name in SEARCHED
]


@pytest.mark.few(22)
@pytest.mark.parametrize("searched", SPACES)
def test_an_agent_asks_for_the_same_architectures(
    agent_name: str, searched: str, golden: Any
) -> None:
    if agent_name.startswith(PROXIES):
        pytest.skip("scores of networks differ by processor")
    space, evaluator = SEARCHED[searched]
    evaluator = CURVES if agent_name in IN_PART else evaluator
    result = nas_gym.search(space, evaluator, agent_name, budget=BUDGET, seed=SEED)
    tokens = [list(answer.evaluation.architecture.tokens) for answer in result.answers]
    rewards = [round(answer.reward, 6) for answer in result.answers]
    history = {
        "tokens": fingerprint(tokens),
        "rewards": fingerprint(rewards),
        "first": [" ".join(map(str, each)) for each in tokens[:3]],
        "last": " ".join(map(str, tokens[-1])),
        "distinct": len({tuple(each) for each in tokens}),
        "best": max(rewards),
    }
    golden.check(f"histories-{searched}", agent_name, history)


@pytest.mark.parametrize("searched", SEARCHED)
def test_a_history_is_recorded_of_every_agent_that_is_listed(
    searched: str, golden: Any, listed: dict[str, list[str]]
) -> None:
    agents = {agent for agent in listed["agents"] if not agent.startswith(PROXIES)}
    assert set(golden.recorded(f"histories-{searched}")) == agents


def fingerprint(data: Any) -> str:
    return hashlib.sha256(json.dumps(data).encode()).hexdigest()[:16]
