"""Fast path; read ``networks/recurrent.py`` first. What the fused recurrent layers share.

These are products, elementwise functions and their slopes.

NumPy, on the tensors' memory, calls small functions in a third of torch's time and has the faster
tanh; torch has the faster sigmoid. Products of matrices stay with torch, which keeps them to its
number of threads.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = npt.NDArray[Any]

BLOCK = 16_384  # numbers of an array in the backward pass (fewest microseconds, as measured)
LEAST_SLAB = 2**22  # numbers; what is not used takes no memory, and what is counts as one piece
WORTH_ONEDNN = 2**20  # multiply-adds of a product from which oneDNN is faster (as measured)


def _onednn() -> Callable[..., Tensor] | None:
    """Return oneDNN's product, which has no public name in torch, or None without it."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return None
    try:
        operation: Callable[..., Tensor] = torch.ops.mkldnn._linear_pointwise.default
    except AttributeError:
        return None
    return operation


_linear = _onednn()


def product(x: Tensor, weights: Tensor) -> Tensor:
    """Return ``x @ weights.t()``, a new tensor.

    On the processor of AMD where this was measured, oneDNN, which torch uses for its LSTM, takes
    half the time of torch's own product if that is large, and more if it is small.

    Args:
        x: (rows, inner)
        weights: (columns, inner)
    """
    work = x.shape[0] * x.shape[1] * weights.shape[0]
    if _linear is not None and work >= WORTH_ONEDNN and x.dtype == torch.float32:
        # Of parts of larger matrices it would fall back to code a hundred times slower.
        straight = weights.is_contiguous() or weights.t().is_contiguous()
        given = weights if straight else weights.contiguous()
        return _linear(x.contiguous(), given, None, "none", [], "")
    return x @ weights.t()


def weight_gradient(of_products: Tensor, x: Tensor) -> Tensor:
    """Return ``of_products.t() @ x``: the gradient of the weights that made products of ``x``.

    Args:
        of_products: (rows, columns)
        x: (rows, inner)

    Returns:
        (columns, inner); the fewer numbers of ``x`` were turned, not those of the products.
    """
    return product(x.t().contiguous(), of_products.t()).t()


def _sigmoid(x: Tensor, out: Tensor) -> Tensor:
    return torch.sigmoid(x, out=out)


def _relu(x: Tensor, out: Tensor) -> Tensor:
    return torch.clamp_min(x, 0, out=out)


def _maximum(a: Array, b: Array, out: Array) -> Array:
    return np.maximum(a, b, out=out)


# Functions of two values, or of one, and of the array that the result goes into.
COMBINE: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "elem_mult": np.multiply,
    "max": _maximum,
}
ACTIVATE: dict[str, Callable[..., Any]] = {
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "relu": _relu,
    "sin": np.sin,
}


def sigmoid(x: Array, out: Array) -> None:
    """Compute the logistic function of NumPy's arrays by torch."""
    torch.sigmoid(torch.from_numpy(x), out=torch.from_numpy(out))


def apply(activation: str, x: Array, out: Array) -> None:
    """Compute any activation of NumPy's arrays."""
    if activation == "identity":
        np.copyto(out, x)
    elif activation == "sigmoid":
        sigmoid(x, out)
    elif activation == "relu":
        np.maximum(x, 0, out=out)
    else:
        ACTIVATE[activation](x, out)


class Program:
    """Elementwise operations to be done at every step, on arrays whose first axis is time."""

    def __init__(self) -> None:
        self._lines: list[tuple[Callable[..., Any], list[tuple[Any, ...]]]] = []
        self._views: dict[tuple[int, bool], tuple[Tensor, list[Any]]] = {}

    def add(self, function: Callable[..., Any], *tensors: Tensor) -> None:
        """Add a call of ``function``, made at every step with that step's slice of each tensor."""
        with_torch = function in (_sigmoid, _relu)
        views = [self._steps(tensor, with_torch) for tensor in tensors]
        self._lines.append((function, list(zip(*views, strict=True))))

    def _steps(self, tensor: Tensor, with_torch: bool) -> list[Any]:
        key = (id(tensor), with_torch)
        if key not in self._views:  # the tensor is kept, so that no other gets its id
            self._views[key] = tensor, list(tensor.unbind() if with_torch else tensor.numpy())
        return self._views[key][1]

    def run(self, step: int) -> None:
        """Do one step."""
        for function, operands in self._lines:
            function(*operands[step])


class Slab:
    """One piece of memory for many arrays.

    The C library hands many pieces back to the system between sequences, and touching new ones for
    the first time took up to two fifths of a training step; one large piece it keeps.

    Args:
        like: Whose type the arrays get.
        numbers: The room that there is; arrays beyond it get memory of their own.
    """

    def __init__(self, like: Tensor, numbers: int) -> None:
        self._memory, self._used = like.new_empty(max(numbers, LEAST_SLAB)), 0

    def take(self, *shape: int) -> Tensor:
        """Return an array with any values."""
        start, self._used = self._used, self._used + math.prod(shape)
        if self._used > len(self._memory):
            return self._memory.new_empty(shape)
        return self._memory[start : self._used].view(shape)


def slope(activation: str, value: Array, before: Array | None) -> Array | None:
    """Return the derivative from the activation's value, sin's from its argument; None is 1."""
    if activation == "identity":
        return None
    if activation == "relu":
        return (value > 0).astype(value.dtype)
    if activation == "sin":
        assert before is not None
        return np.asarray(np.cos(before))
    squared = value * value
    np.subtract(1 if activation == "tanh" else value, squared, out=squared)
    return squared


def slopes_of(combination: str, a: Array, b: Array) -> tuple[Array | None, Array | None]:
    """Return the derivatives of a combination by both values; None stands for 1."""
    if combination == "add":
        return None, None
    if combination == "elem_mult":
        return b, a
    # Of equal numbers, each gets half, as in torch.
    of_a = ((a > b).astype(a.dtype) + (a >= b).astype(a.dtype)) * a.dtype.type(0.5)
    return of_a, 1 - of_a


def times(a: Array | None, b: Array | None) -> Array | None:
    """Return the product; None stands for 1."""
    if a is None or b is None:
        return b if a is None else a
    return np.asarray(a * b)
