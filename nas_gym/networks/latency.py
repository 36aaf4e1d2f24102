"""How long a network takes for a batch, by torch's own benchmark."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nas_gym.networks.task import LanguageTask

if TYPE_CHECKING:
    from torch import Tensor, nn

BATCHES = (1, 64)
WARM_UP = 3  # runs before the first that counts
SECONDS = 1.0  # of measuring, at least


@dataclass(frozen=True)
class Latency:
    """The time of one forward pass in evaluation mode."""

    batch: int  # images, or streams of a language model
    threads: int  # of torch
    device: str
    median: float  # seconds
    p90: float  # seconds: nine of ten are faster
    blocks: int  # measurements, each the mean of as many runs as a millisecond or more takes

    def in_words(self) -> str:
        """Return it for people."""
        threads = f"{self.threads} thread{'s'[: self.threads != 1]}"
        return (
            f"batch {self.batch}: median {1000 * self.median:.2f} ms, 90 % below "
            f"{1000 * self.p90:.2f} ms ({threads}, {self.device}, {self.blocks} measurements)"
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return asdict(self)


def measure_latency(
    network: "nn.Module",
    task: Any,
    batches: Sequence[int] = BATCHES,
    threads: int = 1,
    seconds: float | None = None,
) -> list[Latency]:
    """Measure forward passes in evaluation mode, after a warm-up, with ``torch.utils.benchmark``.

    Other programs on the machine change it; ``benchmarks/speed/latency.py`` shows how much.

    Args:
        network: Put into evaluation mode; measured where its parameters lie.
        task: What it was built for, which says what it takes.
        batches: Images at once, each >= 1. A language model reads one word or character of as many
            streams.
        threads: Of torch on the CPU, >= 1.
        seconds: To measure each batch for, at least; > 0. ``SECONDS`` by default.
    """
    import numpy as np
    import torch

    Timer = _timer()
    least = SECONDS if seconds is None else seconds
    network.eval()
    device = next(network.parameters()).device
    found = []
    with torch.inference_mode():
        for batch in batches:
            inputs = _inputs(task, batch).to(device)
            timer = Timer(
                "network(inputs)", globals={"network": network, "inputs": inputs},
                num_threads=threads,
            )  # fmt: skip
            timer.timeit(WARM_UP)
            times = timer.blocked_autorange(min_run_time=least).times
            median, p90 = (float(np.quantile(times, q)) for q in (0.5, 0.9))
            found.append(Latency(batch, threads, device.type, median, p90, len(times)))
    return found


def _timer() -> Any:
    """Import torch's ``Timer``, without what it says of a compiler that nobody asked for."""
    logger = logging.getLogger("torch.utils.cpp_extension")
    before, logger.disabled = logger.disabled, True
    try:
        from torch.utils.benchmark import Timer
    finally:
        logger.disabled = before
    return Timer


def _inputs(task: Any, batch: int) -> "Tensor":
    import torch

    if isinstance(task, LanguageTask):
        return torch.zeros(1, batch, dtype=torch.int64)
    images = torch.zeros(batch, task.channels, task.height, task.width)
    return images.contiguous(memory_format=torch.channels_last)
