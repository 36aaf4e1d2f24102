"""The network as a program for other runtimes: ``model.pt2`` (torch.export) and ``model.onnx``.

Both take any batch; the size of the images is that of the network.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_gym.errors import InvalidOption, not_installed
from nas_gym.networks.task import Task
from nas_gym.options.printable import shortened

if TYPE_CHECKING:
    from torch import nn


def write_pt2(network: "nn.Module", task: Any, path: Path) -> None:
    """Write what ``torch.export.load(path).module()(images)`` runs, with torch alone.

    Args:
        network: In evaluation mode, on the CPU.
        task: What it was built for.
        path: Of the file.

    Raises:
        InvalidOption: The network does not take images.
    """
    import torch

    program = _program(network, task)
    with _quiet():
        torch.export.save(program, path)


def write_onnx(network: "nn.Module", task: Any, path: Path) -> None:
    """Write an ONNX file: input ``images`` (batch, channels, height, width), output ``logits``.

    Args:
        network: In evaluation mode, on the CPU.
        task: What it was built for.
        path: Of the file.

    Raises:
        InvalidOption: The network does not take images, or ONNX's packages are not installed.
    """
    import torch

    check_images(task)
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise InvalidOption(not_installed("writing ONNX", error.name, "onnx")) from error
    program = _program(network, task)  # given the network, it would fall back to one fixed batch
    with _quiet():
        torch.onnx.export(
            program, (), path, dynamo=True, verbose=False,
            input_names=["images"], output_names=["logits"], external_data=False,
        )  # fmt: skip


PROGRAMS: dict[str, Callable[["nn.Module", Any, Path], None]] = {
    "model.pt2": write_pt2,
    "model.onnx": write_onnx,
}


def check_images(task: Any) -> None:
    """Raise InvalidOption if a network cannot be written as a program."""
    if not isinstance(task, Task):
        raise InvalidOption(
            "only networks for images are written as .pt2 or .onnx, and this is a language model: "
            "leave that out"
        )


def _program(network: "nn.Module", task: Any) -> Any:
    """Return the network as torch.export has it, for any batch."""
    import torch

    check_images(task)
    example = torch.zeros(2, task.channels, task.height, task.width)
    shapes = ({0: torch.export.Dim("batch")},)
    try:
        with _quiet():
            return torch.export.export(network, (example,), dynamic_shapes=shapes)
    except Exception as error:  # of a user's own network
        reason = shortened(" ".join(str(error).split()), 300)
        raise InvalidOption(
            f"torch cannot export this network for batches of any size ({reason}): leave out .pt2 "
            "and .onnx"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' warnings and steps from the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
