"""The text of a convolutional network: one line per layer."""

from collections.abc import Iterator
from typing import Any

import torch

from nas_gym.networks.source import PLAIN, Source, description, norm_lines
from nas_gym.networks.task import Task
from nas_gym.search_spaces.conv_net.genotype import ConvNetGenotype
from nas_gym.search_spaces.conv_net.network import ConvBlock, ConvNetwork

_CLASS = '''\
class Network(nn.Module):
    """{description}"""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
{layers}
            ]
        )
        self.classifier = nn.Linear({width_of_last}, {classes})
{norms}
    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of normalised images."""
{steps}
        return self.classifier(h.mean(dim=(2, 3)))
'''


def source(genotype: ConvNetGenotype, task: Task) -> Source:
    """Return the network of a genotype as text."""
    with torch.device("meta"):
        network = ConvNetwork(genotype, task)
    text = _CLASS.format(
        description=description(f"{len(network.layers)} layers", task), classes=task.classes,
        layers="\n".join(_layers(network)),
        width_of_last=network.classifier.in_features, steps="\n".join(_steps(network)),
        norms=norm_lines(task),
    )  # fmt: skip
    return Source(text, (PLAIN, "nas_gym.search_spaces.conv_net.plain"))


def _layers(network: ConvNetwork) -> Iterator[str]:
    layers: Any = network.layers
    for layer in layers:
        if isinstance(layer, ConvBlock):
            first: Any = layer.convolutions[0]
            words: list[Any] = [first.in_channels, first.out_channels, first.kernel_size]
            words += [layer.stride] if layer.stride != (1, 1) else []
            times = len(layer.convolutions)
            more = f", times={times}" if times > 1 else ""
            yield f"                DenseConvs({', '.join(map(str, words))}{more}),"
        else:
            window, stride, _ = zip(*layer.axes, strict=True)
            yield f"                SameMaxPool({window}, {stride}),"


def _steps(network: ConvNetwork) -> Iterator[str]:
    """Yield one line per layer, and the pools between them."""
    for i, sources in enumerate(network.sources):
        if i in network.pools:
            names = [f"h{source}" for source in sorted(network.pools[i])]
            if any(not later for later in network.sources[i:]):
                names.insert(0, "images")
            for name in names:
                yield f"        {name} = halved({name})"
        yield f"        h{i} = self.layers[{i}]({_joined(sources) if sources else 'images'})"
    yield f"        h = {_joined(network.loose)}"


def _joined(sources: tuple[int, ...] | list[int]) -> str:
    names = [f"h{source}" for source in sources]
    return names[0] if len(names) == 1 else f"concatenated([{', '.join(names)}])"
