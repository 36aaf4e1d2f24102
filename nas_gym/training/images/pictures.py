"""All images of a folder as one array, and what is to be said of how they were read."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nas_gym.errors import InvalidDataset
from nas_gym.options.printable import printable
from nas_gym.training.images.colours import BYTES, CUT, DARK, UNIT
from nas_gym.training.images.decoding import read_picture
from nas_gym.training.images.folders import Listing
from nas_gym.training.images.part_names import plain_name
from nas_gym.training.images.summary import Reading
from nas_gym.training.memory import check_memory
from nas_gym.training.preparation import telling


def read_pictures(folder: Path, listing: Listing, side: int) -> tuple[np.ndarray, Reading]:
    """Read all images (N, 3, side, side), and say how they came to be."""
    count = len(listing.paths)
    # The parts are a copy of the whole, and each image is resized as floats.
    check_memory(
        2 * count * 3 * side**2 + 16 * side**2, f"{count} images of {side} x {side} pixels"
    )
    images = np.empty((count, 3, side, side), dtype=np.uint8)
    found = FolderFindings()
    for index, path in enumerate(telling(listing.paths, "files of the data set read")):
        picture = read_picture(path, side)
        images[index] = picture.pixels
        found.add(path, picture.size, picture.notes)
    return images, found.reading(folder, listing)


class FolderFindings:
    """What was found in the images that were read so far."""

    def __init__(self) -> None:
        self.sizes: Counter[tuple[int, int]] = Counter()
        self.notes: Counter[str] = Counter()
        self.scales: dict[str, str] = {}  # that of floats -> a file that has it

    def add(self, path: str, size: tuple[int, int], notes: frozenset[str]) -> None:
        """Add what an image was like.

        Raises:
            InvalidDataset: Its floats are on another scale than those before.
        """
        self.sizes[size] += 1
        self.notes.update(notes)
        self.scales.update(dict.fromkeys(notes & {UNIT, BYTES}, path))
        check_scales(self.scales)

    def reading(self, folder: Path, listing: Listing, warnings: Sequence[str] = ()) -> Reading:
        """Return all of that, once the images of a folder are read.

        Args:
            folder: The folder, for messages.
            listing: What is in it.
            warnings: More of them.

        Raises:
            InvalidDataset: All images would be black.
        """
        notes = Counter(self.notes)
        if notes[DARK] and not notes[CUT]:
            raise InvalidDataset(
                f"{printable(folder)}: its images of 16 bits never reach 256 of 65,535 and would "
                "all be black: save them with 8 bits, or use the whole range"
            )
        dark = [f"{notes[DARK]} images are {DARK}: save them with 8 bits"] if notes[DARK] else []
        if listing.nested:
            notes["in folders within their class's folder, which count as the class's"] = (
                listing.nested
            )
        said = (*dark, *_alike(listing.classes), *warnings)
        return Reading(dict(self.sizes), listing.left_out, dict(+notes), said)


def check_scales(scales: Mapping[str, str]) -> None:
    """Raise InvalidDataset if floats are on two scales.

    Args:
        scales: Those that were met, each with a file that has it.
    """
    if len(scales) > 1:
        raise InvalidDataset(
            f'{printable(scales[UNIT])} has floats from 0 to 1 (mode "F") and '
            f"{printable(scales[BYTES])} from 0 to 255: save all on one scale"
        )


def _alike(classes: Sequence[str]) -> list[str]:
    """Return a warning for classes whose names differ in case, blanks or how letters are coded."""
    first: dict[str, str] = {}
    pairs = [(first.setdefault(plain_name(name), name), name) for name in classes]
    return [
        f"the classes {printable(one)} and {printable(other)} differ only in how their names are "
        "written"
        for one, other in pairs
        if one != other
    ]
