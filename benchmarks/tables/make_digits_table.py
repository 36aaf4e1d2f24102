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
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nas_gym.errors import InvalidTable
from nas_gym.evaluators.tables.digits import FILE, UNTRAINED
from nas_gym.evaluators.tables.nasbench201 import tokens_of_string
from nas_gym.evaluators.tables.note import note_of
from nas_gym.options.files import write_file
from nas_gym.runs.tabulating.architectures import architectures_of
from nas_gym.search_spaces.nasbench201.space import NASBench201

SOURCE = Path(__file__).with_name("nasbench201_digits.npz")
IMAGES = 629  # that validate
SEEDS = 2  # trainings of each cell, at least
RECIPE = "nasbench201-digits"


def main() -> None:
    """Write the table and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, default=SOURCE, help="made by nas-gym tabulate")
    parser.add_argument("--target", type=Path, default=FILE)
    options = parser.parse_args()
    try:
        data = pack(options.source)
    except (InvalidTable, OSError) as error:
        sys.exit(f"make_digits_table: {error}")
    write_file(options.target, data)
    print(f"{options.target} has {len(data):,} bytes")


def pack(source: Path) -> bytes:
    """Return the content of the packed table.

    Raises:
        InvalidTable: Trainings are lacking, or it was not made by ``nas-gym tabulate``.
        OSError: It cannot be read.
    """
    note = note_of(source, source.read_bytes())
    if note is None:
        raise InvalidTable(f"{source} was not made by `nas-gym tabulate`: make it with that")
    with np.load(source, allow_pickle=False) as arrays:
        table = {name: arrays[name] for name in arrays.files}
    check_making(note)
    check_complete(source, table)
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


def check_complete(source: Path, table: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Raise InvalidTable unless every class of cells has all its trainings, done or failed."""
    space = NASBench201(isomorphic=True)
    classes = len(architectures_of(space, None, 0))
    done = ~np.isnan(table["accuracy"]) | (table["failure"] != "")
    lacking = classes * max(SEEDS, done.shape[1]) - int(done.sum())
    if lacking:
        raise InvalidTable(
            f"{source} lacks {lacking:,} of the trainings of {classes:,} cells with {SEEDS} seeds: "
            "go on with `nas-gym tabulate`, as README.md here says, until it is complete"
        )


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
