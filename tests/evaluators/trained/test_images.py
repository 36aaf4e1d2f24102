import copy
import json
import pickle
import statistics
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import nas_gym
from nas_gym.errors import InvalidDataset, InvalidOption, UnknownName
from nas_gym.evaluators.evaluation import Evaluator
from nas_gym.evaluators.trained.final import FINAL
from nas_gym.evaluators.trained.images import TrainingEvaluator
from nas_gym.evaluators.workers.parallel import ParallelEvaluator
from nas_gym.registry import spec_of
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.grammar import tokens_of
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasnet_cell.genotype import with_concat
from nas_gym.search_spaces.nasnet_cell.published import NASNET_A
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.training.images.presets import RECIPES
from nas_gym.training.images.recipe import Recipe
from nas_gym.training.images.sources import load_dataset, split_dataset

SHORT = Recipe(epochs=1, batch_size=128, learning_rate=0.05, filters=2)


@dataclass(frozen=True)
class Chain:
    """One convolution of a chosen width, or something that goes wrong."""

    max_length = 1
    max_options = 6

    def choose(self, pick):
        return pick("width", (4, 8, "raise", "diverge", "interrupt", "huge"))

    def build(self, genotype, task):
        if genotype == "raise":
            raise ValueError("no such width")
        if genotype == "interrupt":
            raise KeyboardInterrupt
        if genotype == "huge":
            return nn.Linear(2**24, 2**24)  # a petabyte
        width = genotype if isinstance(genotype, int) else 4
        network = nn.Sequential(
            nn.Conv2d(task.channels, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(width * task.height * task.width, task.classes),
        )
        if genotype == "diverge":
            nn.init.constant_(network[4].weight, float("inf"))
        return network


def evaluations(evaluator, space, token_lists, seeds):
    return list(evaluator.evaluate([architecture_of(space, t) for t in token_lists], seeds))


def test_metrics_of_a_trained_child():
    evaluator = TrainingEvaluator(Chain(), recipe=SHORT)
    assert isinstance(evaluator, Evaluator)
    (evaluation,) = evaluations(evaluator, Chain(), [(0,)], [7])
    assert evaluation.failure is None
    assert evaluation.source == "trained"
    assert evaluation.seconds > 0
    assert 0.3 < evaluation.accuracy <= 1
    assert evaluation.metrics["parameters"] == 4 * 9 + 4 + 8 + 256 * 10 + 10
    assert evaluation.metrics["multiply_adds"] == 4 * 9 * 64 + 256 * 10
    json.dumps(evaluation.to_info())


@dataclass(frozen=True)
class Watched(NASNetCell):
    """Keeps the networks of the children."""

    def build(self, genotype, task):
        built.append(super().build(genotype, task))
        return built[-1]


built: list[nn.Module] = []


def test_children_have_the_batch_norms_of_the_recipe():
    built.clear()
    recipe = replace(SHORT, batch_norm_eps=1e-3, batch_norm_momentum=0.0003)
    space = Watched(blocks=1)
    nas_gym.search(space, TrainingEvaluator(space, recipe=recipe), "random-search", budget=1)
    norms = [m for network in built for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.0003)}
    assert any(norm.num_batches_tracked > 0 for norm in norms)  # it is the one that was trained


def test_bad_children_are_rows():
    evaluator = TrainingEvaluator(Chain(), recipe=SHORT)
    raised, diverged, fine = evaluations(evaluator, Chain(), [(2,), (3,), (0,)], [1, 2, 3])
    assert raised.failure == "error: ValueError: no such width"
    assert raised.detail.endswith("ValueError: no such width")
    assert diverged.failure == "diverged"
    assert raised.accuracy is diverged.accuracy is None
    assert fine.failure is None


def test_a_network_that_does_not_fit_is_out_of_memory():
    (huge,) = evaluations(TrainingEvaluator(Chain(), recipe=SHORT), Chain(), [(5,)], [1])
    assert huge.failure == "out of memory"
    assert "DefaultCPUAllocator" in huge.detail


def test_ctrl_c_is_no_bad_child():
    with pytest.raises(KeyboardInterrupt):
        evaluations(TrainingEvaluator(Chain(), recipe=SHORT), Chain(), [(4,)], [1])


def test_torch_is_left_as_it_was():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    state = torch.random.get_rng_state()
    try:
        evaluations(TrainingEvaluator(Chain(), recipe=SHORT), Chain(), [(0,), (2,)], [1, 2])
        assert torch.get_num_threads() == 2
        assert torch.equal(torch.random.get_rng_state(), state)
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_accuracy_depends_on_architecture_and_seed_alone():
    """Whatever ran before, in this process or in any number of workers: bit for bit."""
    space = NASNetCell()
    evaluator = TrainingEvaluator(space, recipe=SHORT)
    rng = np.random.default_rng(0)
    tokens = [random_tokens(space, rng) for _ in range(3)]
    seeds = [11, 12, 13]
    here = {e.architecture.tokens: e.metrics for e in evaluations(evaluator, space, tokens, seeds)}
    torch.rand(5)
    backwards = evaluations(evaluator, space, tokens[::-1], seeds[::-1])
    assert here == {e.architecture.tokens: e.metrics for e in backwards}
    parallel = ParallelEvaluator(evaluator, workers=2)
    try:
        there = evaluations(parallel, space, tokens, seeds)
    finally:
        parallel.close()
    assert [e.failure for e in there] == [None] * 3
    assert here == {e.architecture.tokens: e.metrics for e in there}
    assert parallel.protocol == evaluator.protocol
    (other,) = evaluations(evaluator, space, tokens[:1], [99])
    assert other.metrics["parameters"] == here[tokens[0]]["parameters"]
    assert other.metrics != here[tokens[0]]


def test_copies_are_configuration_and_share_no_data():
    evaluator = TrainingEvaluator(Chain())
    size = len(pickle.dumps(evaluator))
    _ = evaluator.data
    assert len(pickle.dumps(evaluator)) == size
    for twin in (copy.deepcopy(evaluator), pickle.loads(pickle.dumps(evaluator))):
        assert twin == evaluator
        assert "data" not in vars(twin)
        assert twin.data.fingerprint == evaluator.data.fingerprint


def test_live_data_set_is_used_and_travels():
    dataset = load_dataset("digits")
    evaluator = TrainingEvaluator(Chain(), dataset=dataset)
    assert evaluator.data is dataset
    assert copy.deepcopy(evaluator).data is dataset
    there = pickle.loads(pickle.dumps(evaluator)).data
    assert torch.equal(there.validation_images, dataset.validation_images)


def test_protocol_says_what_results_depend_on():
    protocol = TrainingEvaluator(Chain()).protocol
    assert json.loads(json.dumps(protocol)) == protocol
    assert protocol["dataset"] == "digits"
    assert protocol["fingerprint"] == load_dataset("digits").fingerprint
    assert protocol["recipe"] == RECIPES["quick"].to_json()


def test_protocol_says_what_the_default_recipe_was_fitted_to():
    photos = split_dataset("photos", np.zeros((90, 3, 20, 20), np.uint8), np.arange(90) % 3)
    fitted = TrainingEvaluator(NASNetCell(), dataset=photos)
    recipe = fitted.protocol["recipe"]
    assert recipe["steps"] == 60
    assert recipe["stem"] == fitted.protocol["task"]["stem"] == "pooled"
    again = TrainingEvaluator(NASNetCell(), dataset=photos, recipe=Recipe(**recipe))
    assert again.protocol == fitted.protocol
    other = TrainingEvaluator(NASNetCell(), dataset=photos, recipe={"steps": 3, "filters": 2})
    assert other.protocol["recipe"] == {**recipe, "steps": 3, "filters": 2}
    assert other.build(NASNET_A).stem(torch.zeros(1, 3, 20, 20)).shape[1] == 3 * 2
    older = TrainingEvaluator(NASNetCell(), dataset=photos, recipe={"name": "quick"})
    assert older.protocol["recipe"] == RECIPES["quick"].to_json()  # so that old runs go on
    own = TrainingEvaluator(Chain(), dataset=photos)  # says nothing of stems
    assert own.task.stem == "cifar"


def test_bad_options_are_found_before_the_first_child(tmp_path):
    with pytest.raises(UnknownName, match="recipe"):
        TrainingEvaluator(Chain(), recipe="quik")
    with pytest.raises(InvalidOption, match="threads is 0"):
        TrainingEvaluator(Chain(), threads=0)
    with pytest.raises(InvalidOption, match="dataset is 3: give a name, a path or the data set"):
        TrainingEvaluator(Chain(), dataset=3)
    missing = TrainingEvaluator(Chain(), dataset="cifar10", folder=tmp_path)
    assert missing == TrainingEvaluator(Chain(), dataset="cifar10", folder=str(tmp_path))
    with pytest.raises(InvalidDataset, match="has no folders"):
        TrainingEvaluator(Chain(), dataset=tmp_path)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(b"read later")
    assert TrainingEvaluator(Chain(), dataset=tmp_path).dataset == str(tmp_path)
    with pytest.raises(InvalidDataset, match="pass --download"):
        evaluations(missing, Chain(), [(0,)], [1])


@pytest.mark.slow
def test_a_child_learns_real_fashion_mnist_images():
    """NASNet-A at the quick size on 28 x 28 images: 4,096 of them, three epochs."""
    folder = Path("/usr/share/datasets/fashion-mnist")
    if not folder.is_dir():
        pytest.skip("needs the Debian package dataset-fashion-mnist")
    whole = load_dataset("fashion-mnist", folder=folder)
    dataset = replace(
        whole,
        train_images=whole.train_images[:4096],
        train_labels=whole.train_labels[:4096],
        validation_images=whole.validation_images[:1000],
        validation_labels=whole.validation_labels[:1000],
    )
    recipe = replace(RECIPES["quick"], epochs=3, learning_rate=0.1, crop_padding=2, flip=True)
    space = NASNetCell()
    genotype = with_concat(NASNET_A, "unused")  # the published concat is not a choice of the space
    evaluator = TrainingEvaluator(space, dataset=dataset, recipe=recipe)
    (evaluation,) = evaluations(evaluator, space, [tokens_of(space, genotype)], [1])
    assert evaluation.failure is None
    assert evaluation.accuracy > 0.6  # of ten classes


@pytest.mark.slow
def test_reinforce_learns_from_real_training():
    """REINFORCE, 100 real trainings on digits: its last children beat its first."""
    result = nas_gym.search("nasnet-cell", "training", "reinforce", budget=104, workers=2, seed=0)
    accuracies = [answer.evaluation.accuracy for answer in result.answers]
    assert None not in accuracies
    first, last = statistics.mean(accuracies[:24]), statistics.mean(accuracies[-24:])
    assert last > first + 0.02


def test_what_is_no_data_set_of_images_is_refused_when_the_evaluator_is_made():
    from nas_gym.training.text.dataset import text_from_strings

    line = "the cat sat on the mat\n"
    text = text_from_strings("pets", train=line * 9, validation=line, test=line)
    for given in (text, torch.zeros(3), {"name": "digits"}, 5, object()):
        with pytest.raises(InvalidOption, match=r"dataset is .*: give a name, a path or"):
            TrainingEvaluator(Chain(), dataset=given)


def test_shares_of_the_parts_are_part_of_the_protocol_only_when_given():
    usual = TrainingEvaluator(Chain(), recipe=SHORT)
    assert "shares" not in usual.protocol
    shares = TrainingEvaluator(Chain(), recipe=SHORT, validation=0.1, test=0.5)
    assert shares.protocol["shares"] == {"validation": 0.1, "test": 0.5}
    assert shares.protocol["fingerprint"] != usual.protocol["fingerprint"]
    assert shares.data_summary()["parts"] == {"train": 720, "validation": 179, "test": 898}
    with pytest.raises(InvalidOption, match="validation is 1"):
        TrainingEvaluator(Chain(), validation=1)
    with pytest.raises(InvalidOption, match="leave something to train"):
        TrainingEvaluator(Chain(), validation=0.6, test=0.4)
    with pytest.raises(InvalidOption, match="has its parts already"):
        TrainingEvaluator(Chain(), dataset=usual.data, validation=0.2)


def test_final_training_takes_the_shares_of_the_search_over():
    assert {"validation", "test"} <= set(FINAL["training"][1])


# ---------------------------------------------------------------- devices


def figures(evaluator):
    found = evaluations(evaluator, Chain(), [(0,), (1,)], [7, 8])
    return sorted((e.architecture.tokens, e.failure, sorted(e.metrics.items())) for e in found)


def test_a_device_is_an_option_and_records_are_as_before_without_it():
    usual = TrainingEvaluator(Chain(), recipe=SHORT)
    assert "device" not in spec_of("evaluator", usual)
    named = TrainingEvaluator(Chain(), recipe=SHORT, device=" cpu , cpu")
    assert spec_of("evaluator", named)["device"] == "cpu,cpu"
    assert named.protocol["device"] == "cpu"
    for device, message in [("meta", "give cpu, cuda"), ("cpu,cuda", "devices of one kind")]:
        with pytest.raises(InvalidOption, match=message):
            TrainingEvaluator(Chain(), device=device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="the default is the GPU")
def test_the_cpu_by_name_is_the_cpu_by_default_bit_for_bit():
    usual = TrainingEvaluator(Chain(), recipe=SHORT)
    named = replace(usual, device="cpu,cpu")
    assert named.protocol == usual.protocol
    assert figures(named) == figures(usual)
    parallel = ParallelEvaluator(named, workers=2)
    try:
        assert figures(parallel) == figures(usual)
    finally:
        parallel.close()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_a_gpu_that_is_not_there_is_no_fault_of_a_child():
    evaluator = TrainingEvaluator(Chain(), recipe=SHORT, device="cuda:7")
    for ask in (lambda: evaluator.protocol, lambda: figures(evaluator)):
        with pytest.raises(InvalidOption, match="device is 'cuda:7', and torch finds no GPU here"):
            ask()


def test_a_worker_trains_on_the_device_of_its_number(monkeypatch):
    evaluator = TrainingEvaluator(Chain(), device="cuda:0,cuda:1")
    for number, device in enumerate(["cuda:0", "cuda:1", "cuda:0"]):
        monkeypatch.setattr("nas_gym.evaluators.workers.number._number", number)
        assert evaluator.device_here == device
    assert TrainingEvaluator(Chain()).device_here is None


def test_final_training_takes_the_device_of_the_search_over():
    assert all("device" in kept for _, kept in FINAL.values())
