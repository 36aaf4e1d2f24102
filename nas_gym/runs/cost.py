"""The cost of a run: training time by device, epochs, evaluations paid and saved."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
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

    @classmethod
    def of(cls, paid: Sequence[Row], memo: Sequence[Row], protocol: Mapping[str, Any]) -> "RunCost":
        """Add up what was evaluated anew, and what was not.

        Of a child that went on, the new epochs count.

        Args:
            paid: Rows that were evaluated anew, in order.
            memo: Requests that were answered from memory.
            protocol: All that the evaluations depend on.
        """
        whole = _epochs(protocol)
        return cls(
            evaluations=len(paid),
            evaluations_saved=len(memo),
            seconds=sum(column(paid, "seconds")),
            seconds_saved=sum(column(memo, "seconds")),
            epochs=None if whole is None else _paid_epochs(paid, whole),
            epochs_saved=None if whole is None else _all_epochs(memo, whole),
            device=protocol.get("device"),
        )

    @property
    def device_hours(self) -> float:
        """Hours of one device."""
        return self.seconds / HOUR

    def beside_the_papers(self) -> str:
        """Return the device-hours, and those of the papers' searches, in words."""
        kind = "GPU" if self.device == "cuda" else str(self.device).upper()
        papers = "; ".join(f"{name}: {hours:,g} GPU-hours" for name, hours in PAPERS.items())
        return f"{self.device_hours:.2g} {kind}-hours (the search of {papers})"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {**asdict(self), "device_hours": self.device_hours}


def _epochs(protocol: Mapping[str, Any]) -> int | None:
    """Return the epochs of a whole training; None if the protocol does not say."""
    recipe = protocol.get("recipe") or protocol
    if recipe.get("steps"):
        return min(PARTS, int(recipe["steps"]))
    epochs = recipe.get("epochs")
    return epochs if type(epochs) is int and epochs > 0 else None


def _paid_epochs(rows: Sequence[Row], whole: int) -> int:
    ends = [end or whole for end in column(rows, "epochs")]
    if set(ends) <= {whole}:
        return whole * len(ends)
    reached: dict[tuple[str, int], int] = {}
    total = 0
    children = zip(column(rows, "key"), column(rows, "seed"), strict=True)
    for child, end in zip(children, ends, strict=True):
        begun = reached.get(child, 0)
        total += end - begun if end > begun else end  # asked for less: it was trained once more
        reached[child] = max(begun, end)
    return total


def _all_epochs(rows: Sequence[Row], whole: int) -> int:
    return sum(end or whole for end in column(rows, "epochs"))
