"""Pack ``nas-gym tabulate``'s table of NAS-Bench-201 on digits into the one of the wheel.

    python benchmarks/tables/make_digits_table.py

reads ``benchmarks/tables/nasbench201_digits.npz`` and writes
``nas_gym/evaluators/tables/nasbench201_digits.npz``: accuracies as counts of right answers (exact),
seconds as 32-bit floats, parameters and multiply-adds as what each convolution adds, which is
checked for every cell. ``README.md`` here has the command that makes the first file.
"""

import argparse
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from nas_gym.evaluators.tables.digits import FILE, UNTRAINED
from nas_gym.evaluators.tables.nasbench201 import tokens_of_string
from nas_gym.evaluators.tables.note import note_of

SOURCE = Path(__file__).with_name("nasbench201_digits.npz")
IMAGES = 629  # that validate
RECIPE = "nasbench201-digits"


def main() -> None:
    """Write the table and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, default=SOURCE, help="made by nas-gym tabulate")
    parser.add_argument("--target", type=Path, default=FILE)
    options = parser.parse_args()
    data = pack(options.source)
    options.target.write_bytes(data)
    print(f"{options.target} has {len(data):,} bytes")


def pack(source: Path) -> bytes:
    """Return the content of the packed table."""
    note = note_of(source, source.read_bytes())
    assert note is not None, f"{source} was not made by nas-gym tabulate"
    with np.load(source, allow_pickle=False) as arrays:
        table = {name: arrays[name] for name in arrays.files}
    check_making(note)
    counted = note["counted"]
    trained = ~np.isnan(table["accuracy"])  # (cells, seeds)
    counts = table["curves"] * IMAGES
    right = np.where(np.isnan(counts), UNTRAINED, counts.round())
    assert np.nanmax(np.abs(counts - counts.round())) < 1e-6, "an accuracy is no count"
    best = np.nanmax(table["curves"][trained][:, -counted:], axis=1)
    assert (best == table["accuracy"][trained]).all(), "not the best of the last epochs"
    assert ((right != UNTRAINED).all(axis=2) == trained).all(), "a curve has gaps"
    cells = np.array([tokens_of_string(text) for text in table["architecture"].tolist()], np.uint8)
    sums = np.where(trained, table["seconds"], 0.0).sum(axis=1)
    seconds = sums / np.maximum(trained.sum(axis=1), 1)
    file = io.BytesIO()
    np.savez_compressed(
        file,
        cells=cells,
        right=right.astype(np.uint16),
        seconds=seconds.astype(np.float32),
        images=np.array(IMAGES),
        counted=np.array(counted),
        parameters=costs(cells, table["parameters"]),
        multiply_adds=costs(cells, table["multiply_adds"]),
        note=np.array(json.dumps(note)),
    )
    return file.getvalue()


def check_making(note: dict[str, Any]) -> None:
    """Assert that a table is the one that is meant."""
    from nas_gym.training.images.presets import recipe_of
    from nas_gym.training.images.sources import load_dataset

    making = note["making"]
    protocol, digits = making["protocol"], load_dataset("digits")
    assert making["space"] == {"name": "nasbench201", "isomorphic": True}, making["space"]
    assert protocol["fingerprint"] == digits.fingerprint, "another data set than digits"
    assert protocol["recipe"] == recipe_of(RECIPE).to_json(), f"another recipe than {RECIPE}"
    assert len(digits.validation_labels) == IMAGES


def costs(cells: np.ndarray[Any, Any], measured: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return (3,): the rest of the network, what a 1x1 convolution adds, what a 3x3 one adds."""
    features = np.stack([np.ones(len(cells)), (cells == 2).sum(1), (cells == 3).sum(1)], axis=1)
    found = np.linalg.lstsq(features, measured.astype(float), rcond=None)[0].round()
    assert (features @ found == measured).all(), "the convolutions do not say what a network costs"
    return found.astype(np.int64)  # type: ignore[no-any-return]


if __name__ == "__main__":
    main()
