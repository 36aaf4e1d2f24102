"""Networks as text: calls of the plain layers, and what a space returns of its own networks."""

from typing import NamedTuple

from torch import nn

from nas_gym.errors import unknown_name
from nas_gym.networks.convolutions import Convolution
from nas_gym.networks.task import Task

PLAIN = "nas_gym.networks.plain"
_CALLS = {  # operation -> function of ``plain`` and its arguments
    "identity": ("identity", ()),
    "avg_pool_3x3": ("avg_pool", (3,)),
    "max_pool_3x3": ("max_pool", (3,)),
    "max_pool_5x5": ("max_pool", (5,)),
    "max_pool_7x7": ("max_pool", (7,)),
    "sep_conv_3x3": ("sep_conv", (3,)),
    "sep_conv_5x5": ("sep_conv", (5,)),
    "sep_conv_7x7": ("sep_conv", (7,)),
    "dilated_sep_conv_3x3": ("dilated_sep_conv", (3,)),
    "dilated_sep_conv_5x5": ("dilated_sep_conv", (5,)),
    "conv_1x1": ("conv", (1,)),
    "conv_3x3": ("conv", (3,)),
    "dilated_conv_3x3": ("conv", (3,)),
    "conv_1x3_3x1": ("conv_1xn_nx1", (3,)),
    "conv_1x7_7x1": ("conv_1xn_nx1", (7,)),
}


class Source(NamedTuple):
    """The text of a network's classes, the last of which is ``Network``."""

    text: str  # Python, without imports
    modules: tuple[str, ...]  # whose definitions it uses


def operation_call(name: str, inputs: object, outputs: object, stride: int = 1) -> str:
    """Return the call that makes an operation; the numbers of channels may be names.

    Raises:
        UnknownName: There is no such operation.
    """
    if name not in _CALLS:
        raise unknown_name("operation", name, _CALLS)
    function, arguments = _CALLS[name]
    words = [str(inputs), str(outputs), *map(str, arguments)]
    if stride > 1:
        words.append(f"stride={stride}")
    if name == "dilated_conv_3x3":
        words.append("dilation=2")
    return f"{function}({', '.join(words)})"


def module_call(module: nn.Module) -> str:
    """Return the call that makes a stem: convolutions, pools and norms, in a row or alone."""
    if isinstance(module, nn.Sequential):
        return f"nn.Sequential({', '.join(map(module_call, module))})"
    if isinstance(module, Convolution):
        of = module.convolution
        sizes = f"{of.in_channels}, {of.out_channels}, {of.kernel_size}"
        return f"ConvBN({sizes}{'' if of.stride == (1, 1) else f', {of.stride}'})"
    if isinstance(module, nn.Conv2d):
        sizes = f"{module.in_channels}, {module.out_channels}, {module.kernel_size}"
        return f"nn.Conv2d({sizes}, {module.stride}, {module.padding}, bias=False)"
    if isinstance(module, nn.BatchNorm2d):
        return f"nn.BatchNorm2d({module.num_features})"
    if isinstance(module, nn.AvgPool2d):
        return f"nn.AvgPool2d({module.kernel_size}, ceil_mode={module.ceil_mode})"
    return f"nn.{type(module).__name__}()"


def description(parts: str, task: Task) -> str:
    """Return the docstring of ``Network``, which says what it lacks, as it serves evaluation.

    Args:
        parts: What it has, such as ``"15 cells"``.
        task: What it was built for.
    """
    line = (
        f"{parts}; maps images (batch, {task.channels}, {task.height}, {task.width}) to "
        f"{task.classes} logits."
    )
    absent = [f"dropout of {task.dropout:g}"] if task.dropout else []
    if task.drop_path:
        depth = ", scaled by depth" if task.drop_path_by_depth else ""
        absent.append(f"drop-path of {task.drop_path:g}{depth}")
    if not absent:
        return line
    return f"{line}\n\n    Without training's {' and '.join(absent)}.\n    "


def norm_lines(task: Task) -> str:
    """Return the lines that end ``Network.__init__``: what batch norms have unlike torch's own."""
    usual = nn.BatchNorm2d(1, device="meta")
    lines = [
        f"                module.{name} = {value!r}\n"
        for name, value in (("eps", task.batch_norm_eps), ("momentum", task.batch_norm_momentum))
        if value != getattr(usual, name)
    ]
    head = (
        "        for module in self.modules():\n"
        "            if isinstance(module, nn.BatchNorm2d):\n"
    )
    return head + "".join(lines) if lines else ""
