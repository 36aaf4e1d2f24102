"""Counts that several functions take, up to what a machine can hold."""

from typing import Annotated

from annotated_types import Interval

Workers = Annotated[int, Interval(ge=0, le=4096)]  # processes; 0: evaluate in this one
SomeWorkers = Annotated[int, Interval(ge=1, le=4096)]
Threads = Annotated[int, Interval(ge=1, le=1024)]  # of one process
Episodes = Annotated[int, Interval(ge=1, le=1_000_000)]  # side by side
Machines = Annotated[int, Interval(ge=1, le=1_000_000)]  # on the simulated clock
Seed = Annotated[int, Interval(ge=0, le=2**63 - 1)]  # of a run: what every record can hold
Pixels = Annotated[int, Interval(ge=1, le=16_384)]  # of a side of an image
