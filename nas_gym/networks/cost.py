"""The cost of a network: parameters and multiply-adds, counted without training it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from nas_gym.errors import InvalidOption
from nas_gym.networks.isolation import isolated
from nas_gym.networks.task import LanguageTask, Task
from nas_gym.networks.task_kinds import kind_of

MOST_PARAMETERS = 2**29  # of a network that is built in memory: 2 GiB
LARGEST = 2**24  # elements of a tensor whose operation the CPU may be asked for

_aten = torch.ops.aten
_PRODUCTS = {_aten.mm, _aten.addmm, _aten.bmm, _aten.baddbmm}


class Cost(NamedTuple):
    """The size of a network and the work of one example."""

    parameters: int  # trainable
    multiply_adds: int  # of one example


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable parameters; batch normalisation's statistics are none."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def count_multiply_adds(
    network: nn.Module, input_shape: Sequence[int], dtype: torch.dtype = torch.float32
) -> int:
    """Count the multiply-adds of convolutions and matrix products for one example, in evaluation.

    Runs on torch's meta device: nothing is computed, no memory is taken, and the network, which
    may live anywhere, stays as it is. Additions, pools and normalisation are not counted, as in
    the papers; nor are biases, of which NAS-Bench-201's own table counts the classifier's.

    Args:
        network: Any module that takes one tensor.
        input_shape: Of one example, e.g. (channels, height, width).
        dtype: Of the input.
    """
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        try:
            with on_meta() as shapes, torch.no_grad():
                _run_shadow(network, input_shape, dtype)
            return shapes.flops // 2
        except Exception:  # torch knows better: it counts as well, or says what is wrong
            with isolated(1), torch.no_grad(), FlopCounterMode(display=False) as counter:
                _run_shadow(network, input_shape, dtype)
            return int(counter.get_total_flops()) // 2
    finally:
        for module, mode in modes.items():
            module.training = mode


def _run_shadow(network: nn.Module, input_shape: Sequence[int], dtype: torch.dtype) -> None:
    """Run a network with shapes instead of parameters on a shape instead of an example."""
    # Of a module under two names once: swapped twice, it would keep the shapes.
    shadows = {
        name: _shape_of(tensor)
        for prefix, module in network.named_modules()
        for named in (module.named_parameters, module.named_buffers)
        for name, tensor in named(prefix, recurse=False, remove_duplicate=False)
    }
    example = torch.empty((1, *input_shape), dtype=dtype, device="meta")
    functional_call(network, shadows, (example,), tie_weights=False)


def cost_on_meta(
    build: Callable[[], nn.Module], input_shape: Sequence[int], dtype: torch.dtype = torch.float32
) -> Cost:
    """Return the cost of the network that ``build`` makes, on the meta device: without memory.

    Args:
        build: For example ``lambda: space.build(genotype, task)``.
        input_shape: Of one example, e.g. (channels, height, width).
        dtype: Of the example.
    """
    with on_meta():
        network = build()
    return Cost(count_parameters(network), count_multiply_adds(network, input_shape, dtype))


def cost_for(build: Callable[[], nn.Module], task: Task | LanguageTask) -> Cost:
    """Return the cost of the network that ``build`` makes for a task, of one of its examples."""
    shape, dtype = kind_of(task).example(task)
    return cost_on_meta(build, shape, getattr(torch, dtype))


@contextmanager
def at_most(parameters: int) -> Iterator[None]:
    """Refuse, inside this block, to give a network more parameters than that, as soon as it asks.

    A file of a few bytes may describe a network that no memory holds; its parameters are made on
    the meta device, or this comes too late.

    Raises:
        InvalidOption: There are more.
    """
    seen: dict[int, nn.Parameter] = {}  # kept, so that no other gets its id
    count = 0

    def add(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal count
        if parameter is None or id(parameter) in seen:
            return
        seen[id(parameter)] = parameter
        count += parameter.numel()
        if count > parameters:
            raise InvalidOption(
                f"the network has more than {parameters:,} parameters: make it smaller"
            )

    hook = register_module_parameter_registration_hook(add)
    try:
        yield
    finally:
        hook.remove()


# ---------------------------------------------------------------- torch's meta device, lighter


@contextmanager
def on_meta() -> Iterator["_Shapes"]:
    """Make all new tensors on the meta device, which takes no memory, and count operations.

    Torch's own meta device imports its compiler and sympy at the first operation (a second or two
    of every process that counts); inside this block they are seldom needed.
    """
    # One thread: nothing is worth waking another.
    with isolated(1), torch.device("meta"), _Shapes() as shapes:
        yield shapes


class _Counting:
    """The base of ``_Shapes``: torch would wrap a method of its own in its compiler."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0  # as FlopCounterMode counts: two for a multiply-add

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        with self:  # type: ignore[attr-defined]
            simpler = function.decompose(*args, **kwargs)
        if simpler is not NotImplemented:
            return simpler
        output = _result(function, args, kwargs)
        count = flop_registry.get(function._overloadpacket)
        if count is not None:
            self.flops += count(*args, **kwargs, out_val=output)
        return output


class _Shapes(_Counting, TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Runs operations on shapes and adds up their cost."""


def _result(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return the shape that an operation gives on the meta device.

    The CPU finds it out with tensors that hold a single zero, so that no memory is needed.
    """
    packet = function._overloadpacket
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    if _is_for_torch(function, tensors, kwargs):
        return function(*args, **kwargs)
    if function._schema.is_mutable:  # in place
        return args[0]
    if packet in _PRODUCTS and args[-2].shape[-1] == args[-1].shape[-2]:
        shape = (*args[-2].shape[:-1], args[-1].shape[-1])
        return torch.empty(shape, dtype=args[-1].dtype, device="meta")
    if max(map(Tensor.numel, tensors)) > LARGEST:
        return function(*args, **kwargs)
    plain = {name: value for name, value in kwargs.items() if name != "device"}
    args, plain = tree_map_only(Tensor, _zeros_like, (args, plain))
    if packet is _aten.convolution:  # of no images: then it is no work
        output = function(args[0][:0], *args[1:], **plain)
        return output.new_empty((len(args[0]), *output.shape[1:]), device="meta")
    return tree_map_only(Tensor, _shape_of, function(*args, **plain))


def _is_for_torch(function: Any, tensors: list[Tensor], kwargs: dict[str, Any]) -> bool:
    """Say whether torch itself must answer: about values, views, and real tensors."""
    name, tags = function._schema.name, function.tags
    return (
        function.is_view
        or not any(tensor.is_meta for tensor in tensors)
        or torch.device(kwargs.get("device") or "meta").type != "meta"
        or torch.Tag.inplace_view in tags
        or torch.Tag.data_dependent_output in tags
        or torch.Tag.dynamic_output_shape in tags
        or (function._schema.is_mutable and not name.endswith("_"))
        or "linalg" in name  # much work, even on zeros
    )


def _shape_of(tensor: Tensor) -> Tensor:
    """Return a tensor like this one on the meta device."""
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


def _zeros_like(tensor: Tensor) -> Tensor:
    """Return zeros of a shape, all in one place of memory."""
    return torch.zeros((), dtype=tensor.dtype, device="cpu").expand(tensor.shape)
