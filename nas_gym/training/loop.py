"""What children are trained on."""

import torch


def training_device(given: torch.device | str | None = None) -> torch.device:
    """That device; by default the GPU where there is one, else the CPU."""
    return torch.device(given or ("cuda" if torch.cuda.is_available() else "cpu"))
