"""A search that is killed with SIGKILL at any moment goes on to the identical history."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nas_gym.plugins import names
from nas_gym.search_spaces.limits import limited_space
from nas_gym.search_spaces.limits.wanted import limits_of
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell

DRIVER = Path(__file__).with_name("driver.py")
SPACES: dict[str, Any] = {
    "static": {"name": "nasnet-cell", "blocks": 1},
    "conditional": {"name": "nas_gym.testing:LayerChain", "max_depth": 3},
}
LANDSCAPE = {"name": "landscape", "epochs": 9}  # of which some agents ask for parts
PAPERS = ("random-search", "regularized-evolution", "reinforce")  # killed most often
# Those of Stable-Baselines3 share all that matters here: one of them stands for the rest.
OTHERS = [
    name
    for name in names("agent")
    if "/" not in name
    and name not in PAPERS
    and (not name.startswith("sb3") or name == "sb3-maskable-ppo")
]
AGENTS = [*PAPERS, *OTHERS]
# A proxy of small networks, quick to compute.
SMALL = {"height": 8, "width": 8, "repeats": 1, "filters": 2}
OPTIONS: dict[str, Any] = {
    "with-proxy": {
        **{
            "name": "with-proxy",
            "agent": "genetic",
            "proxies": ["synflow"],
            "scored": 6,
            "first": 2,
            "share": 0.5,
        },
        "proxy_options": {"images": 2, "pool": 3, "task": SMALL},
    }
}
DEFAULT = {  # those of the default tier: the others are slow
    ("random-search", "static"),
    ("regularized-evolution", "conditional"),
    ("hyperband", "conditional"),
}
CASES = [
    pytest.param(agent, space, marks=[] if (agent, space) in DEFAULT else pytest.mark.slow)
    for agent in AGENTS
    for space in SPACES
    if (agent, space) != ("with-proxy", "conditional")  # which has no networks
]


def killed(folder: Path, **options: Any) -> dict[str, Any]:
    """What the driver tells of many killed runs."""
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(folder), json.dumps(options)],
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def check(told: dict[str, Any], runs: int) -> None:
    whole = told["whole"]
    assert whole["status"] == "finished"
    assert len(whole["rows"]) == 21
    assert len(told["killed"]) == runs
    assert sum(each["kills"] for each in told["killed"]) >= 3 * runs // 4  # it really was killed
    for each in told["killed"]:
        assert each["rows"] == whole["rows"]
        assert each["status"] == "finished"
        assert each["evaluations"] == whole["evaluations"]  # nothing was trained twice
        assert each["claims"] == 0


@pytest.mark.few(2)
@pytest.mark.parametrize(("agent", "space"), CASES)
def test_killed_runs_have_the_history_of_a_whole_one(
    agent: str, space: str, tmp_path: Path
) -> None:
    """Between batches, within a batch, within a write; every evaluation in a commit of its own."""
    told = killed(
        tmp_path, agent=OPTIONS.get(agent, agent), space=SPACES[space], evaluator=LANDSCAPE,
        commit_seconds=0.0,
        seed=1, runs=4, num_envs=4,
    )  # fmt: skip
    check(told, 4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "agent",
    [
        pytest.param(agent, marks=() if agent == "regularized-evolution" else pytest.mark.slow)
        for agent in ("regularized-evolution", "local-search", "nsga2", "reinforce", "asha")
    ],
)
def test_what_is_in_flight_at_a_kill_is_asked_for_again(agent: str, tmp_path: Path) -> None:
    """Five children in flight, of simulated machines: their order never depends on the time."""
    told = killed(
        tmp_path, agent=agent, space=SPACES["conditional"], evaluator=LANDSCAPE,
        commit_seconds=0.0, seed=3, runs=4, in_flight=5,
    )  # fmt: skip
    check(told, 4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "agent",
    ["regularized-evolution", "reinforce", "sb3-maskable-ppo", "sb3-dqn"],  # the last folds tokens
)
def test_limits_are_kept_the_same_way_after_a_kill(agent: str, tmp_path: Path) -> None:
    limits = {"parameters": [2_000, 6_000], "task": {**SMALL, "filters": 4}}
    told = killed(
        tmp_path, agent=agent, space=SPACES["static"], evaluator=LANDSCAPE, limits=limits,
        commit_seconds=0.0, seed=4, runs=4, num_envs=4,
    )  # fmt: skip
    check(told, 4)
    space = NASNetCell(blocks=1)
    task = replace(space.usual_task, **limits["task"])
    limited = limited_space(space, limits_of(limits), task)
    cells = [tuple(row[1]) for row in told["whole"]["rows"]]
    assert all(2_000 <= limited.costs_of(cell)["parameters"] <= 6_000 for cell in cells)


@pytest.mark.slow
@pytest.mark.parametrize("runs", [4, pytest.param(8, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "evaluator",
    [
        {"name": "landscape", "noise": 0.01},  # commits in groups
        # Stateful: asked again for repeats.
        pytest.param("nas_gym.testing:BitCount", marks=pytest.mark.slow),
    ],
)
def test_other_evaluators(evaluator: Any, runs: int, tmp_path: Path) -> None:
    space = {"name": "nas_gym.testing:BitString", "bits": 4}
    told = killed(
        tmp_path, agent="regularized-evolution", space=space, evaluator=evaluator,
        commit_seconds=0.001, seed=2, runs=runs,
    )  # fmt: skip
    check(told, runs)


@pytest.mark.slow
@pytest.mark.parametrize("num_envs", [1, 4])
def test_networks_that_grow_deeper(num_envs: int, tmp_path: Path) -> None:
    """Attention, and a schedule of depths, on layers of two types."""
    space = {
        "name": "nas_gym.search_spaces.conv_net.space:ConvNet", "depth": [1, 2, 3],
        "types": ["conv", "pool"],
    }  # fmt: skip
    agent = {"name": "reinforce", "hidden_size": 8, "depth_schedule": [1, 1, 8]}
    told = killed(
        tmp_path, agent=agent, space=space, evaluator=LANDSCAPE, commit_seconds=0.0,
        seed=num_envs, runs=8, num_envs=num_envs,
    )  # fmt: skip
    check(told, 8)


@pytest.mark.slow
def test_ctrl_c_at_any_moment_finishes_the_record(tmp_path: Path) -> None:
    """Also within a write; only before its first child is a run left as it was begun."""
    told = killed(
        tmp_path, agent="random-search", space=SPACES["static"], evaluator=LANDSCAPE,
        commit_seconds=0.0, seed=5, runs=24, num_envs=4, signal="SIGINT",
    )  # fmt: skip
    check(told, 24)
    finished, before, left = told["interrupted"]
    assert left == 0
    assert finished > before / 2  # many fall into what opens the store


@pytest.mark.slow
@pytest.mark.parametrize("num_envs", [1, 8])
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("agent", AGENTS)
def test_many_kills(agent: str, space: str, num_envs: int, tmp_path: Path) -> None:
    if (agent, space) == ("with-proxy", "conditional"):
        pytest.skip("this space has no networks")
    runs = 40 if agent in PAPERS else 8
    told = killed(
        tmp_path, agent=OPTIONS.get(agent, agent), space=SPACES[space], evaluator=LANDSCAPE,
        commit_seconds=0.0,
        seed=num_envs, runs=runs, num_envs=num_envs,
    )  # fmt: skip
    check(told, runs)
