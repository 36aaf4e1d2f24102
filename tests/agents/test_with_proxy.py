"""An agent with a proxy: who is evaluated, what the others are answered, what is recorded."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import nas_gym
from nas_agents.proxy.front import LATEST, PATIENCE, ProxyFront
from nas_agents.with_proxy import WithProxy
from nas_gym.agent import Observed
from nas_gym.envs.ledger import Ledger
from nas_gym.envs.rewards import Accuracy
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import BudgetExceeded, InvalidOption, InvalidSpace, UnknownName
from nas_gym.evaluators.tables.nasbench201 import NASBench201Table
from nas_gym.registry import check_trusted, make, restorable, spec_of
from nas_gym.search_spaces.architecture import Architecture, architecture_of
from nas_gym.search_spaces.grammar import SearchSpace
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing import BitString, FailingEvaluator, Landscape
from nas_gym.testing.agent_suite import AgentSuite, run_agent

SPACE = NASBench201()
TABLE = NASBench201Table()
CHEAP: dict[str, Any] = {
    "task": {"height": 8, "width": 8, "repeats": 1, "filters": 2}, "images": 2, "pool": 4,
}  # fmt: skip


def params_of(architecture: Architecture[Any]) -> float:
    return float(architecture.genotype.operations.count("nor_conv_3x3"))


def with_proxy(**options: Any) -> WithProxy:
    return WithProxy(**{"proxies": ("parameters",), "proxy_options": CHEAP, **options})


class TestSuite(AgentSuite):
    @pytest.fixture(params=[1.0, pytest.param(0.4, marks=pytest.mark.slow)])
    def agent(self, request: pytest.FixtureRequest) -> WithProxy:
        inner = "regularized-evolution/tabular" if request.param == 1 else "reinforce"
        return WithProxy(inner, ("parameters",), 6, 3, request.param)

    @pytest.fixture
    def space(self) -> SearchSpace[Any]:
        return SPACE


@pytest.mark.few(4)
@pytest.mark.parametrize("inner", ["sb3-ppo", "priority-queue", "random-search", "local-search"])
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_any_agent_can_have_one(inner: str, share: float) -> None:
    agent = with_proxy(agent=inner, scored=5, first=2, share=share)
    assert len(run_agent(agent, TABLE, SPACE, budget=17, num_envs=agent.batch_size)) == 17


# ---------------------------------------------------------------- the first architectures


@pytest.mark.parametrize("inner", ["random-search", "reinforce"])
def test_the_best_of_many_come_first(inner: str) -> None:
    agent = with_proxy(agent=inner, scored=40, first=5)
    requests = run_agent(agent, TABLE, SPACE, budget=20)
    counts = [params_of(architecture_of(SPACE, tokens)) for tokens, _ in requests]
    assert counts[:5] == sorted(counts[:5], reverse=True)
    assert min(counts[:5]) >= max(counts[5:]) - 1
    assert sum(counts[:5]) / 5 > sum(counts[5:]) / 15 + 1


@dataclass(frozen=True)
class Noting:
    """An agent that asks for the same cell again and again, and notes what it is answered."""

    takes_others: bool = True
    batch_size: int = 2

    def search(self, env: NASVectorEnv[Any]) -> None:
        while env.remaining > 0:
            ANSWERED.extend(env.play([(0,) * 6] * int(min(2, env.remaining))))


ANSWERED: list[Any] = []


@pytest.mark.parametrize("takes", [True, False])
def test_who_takes_others_is_told_of_them(takes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    ANSWERED.clear()
    monkeypatch.setattr("nas_agents.with_proxy.agent_of", lambda part: Noting(takes))
    requests = run_agent(with_proxy(scored=9, first=3), TABLE, SPACE, budget=8)
    others = [tokens for tokens, _ in requests[:3]]
    assert (0,) * 6 not in others
    assert [tokens for tokens, _ in requests[3:]] == [(0,) * 6] * 5
    told = [(each.tokens, each.reward) for each in ANSWERED]
    assert told == (requests if takes else requests[3:])


def test_a_budget_below_the_first_ones_is_kept() -> None:
    for inner in ("reinforce", "genetic"):
        agent = with_proxy(agent=inner, scored=9, first=9)
        assert len(run_agent(agent, TABLE, SPACE, budget=4)) == 4


# ---------------------------------------------------------------- the filter


def front(share: float, budget: int = 1000, **options: Any) -> ProxyFront:
    evaluator = options.pop("evaluator", TABLE)
    ledger = Ledger(evaluator, Accuracy(), budget=budget)
    return ProxyFront(ledger, params_of, (), share, **options)


def drawn(count: int, seed: int = 0) -> list[Architecture[Any]]:
    import numpy as np

    rng = np.random.default_rng(seed)
    return [architecture_of(SPACE, random_tokens(SPACE, rng)) for _ in range(count)]


def test_who_is_good_among_the_latest_is_evaluated() -> None:
    asking, batch = front(0.2, before=[0, 1, 1, 1, 1, 1, 1, 2, 3, 3]), drawn(40)
    answers = asking.request(batch)
    paid = [b for b, a in zip(batch, answers, strict=True) if a.evaluation.source == "table"]
    passed = [b for b, a in zip(batch, answers, strict=True) if a.evaluation.source == "proxy"]
    assert batch[0] in paid  # the first one of all is evaluated
    assert 0 < len(paid) < 25  # with ties
    assert min(map(params_of, paid[1:])) >= max(map(params_of, passed))
    assert asking.requests == 40
    assert asking.ledger.requests == len(paid)
    assert [a.evaluation.architecture for a in answers] == batch


@pytest.mark.parametrize("size", [1, 2, 7])
def test_about_that_share_is_evaluated_and_it_is_the_same_whatever_the_batch(size: int) -> None:
    everything = list(dict.fromkeys(drawn(LATEST * 4)))
    order = {a: (7 * i) % 101 for i, a in enumerate(everything)}  # no ties to speak of

    def evaluated(size: int) -> list[bool]:
        asking = front(0.25)
        asking._score = order.__getitem__  # type: ignore[assignment]
        parts = (everything[i : i + size] for i in range(0, len(everything), size))
        return [a.evaluation.source != "proxy" for part in parts for a in asking.request(part)]

    chosen = evaluated(size)
    assert 0.2 < sum(chosen) / len(chosen) < 0.35
    assert chosen == evaluated(20)


def test_others_are_answered_with_the_reward_at_the_same_quantile() -> None:
    asking = front(0.25)
    everything = drawn(300)
    answers = asking.request(everything[:100])
    paid = sorted(a.reward for a in answers if a.evaluation.source == "table")
    for proposal, answer in zip(everything, answers, strict=False):
        if answer.evaluation.source == "proxy":
            assert paid[0] <= answer.reward <= paid[-1]
            assert answer.evaluation.failure is None
            assert answer.evaluation.seconds == 0
            assert set(answer.evaluation.metrics) >= {"accuracy", "parameters"}
            assert answer.evaluation.architecture == proposal
    worse = asking._estimate(everything[0], 0.0).reward
    better = asking._estimate(everything[0], 6.0).reward
    assert worse == paid[0]
    assert better == paid[-1]


def test_a_search_ends_although_nothing_is_good_enough() -> None:
    asking = front(0.1)
    asking.request(drawn(50))
    before = asking.ledger.requests
    asking._score = lambda architecture: -1.0  # worse than all so far
    asking._latest.extend(range(LATEST))
    for proposal in drawn(int(PATIENCE / 0.1) + 1, seed=1):
        asking.request([proposal])
        asking._latest.extend(range(LATEST))
    assert asking.ledger.requests > before


def test_the_budget_is_kept_and_its_end_is_said() -> None:
    asking = front(0.5, budget=3)
    assert asking.remaining == math.inf  # so that agents do not cut their last batch
    asking.request(drawn(20))
    assert asking.remaining == 0
    assert asking.ledger.requests == 3
    with pytest.raises(BudgetExceeded):
        asking.request(drawn(1))


def test_a_filter_lives_with_children_that_all_fail() -> None:
    failing = FailingEvaluator(TABLE, rate=1.0)
    answers = front(0.2, evaluator=failing).request(drawn(50))
    assert all(a.evaluation.failure is not None for a in answers)
    assert {a.reward for a in answers} == {0}


def test_requests_of_a_part_of_a_training_are_passed_on() -> None:
    class Parts:
        remaining = 5

        def request(self, architectures: Sequence[Any], epochs: Sequence[int]) -> list[Any]:
            return [(a, e) for a, e in zip(architectures, epochs, strict=True)]

        most_epochs = 7

    asking = ProxyFront(Parts(), params_of, (), 0.1)  # type: ignore[arg-type]
    assert asking.request(["x", "y"], [1, 2]) == [("x", 1), ("y", 2)]  # type: ignore[list-item]
    assert asking.most_epochs == 7


def test_without_a_share_nothing_is_scored_after_the_first_ones() -> None:
    asking = front(1.0)
    asking._score = None  # type: ignore[assignment]
    assert all(a.evaluation.source == "table" for a in asking.request(drawn(9)))


# ---------------------------------------------------------------- its configuration


@pytest.mark.few(1)
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_it_is_recorded_and_gone_on_with(tmp_path: Path, share: float) -> None:
    agent = {
        "name": "with-proxy", "agent": {"name": "genetic", "population_size": 4}, "scored": 4,
        "first": 2, "share": share, "proxies": ["parameters"], "proxy_options": CHEAP,
    }  # fmt: skip
    options: Any = {
        "space": "nasbench201", "evaluator": "nasbench201", "agent": agent, "seed": 3,
    }  # fmt: skip
    whole = nas_gym.search(**options, budget=12)
    store = tmp_path / "s.sqlite"
    nas_gym.search(**options, budget=7, run="it", store=store)
    again = nas_gym.resume("it", store, budget=12)
    assert [a.reward for a in again.answers] == [a.reward for a in whole.answers]
    assert {a.evaluation.source for a in whole.answers} <= {"table", "memo"}


def test_it_is_made_again_from_its_record_and_names_the_code_of_others() -> None:
    agent = with_proxy(agent={"name": "genetic", "batch_size": 3})
    assert restorable("agent", agent)
    assert agent.batch_size == 3
    spec = spec_of("agent", agent)
    assert spec["agent"] == {"name": "genetic", "batch_size": 3}
    with pytest.raises(nas_gym.errors.UntrustedModule, match="mine"):
        check_trusted("run 'x'", {"agent": {"name": "with-proxy", "agent": "mine:Agent"}}, ())


def test_it_recommends_what_its_agent_would() -> None:
    observed = [Observed((i,) * 6, reward) for i, reward in enumerate((0.2, 0.9, 0.3))]
    for inner in ("random-search", "regularized-evolution"):
        assert with_proxy(agent=inner).recommend(SPACE, observed) == (1,) * 6


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"first": 30, "scored": 20}, InvalidOption, "first is 30 and scored is 20"),
        ({"agent": "with-proxy"}, InvalidOption, "which has a proxy itself"),
        ({"agent": "asha"}, InvalidOption, "agent is 'asha', which trains in part"),
        ({"agent": {"name": "hyperband"}}, InvalidOption, "with proposer='with-proxy'"),
        ({"agent": "successive-halving"}, InvalidOption, "which trains in part"),
        ({"agent": "nobody"}, UnknownName, "nobody"),
        ({"share": 0.0}, InvalidOption, "share"),
        ({"proxies": []}, InvalidOption, "proxies"),
    ],
)
def test_bad_options_are_refused(options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make("agent", {"name": "with-proxy", **options})


@pytest.mark.parametrize("space", [BitString(4), make("space", "rnn-cell")])
def test_spaces_without_networks_for_images_are_refused(space: Any) -> None:
    with pytest.raises(InvalidSpace, match="leave proxies out"):
        run_agent(WithProxy(), Landscape(space), space, budget=3)


def test_unknown_proxies_and_options_are_said() -> None:
    for name in ("with-proxy", "predictor-evolution", "model-based-reinforce"):
        with pytest.raises(UnknownName, match="az"):
            make("agent", {"name": name, "proxies": ["az"]})
        agent = make("agent", {"name": name, "proxies": ["nwot"], "proxy_options": {"size": 1}})
        with pytest.raises(UnknownName, match="option of the proxies 'size'"):
            run_agent(agent, TABLE, SPACE, budget=60)
