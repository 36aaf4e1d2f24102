"""Gradient and Adam, both written out, are torch's."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from nas_agents.lstm.agent import LSTMAgent
from nas_agents.lstm.controller import FlatAdam, sample
from nas_agents.lstm.fused_controller import FusedController
from nas_agents.lstm.vocabulary import Episodes, Vocabulary
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.conv_net.space import ConvNet
from nas_gym.search_spaces.grammar import SearchSpace
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing import BitString, LayerChain


def gradient(settings: LSTMAgent, space: SearchSpace[Any], *, fused: bool) -> torch.Tensor:
    """Of a loss of log-probabilities, squared, and entropies."""
    vocabulary = Vocabulary(ChoiceTable(space), np.random.default_rng(0))
    generator = torch.Generator().manual_seed(0)
    controller = FusedController(settings, vocabulary, generator)
    with torch.no_grad():
        controller.bias.uniform_(-1, 1, generator=generator)
    optimizer = FlatAdam(controller, 0.1)
    tokens, opened = sample(controller, 7, generator)
    weights = torch.randn(7, generator=generator)
    episodes = Episodes(tokens, opened, weights)
    if fused:
        controller.differentiate(episodes, lambda log_p: 2 * weights * log_p, -0.3)
    else:
        log_p, entropies = controller.log_probabilities(episodes)
        loss = (weights * log_p.sum(dim=1).square()).sum() - 0.3 * entropies.sum()
        loss.backward()  # type: ignore[no-untyped-call]
    return optimizer.gradient


@pytest.mark.few(6)
@pytest.mark.parametrize(
    "space", [NASBench201(), LayerChain(3), BitString(1), ConvNet(3)], ids=repr
)
@pytest.mark.parametrize(
    "changes",
    [{}, {"temperature": 2.0, "choice_bias": False}, {"layers": 2}, {"tanh_constant": 2.0}],
    ids=str,
)
def test_the_gradient_is_autograds(space: SearchSpace[Any], changes: dict[str, float]) -> None:
    settings = replace(LSTMAgent(hidden_size=5, initial_range=1.0), **changes)  # type: ignore[arg-type]
    expected = gradient(settings, space, fused=False)
    found = gradient(settings, space, fused=True)
    assert float(expected.abs().max()) > 0.1
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_the_optimizer_is_adam_to_the_bit() -> None:
    networks = [torch.nn.Linear(5, 3) for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())
    ours, adam = FlatAdam(networks[0], 0.02), torch.optim.Adam(networks[1].parameters(), lr=0.02)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        inputs = torch.randn(4, 5, generator=generator)
        ours.minimize(networks[0](inputs).square().mean())
        adam.zero_grad()
        networks[1](inputs).square().mean().backward()
        adam.step()
    for found, expected in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        assert torch.equal(found, expected)
