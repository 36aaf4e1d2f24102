"""What a task says of batch norms and of dropout, for the networks of every image space."""

import torch.nn.functional as F
from torch import Tensor, nn

from nas_gym.networks.task import Task


def set_norms(network: nn.Module, task: Task) -> None:
    """Give every batch norm of ``network`` the epsilon and the momentum of ``task``.

    Call it at the end of a constructor, when all of them are there.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps, module.momentum = task.batch_norm_eps, task.batch_norm_momentum


def dropped_out(features: Tensor, task: Task, training: bool) -> Tensor:
    """Return what goes into the classifier: ``features`` after the dropout of ``task``.

    In evaluation, and without dropout, they stay as they are, and no random number is drawn.

    Args:
        features: (batch, channels)
        task: Has ``dropout``.
        training: Whether the network is in training mode.
    """
    return F.dropout(features, task.dropout) if training and task.dropout else features


def cell_options(task: Task) -> str:
    """Return in words what ``task`` says that networks of NASNet's cells alone understand."""
    words = f"stem {task.stem!r}, auxiliary {task.auxiliary}, drop_path {task.drop_path:g}"
    more = ("drop_path_by_depth", "skip_reduction_input")
    return ", ".join([words, *(f"{name} True" for name in more if getattr(task, name))])
