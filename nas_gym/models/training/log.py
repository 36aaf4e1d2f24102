"""What a training has come to: a line per epoch, or part, in ``log.csv``; its learning curve."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas_gym.errors import InvalidModel
from nas_gym.options.durations import time_in_words
from nas_gym.options.files import write_file
from nas_gym.options.printable import printable

LOG, CURVE = "log.csv", "curve"


def write_log(folder: Path, epochs: Sequence[dict[str, Any]]) -> None:
    """Write one line per epoch, whole or not at all.

    Raises:
        InvalidModel: It cannot be written.
    """
    text = io.StringIO()
    if epochs:
        writer = csv.DictWriter(text, list(epochs[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(epochs)
    try:
        write_file(folder / LOG, text.getvalue().encode())
    except OSError as error:
        raise InvalidModel(
            f"cannot write to {printable(folder)} ({error.strerror or error}): make room, then go "
            "on with resume=True"
        ) from error


def draw_curve(folder: Path, epochs: Sequence[dict[str, Any]], title: str) -> list[Path]:
    """Draw loss and the leading figure by epoch, as PNG and SVG; return the files."""
    from nas_gym.drawing import save
    from nas_gym.drawing.curves import draw_training_curve

    figure = draw_training_curve(epochs, title=title)
    return [save(figure, folder / f"{CURVE}{suffix}") for suffix in (".png", ".svg")]


def line_of(epoch: dict[str, Any], epochs: int, left: float) -> str:
    """Return what is said after an epoch, or a part.

    Args:
        epoch: Its line in the log, which begins with its number.
        epochs: Of the training.
        left: Seconds until the end, as it goes.
    """
    figures = ", ".join(
        f"{name.replace('_', ' ')} {value:.4f}"
        for name, value in epoch.items()
        if name in ("loss", "validation_accuracy", "validation_perplexity")
    )
    end = f", about {time_in_words(rounded(left))} left" if left else ""
    unit = next(iter(epoch))
    return f"{unit} {epoch[unit]}/{epochs}: {figures}, {time_in_words(epoch['seconds'])}{end}"


def rounded(seconds: float) -> float:
    """Return a span of time as exactly as it is known: seconds, minutes, or quarters of an hour."""
    unit = 1 if seconds < 120 else 60 if seconds < 7200 else 900
    return float(max(1, round(seconds / unit)) * unit)
