"""Files of NATS-Bench: synthetic ones in their format, and the genuine ones where they are."""

import bz2
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from nas_gym.envs.registration import make_vector_env
from nas_gym.errors import InvalidOption, InvalidTable, UnknownName
from nas_gym.evaluators.evaluation import epochs_recorded
from nas_gym.evaluators.tables import nats_bench
from nas_gym.evaluators.tables.nasbench201 import NASBench201Table
from nas_gym.evaluators.tables.nats_bench import NATSBench
from nas_gym.evaluators.tables.plain_pickle import load_plain
from nas_gym.networks.cost import cost_on_meta
from nas_gym.networks.task import Task
from nas_gym.registry import make, restorable, spec_of
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.grammar import decode, tokens_of
from nas_gym.search_spaces.nasbench201.genotype import size_of_string
from nas_gym.search_spaces.nasbench201.network import NATSSizeNetwork
from nas_gym.search_spaces.nasbench201.size_space import NATSSize
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing import BitString
from nas_gym.testing.evaluator_suite import EvaluatorSuite

# A folder with NATS-tss-v1_0-3ffb9-simple and NATS-sss-v1_0-50262-simple; three files each will do.
GENUINE = os.environ.get("NAS_GYM_TEST_NATS_BENCH")
TOPOLOGY, SIZE = NASBench201(), NATSSize()
CELLS = [
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|none~1|skip_connect~2|",
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|nor_conv_3x3~1|avg_pool_3x3~2|",
    "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
]


def tokens(text: str) -> tuple[int, ...]:
    space = TOPOLOGY if text.startswith("|") else SIZE
    return tokens_of(space, space.genotype_from_json(text))


def training(base: float, epochs: int, names: dict[str, list[int]]) -> dict[str, object]:
    """One training: accuracy in percent grows by 0.25 an epoch; ``names`` has who was measured."""
    keys = [f"{name}@{e}" for name, measured in names.items() for e in measured]
    return {
        "train_times": OrderedDict(dict.fromkeys(range(epochs), 2.0)),
        "params": np.float64(0.25),
        "flop": 1.5,
        "latency": [np.float64(0.01), np.float64(0.03)],
        "epochs": epochs,
        "eval_names": list(names),
        "eval_acc1es": {key: base + int(key.partition("@")[2]) / 4 for key in keys},
        "eval_times": dict.fromkeys(keys, 0.5),
        "train_acc5es": None,
    }


def results(text: str, index: int, base: float) -> dict[str, object]:
    found = {}
    for hp in ("12", "200") if text.startswith("|") else ("01", "12", "90"):
        epochs = int(hp)
        every, last = list(range(epochs)), [epochs - 1]
        runs = {}
        for i, seed in enumerate((999, 777, 888)):
            halves = {"ori-test": every, "x-valid": last, "x-test": last}
            runs["cifar10-valid", seed] = training(
                base + i, epochs, {"x-valid": every, "ori-test": last}
            )
            runs["cifar10", seed] = training(base + 5 + i, epochs, {"ori-test": every})
            runs["cifar100", seed] = training(base - 10, epochs, halves)
            runs["ImageNet16-120", seed] = training(base - 15, epochs, halves)
        found[hp] = {"arch_index": index, "arch_str": text, "all_results": runs}
    return found


def save(path: Path, data: object) -> None:
    path.write_bytes(bz2.compress(pickle.dumps(data, protocol=4), 1))


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory) -> Path:
    """Three cells and two sizes, in files as the benchmark has them."""
    for name, listed in (("tss", CELLS), ("sss", ["8:8:8:8:8", "8:16:24:32:40"])):
        folder = tmp_path_factory.getbasetemp() / name
        folder.mkdir()
        save(folder / "meta.pickle.pbz2", {"meta_archs": listed, "total_archs": len(listed)})
        for index, text in enumerate(listed[:2]):
            save(folder / f"{index:06d}.pickle.pbz2", results(text, index, 20 + 10 * index))
    return tmp_path_factory.getbasetemp()


class TestSuite(EvaluatorSuite):
    @pytest.fixture
    def space(self):
        return TOPOLOGY

    @pytest.fixture
    def architectures(self):
        return [architecture_of(TOPOLOGY, tokens(text)) for text in CELLS]

    @pytest.fixture
    def evaluator(self, synthetic):
        return NATSBench(TOPOLOGY, synthetic / "tss", missing="failure")


def test_accuracies_of_any_epoch_by_seed(synthetic):
    cell = tokens(CELLS[1])
    evaluator = NATSBench(TOPOLOGY, synthetic / "tss")
    found = evaluator.entry(cell)
    # 777 comes first, whatever the order in the file is.
    assert found.accuracies == pytest.approx((0.8075, 0.8175, 0.7975))
    assert found.seconds == 200 * 2 + 0.5
    assert found.metrics == {
        "parameters": 250_000,
        "multiply_adds": 1_500_000,
        "latency": pytest.approx(0.02),
    }
    early = NATSBench(TOPOLOGY, synthetic / "tss", epoch=120).entry(cell)
    assert early.accuracies == pytest.approx((0.6075, 0.6175, 0.5975))
    assert early.seconds == 120 * 2 + 0.5
    short = NATSBench(TOPOLOGY, synthetic / "tss", hp=12, seeds=1)
    assert short.protocol["epoch"] == 12
    (answer,) = short.evaluate([architecture_of(TOPOLOGY, cell)], [5])
    assert answer.accuracy == pytest.approx(0.3475)
    assert "test" not in repr(answer)


def test_test_figures_are_of_the_end_and_for_reports_alone(synthetic):
    for dataset, expected in (
        ("cifar10", 0.8575),
        ("cifar10-valid", 0.8075),
        ("ImageNet16-120", 0.6475),
    ):
        evaluator = NATSBench(TOPOLOGY, synthetic / "tss", dataset=dataset)
        assert evaluator.test_accuracy(tokens(CELLS[1])) == pytest.approx(expected)


def test_sizes_and_their_schedules(synthetic):
    size = tokens("8:16:24:32:40")
    for hp, epochs in ((None, 90), (1, 1), ("01", 1), ("12", 12), (90, 90)):
        evaluator = NATSBench(SIZE, synthetic / "sss", dataset="cifar100", hp=hp)
        accuracies = evaluator.entry(size).accuracies
        assert accuracies == pytest.approx([(20 + (epochs - 1) / 4) / 100] * 3)
        assert evaluator.index_of(size) == 1


def test_it_is_json_data_and_goes_to_other_processes(synthetic):
    evaluator = NATSBench(SIZE, synthetic / "sss", hp=1, seeds="random")
    evaluator.entry(tokens("8:8:8:8:8"))
    spec = spec_of("evaluator", evaluator)
    assert spec["folder"] == str(synthetic / "sss")
    assert make("evaluator", spec, space=SIZE) == evaluator
    assert restorable("evaluator", evaluator, space=SIZE)
    assert pickle.loads(pickle.dumps(evaluator)).protocol == evaluator.protocol
    assert evaluator.stateful
    other = NATSBench(TOPOLOGY, synthetic / "tss").protocol["fingerprint"]
    assert other != evaluator.protocol["fingerprint"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"space": BitString(3)}, "knows the spaces NASBench201.*not BitString"),
        ({"dataset": "cifar"}, "did you mean 'cifar10'"),
        ({"hp": 90}, "unknown schedule.*known: 12, 200"),
        ({"epoch": 0}, "epoch is 0: give a whole number of 1 or more, or leave it out"),
        ({"epoch": 13, "hp": 12}, "from 1 to 12"),
        ({"seeds": "best"}, "seeds is 'best'"),
        ({"missing": "ignore"}, "unknown missing"),
    ],
)
def test_options_that_it_cannot_take(options, message):
    with pytest.raises((InvalidOption, UnknownName), match=message):
        NATSBench(**{"space": TOPOLOGY, "folder": "nowhere", **options})


def test_what_the_files_do_not_have(synthetic, tmp_path):
    early = NATSBench(TOPOLOGY, synthetic / "tss", dataset="cifar100", epoch=5)
    with pytest.raises(InvalidOption, match="no validation accuracy after epoch 5, only after 200"):
        early.entry(tokens(CELLS[0]))
    with pytest.raises(InvalidTable, match=r"000002\.pickle\.pbz2 of architecture 2: unpack"):
        NATSBench(TOPOLOGY, synthetic / "tss").entry(tokens(CELLS[2]))
    partial = NATSBench(TOPOLOGY, synthetic / "tss", missing="failure")
    (answer,) = partial.evaluate([architecture_of(TOPOLOGY, tokens(CELLS[2]))], [1])
    assert "has no file of this architecture" in str(answer.failure)
    with pytest.raises(InvalidTable, match="does not list 8:8:8:8:8: give the folder of the size"):
        NATSBench(SIZE, synthetic / "tss").entry((0,) * 5)
    with pytest.raises(InvalidTable, match=r"meta\.pickle\.pbz2 cannot be read.*NATS-tss-…-simple"):
        _ = NATSBench(TOPOLOGY, tmp_path).protocol


def test_broken_and_harmful_files(synthetic, tmp_path):
    cell = tokens(CELLS[0])
    save(tmp_path / "meta.pickle.pbz2", {"meta_archs": CELLS})
    path = tmp_path / "000000.pickle.pbz2"
    whole = (synthetic / "tss" / path.name).read_bytes()

    class Harmful:
        def __reduce__(self):
            return os.system, ("touch harm",)

    bad = {
        "ends early": whole[: len(whole) // 2],
        "Invalid data stream": b"hello",
        "UnpicklingError": bz2.compress(b"hello"),
        r"asks for \w+.system": bz2.compress(pickle.dumps(Harmful())),
        "KeyError: '200'": bz2.compress(pickle.dumps({"12": {}})),
        "TypeError": bz2.compress(pickle.dumps([1, 2])),
        r"is of \|nor_conv_3x3": bz2.compress(pickle.dumps(results(CELLS[1], 1, 0))),
    }
    for message, content in bad.items():
        path.write_bytes(content)
        with pytest.raises(InvalidTable, match=f"(?s){message}.*restore it from the download"):
            NATSBench(TOPOLOGY, tmp_path).entry(cell)
    assert not Path("harm").exists()


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(nats_bench, "LARGEST", 1000)
    save(tmp_path / "meta.pickle.pbz2", {"meta_archs": ["x" * 2000]})
    with pytest.raises(InvalidTable, match="holds more than a file of NATS-Bench does"):
        NATSBench(TOPOLOGY, tmp_path).entry(tokens(CELLS[0]))


def test_plain_pickles_hold_plain_numbers():
    data = {"a": np.float64(0.1), "b": [np.float32(0.5), np.int64(-3)], "c": OrderedDict(x=1)}
    read = load_plain(pickle.dumps(data), numpy_numbers=True)
    assert read == {"a": 0.1, "b": [0.5, -3], "c": {"x": 1}}
    assert type(read["a"]) is float
    for given in (np.float64(1), OrderedDict(), Path("x"), np.ones(2)):
        with pytest.raises(pickle.UnpicklingError, match="it asks for"):
            load_plain(pickle.dumps(given))
    with pytest.raises(pickle.UnpicklingError, match="it asks for"):
        load_plain(pickle.dumps(np.ones(2)), numpy_numbers=True)


genuine = pytest.mark.skipif(
    GENUINE is None, reason="NAS_GYM_TEST_NATS_BENCH names no folder with NATS-Bench's files"
)


@genuine
@pytest.mark.parametrize("index", [0, 11, 284])
@pytest.mark.parametrize("dataset", ["cifar10", "cifar100", "imagenet16-120"])
def test_genuine_cells_are_those_of_the_derived_table(dataset, index):
    table = NASBench201Table(dataset=dataset)
    files = NATSBench(TOPOLOGY, f"{GENUINE}/NATS-tss-v1_0-3ffb9-simple", dataset)
    cell = table.tokens_at(index)
    assert files.index_of(cell) == index
    ours, theirs = table.entry(cell), files.entry(cell)
    assert ours.accuracies == pytest.approx(theirs.accuracies, abs=1e-9 + 5e-8)
    assert ours.metrics == pytest.approx(theirs.metrics, rel=1e-6)
    # Theirs has one validation more; the files' own seconds of it are below.
    validation = {"cifar10": (2, 5), "cifar100": (0.4, 1), "imagenet16-120": (0.2, 0.6)}[dataset]
    assert validation[0] < theirs.seconds - ours.seconds < validation[1]


@genuine
@pytest.mark.parametrize("text", ["8:8:8:8:8", "8:8:8:16:32", "8:8:40:32:40"])
@pytest.mark.parametrize(
    ("dataset", "side", "classes"),
    [("cifar10", 32, 10), ("cifar100", 32, 100), ("imagenet16-120", 16, 120)],
)
def test_genuine_sizes_have_our_networks(text, dataset, side, classes):
    files = NATSBench(SIZE, f"{GENUINE}/NATS-sss-v1_0-50262-simple", dataset)
    found = files.entry(tokens(text))
    task = Task(3, side, side, classes)
    cost = cost_on_meta(lambda: NATSSizeNetwork(size_of_string(text), task), (3, side, side))
    assert found.metrics["parameters"] == cost.parameters
    # The official count adds the classifier's biases.
    assert found.metrics["multiply_adds"] == cost.multiply_adds + classes
    assert 0 < found.accuracies[0] < files.mean_accuracy(tokens(text)) * 1.01


@genuine
def test_genuine_first_epochs():
    folder = f"{GENUINE}/NATS-sss-v1_0-50262-simple"
    size = tokens("8:8:8:16:32")
    assert decode(SIZE, size) == size_of_string("8:8:8:16:32")
    curve = [NATSBench(SIZE, folder, hp=12, epoch=e, seeds=0).entry(size) for e in (1, 2, 12)]
    assert [e.accuracies[0] for e in curve] == pytest.approx([0.37116, 0.38532, 0.74212], abs=1e-6)
    assert curve[0].seconds == pytest.approx(2.93992 + 1.36330, abs=1e-4)


@genuine
def test_genuine_curves():
    table = NASBench201Table()
    cell, folder = table.tokens_at(284), f"{GENUINE}/NATS-tss-v1_0-3ffb9-simple"
    curves = NATSBench(TOPOLOGY, folder).entry(cell).curves
    assert {len(curve) for curve in curves} == {200}
    assert [curve[-1] for curve in curves] == pytest.approx(table.entry(cell).accuracies, abs=1e-7)
    for epoch in (1, 12, 199):
        exact = NATSBench(TOPOLOGY, folder, epoch=epoch).entry(cell)
        assert tuple(curve[epoch - 1] for curve in curves) == exact.accuracies
    assert len(NATSBench(TOPOLOGY, folder, "cifar100", hp=12).entry(cell).curves[0]) == 12
    assert NATSBench(TOPOLOGY, folder, "cifar100").most_epochs is None
    size = NATSBench(SIZE, f"{GENUINE}/NATS-sss-v1_0-50262-simple", "imagenet16-120")
    assert len(size.entry(tokens("8:8:8:8:8")).curves[0]) == size.most_epochs == 90


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])  # the latter has no curves
def test_a_record_has_the_epochs_of_the_schedule(synthetic, dataset):
    for part, epochs in (({}, 200), ({"hp": 12}, 12), ({"epoch": 120}, 120)):
        evaluator = NATSBench(TOPOLOGY, synthetic / "tss", dataset, **part)
        assert epochs_recorded(evaluator) == {"most_epochs": epochs}


def test_a_part_of_a_schedule_is_answered_from_its_curve(synthetic):
    cell = tokens(CELLS[1])
    for part, most in (({}, 200), ({"hp": 12}, 12), ({"epoch": 120}, 120)):
        env = make_vector_env(
            TOPOLOGY, {"name": "nats-bench", "folder": synthetic / "tss", **part}, budget_epochs=500
        )
        evaluator = env.ledger.evaluator
        assert evaluator.most_epochs == most
        entry = evaluator.entry(cell)
        assert [curve[-1] for curve in entry.curves] == list(entry.accuracies)
        (early,) = env.play([cell], epochs=most // 2)
        # The value after that very epoch, not the best so far.
        exact = NATSBench(TOPOLOGY, synthetic / "tss", **{**part, "epoch": most // 2})
        assert early.reward == pytest.approx(exact.mean_accuracy(cell))
        (late,) = env.play([cell])
        assert late.reward == pytest.approx(evaluator.mean_accuracy(cell))
        spent = early.evaluation.seconds + late.evaluation.seconds
        assert spent == pytest.approx(entry.seconds)


def test_where_the_files_have_no_curves(synthetic):
    options = {"name": "nats-bench", "folder": synthetic / "tss", "dataset": "cifar100"}
    whole = make_vector_env(TOPOLOGY, options)
    with pytest.raises(InvalidOption, match="NATSBench cannot train in part"):
        whole.play([tokens(CELLS[1])], epochs=10)
    # These synthetic files lack what the genuine ones have of the short schedule.
    short = make_vector_env(TOPOLOGY, {**options, "hp": 12})
    with pytest.raises(InvalidOption, match="the table has no accuracy after epoch 3 of an arch"):
        short.play([tokens(CELLS[1])], epochs=3)
    assert short.play([tokens(CELLS[1])])[0].reward > 0
