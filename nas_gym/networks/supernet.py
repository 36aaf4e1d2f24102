"""Supernets: one set of weights that all architectures of a space share (Pham et al. 2018).

A *path* is the stand-alone network of an architecture, of the very class that ``space.build``
makes, whose weights are those of the supernet: so a path equals the stand-alone network that has
the same weights, and gradients reach what the path is made of and nothing else.

Where a weight's shape depends on the architecture (a convolution that reads the concatenation of
some of a cell's outputs), it is put together from slices, one for each thing that it reads.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor, nn

from nas_gym.errors import InvalidOption


class Supernet(nn.Module, ABC):
    """The shared weights of a space's architectures, and the paths through them.

    As a module it computes what the path that was chosen last computes. Batch norms have no affine
    parameters and no running statistics: they take those of the batch, unless ``recalibrated``.

    Args:
        seed: Of the initial weights: each part draws its own, whatever was made before it.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self.parts = nn.ModuleDict()  # shared modules, by place
        self.slices = nn.ParameterDict()  # what weights are put together from, by place
        self._whole = False  # whether all is made that paths may need
        self._chosen: list[Any] = []  # the path that was chosen last; no part of this module
        self._progress = 0.0

    @abstractmethod
    def path(self, genotype: Any) -> nn.Module:
        """Return the stand-alone network of a genotype, with the shared weights in it.

        It holds until the weights change: what is put together from slices is made here.

        Raises:
            InvalidOption: It is none of the space's.
        """

    def canonical(self, genotype: Any) -> Any:
        """Return the one of all genotypes with the same key that is trained and evaluated."""
        return genotype

    def distinct(self, genotype: Any) -> str:
        """Return a text that is equal for genotypes that compute the same function."""
        return str(genotype)

    def choose(self, genotype: Any) -> nn.Module:
        """Compute from now on as the path of ``genotype``, and return that."""
        path: Any = self.path(genotype)
        path.train(self.training)
        if hasattr(path, "set_progress"):
            path.set_progress(self._progress)
        self._chosen[:] = [path]
        return path  # type: ignore[no-any-return]

    def train(self, mode: bool = True) -> Self:
        """Put the chosen path, and those that are chosen next, into training mode, or take it out.

        Nothing else computes, and there are thousands of parts.
        """
        self.training = mode
        for path in self._chosen:
            path.train(mode)
        return self

    def forward(self, *inputs: Any) -> Any:
        """Compute what the chosen path computes."""
        (path,) = self._chosen
        return path(*inputs)

    def set_progress(self, fraction: float) -> None:
        """Say how much of the training is over, in [0, 1]; paths that drop something ask for it."""
        self._progress = fraction

    def make_whole(self, genotypes: Iterable[Any]) -> None:
        """Make all that is shared, by the paths of ``genotypes``; afterwards nothing is added."""
        for genotype in genotypes:
            self.path(genotype)
        self._whole = True

    def part(
        self, place: str, build: Callable[[], nn.Module], prepare: Callable[[nn.Module], None]
    ) -> nn.Module:
        """Return the shared module of a place, made by ``build`` when it is first asked for.

        Args:
            place: Its name; all that decides its shape is part of it.
            build: Makes it.
            prepare: Is given the new module: draws its weights, sets its norms.
        """
        key = place.replace(".", "/")  # no name of a module has a point
        if key not in self.parts:
            self._check_open(place)
            with self._seeded(place):
                module = build()
                prepare(module)
            self.parts[key] = without_affine(module)
        return self.parts[key]

    def slice(
        self, place: str, shape: Sequence[int], draw: Callable[[Tensor], object]
    ) -> nn.Parameter:
        """Return the shared tensor of a place, filled by ``draw`` when it is first asked for."""
        key = place.replace(".", "/")
        if key not in self.slices:
            self._check_open(place)
            with self._seeded(place), torch.no_grad():
                tensor = torch.empty(tuple(shape))
                draw(tensor)
            self.slices[key] = nn.Parameter(tensor)
        found: nn.Parameter = self.slices[key]
        return found

    def _check_open(self, place: str) -> None:
        if self._whole:
            raise InvalidOption(
                f"the supernet has no weights for {place!r}: give an architecture of its space"
            )

    @contextmanager
    def _seeded(self, place: str) -> Iterator[None]:
        digest = hashlib.blake2b(f"{self.seed}:{place}".encode(), digest_size=8).digest()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int.from_bytes(digest, "little") >> 1)
            yield


def put(module: nn.Module, name: str, tensor: Tensor) -> None:
    """Let ``tensor`` be a weight of ``module``; one that was put together is no parameter of it."""
    module._parameters.pop(name, None)
    if isinstance(tensor, nn.Parameter):
        module.register_parameter(name, tensor)
    else:
        vars(module)[name] = tensor


def copy_weights(path: nn.Module, network: nn.Module) -> None:
    """Copy the weights of a path into the stand-alone network of the same architecture.

    Its batch norms, which share nothing, keep what they have: initially 1 and 0.
    """
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            place, _, own = name.rpartition(".")
            if not isinstance(network.get_submodule(place), nn.BatchNorm2d):
                parameter.copy_(getattr(path.get_submodule(place), own))


def without_affine(module: nn.Module) -> nn.Module:
    """Take the affine parameters and the running statistics of all batch norms away."""
    for norm in _norms(module):
        norm.affine = False
        norm.register_parameter("weight", None)
        norm.register_parameter("bias", None)
        _forget(norm)
    return module


@contextmanager
def recalibrated(path: nn.Module, batches: Iterable[Tensor]) -> Iterator[None]:
    """Let the batch norms of ``path`` have the mean statistics of ``batches`` within the block.

    Args:
        path: Of a supernet; in evaluation mode afterwards.
        batches: Inputs, one batch at least.
    """
    norms = _norms(path.eval())  # nothing is dropped; the norms alone are as in training
    device = next(path.parameters()).device
    try:
        for norm in norms:
            norm.train()
            norm.track_running_stats, norm.momentum = True, None  # the plain mean of all batches
            norm.running_mean = torch.zeros(norm.num_features, device=device)
            norm.running_var = torch.ones(norm.num_features, device=device)
            norm.num_batches_tracked = torch.tensor(0, device=device)
        with torch.no_grad():
            for batch in batches:
                path(batch)
        path.eval()
        yield
    finally:
        for norm in norms:
            _forget(norm.eval())


def _norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [each for each in module.modules() if isinstance(each, nn.BatchNorm2d)]


def _forget(norm: nn.BatchNorm2d) -> None:
    norm.track_running_stats = False
    norm.running_mean = norm.running_var = norm.num_batches_tracked = None
