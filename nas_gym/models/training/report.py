"""What is said when a training is done."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nas_gym.options.durations import duration_in_words

if TYPE_CHECKING:
    from nas_gym.models.training.train import Trained


def lines_of(trained: "Trained") -> Iterator[str]:
    """Yield the figures of a training, and what can be done with its model."""
    figures, folder = trained.model.figures, trained.folder
    yield f"{figures['architecture']} on {figures['dataset']}, seed {figures['seed']}"
    for name, words in (
        ("validation_accuracy", "validation accuracy"),
        ("test_accuracy", "test accuracy"),
        ("validation_perplexity", "validation perplexity"),
        ("test_perplexity", "test perplexity"),
    ):
        if name in figures and not ("accuracy" in name and "validation_perplexity" in figures):
            yield f"{words}: {figures[name]:.4f}{_of(figures, name)}"
    yield (
        f"{figures['parameters']:,} parameters, {figures['multiply_adds']:,} multiply-adds, "
        f"{figures['epochs']} epochs in {duration_in_words(float(figures['training_seconds']))}"
    )
    yield f"written to {folder}: model.safetensors, model.py, README.md, log.csv, curve.png, …"
    images = "test_images" in figures or "train_images" in figures
    yield f"`nas-gym predict {folder} {'IMAGE...' if images else 'TEXT.txt'}` uses it"


def _of(figures: Any, name: str) -> str:
    """Return how many images an accuracy is of, and its standard error."""
    part = name.partition("_")[0]
    count = figures.get(f"{part}_images")
    if not count:
        return ""
    share = figures[name]
    error = (share * (1 - share) / count) ** 0.5
    return f" ({round(share * count):,} of {count:,} images; standard error {error:.4f})"
