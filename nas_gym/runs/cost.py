"""The cost of a run: training time by device, epochs, evaluations paid and saved."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import compress
from operator import not_
from typing import Any

from nas_gym.store import Row
from nas_gym.store.long_runs import column
from nas_gym.training.images.recipe import PARTS

HOUR = 3600  # seconds
# What the searches of two papers cost, in GPU-hours.
PAPERS: Mapping[str, float] = {
    # "500 GPUs across 4 days": Zoph et al. 2017, section 4.
    "Zoph et al. 2017": 500 * 4 * 24,
    # "0.45 GPU-days" of the micro space: Pham et al. 2018, table 2.
    "Pham et al. 2018 (shared weights)": 0.45 * 24,
}


@dataclass(frozen=True)
class RunCost:
    """What a run paid for, and what it was spared."""

    evaluations: int  # evaluated anew
    evaluations_saved: int  # requests that were answered from memory
    seconds: float  # of the children's trainings, each of which had one device
    seconds_saved: float
    epochs: int | None  # of training; None if nobody knows how many a training has
    epochs_saved: int | None
    device: str | None  # kind of device that trained: "cpu", "cuda"; None: nothing was trained
    looked_up: bool  # the seconds are those that a table has

    @classmethod
    def of(
        cls, rows: Sequence[Row], protocol: Mapping[str, Any], most_epochs: int | None = None
    ) -> "RunCost":
        """Add up what was evaluated anew, and what was not.

        Of a child that went on, the new epochs count. Those saved are what the requests would have
        taken with nothing remembered, less those that were paid.

        Args:
            rows: What was evaluated anew or answered from memory, in order.
            protocol: All that the evaluations depend on.
            most_epochs: Of a whole training, as the evaluator said; None: it did not.
        """
        sources, seconds = column(rows, "source"), column(rows, "seconds")
        known = [source == "memo" for source in sources]
        whole = most_epochs or _epochs(protocol)
        epochs, epochs_saved = (None, None) if whole is None else _count(rows, known, whole)
        return cls(
            evaluations=len(known) - sum(known),
            evaluations_saved=sum(known),
            seconds=sum(compress(seconds, map(not_, known))),
            seconds_saved=sum(compress(seconds, known)),
            epochs=epochs,
            epochs_saved=epochs_saved,
            device=protocol.get("device"),
            looked_up="table" in sources,
        )

    @property
    def device_hours(self) -> float:
        """Hours of one device."""
        return self.seconds / HOUR

    def beside_the_papers(self) -> str | None:
        """Return the device-hours, and those of the papers' searches, in words.

        None if nothing was trained, and no table said how long that takes.
        """
        if self.device is not None:
            hours = "GPU-hours" if self.device == "cuda" else f"{self.device.upper()}-hours"
        elif self.looked_up and self.seconds:
            hours = "device-hours by the table"
        else:
            return None
        papers = "; ".join(f"{name}: {spent:,g} GPU-hours" for name, spent in PAPERS.items())
        many = self.device_hours >= 10
        spent = f"{self.device_hours:,.0f}" if many else f"{self.device_hours:.2g}"
        return f"{spent} {hours} (the search of {papers})"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {**asdict(self), "device_hours": self.device_hours}


def _epochs(protocol: Mapping[str, Any]) -> int | None:
    """Return the epochs of a whole training; None if the protocol does not say.

    None as well if children were not trained for themselves: the recipe is then that of weights
    which all share, and which were trained once.
    """
    if "alone" in protocol:
        return None
    recipe = protocol.get("recipe") or protocol
    if recipe.get("steps"):
        return min(PARTS, int(recipe["steps"]))
    epochs = recipe.get("epochs")
    return epochs if type(epochs) is int and epochs > 0 else None


class PaidEpochs:
    """The epochs that children were trained, counted in the order in which they were.

    Args:
        whole: Of a whole training, >= 1.
    """

    def __init__(self, whole: int) -> None:
        self.whole = whole
        self.total = 0
        self._reached: dict[Hashable, int] = {}

    def add(self, child: Hashable, epochs: int) -> int:
        """Count a child that was trained anew, or went on, and return its new epochs.

        Args:
            child: Tells it from the others.
            epochs: Up to which it was trained; 0: all.
        """
        end, begun = epochs or self.whole, self._reached.get(child, 0)
        # Asked for less than before, it was trained once more.
        new = end - begun if end > begun else end
        self.total += new
        self._reached[child] = max(begun, end)
        return new


def _count(rows: Sequence[Row], known: Sequence[bool], whole: int) -> tuple[int, int]:
    """Return the epochs that were paid, and those that memory saved.

    Args:
        rows: In order.
        known: Which of them were answered from memory.
        whole: Epochs of a whole training.
    """
    ends = column(rows, "epochs")
    if not any(ends):
        return whole * (len(known) - sum(known)), whole * sum(known)
    paid, forgetful = PaidEpochs(whole), PaidEpochs(whole)
    took: dict[Hashable, int] = {}  # by each request when it was first made
    repeated = 0
    children = zip(column(rows, "key"), column(rows, "seed"), strict=True)
    for child, end, is_known in zip(children, ends, known, strict=True):
        if not is_known:
            paid.add(child, end)
        if is_known and (child, end) in took:
            repeated += took[child, end]
        else:
            took[child, end] = forgetful.add(child, end)
    return paid.total, forgetful.total + repeated - paid.total
