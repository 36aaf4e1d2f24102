"""Every proxy on networks so small that its value is known by hand."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas_gym.evaluators.proxies.az_nas import az_nas_parts, entropy_of, trainability_of
from nas_gym.evaluators.proxies.compute import compute, gaussian_inputs
from nas_gym.evaluators.proxies.features import features_of
from nas_gym.evaluators.proxies.gradients import grad_norm_of, gradients_of, snip_of, zico_of
from nas_gym.evaluators.proxies.names import PROXIES, values_for
from nas_gym.evaluators.proxies.patterns import jacov_of, jacov_of_gradients, nwot_of
from nas_gym.evaluators.proxies.products import multiply_adds_of
from nas_gym.evaluators.proxies.synflow import flows_of
from nas_gym.evaluators.proxies.weights import gaussian, kaiming, put_back, weights_of
from nas_gym.evaluators.proxies.zen import zen_of
from nas_gym.networks.cost import count_multiply_adds
from nas_gym.networks.task import Task
from nas_gym.search_spaces.nasbench201.genotype import genotype_of_string
from nas_gym.search_spaces.nasbench201.network import NASBench201Network

CPU = torch.device("cpu")
CELL = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_3x3~1|none~2|"
TASK = Task(channels=3, height=8, width=8, classes=4, repeats=1, filters=4)


def benchmark_network(cell: str = CELL) -> NASBench201Network:
    torch.manual_seed(0)
    return NASBench201Network(genotype_of_string(cell), TASK)


# ---------------------------------------------------------------- synflow


def linear_pair() -> tuple[nn.Module, Tensor, Tensor]:
    first, second = nn.Linear(4, 3, bias=False), nn.Linear(3, 2, bias=False)
    network = nn.Sequential(nn.Flatten(), first, second)
    return network, first.weight.detach().abs().clone(), second.weight.detach().abs().clone()


def test_synflow_of_a_linear_network_counts_its_flow_once_per_layer() -> None:
    network, first, second = linear_pair()
    flow = float((second @ first).sum())
    flows = flows_of(network, (1, 2, 2))
    assert flows.synflow == pytest.approx(2 * flow)
    assert flows.log == pytest.approx(math.log(2 * flow))


def test_logsynflow_of_a_linear_network() -> None:
    network, first, second = linear_pair()
    of_first = first * torch.log1p(second.sum(dim=0))[:, None]
    of_second = second * torch.log1p(first.sum(dim=1))[None, :]
    expected = float(of_first.sum() + of_second.sum())
    assert flows_of(network, (1, 2, 2)).logsynflow == pytest.approx(expected, rel=1e-6)


def test_synflow_leaves_norms_out_and_signs_do_not_count() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(1, 2, 3, bias=False)
    head = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(2, 2))
    plain = nn.Sequential(conv, *head)
    normed = nn.Sequential(conv, nn.BatchNorm2d(2, affine=True), *head)
    expected = flows_of(plain, (1, 3, 3))
    with torch.no_grad():
        conv.weight.neg_()
    assert flows_of(normed, (1, 3, 3)) == expected


def test_nothing_flows_through_zeros() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    nn.init.zeros_(network[1].weight)  # type: ignore[arg-type]
    assert flows_of(network, (1, 2, 2)).log == -math.inf


# ---------------------------------------------------------------- nwot and jacov


class Functional(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return F.relu(images.flatten(1))


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Flatten(), nn.ReLU()),
        nn.Sequential(nn.Flatten(), nn.ReLU(inplace=True)),
        nn.Sequential(nn.Flatten(), nn.SiLU()),
        nn.Sequential(nn.Flatten(), nn.GELU()),
        nn.Sequential(nn.Flatten(), nn.LeakyReLU()),
        nn.Sequential(nn.Flatten(), nn.ReLU6()),
        Functional(),
    ],
)
def test_nwot_is_the_determinant_of_how_many_rectifiers_agree(network: nn.Module) -> None:
    images = torch.tensor([[1.0, 2.0, -1.0], [3.0, -1.0, -2.0]]).reshape(2, 1, 1, 3)
    # On, on, off and on, off, off: K = [[3, 2], [2, 3]].
    assert nwot_of(network, images) == pytest.approx(math.log(5))


def test_nwot_adds_up_layers_and_is_lowest_for_images_that_look_the_same() -> None:
    images = torch.tensor([[1.0, -1.0], [-1.0, -1.0]]).reshape(2, 1, 1, 2)
    twice = nn.Sequential(nn.Flatten(), nn.LeakyReLU(0.5), nn.ReLU())
    assert nwot_of(twice, images) == pytest.approx(math.log(4 * 4 - 2 * 2))
    assert nwot_of(twice, images[:1].repeat(2, 1, 1, 1)) == -math.inf
    assert nwot_of(nn.Flatten(), images) == -math.inf


def test_jacov_of_gradients_that_do_not_correlate_and_of_ones_that_do() -> None:
    e = 1e-5

    def term(v: float) -> float:
        return math.log(v + e) + 1 / (v + e)

    apart = torch.tensor([[1.0, -1.0, 1.0, -1.0], [1.0, 1.0, -1.0, -1.0]])
    assert jacov_of_gradients(apart) == pytest.approx(-2 * term(1))
    alike = torch.tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]])
    assert jacov_of_gradients(alike) == pytest.approx(-term(2) - term(0), rel=1e-6)
    assert math.isnan(jacov_of_gradients(torch.ones(2, 3)))


def test_jacov_does_not_depend_on_the_scale_of_the_logits() -> None:
    torch.manual_seed(0)
    images = torch.randn(4, 3, 8, 8)
    network = benchmark_network()
    before = jacov_of(network, images)
    with torch.no_grad():
        network.classifier.weight.mul_(7.0)
    assert jacov_of(network, images) == pytest.approx(before, rel=1e-3)


# ---------------------------------------------------------------- gradients


def test_zico_by_hand() -> None:
    one = [torch.tensor([1.0, 4.0]), torch.tensor([[2.0]]), torch.tensor([5.0])]
    other = [torch.tensor([3.0, 4.0]), torch.tensor([[-2.0]]), torch.tensor([5.0])]
    # First layer: mean 2, deviation 1, the second weight does not vary; second: mean |g| 2,
    # deviation 2; the third does not vary at all.
    assert zico_of([one, other]) == pytest.approx(math.log(2 / 1) + math.log(2 / 2))
    assert zico_of([one, one]) == -math.inf


def test_gradients_and_what_is_summed_of_them() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
    layer = network[1]
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -2.0], [0.0, 0.0]]))  # type: ignore[union-attr, operator]
        layer.bias.zero_()  # type: ignore[union-attr, operator]
    images = torch.tensor([[2.0, 1.0]]).reshape(1, 1, 1, 2)
    # Both logits are 0, so each probability is 1/2: dL/dlogits = (-1/2, 1/2).
    found = gradients_of(network, images, torch.tensor([0]))
    assert torch.allclose(found[0], torch.tensor([[-1.0, -0.5], [1.0, 0.5]]))
    assert grad_norm_of(found) == pytest.approx(math.sqrt(2.5))
    assert snip_of(weights_of(network), found) == pytest.approx(1 + 1)


# ---------------------------------------------------------------- Zen


def test_zen_of_a_linear_map() -> None:
    torch.manual_seed(3)
    conv = nn.Conv2d(2, 3, 1, bias=True)
    network = nn.Sequential(conv, nn.Flatten())
    a, b = torch.randn(4, 2, 5, 5), torch.randn(4, 2, 5, 5)
    torch.manual_seed(5)
    found = zen_of(network, a, b)
    moved = 0.01 * F.conv2d(b, conv.weight.detach())
    assert found == pytest.approx(math.log(float(moved.abs().sum(dim=(1, 2, 3)).mean())), rel=1e-4)


def test_zen_puts_back_what_norms_take_away() -> None:
    """Transcribed for one network, with its features before the global pool by name."""
    network = benchmark_network()
    torch.manual_seed(1)
    a, b = torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8)
    torch.manual_seed(2)
    found = zen_of(network, a, b)
    torch.manual_seed(2)
    gaussian(network)

    def features(x: Tensor) -> Tensor:
        x = network.stem(x)
        for layer in network.layers.values():
            x = layer(x)
        return F.relu(network.last_norm(x))

    with torch.no_grad():
        moved = (features(a) - features(a + 0.01 * b)).abs().sum(dim=(1, 2, 3)).mean()
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    scales = sum(math.log(math.sqrt(float(m.running_var.mean()))) for m in norms)  # type: ignore[union-attr]
    assert found == pytest.approx(math.log(float(moved)) + scales, rel=1e-4)


# ---------------------------------------------------------------- AZ-NAS


def test_the_entropy_of_channels_by_hand() -> None:
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    alike = signs.reshape(4, 2, 1, 1)  # covariance: the identity
    assert entropy_of(alike) == pytest.approx(math.log(2))
    unequal = alike * torch.tensor([math.sqrt(3.0), 1.0]).reshape(1, 2, 1, 1)  # variances 3 and 1
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert entropy_of(unequal) == pytest.approx(expected, rel=1e-5)
    one = alike[:, :1].expand(4, 2, 1, 1)  # the same channel twice
    assert entropy_of(one) == pytest.approx(0, abs=1e-5)
    assert math.isnan(entropy_of(torch.ones(4, 2, 1, 1)))


def pooled_sum(x: Tensor) -> Tensor:
    return 4 * F.avg_pool2d(x, 2)


def stretched(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


@pytest.mark.parametrize(
    ("between", "largest"),
    [
        (lambda x: 2 * x, 2.0),  # one channel: E[2 s s] = 2
        (pooled_sum, 2.0),  # four pixels of gradient s each: four ones, of norm 2
        (lambda x: torch.cat([x, x], 1), None),
    ],
)
def test_trainability_by_hand(between: Callable[[Tensor], Tensor], largest: float | None) -> None:
    torch.manual_seed(0)
    images = torch.randn(8, 1, 4, 4, requires_grad=True)
    first = images * 1.0
    found = trainability_of([first, between(first)], images)
    if largest is not None:
        assert found == pytest.approx(2 - largest - 1 / largest, rel=1e-5)
    else:
        # Signs a and b of the two copies: the gradient is a + b, E[(a + b) a] and E[(a + b) b].
        torch.manual_seed(0)
        torch.randn(8, 1, 4, 4)
        signs = torch.randint(0, 2, (8, 2, 4, 4)).float() * 2 - 1
        total = signs.sum(dim=1)
        s = math.hypot(*((total * signs[:, i]).mean().item() for i in (0, 1)))
        assert found == pytest.approx(2 - s - 1 / (s + 1e-6), rel=1e-4)


def test_trainability_of_odd_sides_and_of_growing_ones_is_a_number() -> None:
    images = torch.randn(4, 2, 9, 7, requires_grad=True)
    first = images * 2.0
    small = F.max_pool2d(first, 2, ceil_mode=True)
    large = stretched(small)
    assert math.isfinite(trainability_of([first, small, large], images))


def test_trainability_of_what_passes_gradients_on_or_loses_them_is_impossible() -> None:
    images = torch.randn(4, 2, 4, 4, requires_grad=True)
    first = images * 2.0
    assert trainability_of([first, first + 0], images) == -math.inf
    assert trainability_of([first, torch.randn(4, 2, 4, 4)], images) == -math.inf


def test_trainability_takes_the_latest_feature_that_is_read() -> None:
    torch.manual_seed(0)
    images = torch.randn(8, 1, 4, 4, requires_grad=True)
    first = images * 1.0
    beside = first * 3.0
    last = first * 2.0  # does not read what stands beside it
    torch.manual_seed(1)
    expected = ((2 - 2 - 1 / 2) + (2 - 3 - 1 / 3)) / 2
    assert trainability_of([first, beside, last], images) == pytest.approx(expected, rel=1e-5)


def published_az_nas(network: NASBench201Network, images: Tensor) -> tuple[float, float, float]:
    """The authors' code, transcribed for this network (compute_az_nas_score.py)."""
    kaiming(network)
    network.train()
    x = images.clone().requires_grad_()
    features = [network.stem(x)]
    for layer in network.layers.values():
        features.append(layer(features[-1]))
    entropies = []
    for feature in features:
        b, c, h, w = feature.shape
        rows = feature.detach().permute(0, 2, 3, 1).reshape(b * h * w, c)
        rows = rows - rows.mean(dim=0, keepdim=True)
        s = torch.linalg.eigvalsh(rows.t() @ rows / rows.shape[0])
        p = s / s.sum()
        entropies.append(float((-p * torch.log(p + 1e-8)).sum()))
    scores = []
    for i in reversed(range(1, len(features))):
        f_out, f_in = features[i], features[i - 1]
        g_out = torch.randint(0, 2, f_out.shape).float() * 2 - 1
        (g_in,) = torch.autograd.grad(f_out, f_in, g_out, retain_graph=True)
        if g_out.shape[2] != g_in.shape[2]:
            g_in = nn.PixelUnshuffle(g_in.shape[2] // g_out.shape[2])(g_in)
        bo, co, ho, wo = g_out.shape
        rows_out = g_out.permute(0, 2, 3, 1).reshape(bo * ho * wo, co)
        rows_in = g_in.permute(0, 2, 3, 1).reshape(bo * ho * wo, -1)
        s = torch.linalg.svdvals(rows_in.t() @ rows_out / (bo * ho * wo))
        scores.append(float(-s.max() - 1 / (s.max() + 1e-6) + 2))
    growths = [b - a for a, b in pairwise(entropies)]
    return sum(entropies), min(growths), sum(scores) / len(scores)


@pytest.mark.parametrize("cell", [CELL, CELL.replace("none", "avg_pool_3x3")])
def test_az_nas_is_that_of_the_authors_code(cell: str) -> None:
    network = benchmark_network(cell)
    torch.manual_seed(0)
    images = torch.randn(6, 3, 8, 8)
    torch.manual_seed(7)
    expected = published_az_nas(network, images)
    torch.manual_seed(7)
    assert az_nas_parts(network, images) == pytest.approx(expected, rel=1e-4, abs=1e-5)


# ---------------------------------------------------------------- features


def test_features_of_the_benchmarks_network_are_its_stem_cells_and_reductions() -> None:
    network = benchmark_network()
    features = features_of(network, torch.randn(2, 3, 8, 8))
    shapes = [tuple(feature.shape[1:]) for feature in features]
    assert shapes == [(4, 8, 8), (4, 8, 8), (8, 4, 4), (8, 4, 4), (16, 2, 2), (16, 2, 2)]


def block(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class Wrapped(nn.Module):
    """A network inside another one, as users have them."""

    def __init__(self) -> None:
        super().__init__()
        body = nn.Sequential(block(3, 4), block(4, 4), nn.MaxPool2d(2), block(4, 8))
        self.net = nn.ModuleDict({"body": body, "head": nn.Linear(8, 2)})

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        return self.net["head"](self.net["body"](images).mean(dim=(2, 3))), None


def test_foreign_networks_are_opened_until_there_are_features() -> None:
    shapes = [tuple(f.shape[1:]) for f in features_of(Wrapped(), torch.randn(2, 3, 8, 8))]
    assert shapes == [(4, 8, 8), (4, 8, 8), (8, 4, 4)]
    flat = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    assert features_of(flat, torch.randn(2, 3, 8, 8)) == []
    assert az_nas_parts(flat, torch.randn(2, 3, 8, 8)) == (-math.inf,) * 3


# ---------------------------------------------------------------- all of them


def test_a_value_does_not_depend_on_what_else_is_computed_and_the_network_stays() -> None:
    names = values_for(PROXIES)
    network = benchmark_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    inputs = gaussian_inputs((3, 8, 8), 4, 6, 0, CPU)
    together = compute(network, inputs, names, CPU)
    assert set(together) == {*names, "alive"}
    assert all(math.isfinite(value) for value in together.values())
    for name in names:
        assert compute(network, inputs, [name], CPU) == {name: together[name], "alive": 1}
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(after[name].dtype == before[name].dtype for name in before)
    assert network.training


def test_what_was_changed_is_put_back_even_after_an_error() -> None:
    network = benchmark_network().eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    @put_back(network)
    def fail() -> None:
        gaussian(network)
        network.double().train()
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail()
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())
    assert not any(module.training for module in network.modules())


def test_multiply_adds_are_those_that_are_counted_without_memory() -> None:
    network = benchmark_network()
    assert multiply_adds_of(network, (3, 8, 8), CPU) == count_multiply_adds(network, (3, 8, 8))
