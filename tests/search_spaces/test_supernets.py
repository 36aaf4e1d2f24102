"""Shared weights: a path is the stand-alone network, and nothing else has a gradient."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nas_gym.errors import InvalidOption
from nas_gym.networks.supernet import Supernet, copy_weights, recalibrated
from nas_gym.networks.task import LanguageTask, Task
from nas_gym.search_spaces.architecture import key_of
from nas_gym.search_spaces.enas_rnn_cell.space import ENASRNNCell
from nas_gym.search_spaces.grammar import decode
from nas_gym.search_spaces.moves import enumerate_tokens, random_tokens
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.search_spaces.nasnet_cell.space import AMOEBANET_CELL, ENAS_MICRO_CELL, NASNetCell

IMAGES = Task(channels=1, height=8, width=8, classes=5, filters=4)
TEXT = LanguageTask(vocabulary=20, layers=2, hidden=6, embedding=6)
Choice = tuple[str, str]


@dataclass(frozen=True)
class Case:
    """A space, and what its networks are built for."""

    space: Any
    task: Any
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def inputs(self) -> Tensor:
        if isinstance(self.task, LanguageTask):
            return torch.randint(20, (7, 3), generator=torch.Generator().manual_seed(0))
        shape = (6, self.task.channels, self.task.height, self.task.width)
        images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        return images.contiguous(memory_format=torch.channels_last)


@cache
def supernet_of(case: Case) -> Supernet:
    supernet: Supernet = case.space.supernet(case.task, 3, **dict(case.options))
    return supernet


CASES = {
    "nasnet": Case(NASNetCell(blocks=2), IMAGES),
    "nasnet by input": Case(
        NASNetCell(3, ("identity", "conv_1x3_3x1", "max_pool_7x7", "sep_conv_3x3")), IMAGES,
        (("by_input", True),),
    ),
    "amoebanet, all": Case(
        NASNetCell(2, AMOEBANET_CELL.operations, ("add",), concat="all"), IMAGES
    ),
    "enas, imagenet": Case(
        NASNetCell(2, ENAS_MICRO_CELL.operations, ("add",)),
        Task(channels=3, height=9, width=11, classes=4, filters=4, stem="imagenet"),
    ),
    "two cells a stack": Case(
        NASNetCell(2, ("identity", "sep_conv_3x3", "avg_pool_3x3")),
        Task(channels=2, height=12, width=12, classes=4, repeats=2, filters=4, stem="pooled",
             skip_reduction_input=True, batch_norm_eps=0.1),
    ),
    "nasbench201": Case(NASBench201(), IMAGES),
    "nasbench201, pooled": Case(
        NASBench201(isomorphic=True),
        Task(channels=1, height=16, width=16, classes=5, repeats=2, filters=4, stem="pooled",
             batch_norm_eps=0.1),
    ),
    "enas-rnn": Case(ENASRNNCell(nodes=5), TEXT),
    "enas-rnn, untied": Case(
        ENASRNNCell(nodes=3), LanguageTask(vocabulary=20, hidden=6, embedding=4, tied=False)
    ),
}  # fmt: skip
some = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=4, deadline=None)


def genotype(case: Case, seed: int) -> Any:
    return decode(case.space, random_tokens(case.space, np.random.default_rng(seed)))


def output(network: nn.Module, inputs: Tensor) -> Tensor:
    found = network(inputs)
    logits: Tensor = found[0] if isinstance(found, tuple) else found
    return logits


@pytest.mark.few(1)
@some
@given(seed=seeds)
@few
def test_a_path_equals_the_network_that_has_its_weights(case: Case, seed: int) -> None:
    supernet, one = supernet_of(case), genotype(case, seed)
    for each in (one, supernet.canonical(one)):
        alone = case.space.build(each, case.task)
        path = supernet.choose(each)
        assert type(path) is type(alone)
        copy_weights(path, alone)
        supernet.train()
        torch.testing.assert_close(
            output(supernet, case.inputs), output(alone.train(), case.inputs), rtol=0, atol=1e-5
        )


@pytest.mark.few(3)
@some
@given(seed=seeds)
@few
def test_gradients_are_those_of_the_network_and_reach_nothing_else(case: Case, seed: int) -> None:
    supernet, one = supernet_of(case), genotype(case, seed)
    alone = case.space.build(one, case.task).train()
    path = supernet.train().choose(one)
    copy_weights(path, alone)
    supernet.zero_grad(set_to_none=True)
    for network in (supernet, alone):
        output(network, case.inputs).square().sum().backward()
    # The sum of squares of all gradients, whatever the weights are put together from.
    norms = (nn.BatchNorm2d,)
    own = {n for n, m in alone.named_modules() if isinstance(m, norms)}
    of_alone = [
        p.grad.square().sum() for n, p in alone.named_parameters()
        if p.grad is not None and n.rpartition(".")[0] not in own
    ]  # fmt: skip
    with_gradient = [p for p in supernet.parameters() if p.grad is not None]
    of_shared = [p.grad.square().sum() for p in with_gradient if p.grad is not None]
    torch.testing.assert_close(sum(of_shared), sum(of_alone), rtol=1e-3, atol=1e-6)
    used = sum(p.numel() for p in with_gradient)
    counted = {id(p): p for n, p in alone.named_parameters() if n.rpartition(".")[0] not in own}
    assert used <= sum(p.numel() for p in counted.values())
    assert len(with_gradient) < len(list(supernet.parameters()))


@pytest.mark.few(3)
@some
@given(seed=seeds, other=seeds)
@few
def test_weights_of_other_paths_change_nothing(case: Case, seed: int, other: int) -> None:
    """Move all weights that have no gradient: the path gives the same, bit for bit."""
    supernet, one = supernet_of(case), genotype(case, seed)
    supernet.train().choose(one)
    supernet.zero_grad(set_to_none=True)
    before = output(supernet, case.inputs)
    before.sum().backward()
    supernet.choose(one)
    used = {id(p) for p in supernet.parameters() if p.grad is not None}
    with torch.no_grad():
        for parameter in supernet.parameters():
            if id(parameter) not in used:
                parameter += 1.0
    assert torch.equal(output(supernet, case.inputs), before)
    supernet.choose(genotype(case, other))  # whatever it is, it can be computed
    assert output(supernet, case.inputs).isfinite().all()
    with torch.no_grad():
        for parameter in supernet.parameters():
            if id(parameter) not in used:
                parameter -= 1.0


@pytest.mark.few(3)
@some
@given(seed=seeds)
@few
def test_the_canonical_genotype_has_the_key_and_is_its_own(case: Case, seed: int) -> None:
    supernet, one = supernet_of(case), genotype(case, seed)
    same = supernet.canonical(one)
    assert supernet.canonical(same) == same
    assert supernet.distinct(same) == supernet.distinct(one)
    if hasattr(case.space, "canonical_key"):
        assert key_of(case.space, same, ()) == key_of(case.space, one, ())


@pytest.mark.few(1)
@some
def test_initial_weights_follow_from_the_seed_alone(case: Case) -> None:
    options = dict(case.options)
    one, same, other = (case.space.supernet(case.task, s, **options) for s in (3, 3, 4))
    weights = [dict(each.named_parameters()) for each in (one, same, other)]
    assert all(torch.equal(p, weights[1][n]) for n, p in weights[0].items())
    assert any(not torch.equal(p, weights[2][n]) for n, p in weights[0].items())


def test_isomorphic_cells_of_enas_have_one_canonical_genotype() -> None:
    space = ENASRNNCell(nodes=4, activations=("tanh", "relu"))
    supernet = space.supernet(TEXT)
    by_key: dict[str, set[Any]] = {}
    for tokens in enumerate_tokens(space):
        one = decode(space, tokens)
        by_key.setdefault(space.canonical_key(one), set()).add(supernet.canonical(one))
    assert all(len(genotypes) == 1 for genotypes in by_key.values())
    assert len({g for genotypes in by_key.values() for g in genotypes}) == len(by_key)


def test_cells_of_nasbench201_with_one_function_are_one_path_where_they_have_one_key() -> None:
    space = NASBench201().up_to_isomorphism()
    supernet = space.supernet(IMAGES)
    rng = np.random.default_rng(0)
    for _ in range(200):
        one = decode(space, random_tokens(space, rng))
        same = supernet.canonical(one)
        assert key_of(space, same, ()) == key_of(space, one, ()) == supernet.distinct(one)
        assert supernet.canonical(same) == same
    skip, conv, none = "skip_connect", "nor_conv_3x3", "none"
    texts = [
        f"|{none}~0|+|{skip}~0|{none}~1|+|{none}~0|{none}~1|{conv}~2|",
        f"|{conv}~0|+|{skip}~0|{none}~1|+|{none}~0|{none}~1|{conv}~2|",
    ]
    one, other = map(space.genotype_from_json, texts)
    assert supernet.distinct(one) == supernet.distinct(other)
    assert supernet.canonical(one) == supernet.canonical(other)
    supernet.train()
    found = []
    for each in (one, other):  # the paths differ, and what they compute does not
        supernet.choose(each)
        found.append(output(supernet, CASES["nasbench201"].inputs))
    torch.testing.assert_close(*found)


@pytest.mark.slow
def test_recalibrated_norms_are_those_of_a_network_that_saw_the_batches() -> None:
    case = CASES["nasnet"]
    supernet, one = supernet_of(case), genotype(case, 5)
    batches = [torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(i)) for i in (1, 2)]
    path = supernet.eval().choose(one)
    alone = case.space.build(one, case.task)
    copy_weights(path, alone)
    for norm in alone.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = None  # the plain mean
    alone.train()
    with torch.no_grad():
        for batch in batches:
            alone(batch)
    alone.eval()
    by_batch = output(path, case.inputs)
    with recalibrated(path, batches):
        torch.testing.assert_close(output(path, case.inputs), output(alone, case.inputs))
        one_by_one = torch.cat([output(path, image[None]) for image in case.inputs])
        torch.testing.assert_close(output(path, case.inputs), one_by_one, rtol=1e-4, atol=1e-4)
    assert torch.equal(output(path, case.inputs), by_batch)
    assert all(norm.running_mean is None for norm in path.modules()
               if isinstance(norm, nn.BatchNorm2d))  # fmt: skip


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: NASNetCell(2).supernet(Task(1, 32, 32, 5, auxiliary=True)), "auxiliary"),
    (
        lambda: supernet_of(CASES["enas, imagenet"]).path(genotype(CASES["nasnet"], 1)),
        "give an architecture of its space",
    ),
    (
        lambda: supernet_of(CASES["enas-rnn, untied"]).path(genotype(CASES["enas-rnn"], 1)),
        "give an architecture of its space",
    ),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_what_has_no_shared_weights_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        make()
