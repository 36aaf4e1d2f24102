"""Every network for images obeys its task's batch norms and dropout."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas_gym.errors import InvalidOption
from nas_gym.networks.task import Task
from nas_gym.registry import make
from nas_gym.search_spaces.grammar import decode
from nas_gym.search_spaces.moves import random_tokens

SPACES = ("nasnet-cell", "conv-net", "nasbench201", "nats-size")
TASK = Task(3, 9, 8, 5, filters=4)


def network_of(name: str, seed: int = 0, **changes: Any) -> Any:
    space = make("space", name)
    genotype = decode(space, random_tokens(space, np.random.default_rng(seed)))
    torch.manual_seed(seed)
    return space.build(genotype, replace(TASK, **changes))


def norms(network: nn.Module) -> list[Any]:
    return [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._NormBase)]


@pytest.mark.parametrize(
    ("name", "more"),
    [
        *((name, {}) for name in SPACES),
        ("nasnet-cell", {"stem": "pooled"}),
        ("nasnet-cell", {"stem": "imagenet", "auxiliary": True}),
        ("nasbench201", {"stem": "pooled"}),
    ],
)
def test_every_batch_norm_is_the_tasks(name: str, more: dict[str, Any]) -> None:
    usual = norms(network_of(name, **more))
    assert {(n.eps, n.momentum) for n in usual} == {(1e-5, 0.1)}  # torch's own
    network = network_of(name, batch_norm_eps=1e-3, batch_norm_momentum=0.0003, **more)
    assert {(n.eps, n.momentum) for n in norms(network)} == {(1e-3, 0.0003)}
    assert len(norms(network)) == len(usual) > 2


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_they_compute_with_it(name: str) -> None:
    images = torch.randn(6, 3, 9, 8)
    plain, other = network_of(name), network_of(name, batch_norm_eps=1.0, batch_norm_momentum=1.0)
    for mine, theirs in zip(plain.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)  # drawn alike
    assert not torch.allclose(plain(images), other(images))
    changed = [
        k for k, v in plain.state_dict().items() if not torch.equal(v, other.state_dict()[k])
    ]
    assert changed
    assert all(".running_" in key for key in changed)  # what the momentum is for


class TestDropout:
    @staticmethod
    def features(network: nn.Module, images: Tensor) -> Tensor:
        """What goes into the classifier."""
        seen: list[Tensor] = []
        hook = network.classifier.register_forward_pre_hook(  # type: ignore[operator]
            lambda _, inputs: seen.append(inputs[0].detach())
        )
        network(images)
        hook.remove()
        return seen[0]

    @pytest.mark.parametrize("name", SPACES)
    def test_it_drops_in_training_alone(self, name: str) -> None:
        images = torch.randn(200, 3, 9, 8)
        plain, dropping = network_of(name, 1), network_of(name, 1, dropout=0.3)
        whole, dropped = self.features(plain, images), self.features(dropping, images)
        alive = whole != 0  # a ReLU may come before
        lost = (dropped == 0) & alive
        assert float(lost.sum() / alive.sum()) == pytest.approx(0.3, abs=0.05)
        torch.testing.assert_close(dropped[~lost], whole[~lost] / 0.7)
        before = torch.get_rng_state()
        assert torch.equal(plain.eval()(images), dropping.eval()(images))
        assert torch.equal(torch.get_rng_state(), before)

    @pytest.mark.parametrize("name", SPACES)
    def test_without_it_no_random_number_is_drawn(self, name: str) -> None:
        network, before = network_of(name), torch.get_rng_state()
        network(torch.ones(2, 3, 9, 8)).sum().backward()
        assert torch.equal(torch.get_rng_state(), before)

    def test_the_second_classifier_has_none(self) -> None:
        images = torch.randn(8, 3, 9, 8)
        network = network_of("nasnet-cell", dropout=0.5, auxiliary=True)
        first, second = network(images), network(images)
        assert not torch.equal(first[0], second[0])
        assert torch.equal(first[1], second[1])


@pytest.mark.parametrize("name", ["conv-net", "nasbench201", "nats-size"])
@pytest.mark.parametrize("field", ["drop_path_by_depth", "skip_reduction_input"])
def test_what_only_nasnets_have_is_refused_in_a_sentence(name: str, field: str) -> None:
    with pytest.raises(InvalidOption, match=f"auxiliary False, drop_path 0, {field} True: give"):
        network_of(name, **{field: True})
