"""Torch's and Python's state while a network is built, trained, measured or counted.

A training must not depend on who asks for it. Libraries of agents step environments under
``torch.no_grad()`` or autocast, scripts set a default dtype or device, tests turn warnings into
errors: ``isolated`` takes all of that away and gives it back. Most of it belongs to the process,
and so do its random generators: threads compute one after the other.
"""

import os
import random
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, overrides
from torch.nn.modules import module as nn_module
from torch.utils import _device, _python_dispatch

from nas_gym.errors import InvalidOption

_overrides: Any = overrides  # has no types
ROOM = 1000  # calls deep that a child may go, wherever it is called from: Python's own limit
# Kinds of devices that autocast knows, and the dtype that it has there unless someone sets another.
_AUTOCAST = {"cpu": torch.bfloat16, "cuda": torch.float16, "xpu": torch.float16}
# Who computes float32 products how; a part that is "none" does as the one before it.
_PRECISIONS = {
    ("generic", "all"): "none",
    ("cuda", "all"): "none",
    ("cuda", "matmul"): "none",
    ("cuda", "conv"): "tf32",
    ("cuda", "rnn"): "tf32",
    ("mkldnn", "all"): "none",
    ("mkldnn", "matmul"): "none",
    ("mkldnn", "conv"): "none",
    ("mkldnn", "rnn"): "none",
}


@contextmanager
def isolated(threads: int | None = None, seed: int = 0) -> Iterator[None]:
    """Compute in torch's own initial state inside the block, or as a decorator; then restore it.

    Not the caller's any more: gradients on or off, inference mode, autocast, default dtype and
    device, modes of dispatch (``FakeTensorMode``), hooks of all modules and of saved tensors,
    anomaly detection, deterministic algorithms, precision of float32 products, the backends'
    switches, flushed denormals; numpy's errors, warnings as errors, the state of Python's and
    numpy's random generators, and how deep the caller is in its calls. Torch's random state is left
    to whoever draws from it. The threads between operations cannot be changed once they run; no
    network here uses them. One thread at a time is inside; others wait, and blocks nest.

    Args:
        threads: Of torch inside the block, >= 1; None: as many as the caller has.
        seed: Of Python's and numpy's global generators inside the block, in [0, 2**32).

    Raises:
        InvalidOption: Inside ``torch.func``, ``torch.compile`` or ``torch.jit.trace``, which record
            what is computed and do not compute it.
    """
    _refuse_recording()
    with ExitStack() as stack:
        stack.enter_context(_one_thread)
        stack.enter_context(_python(seed))
        for state in (_modes, _autocast, _hooks, _precisions):
            stack.enter_context(state())
        for switch in (*_SWITCHES, *([] if threads is None else [_threads(threads)])):
            before = switch.read()
            if before != switch.inside:
                stack.callback(switch.write, before)
                switch.write(switch.inside)
        # Leaves inference mode, too; both give back what they found.
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        yield


_one_thread = threading.RLock()


def _unlock() -> None:
    """Forget, in a process that was forked, who was inside: another thread never leaves there."""
    global _one_thread
    _one_thread = threading.RLock()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_unlock)


def ordinary(tensor: Tensor) -> Tensor:
    """Return data as a tensor to train on, whatever mode or graph it was made in."""
    return tensor.detach().clone() if tensor.is_inference() else tensor.detach()


def _refuse_recording() -> None:
    functions = torch._C._functorch.peek_interpreter_stack() is not None
    if functions or torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
        raise InvalidOption(
            "a child cannot be trained inside torch.func, torch.compile or torch.jit.trace, which "
            "record operations: evaluate outside of them"
        )


# ---------------------------------------------------------------- switches


class _Switch(NamedTuple):
    """A setting of the process or thread, and what it is inside the block."""

    read: Callable[[], Any]
    write: Callable[[Any], Any]
    inside: Any


def _threads(count: int) -> _Switch:
    return _Switch(torch.get_num_threads, torch.set_num_threads, count)


def _flushes_denormals() -> bool:
    smallest = sys.float_info.min
    return smallest / 2 == 0.0  # torch sets it and does not tell


def _anomalies() -> tuple[bool, bool]:
    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


def _deterministic() -> tuple[bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )


def _set_deterministic(both: tuple[bool, bool]) -> None:
    torch._C._set_deterministic_algorithms(both[0], warn_only=both[1])


def _pairs() -> Iterator[_Switch]:
    """Yield the switches of torch's backends that this version has."""
    for getter, setter, inside in (
        ("_get_cudnn_enabled", "_set_cudnn_enabled", True),
        ("_get_cudnn_benchmark", "_set_cudnn_benchmark", False),
        ("_get_cudnn_deterministic", "_set_cudnn_deterministic", False),
        ("_get_mkldnn_enabled", "_set_mkldnn_enabled", True),
        ("_get_mkldnn_deterministic", "_set_mkldnn_deterministic", False),
        ("_get_nnpack_enabled", "_set_nnpack_enabled", True),
        ("_get_flash_sdp_enabled", "_set_sdp_use_flash", True),
        ("_get_mem_efficient_sdp_enabled", "_set_sdp_use_mem_efficient", True),
        ("_get_math_sdp_enabled", "_set_sdp_use_math", True),
        ("_get_cudnn_sdp_enabled", "_set_sdp_use_cudnn", True),
    ):
        if hasattr(torch._C, getter) and hasattr(torch._C, setter):
            yield _Switch(getattr(torch._C, getter), getattr(torch._C, setter), inside)


_SWITCHES = (
    _Switch(torch.get_default_dtype, torch.set_default_dtype, torch.float32),
    _Switch(_anomalies, lambda both: torch.set_anomaly_enabled(*both), (False, True)),
    _Switch(_deterministic, _set_deterministic, (False, False)),
    _Switch(_flushes_denormals, torch.set_flush_denormal, False),
    *_pairs(),
)


# ---------------------------------------------------------------- states that are more than one


@contextmanager
def _python(seed: int) -> Iterator[None]:
    """Take away what Python and numpy let a caller set that changes or ends a training."""
    depth, frame = 0, sys._getframe()
    while frame.f_back is not None:
        depth, frame = depth + 1, frame.f_back
    limit = sys.getrecursionlimit()
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    errors = np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")
    with warnings.catch_warnings(), errors:
        told = [("default", *f[1:]) if f[0] == "error" else f for f in warnings.filters]
        warnings.filters[:] = told  # type: ignore[index]
        try:
            sys.setrecursionlimit(max(limit, depth + ROOM))
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002
            sys.setrecursionlimit(limit)


@contextmanager
def _modes() -> Iterator[None]:
    """Take away the modes that see every operation; a default device is one."""
    functions: list[Any] = []
    dispatched: list[Any] = []
    device = _device.CURRENT_DEVICE
    default = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    try:
        while torch._C._len_torch_function_stack():
            functions.append(_overrides._pop_mode())
        # Torch's own _disable_current_modes imports its compiler: seconds in every process.
        while torch._C._len_torch_dispatch_stack():
            dispatched.append(_python_dispatch._pop_mode())
        _device.CURRENT_DEVICE = None
        torch._GLOBAL_DEVICE_CONTEXT.device_context = None
        yield
    finally:
        torch._GLOBAL_DEVICE_CONTEXT.device_context = default
        _device.CURRENT_DEVICE = device
        while dispatched:
            _python_dispatch._push_mode(dispatched.pop())
        while functions:
            _overrides._push_mode(functions.pop())


@contextmanager
def _autocast() -> Iterator[None]:
    """Take away autocast, and the weights that it has cast: a training's own are cast anew."""
    before = [
        (kind, torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind))
        for kind in _AUTOCAST
    ]
    cached = torch.is_autocast_cache_enabled()
    nested = torch.autocast_increment_nesting() - 1
    try:
        for _ in range(nested + 1):
            torch.autocast_decrement_nesting()
        torch.clear_autocast_cache()
        torch.set_autocast_cache_enabled(True)
        for kind, dtype in _AUTOCAST.items():
            torch.set_autocast_enabled(kind, False)
            torch.set_autocast_dtype(kind, dtype)
        yield
    finally:
        torch.clear_autocast_cache()
        torch.set_autocast_cache_enabled(cached)
        for kind, enabled, dtype in before:
            torch.set_autocast_enabled(kind, enabled)
            torch.set_autocast_dtype(kind, dtype)
        for _ in range(nested):
            torch.autocast_increment_nesting()


@contextmanager
def _hooks() -> Iterator[None]:
    """Take away hooks on all modules and on the tensors that gradients need."""
    saved: Any = torch._C._autograd
    names = [n for n in vars(nn_module) if n.startswith("_global_") and n.endswith("hooks")]
    names += ["_global_forward_hooks_always_called", "_global_forward_hooks_with_kwargs"]
    tables = [(table, dict(table)) for table in (getattr(nn_module, name) for name in names)]
    pairs: list[Any] = []
    try:
        for table, _ in tables:
            table.clear()
        while (pair := saved._top_saved_tensors_default_hooks(True)) is not None:
            saved._pop_saved_tensors_default_hooks()
            pairs.append(pair)
        yield
    finally:
        while pairs:
            saved._push_saved_tensors_default_hooks(*pairs.pop())
        for table, content in tables:
            table.clear()
            table.update(content)


@contextmanager
def _precisions() -> Iterator[None]:
    """Compute products of float32 numbers as torch does unless someone sets another precision."""
    c: Any = torch._C
    if not hasattr(c, "_get_fp32_precision_getter"):  # torch before 2.9
        old = _Switch(c._get_float32_matmul_precision, torch.set_float32_matmul_precision, "")
        before = old.read()
        try:
            old.write("highest")
            yield
        finally:
            old.write(before)
        return
    try:
        legacy = torch.get_float32_matmul_precision()
    except RuntimeError:  # both interfaces were used, and the other one counts
        legacy = "highest"
    own = {}
    try:
        for part in _PRECISIONS:
            own[part] = c._get_fp32_precision_getter(*part)
            c._set_fp32_precision_setter(*part, "none")  # so that the next tells its own
        torch.set_float32_matmul_precision("highest")
        for part, precision in _PRECISIONS.items():
            c._set_fp32_precision_setter(*part, precision)
        yield
    finally:
        torch.set_float32_matmul_precision(legacy)
        for part, precision in own.items():
            c._set_fp32_precision_setter(*part, precision)
