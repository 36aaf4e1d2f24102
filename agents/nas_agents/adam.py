"""Adam (Kingma & Ba 2015, algorithm 1) in NumPy, for agents whose parameters grow as they search.

``torch.optim.Adam`` has one number of steps for a whole tensor and cannot widen it. The LSTM agents
have their own (``nas_agents.lstm.controller.FlatAdam``), which is measured.
"""

import numpy as np

from nas_agents.arrays import Floats, Ints

EPSILON = 1e-8


def adam(
    gradient: Floats,
    mean: Floats,
    square: Floats,
    steps: int | Floats,
    rate: float,
    decays: tuple[float, float],
) -> tuple[Floats, Floats, Floats]:
    """Return the step along ``gradient``, and the moving averages that it leaves.

    Args:
        gradient: Of the parameters, in any shape.
        mean: Moving average of the gradients before this one.
        square: Moving average of their squares.
        steps: Steps taken, this one included, >= 1; one number, or one for each row.
        rate: Length of a step, > 0.
        decays: Weight of the past in both averages, in [0, 1).
    """
    mean = decays[0] * mean + (1 - decays[0]) * gradient
    square = decays[1] * square + (1 - decays[1]) * gradient**2
    root = np.sqrt(square / (1 - decays[1] ** steps))
    return rate * (mean / (1 - decays[0] ** steps)) / (root + EPSILON), mean, square


class GrowingAdam:
    """Adam on one array, whose averages grow with it; new places start with averages of 0."""

    def __init__(self, rate: float, first_decay: float, second_decay: float) -> None:
        self.steps = 0
        self.rate = rate
        self.decays = (first_decay, second_decay)
        self._mean: Floats = np.zeros(0)
        self._square: Floats = np.zeros(0)

    def move(self, gradient: Floats) -> Floats:
        """Return what to subtract to go down the gradient; of its shape."""
        if not self.steps:
            self._mean, self._square = np.zeros_like(gradient), np.zeros_like(gradient)
        if self._mean.shape != gradient.shape:
            wider = [(0, b - a) for a, b in zip(self._mean.shape, gradient.shape, strict=True)]
            self._mean, self._square = np.pad(self._mean, wider), np.pad(self._square, wider)
        self.steps += 1
        moved, self._mean, self._square = adam(
            gradient, self._mean, self._square, self.steps, self.rate, self.decays
        )
        return moved


class RowwiseAdam:
    """Adam on a table, each row of which is a parameter with its own number of steps."""

    def __init__(self, rate: float, columns: int, decays: tuple[float, float]) -> None:
        self.rate = rate
        self.decays = decays
        self.steps: Floats = np.zeros((0, 1))
        self.mean: Floats = np.zeros((0, columns))  # of the gradients, moving
        self.square: Floats = np.zeros((0, columns))

    def move(self, gradient: Floats, rows: Ints) -> Floats:
        """Return what to add to ``rows`` to go up ``gradient``, (rows of the table, columns)."""
        self._make_room(gradient.shape)
        self.steps[rows] += 1
        moved, self.mean[rows], self.square[rows] = adam(
            gradient[rows],
            self.mean[rows],
            self.square[rows],
            self.steps[rows],
            self.rate,
            self.decays,
        )
        return moved

    def _make_room(self, shape: tuple[int, ...]) -> None:
        new = shape[0] - len(self.steps)
        if new:
            self.steps = np.concatenate([self.steps, np.zeros((new, 1))])
            self.mean = np.concatenate([self.mean, np.zeros((new, shape[1]))])
            self.square = np.concatenate([self.square, np.zeros((new, shape[1]))])
