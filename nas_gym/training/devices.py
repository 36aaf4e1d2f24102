"""Devices as users name them: ``cpu``, ``cuda``, ``cuda:1``, or several, separated by commas.

What is no device at all is refused without importing torch; what is not there, with it.
"""

import re
from collections import Counter
from typing import TYPE_CHECKING

from nas_gym.errors import InvalidOption
from nas_gym.options import check
from nas_gym.options.printable import shown

if TYPE_CHECKING:
    import torch

_ONE = re.compile(r"cpu|cuda(:\d{1,3})?", re.ASCII)


def devices_of(given: str) -> tuple[str, ...]:
    """Return the devices that are named, at least one; the same one may be named again.

    Args:
        given: e.g. ``"cuda:0,cuda:1"``.

    Raises:
        InvalidOption: No such devices, or some of the CPU and some of a GPU.
    """
    named = tuple(part.strip() for part in check("device", given, str).split(","))
    if not all(map(_ONE.fullmatch, named)):
        raise InvalidOption(
            f"device is {shown(given)}: give cpu, cuda or cuda:N, or several, separated by commas"
        )
    if len(set(map(kind_of_device, named))) > 1:
        raise InvalidOption(
            f"device is {shown(given)}, and a GPU computes other results than a CPU: give devices "
            "of one kind"
        )
    return named


def kind_of_device(device: str) -> str:
    """Return ``"cpu"`` or ``"cuda"``, of the first if several are named."""
    return device.partition(",")[0].partition(":")[0].strip()


def one_device(given: str) -> str:
    """Return the one device that is named; raise InvalidOption for none or several."""
    devices = devices_of(given)
    if len(devices) > 1:
        raise InvalidOption(f"device is {shown(given)}: give one, only trainings share several")
    return devices[0]


def check_there(device: str | None) -> None:
    """Raise InvalidOption if one of the devices is not there; torch is imported for GPUs only."""
    for each in devices_of(device) if device is not None else ():
        if kind_of_device(each) != "cpu":
            from nas_gym.training.loop import training_device

            training_device(each)


def device_of(device: str, worker: int) -> str:
    """Return the device of a worker process, from 0: they take those named in turns."""
    devices = devices_of(device)
    return devices[worker % len(devices)]


def sharing_in_words(device: str, workers: int) -> str:
    """Return which workers have which devices: ``3 workers: 2 on cuda:0, 1 on cuda:1``.

    Args:
        device: One, or several.
        workers: Processes; 0 stands for this one.
    """
    workers = max(1, workers)
    counts = Counter(device_of(device, worker) for worker in range(workers))
    each = [f"{counts[name]} on {name}" for name in dict.fromkeys(devices_of(device))]
    return f"{workers} worker{'s'[: workers != 1]}: {', '.join(each)}"


def moved(network: "torch.nn.Module", device: str | None) -> "torch.device":
    """Move a network to a device, or leave it where it is for None; return where it is now."""
    from nas_gym.training.loop import training_device

    if device is not None:
        network.to(training_device(one_device(device)))
    return next(network.parameters()).device
