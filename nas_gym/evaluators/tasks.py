"""What the networks of an evaluator's architectures are built for, as far as it says."""

from typing import Any

from nas_gym.networks.task import LanguageTask, Task
from nas_gym.registry import unwrapped


def task_of(evaluator: Any, genotype: Any) -> Task | LanguageTask | None:
    """Return what an architecture's network is built for; None if the evaluator does not say.

    Args:
        evaluator: One that trains says it with ``task_of(genotype)``, one whose networks are all
            built alike with ``networks_task``.
        genotype: The architecture.

    Raises:
        InvalidDataset: Its data, which say it, cannot be read.
    """
    inner = says(evaluator)
    of = getattr(inner, "task_of", None)
    task = getattr(inner, "networks_task", None) if of is None else of(genotype)
    return task if isinstance(task, Task | LanguageTask) else None


def says(evaluator: Any) -> Any:
    """Return what knows of the networks: of shared weights their trainer."""
    inner = unwrapped(evaluator)
    return getattr(inner, "trainer", inner)
