"""Counts that several functions take, up to what a machine can hold; shares of a data set."""

from typing import Annotated

from annotated_types import Ge, Interval

from nas_gym.errors import InvalidOption

Workers = Annotated[int, Interval(ge=0, le=4096)]  # processes; 0: evaluate in this one
SomeWorkers = Annotated[int, Interval(ge=1, le=4096)]
Threads = Annotated[int, Interval(ge=1, le=1024)]  # of one process
Episodes = Annotated[int, Interval(ge=1, le=1_000_000)]  # side by side
Machines = Annotated[int, Interval(ge=1, le=1_000_000)]  # on the simulated clock
Trainings = Annotated[int, Interval(ge=1, le=1_000_000)]  # of one network, or of so many
Seed = Annotated[int, Interval(ge=0, le=2**63 - 1)]  # of a run: what every record can hold
Pixels = Annotated[int, Interval(ge=1, le=16_384)]  # of a side of an image
TrainShare = Annotated[float, Interval(gt=0, le=1)]  # of the training part
Tolerance = Annotated[float, Ge(0)]  # of a figure that is measured again
Share = Annotated[float, Interval(gt=0, lt=1)] | None  # of a part; None: as is usual


def check_left_to_train(validation: float | None, test: float | None) -> None:
    """Raise InvalidOption if the shares of two parts leave nothing to train."""
    if (validation or 0) + (test or 0) >= 1:
        raise InvalidOption(
            f"validation is {validation} and test is {test}: give shares that leave something to "
            "train"
        )
