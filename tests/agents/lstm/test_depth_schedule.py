"""The depth schedule of Zoph & Le 2016, section 4.1."""

from collections import Counter
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nas_gym
from nas_agents.lstm.agent import LSTMAgent
from nas_agents.lstm.controller import Controller, sample
from nas_agents.lstm.depth_schedule import scheduled_token
from nas_agents.lstm.vocabulary import Episodes, Vocabulary
from nas_agents.path_consistency import PathConsistency
from nas_agents.ppo import PPO
from nas_agents.priority_queue import PriorityQueue
from nas_agents.reinforce import PRESETS, Reinforce
from nas_gym.errors import InvalidOption
from nas_gym.registry import make, spec_of
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.conv_net.space import DEPTHS, ConvNet
from nas_gym.testing import Landscape, LayerChain
from nas_gym.testing.agent_suite import run_agent

SPACE = LayerChain(4)  # its first token is the depth less 1
SMALL: dict[str, Any] = {"batch_size": 4, "hidden_size": 8, "depth_schedule": (1, 1, 8)}
AGENTS = [
    Reinforce(**SMALL),
    PPO(**SMALL, critic=True),
    PriorityQueue(**SMALL, random_first=12, updates=2),
    PathConsistency(**SMALL, random_first=12, updates=2, repeats=0),
]


def test_the_papers_samples_pass_through_eight_depths() -> None:
    schedule = PRESETS["zoph2016-convnet"].depth_schedule
    assert schedule is not None
    depths = [DEPTHS[scheduled_token(schedule, DEPTHS, asked)] for asked in range(12_800)]
    phases = [(depth, len(list(group))) for depth, group in groupby(depths)]
    assert phases == [(depth, 1600) for depth in (6, 8, 10, 12, 14, 16, 18, 20)]
    assert DEPTHS[scheduled_token(schedule, DEPTHS, 10**6)] == 20


def test_only_depths_of_the_space_are_set() -> None:
    assert [scheduled_token((3, 1, 1), (9, 4, 6), asked) for asked in range(4)] == [1, 1, 1, 2]


@pytest.mark.few(2)
@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: type(agent).__name__)
def test_a_search_keeps_to_it(agent: Any) -> None:
    """Depth 1 in the first eight architectures, and so on; also among random ones."""
    requests = run_agent(agent, Landscape(SPACE), SPACE, budget=40)
    depths = [tokens[0] + 1 for tokens, _ in requests]
    assert depths == [min(1 + number // 8, 4) for number in range(40)]


def test_rounds_do_not_move_it() -> None:
    """The depth of a round is that of its first architecture."""
    requests = run_agent(AGENTS[0], Landscape(SPACE), SPACE, budget=20, num_envs=5)
    assert [tokens[0] for tokens, _ in requests] == [0] * 10 + [1] * 10


def test_a_depth_that_is_set_is_no_decision() -> None:
    """Its log-probability is 0 and nothing is learnt from it."""
    settings = replace(LSTMAgent(), depth_schedule=(2, 1, 8))
    vocabulary = Vocabulary(ChoiceTable(SPACE), np.random.default_rng(0))
    controller = Controller(settings, vocabulary, torch.Generator().manual_seed(0))
    depth = controller.depth_token(0)
    tokens, opened = sample(controller, 5, torch.Generator(), exploration=0.3, depth=depth)
    assert tokens[:, 0].tolist() == [1] * 5
    assert not opened.decisions[:, 0].any()
    log_p, entropies = controller.log_probabilities(Episodes(tokens, opened, torch.zeros(5)))
    assert log_p[:, 0].tolist() == entropies[:, 0].tolist() == [0.0] * 5
    log_p[:, 0].sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None or not p.grad.any() for p in controller.parameters())


def test_what_is_remembered_has_its_depth_set() -> None:
    """As sampled, and whatever the schedule says now."""
    controller = Controller(
        LSTMAgent(depth_schedule=(1, 1, 8)),
        Vocabulary(ChoiceTable(SPACE), np.random.default_rng(0)),
        torch.Generator().manual_seed(0),
    )
    _, opened = controller.path_of([(0, 1), (1, 1, 1)])
    open_depths = [row.nonzero().flatten().tolist() for row in opened.closed[:, 0] == 0]
    assert open_depths == [[0], [1]]


def test_without_a_depth_to_choose_it_does_nothing() -> None:
    space = ConvNet(depth=2)
    agent = Reinforce(batch_size=4)
    scheduled = replace(agent, depth_schedule=(6, 2, 1600))
    one, same = (run_agent(a, Landscape(space), space, budget=12) for a in (agent, scheduled))
    assert one == same


def test_json_gives_lists() -> None:
    agent = make("agent", {"name": "reinforce", "depth_schedule": [6, 2, 1600]})
    assert agent == Reinforce(depth_schedule=(6, 2, 1600))
    assert hash(agent) == hash(make("agent", spec_of("agent", agent)))


@pytest.mark.parametrize("schedule", [(6, 2), (0, 2, 8), (6, -1, 8), (6, 2, 0), (6, 2.5, 8), 6])
def test_schedules_are_checked(schedule: Any) -> None:
    with pytest.raises(InvalidOption, match="depth_schedule is"):
        Reinforce(depth_schedule=schedule)


@pytest.mark.slow
def test_a_resumed_search_goes_on_with_its_depths(tmp_path: Path) -> None:
    histories = []
    for budgets in [(40,), (20, 40)]:
        for number, budget in enumerate(budgets):
            result = nas_gym.search(
                SPACE, Landscape(SPACE), AGENTS[0], budget=budget, run="deeper",
                store=tmp_path / f"{len(budgets)}.sqlite", resume=number > 0,
            )  # fmt: skip
        histories.append([row.evaluation.architecture.tokens for row in result.answers])
    assert histories[0] == histories[1]
    assert Counter(tokens[0] for tokens in histories[0]) == {0: 8, 1: 8, 2: 8, 3: 16}
