"""The stem that makes small networks affordable on images of any size."""

import math

from torch import nn

from nas_gym.networks.convolutions import Convolution

MOST_PIXELS = 64  # of a side: larger images are averaged down to that first
PIXELS_LEFT = 8  # of the longer side, at most, when the stem is done


class PooledStem(nn.Sequential):
    """Convolutions of stride 2, batch-normalised, until 8 pixels or fewer are left.

    Images of 9 to 16 pixels get one, of 17 to 32 two, of 33 to 64 three; smaller ones one of
    stride 1. The first cell rectifies the output, as it does for the other stems. It is no stem of
    a paper: on one core it brings 32 x 32 images to what 8 x 8 digits cost.

    Args:
        channels: Of the images.
        filters: Of each convolution.
        height: Pixels of the images.
        width: Pixels of the images.
    """

    def __init__(self, channels: int, filters: int, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width  # pixels of the output
        if (times := math.ceil(max(height, width) / MOST_PIXELS)) > 1:
            self._shrink(nn.AvgPool2d(times, ceil_mode=True), times)
        stride = 2 if max(self.height, self.width) > PIXELS_LEFT else 1
        self._shrink(Convolution(channels, filters, (3, 3), (stride, stride)), stride)
        while max(self.height, self.width) > PIXELS_LEFT:
            self.append(nn.ReLU())
            self._shrink(Convolution(filters, filters, (3, 3), (2, 2)), 2)

    def _shrink(self, module: nn.Module, times: int) -> None:
        self.append(module)
        self.height, self.width = (math.ceil(n / times) for n in (self.height, self.width))
