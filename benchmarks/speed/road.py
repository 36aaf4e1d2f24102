"""Time the README's road from a search to a prediction: four commands on the embedded digits.

    python benchmarks/speed/road.py --write

runs ``nas-gym search``, ``train``, ``export`` and ``predict`` one after the other in a temporary
folder, as the README has them, and writes ``benchmarks/results/road.md``.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import machine, report
from nas_gym.runs.markdown import numbers_table

COMMANDS = (
    "search --run first",
    "train first --to my_model",
    "export my_model --to shared --pt2",
    "predict my_model digit.png --json",
)


def main() -> None:
    """Run the commands and print how long each took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the results page")
    parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        label = _draw_digit(Path(folder) / "digit.png")
        seconds = []
        for command in COMMANDS:
            start = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-m", "nas_gym", *command.split()],
                cwd=folder, check=True, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            seconds.append(time.perf_counter() - start)
        figures = json.loads((Path(folder) / "my_model" / "config.json").read_text())["figures"]
    (found,) = json.loads(done.stdout)
    best = found["classes"][0]
    rows = [[f"`nas-gym {c}`", f"{s:.0f}"] for c, s in zip(COMMANDS, seconds, strict=True)]
    rows.append(["all four", f"{sum(seconds):.0f}"])
    text = (
        f"Wall-clock seconds on this machine ({machine()}); printed by "
        "`python benchmarks/speed/road.py`.\n\n"
        + numbers_table(["command", "seconds"], rows)
        + f"\n\nThe network has {figures['parameters']:,} parameters; test accuracy "
        f"{figures['test_accuracy']:.4f} of {figures['test_images']} images. A {label} is taken "
        f"for a {best['class']} with probability {best['probability']:.2f}.\n"
    )
    report("road", text)


def _draw_digit(path: Path) -> int:
    """Write a digit of the test part's kind as a picture; return what it is."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = (digits.images[0] * 255 / 16).round().astype("uint8")
    Image.fromarray(pixels).save(path)
    return int(digits.target[0])


if __name__ == "__main__":
    main()
