"""Proxies by how differently a network sees the images of one batch: nwot and jacov.

nwot (Mellor et al. 2021, arXiv 2006.04647, version of NASLib): which rectifiers are on. jacov
(Mellor et al. 2020; Abdelfattah et al. 2021): how the gradients of images correlate.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from nas_gym.evaluators.proxies.features import logits_of
from nas_gym.evaluators.proxies.weights import frozen

EPSILON = 1e-5  # added to eigenvalues, in Samsung's code
_aten = torch.ops.aten
# ReLU in its forms, and what other networks have in its place: on where the input is above 0.
RECTIFIERS = {
    _aten.relu, _aten.relu_, _aten.leaky_relu, _aten.leaky_relu_, _aten.hardtanh, _aten.hardtanh_,
    _aten.relu6, _aten.relu6_, _aten.elu, _aten.elu_, _aten.gelu, _aten.gelu_, _aten.silu,
    _aten.silu_, _aten.mish, _aten.mish_, _aten.hardswish, _aten.hardswish_, _aten.prelu,
    _aten._prelu_kernel, _aten.rrelu_with_noise,
}  # fmt: skip


class Rectified(TorchDispatchMode):
    """A mode that notes how many rectifiers are alike for each two images of the batch.

    It sees operations, so that a network may write them as modules or as functions.

    Args:
        batch: Images; what has another first dimension is not counted.
    """

    def __init__(self, batch: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.batch = batch
        self.alike: list[Tensor] = []  # (batch, batch) of each rectifier

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Note the input of a rectifier, before it may be changed in place; then compute."""
        if function._overloadpacket in RECTIFIERS and args[0].shape[0] == self.batch:
            on = (args[0].reshape(self.batch, -1) > 0).to(torch.float32)
            off = 1 - on
            self.alike.append(on @ on.t() + off @ off.t())
        return function(*args, **(kwargs or {}))


def nwot_of(network: nn.Module, images: Tensor) -> float:
    """Return log |det K|, K the number of rectifiers that are alike for two images.

    ``-inf`` where two images look the same to all rectifiers, or there are none.

    Args:
        network: In its initial state; computes in training mode.
        images: (batch, channels, height, width), batch >= 2.
    """
    network.train()
    seen = Rectified(len(images))
    with torch.no_grad(), seen:
        network(images)
    if not seen.alike:
        return float("-inf")
    return float(torch.linalg.slogdet(torch.stack(seen.alike).sum(0).double()).logabsdet)


def jacov_of(network: nn.Module, images: Tensor) -> float:
    """Return -sum(log(v + 1e-5) + 1 / (v + 1e-5)), v the eigenvalues of a correlation matrix.

    That of the images' gradients of the sum of the logits. NaN if one of them is constant.

    Args:
        network: In its initial state; computes in training mode.
        images: (batch, channels, height, width), batch >= 2.
    """
    network.train()
    images = images.detach().requires_grad_()
    with frozen(network):
        total = logits_of(network(images)).sum()
        if not total.requires_grad:
            return float("nan")
        found: tuple[Tensor | None, ...] = torch.autograd.grad(total, images, allow_unused=True)
    gradients = found[0]
    return float("nan") if gradients is None else jacov_of_gradients(gradients.flatten(1))


def jacov_of_gradients(gradients: Tensor) -> float:
    """Return jacov, given (batch, values) gradients; NaN if those of an image are constant."""
    correlations = torch.corrcoef(gradients.double())
    if not bool(torch.isfinite(correlations).all()):
        return float("nan")
    v = torch.linalg.eigvalsh(correlations).clamp_min(0) + EPSILON  # rounding makes some negative
    return float(-(torch.log(v) + 1 / v).sum())
