"""The evaluator ``zero-cost``: its metrics, its options, and searches with it."""

import math
import pickle
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import nas_gym
from nas_gym import AskTell, load_run
from nas_gym.envs.rewards import OfMetric
from nas_gym.errors import InvalidDataset, InvalidOption, InvalidSpace, UnknownName
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.metrics import leader_of, leading_metric
from nas_gym.evaluators.proxies import ZeroCost
from nas_gym.evaluators.proxies.names import PROXIES
from nas_gym.registry import make, restorable, spec_of, usual_reward
from nas_gym.runs.console import PlainConsole
from nas_gym.runs.findings import Findings
from nas_gym.runs.report import print_summary
from nas_gym.search_spaces.architecture import Architecture, architecture_of
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing import BitString
from nas_gym.testing.evaluator_suite import SEED, EvaluatorSuite

SMALL = {"height": 8, "width": 8, "repeats": 1, "filters": 4}
SPACE = NASBench201()
FAST: dict[str, Any] = {"task": SMALL, "images": 4, "pool": 5}
GOOD, DEAD = (3, 3, 1, 3, 2, 4), (0, 0, 0, 0, 0, 0)


def evaluated(evaluator: ZeroCost, *tokens: tuple[int, ...]) -> list[Evaluation]:
    architectures = [architecture_of(SPACE, each) for each in tokens]
    return list(evaluator.evaluate(architectures, [SEED] * len(tokens)))


class TestSuite(EvaluatorSuite):
    @pytest.fixture
    def evaluator(self, space: Any) -> ZeroCost:
        return ZeroCost(space, **FAST)

    def test_an_answer_is_an_accuracy_or_a_failure(
        self, closing: Any, architectures: list[Architecture[Any]]
    ) -> None:
        """It has no accuracy, and a score in (0, 1] in its place."""
        for answer in closing.evaluate(architectures, [SEED] * len(architectures)):
            assert answer.failure is None
            assert answer.source == "proxy"
            assert 0 < answer.metrics["zero_cost"] <= 1
            assert all(math.isfinite(value) for value in answer.metrics.values())


def test_every_proxy_is_a_metric() -> None:
    evaluator = ZeroCost(SPACE, proxies=PROXIES, **FAST)
    (answer,) = evaluated(evaluator, GOOD)
    assert set(answer.metrics) == set(evaluator.gives)
    assert answer.metrics["unscored"] == 0
    assert answer.detail is None
    assert answer.metrics["az_nas"] == answer.metrics["zero_cost"]


def test_a_score_of_several_proxies_is_the_mean_of_their_ranks() -> None:
    scores = ("nwot", "synflow", "parameters")
    (alone,) = evaluated(ZeroCost(SPACE, proxies=scores, score=scores, **FAST), GOOD)
    singles = [
        evaluated(ZeroCost(SPACE, proxies=("nwot",), score=name, **FAST), GOOD)[0]
        for name in scores
    ]
    logs = [math.log(single.metrics["zero_cost"]) for single in singles]
    assert alone.metrics["zero_cost"] == pytest.approx(math.exp(sum(logs) / 3))
    assert set(singles[2].metrics) >= {"nwot", "parameters", "zero_cost"}


def test_a_network_without_a_path_has_the_lowest_rank_and_it_is_said() -> None:
    evaluator = ZeroCost(SPACE, proxies=("az-nas", "nwot"), **FAST)
    good, dead = evaluated(evaluator, GOOD, DEAD)
    assert dead.failure is None
    assert dead.metrics["unscored"] == 5  # all of them, although one is known
    assert "could not be computed" in str(dead.detail)
    assert "nwot" not in dead.metrics
    assert "multiply_adds" in dead.metrics
    assert dead.metrics["zero_cost"] == pytest.approx(1 / 6)  # of a pool of five and itself
    assert good.metrics["zero_cost"] > 1 / 6


def test_a_report_says_how_many_could_not_be_scored(tmp_path: Path) -> None:
    evaluator = ZeroCost(SPACE, proxies=("synflow",), score="synflow", **FAST)
    with AskTell(SPACE, evaluator, budget=3, run="some", store=tmp_path / "s.sqlite") as session:
        session.evaluate([list(GOOD), list(DEAD)])
    told = StringIO()
    found = Findings.of(load_run("some", tmp_path / "s.sqlite"))
    print_summary(found, PlainConsole(file=told, width=200))
    assert "1 of 2 architectures could not be scored by every proxy: they have" in told.getvalue()


def test_an_unconnected_network_is_the_lowest_by_its_size_as_well_and_it_is_said() -> None:
    evaluator = ZeroCost(SPACE, proxies=("parameters",), score="parameters", **FAST)
    dead, small = evaluated(evaluator, (3, 0, 3, 0, 0, 0), (0, 0, 0, 1, 0, 0))
    assert dead.metrics["parameters"] > small.metrics["parameters"]
    assert small.metrics["zero_cost"] > dead.metrics["zero_cost"] == pytest.approx(1 / 6)
    assert (dead.metrics["unscored"], small.metrics["unscored"]) == (1, 0)
    assert "the same for all images" in str(dead.detail)
    assert small.detail is None


def test_the_childs_seed_says_nothing() -> None:
    evaluator = ZeroCost(SPACE, **FAST)
    architecture = architecture_of(SPACE, GOOD)
    one, other = (next(evaluator.evaluate([architecture], [seed])) for seed in (1, 2))
    assert one.metrics == other.metrics


def test_a_pickle_knows_the_pool_and_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator = ZeroCost(SPACE, **FAST)
    (expected,) = evaluated(evaluator, GOOD)
    copy = pickle.loads(pickle.dumps(evaluator))
    monkeypatch.setattr("nas_gym.evaluators.proxies.scorer.Scorer.random_pool", None)
    assert evaluated(copy, GOOD)[0].metrics == expected.metrics


def test_a_network_that_cannot_be_built_is_a_failure() -> None:
    class Odd(NASBench201):
        def build(self, genotype: Any, task: Any) -> Any:
            if genotype.operations.count("nor_conv_3x3") == 6:
                raise ValueError("too much of it")
            return super().build(genotype, task)

    _, failed = evaluated(ZeroCost(Odd(), **FAST), GOOD, (3,) * 6)
    assert str(failed.failure).startswith("error: ValueError: too much of it")


# ---------------------------------------------------------------- what is scored


def test_networks_are_of_the_spaces_usual_size_or_of_a_recipes() -> None:
    assert ZeroCost(SPACE).protocol["task"]["repeats"] == 5
    quick = ZeroCost(SPACE, recipe="quick").protocol["task"]
    assert (quick["repeats"], quick["filters"], quick["height"]) == (1, 4, 32)
    larger = ZeroCost(SPACE, recipe="quick", task={"filters": 6}).protocol["task"]
    assert (larger["filters"], larger["channels"]) == (6, 3)


def test_a_data_set_gives_images_and_task() -> None:
    evaluator = ZeroCost(SPACE, "digits", proxies=("nwot", "synflow"), images=8, pool=3)
    trained = make("evaluator", {"name": "training", "dataset": "digits"}, space=SPACE)
    assert evaluator.protocol["task"] == trained.protocol["task"]
    assert evaluator.protocol["data"] == trained.protocol["fingerprint"]
    real, noise = (
        evaluated(each, GOOD)[0].metrics
        for each in (
            evaluator,
            ZeroCost(
                SPACE, proxies=("nwot", "synflow"), images=8, pool=3,
                task={n: trained.protocol["task"][n] for n in
                      ("channels", "height", "width", "classes", "repeats", "filters")},
            ),
        )
    )  # fmt: skip
    assert real["nwot"] != noise["nwot"]
    assert real["synflow"] == noise["synflow"]  # without data in any case


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"score": "az_nas"}, UnknownName, "did you mean 'az-nas'"),
        ({"score": []}, InvalidOption, "score"),
        ({"proxies": ["nothing"]}, UnknownName, "nothing"),
        ({"pool": 0}, InvalidOption, "pool of evaluator 'zero-cost' is 0"),
        ({"images": 1}, InvalidOption, "images of evaluator 'zero-cost' is 1"),
        ({"folder": "here"}, InvalidOption, "folder is 'here', but there is no data set"),
        ({"download": True}, InvalidOption, "download is True, but there is no data set"),
        ({"dataset": "digits", "task": {"height": 8}}, InvalidOption, "task has height, which"),
        ({"dataset": "digit"}, UnknownName, "digit"),
        ({"dataset": "no/such/folder"}, InvalidDataset, "no/such/folder"),
        ({"recipe": "slow"}, UnknownName, "slow"),
        ({"task": {"depth": 3}}, UnknownName, "option of task 'depth'"),
    ],
)
def test_bad_options_are_refused(options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make("evaluator", {"name": "zero-cost", **options}, space=SPACE)


@pytest.mark.parametrize("space", [BitString(4), make("space", "enas-rnn-cell")])
def test_a_space_without_networks_for_images_is_refused(space: Any) -> None:
    with pytest.raises(InvalidSpace, match="leave proxies out"):
        ZeroCost(space)


# ---------------------------------------------------------------- searches


def test_its_own_metric_leads_and_is_rewarded() -> None:
    evaluator = ZeroCost(SPACE, **FAST)
    assert leading_metric(evaluator).name == "zero_cost" == leader_of(evaluator.gives).name
    assert usual_reward(SPACE, evaluator) == {"name": "metric", "metric": "zero_cost"}
    assert usual_reward(SPACE, make("evaluator", "nasbench201")) == "accuracy"


@pytest.mark.slow
def test_a_search_by_it_is_recorded_and_goes_on(tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    options: Any = {"agent": "random-search", "store": store, "run": "it", "seed": 1}
    evaluator = {"name": "zero-cost", **FAST}
    first = nas_gym.search("nasbench201", evaluator, budget=3, **options)
    assert first.best()[0].reward == first.best()[0].evaluation.metrics["zero_cost"]
    again = nas_gym.resume("it", store, budget=5)
    assert [a.reward for a in again.answers[:3]] == [a.reward for a in first.answers]
    whole = nas_gym.search("nasbench201", evaluator, budget=5, agent="random-search", seed=1)
    assert [a.reward for a in again.answers] == [a.reward for a in whole.answers]


def test_it_is_made_again_from_its_record() -> None:
    evaluator = ZeroCost(SPACE, score=("nwot", "synflow"), **FAST)
    assert restorable("evaluator", evaluator, space=SPACE)
    assert spec_of("evaluator", evaluator)["score"] == ["nwot", "synflow"]


def test_a_reward_may_be_any_metric() -> None:
    architecture = architecture_of(SPACE, GOOD)
    evaluation = Evaluation(architecture, {"parameters": 5.0, "nwot": 2.0})
    assert OfMetric("nwot")(evaluation) == 2
    assert OfMetric("parameters")(evaluation) == -5
    assert OfMetric("parameters", "higher")(evaluation) == 5
    assert OfMetric("nwot", "lower").needs == ("nwot",)
    with pytest.raises(InvalidOption, match="needs the metric 'zen'"):
        OfMetric("zen")(evaluation)
    with pytest.raises(InvalidOption, match="reward 'metric' needs a value for metric"):
        make("reward", "metric")
