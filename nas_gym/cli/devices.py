"""The option ``--device``."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import tyro

from nas_gym.cli.shared import OptionalText
from nas_gym.training.devices import check_there, devices_of, sharing_in_words

TrainingDevice = Annotated[
    OptionalText,
    tyro.conf.arg(
        help="Device that trains: cpu, cuda, cuda:1, or several, cuda:0,cuda:1, which the workers "
        "share in turns; a GPU if there is one by default."
    ),
]


def device_of_trainer(evaluator: object) -> str | None:
    """Return the device that an evaluator trains on; None if it names none."""
    device = getattr(evaluator, "device", None) if hasattr(evaluator, "recipe") else None
    return device if isinstance(device, str) else None


def recorded_device(config: Mapping[str, Any]) -> str | None:
    """Return the same of a run, from its recorded configuration."""
    device = (config.get("evaluator") or {}).get("device")
    return device if isinstance(device, str) else None


def say_devices(device: str | None, workers: int) -> None:
    """Say on stderr which workers have which device, unless it is not given or the CPU alone.

    Raises:
        InvalidOption: There is no such device.
    """
    if device is None:
        return
    check_there(device)
    if devices_of(device) != ("cpu",):
        print(sharing_in_words(device, workers), file=sys.stderr)
