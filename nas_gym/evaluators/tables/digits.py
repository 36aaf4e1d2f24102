"""NAS-Bench-201's cells on digits: a table with learning curves that nas-gym trained itself.

One cell of each class of isomorphic ones was trained, by ``nas-gym tabulate`` with the recipe
``nasbench201-digits``; ``benchmarks/tables/make_digits_table.py`` packed that table into the file
here, as counts of right answers. ``benchmarks/tables/README.md`` has both commands.
"""

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nas_gym.errors import InvalidTable
from nas_gym.evaluators.tables.tabular import Entry
from nas_gym.search_spaces.nasbench201.canonical import canonical_key
from nas_gym.search_spaces.nasbench201.genotype import OPERATIONS

FILE = Path(__file__).with_name("nasbench201_digits.npz")
UNTRAINED = 2**16 - 1  # in place of a count
_ONE, _THREE = OPERATIONS.index("nor_conv_1x1"), OPERATIONS.index("nor_conv_3x3")

Cell = tuple[int, ...]


@dataclass(frozen=True)
class Costs:
    """What a network costs: a part of its own, and one for each edge with a convolution."""

    rest: int
    conv_1x1: int
    conv_3x3: int

    def of(self, cell: Cell) -> int:
        """Return what the network of a cell costs."""
        return self.rest + self.conv_1x1 * cell.count(_ONE) + self.conv_3x3 * cell.count(_THREE)


@dataclass(frozen=True)
class Digits:
    """The content of the file.

    Args:
        right: (classes, seeds, epochs) right answers after each epoch; ``UNTRAINED`` for none.
        seconds: (classes,) processor time of one training.
        keys: The class of each canonical key.
        images: That the validation part has.
        counted: How many of the last epochs the accuracy is the best of.
        parameters: Trainable ones of a network.
        multiply_adds: Of one image.
        note: What the table was made with.
        fingerprint: SHA-256 of the file.
    """

    right: np.ndarray[Any, Any]
    seconds: np.ndarray[Any, Any]
    keys: Mapping[str, int]
    images: int
    counted: int
    parameters: Costs
    multiply_adds: Costs
    note: Mapping[str, Any] = field(repr=False)
    fingerprint: str

    @property
    def epochs(self) -> int:
        """The epochs of a training."""
        return int(self.right.shape[2])

    def entries(self, cells: Iterable[Cell]) -> dict[Cell, Entry]:
        """Return what is known of those cells of which something is."""
        classes = [self._class(number) for number in range(len(self.right))]
        found = {}
        for cell in cells:
            number = self.keys.get(canonical_key(tuple(OPERATIONS[token] for token in cell)))
            if number is None or not classes[number][0]:
                continue
            accuracies, curves = classes[number]
            costs = {
                "parameters": self.parameters.of(cell),
                "multiply_adds": self.multiply_adds.of(cell),
            }
            found[cell] = Entry(accuracies, float(self.seconds[number]), costs, curves)
        return found

    def _class(self, number: int) -> tuple[tuple[float, ...], tuple[tuple[float, ...], ...]]:
        """Return the accuracies and the curves of a class, of the seeds it was trained with."""
        counts = [seed for seed in self.right[number].tolist() if seed[0] != UNTRAINED]
        curves = tuple(tuple(count / self.images for count in seed) for seed in counts)
        return tuple(max(curve[-self.counted :]) for curve in curves), curves


def read_digits_table(file: Path | None = None) -> Digits:
    """Read the table.

    Args:
        file: Where it lies; by default in this package.

    Raises:
        InvalidTable: It is not there, or cannot be read.
    """
    path = FILE if file is None else file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidTable(
            f"the table of NAS-Bench-201 on digits cannot be read ({error.strerror or error}: "
            f"{path}): install nas-gym again, or make it with "
            "`python benchmarks/tables/make_digits_table.py`"
        ) from error
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            cells = [tuple(OPERATIONS[t] for t in cell) for cell in arrays["cells"].tolist()]
            return Digits(
                arrays["right"],
                arrays["seconds"],
                {canonical_key(cell): number for number, cell in enumerate(cells)},
                int(arrays["images"]),
                int(arrays["counted"]),
                Costs(*arrays["parameters"].tolist()),
                Costs(*arrays["multiply_adds"].tolist()),
                json.loads(str(arrays["note"])),
                hashlib.sha256(data).hexdigest(),
            )
    except Exception as error:  # zipfile's, zlib's, json's
        raise InvalidTable(
            f"{path} is no table of NAS-Bench-201 on digits ({type(error).__name__}: {error}): "
            "install nas-gym again"
        ) from error
