"""Any of the proxies for one network: what each of them is given, and in which state."""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from nas_gym.evaluators.proxies.az_nas import az_nas_parts
from nas_gym.evaluators.proxies.gradients import grad_norm_of, gradients_of, snip_of, zico_of
from nas_gym.evaluators.proxies.names import ALIVE
from nas_gym.evaluators.proxies.patterns import jacov_of, nwot_of
from nas_gym.evaluators.proxies.products import multiply_adds_of
from nas_gym.evaluators.proxies.responding import responds, watched
from nas_gym.evaluators.proxies.synflow import flows_of
from nas_gym.evaluators.proxies.weights import put_back, weights_of
from nas_gym.evaluators.proxies.zen import zen_of
from nas_gym.networks.cost import count_parameters
from nas_gym.training.loop import seeded

Batch = tuple[Tensor, Tensor]  # images (batch, channels, height, width), labels (batch,) int64


@dataclass(frozen=True)
class Inputs:
    """What networks are shown, the same for all of them.

    Args:
        noise: Two batches of Gaussian images, for AZ-NAS and Zen whatever the data is.
        data: Two batches with labels: of a data set, or the same noise with random labels.
        seed: Of what a proxy draws itself; another family of proxies draws other numbers.
    """

    noise: tuple[Tensor, Tensor]
    data: tuple[Batch, Batch]
    seed: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        channels, height, width = self.noise[0].shape[1:]
        return int(channels), int(height), int(width)


def gaussian_inputs(
    shape: tuple[int, int, int], classes: int, images: int, seed: int, device: torch.device
) -> Inputs:
    """Draw Gaussian images and random labels.

    Args:
        shape: (channels, height, width) of an image.
        classes: Labels are below this.
        images: Of each of the two batches, >= 2.
        seed: Of all that is drawn.
        device: Where they go; the numbers are those of the CPU's generator.
    """
    random = torch.Generator().manual_seed(seed)
    noise = [
        torch.randn((images, *shape), generator=random)
        # As trainings have them: the convolutions' fast paths take no copy of these.
        .to(device, memory_format=torch.channels_last)
        for _ in range(2)
    ]
    labels = [torch.randint(classes, (images,), generator=random).to(device) for _ in range(2)]
    return Inputs((noise[0], noise[1]), ((noise[0], labels[0]), (noise[1], labels[1])), seed)


def compute(
    network: nn.Module,
    inputs: Inputs,
    names: Collection[str],
    device: torch.device,
    connected: bool = False,
) -> dict[str, float]:
    """Return the values of some proxies for a network, by name, each in its published state.

    The value of a proxy does not depend on which others are asked for. ``ALIVE`` is given as well:
    1, or NaN of a network whose logits are no finite numbers or the same for all images; its other
    values say nothing.

    Args:
        network: As it was initialised, on its device; stays as it is.
        inputs: What it is shown.
        names: From ``values_for``; ``"synflow"`` is the natural logarithm of synflow.
        device: Where network and inputs are.
        connected: Whether the space says that a path leads from the images to the logits: believed
            where no proxy shows the network two images or more.
    """
    values: dict[str, float] = {}
    passes: list[bool] = []  # whether the logits of each differ
    for number, (own, family) in enumerate(FAMILIES.items()):
        wanted = [name for name in own if name in names]
        if wanted:
            with seeded(inputs.seed + number, device), put_back(network), watched(network) as seen:
                found = family(network, inputs, wanted)
            values |= {name: found[name] for name in wanted}
            passes += seen
    alive = any(passes) or (connected and not passes)
    if not alive:
        with seeded(inputs.seed, device):
            alive = responds(network, inputs.noise[0])
    return values | {ALIVE: 1.0 if alive else math.nan}


def _costs(network: nn.Module, inputs: Inputs, names: Collection[str]) -> dict[str, float]:
    costs = {"parameters": float(count_parameters(network))}
    if "multiply_adds" in names:
        device = inputs.noise[0].device
        costs["multiply_adds"] = float(multiply_adds_of(network, inputs.shape, device))
    return costs


def _az_nas(network: nn.Module, inputs: Inputs, names: Collection[str]) -> dict[str, float]:
    del names
    return az_nas_parts(network, inputs.noise[0])._asdict()


def _flows(network: nn.Module, inputs: Inputs, names: Collection[str]) -> dict[str, float]:
    del names
    flows = flows_of(network, inputs.shape)
    return {"synflow": flows.log, "logsynflow": flows.logsynflow}


def _nwot(network: nn.Module, inputs: Inputs, names: Collection[str]) -> dict[str, float]:
    del names
    return {"nwot": nwot_of(network, inputs.data[0][0])}


def _jacov(network: nn.Module, inputs: Inputs, names: Collection[str]) -> dict[str, float]:
    del names
    return {"jacov": jacov_of(network, inputs.data[0][0])}


def _zen(network: nn.Module, inputs: Inputs, names: Collection[str]) -> dict[str, float]:
    del names
    return {"zen": zen_of(network, *inputs.noise)}


def _gradients(network: nn.Module, inputs: Inputs, names: Collection[str]) -> dict[str, float]:
    first = gradients_of(network, *inputs.data[0])
    found = {"grad_norm": grad_norm_of(first), "snip": snip_of(weights_of(network), first)}
    if "zico" in names:
        found["zico"] = zico_of([first, gradients_of(network, *inputs.data[1])])
    return found


Family = Callable[[Any, Inputs, Collection[str]], Mapping[str, float]]
# Values that come of the same passes, and the function that computes them. At the end is room for
# more: a family's number is part of its seed.
FAMILIES: Mapping[tuple[str, ...], Family] = MappingProxyType(
    {
        ("parameters", "multiply_adds"): _costs,
        ("expressivity", "progressivity", "trainability"): _az_nas,
        ("synflow", "logsynflow"): _flows,
        ("nwot",): _nwot,
        ("jacov",): _jacov,
        ("zen",): _zen,
        ("grad_norm", "snip", "zico"): _gradients,
    }
)
