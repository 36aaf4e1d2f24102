import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nas_gym.errors import InvalidOption
from nas_gym.networks.cost import count_multiply_adds, count_parameters
from nas_gym.networks.isolation import isolated, ordinary
from nas_gym.training.images.dataset import split_dataset
from nas_gym.training.images.presets import recipe_of
from nas_gym.training.images.train import train


@contextmanager
def setting(read: Callable[[], Any], write: Callable[[Any], Any], value: Any) -> Iterator[None]:
    before = read()
    write(value)
    try:
        yield
    finally:
        write(before)


@contextmanager
def default_device() -> Iterator[None]:
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def hooks() -> Iterator[None]:
    handle = nn.modules.module.register_module_forward_hook(lambda _, __, output: output * 2)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


class Doubled(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        return found * 2 if func is torch.nn.functional.cross_entropy else found


def fake() -> Any:
    from torch._subclasses.fake_tensor import FakeTensorMode

    return FakeTensorMode()


def nothing(tensor: Any) -> Any:
    return torch.zeros_like(tensor)


STATES: dict[str, Callable[[], Any]] = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "float64": lambda: setting(torch.get_default_dtype, torch.set_default_dtype, torch.float64),
    "default device": default_device,
    "device": lambda: torch.device("meta"),
    "function mode": Doubled,
    "fake tensors": fake,
    "saved tensors": lambda: torch.autograd.graph.saved_tensors_hooks(nothing, nothing),
    "hooks of modules": hooks,
    "anomalies": torch.autograd.detect_anomaly,
    "deterministic": lambda: setting(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms, True
    ),
    "precision": lambda: setting(
        torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "medium"
    ),
    "no oneDNN": lambda: torch.backends.mkldnn.flags(enabled=False),
    "denormals": lambda: setting(lambda: False, torch.set_flush_denormal, True),
    "numpy's errors": lambda: np.errstate(all="raise"),
    "warnings": errors,
}


class Odd(nn.Sequential):
    """A network that draws from every generator, warns, and divides by zero."""

    def __init__(self) -> None:
        warnings.warn("it is odd", stacklevel=1)
        np.float32(1.0) / np.float32(0.0)
        self.scale = random.random() + np.random.random()  # noqa: NPY002
        super().__init__(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 2))

    def forward(self, images: Any) -> Any:
        return super().forward(images) * self.scale


def outcome() -> Any:
    """Return all that is found out about a child: of its data, its training, its size."""
    with isolated(1, seed=3), torch.random.fork_rng():
        torch.manual_seed(0)
        images = np.random.default_rng(0).normal(3, 2, (60, 1, 8, 8)).astype(np.float32)
        data = split_dataset("odd", images, np.arange(60) % 2)
        network = Odd()
        result = train(network, data, recipe_of({"name": "quick", "epochs": 2}, "quick"), seed=1)
        size = count_parameters(network), count_multiply_adds(network, (1, 8, 8))
        weights = [p.detach().numpy().tobytes() for p in network.parameters()]
        return result.accuracies, size, weights, data.mean.numpy().tobytes(), data.fingerprint


@pytest.fixture(scope="module")
def alone() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return outcome()


@pytest.mark.few(6)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * (n == "fake tensors")) for n in STATES],
)
def test_a_child_is_the_same_under_any_state_of_the_caller(name: str, alone: Any) -> None:
    with STATES[name]():
        before = state()
        assert outcome() == alone
        assert state() == before


@pytest.mark.filterwarnings("ignore")
def test_all_states_at_once_and_an_error(alone: Any) -> None:
    together = [make for name, make in STATES.items() if name not in ("fake tensors", "device")]
    with ExitStack() as stack:
        for make in together:
            stack.enter_context(make())
        before = state()
        assert outcome() == alone
        with pytest.raises(KeyboardInterrupt), isolated(1):
            raise KeyboardInterrupt
        assert state() == before


def state() -> Any:
    """Return what a caller could see changed."""
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_autocast_dtype("cpu"),
        torch.get_default_dtype(),
        len(torch.overrides._get_current_function_mode_stack()),
        torch._C._len_torch_dispatch_stack(),
        len(nn.modules.module._global_forward_hooks),
        torch._C._autograd._top_saved_tensors_default_hooks(True),
        torch.is_anomaly_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_float32_matmul_precision(),
        torch._C._get_mkldnn_enabled(),
        sys.float_info.min / 2,
        torch.get_num_threads(),
        torch.default_generator.get_state().tolist(),
        random.getstate(),
        np.random.get_state()[1].tolist(),  # type: ignore[index]  # noqa: NPY002
        np.geterr(),
        list(warnings.filters),
        sys.getrecursionlimit(),
    )


def test_a_caller_deep_in_its_calls_leaves_a_child_its_room() -> None:
    def below(depth: int) -> int:
        return below(depth - 1) + 1 if depth else 0

    def deep(depth: int) -> int:
        if depth:
            return deep(depth - 1)
        with isolated():
            return below(700)

    room = sys.getrecursionlimit() - len(list(frames())) - 400
    assert deep(room) == 700


def frames() -> Iterator[Any]:
    frame: Any = sys._getframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


def test_what_only_records_operations_is_refused() -> None:
    def trained(x: Any) -> Any:
        with isolated():
            return x

    with pytest.raises(InvalidOption, match=r"evaluate outside of them"):
        torch.func.vmap(trained)(torch.zeros(2))


def test_data_made_in_inference_mode_can_be_trained_on() -> None:
    with torch.inference_mode():
        made = torch.zeros(3)
    plain = torch.zeros(3)
    assert not ordinary(made).is_inference()
    assert ordinary(plain).data_ptr() == plain.data_ptr()  # not copied
    assert not ordinary(plain.requires_grad_()).requires_grad


def test_measuring_leaves_images_of_floats_as_they_are() -> None:
    images = np.random.default_rng(0).normal(3, 2, (60, 1, 8, 8)).astype(np.float32)
    data = split_dataset("floats", images, np.arange(60) % 2)
    before = data.validation_images.clone()
    data.normalise(data.validation_images[:2])
    assert torch.equal(data.validation_images, before)


@pytest.mark.filterwarnings("ignore")
def test_children_of_several_threads_are_those_of_one(alone: Any) -> None:
    before = state()
    with ThreadPoolExecutor(3) as threads:
        found = [threads.submit(outcome) for _ in range(6)]
        assert all(each.result() == alone for each in found)
    assert state() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_waits_for_no_thread_that_it_has_not() -> None:
    inside, free = threading.Event(), threading.Event()

    def stays() -> None:
        with isolated():
            inside.set()
            free.wait(60)

    thread = threading.Thread(target=stays)
    thread.start()
    inside.wait(60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of newer Pythons: threads and fork
        process = os.fork()
    if process == 0:
        signal.alarm(50)  # ends it
        with isolated():
            os._exit(0)
    _, status = os.waitpid(process, 0)
    free.set()
    thread.join()
    assert status == 0
