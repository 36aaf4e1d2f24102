"""Agents that train children in part: traces by hand, and what they find for their epochs."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_agents import ASHA, Hyperband, SuccessiveHalving
from nas_agents.fidelity.brackets import Bracket, BracketLadder
from nas_gym import load_run, resume, search
from nas_gym.envs.ledger import Ledger
from nas_gym.envs.rewards import Accuracy
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption, UnknownName, UntrustedModule
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.registry import foreign_modules, make, spec_of
from nas_gym.search_spaces.architecture import architecture_of
from nas_gym.search_spaces.moves import enumerate_tokens
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing import BitString, FailingEvaluator

SPACE = NASBench201()
EPOCHS = 27
SMALL = {
    "proxy_options": {
        **{"images": 2, "pool": 3},
        "task": {"height": 8, "width": 8, "repeats": 1, "filters": 2},
    }
}
LANDSCAPE = Landscape(SPACE, seed=3, noise=0.001, epochs=EPOCHS, curve_noise=0.01)


def epochs_of(result: Any) -> list[int]:
    return [answer.evaluation.epochs or EPOCHS for answer in result.answers]


def test_successive_halving_halves() -> None:
    result = search(SPACE, LANDSCAPE, "successive-halving", budget=27 + 9 + 3 + 1, seed=0)
    asked = epochs_of(result)
    assert asked == [1] * 27 + [3] * 9 + [9] * 3 + [27]
    rewards = [answer.reward for answer in result.answers]
    keys = [answer.evaluation.architecture.key for answer in result.answers]
    for first, count in ((0, 27), (27, 9), (36, 3)):  # the best third of each rung goes on
        rung = sorted(range(first, first + count), key=lambda n: -rewards[n])[: count // 3]
        assert keys[first + count : first + count + count // 3] == [keys[n] for n in rung]
    assert result.answers[-1] is result.best()[0]


def test_a_failure_takes_no_place_in_a_bracket() -> None:
    failing = FailingEvaluator(LANDSCAPE, rate=0.8)
    result = search(SPACE, failing, "successive-halving", budget=60, seed=0)
    good = sum(answer.evaluation.failure is None for answer in result.answers[:27])
    assert 3 <= good < 9  # fewer than have a place on the next rung
    assert epochs_of(result)[: 27 + good + 4] == [1] * 27 + [3] * good + [9] * 3 + [27]
    assert all(answer.evaluation.failure is None for answer in result.answers[27 : 27 + good + 4])


def test_hyperband_begins_on_every_rung() -> None:
    result = search(SPACE, LANDSCAPE, "hyperband", budget=10_000, budget_epochs=600, seed=0)
    asked = epochs_of(result)
    first = Counter(asked[: 27 + 9 + 3 + 1])
    assert first == {1: 27, 3: 9, 9: 3, 27: 1}
    second = Counter(asked[40 : 40 + 12 + 4 + 1])  # ceil(4 * 9 / 3) begin at 3 epochs
    assert second == {3: 12, 9: 4, 27: 1}


def test_asha_promotes_before_it_begins() -> None:
    agent = ASHA(proposer={"name": "random-search", "batch_size": 1})
    result = search(SPACE, LANDSCAPE, agent, budget=200, seed=0)
    rungs: dict[int, list[float]] = {1: [], 3: [], 9: [], 27: []}
    went_on: dict[int, set[str]] = {1: set(), 3: set(), 9: set()}
    seen: dict[int, dict[str, float]] = {epochs: {} for epochs in rungs}
    below = {3: 1, 9: 3, 27: 9}
    for answer in result.answers:
        epochs, key = answer.evaluation.epochs or EPOCHS, answer.evaluation.architecture.key
        may = [e for e in (9, 3, 1) if _candidate(seen[e], went_on[e]) is not None]
        if may:  # whoever may go on does, from the highest rung down
            assert below[epochs] == may[0]
            assert key == _candidate(seen[may[0]], went_on[may[0]])
            went_on[may[0]].add(key)
        else:
            assert epochs == 1
        seen[epochs].setdefault(key, answer.reward)


def _candidate(seen: dict[str, float], went_on: set[str]) -> str | None:
    best = sorted(seen, key=lambda key: -seen[key])[: len(seen) // 3]
    return next((key for key in best if key not in went_on), None)


def test_a_child_is_stopped_below_the_best_third() -> None:
    agent = ASHA(proposer={"name": "random-search", "batch_size": 1}, mode="stopping")
    result = search(SPACE, LANDSCAPE, agent, budget=150, seed=0)
    seen: dict[int, list[float]] = {1: [], 3: [], 9: [], 27: []}
    answers = list(result.answers)
    known: set[str] = set()
    for answer, following in pairwise(answers):
        epochs, key = answer.evaluation.epochs or EPOCHS, answer.evaluation.architecture.key
        if answer.evaluation.source == "memo":
            continue
        seen[epochs].append(answer.reward)
        best = sorted(seen[epochs], reverse=True)[: max(1, len(seen[epochs]) // 3)]
        goes_on = following.evaluation.architecture.key == key
        assert goes_on == (answer.reward in best and epochs < EPOCHS) or key in known
        known.add(key)


class Watching:
    """A proposer that notes its rewards."""

    batch_size = 4
    seen: list[tuple[tuple[int, ...], float, int]] = []  # noqa: RUF012

    def search(self, env: NASVectorEnv[Any]) -> None:
        Watching.seen.clear()
        from nas_gym.search_spaces.moves import random_tokens

        while env.remaining > 0:
            batch = [random_tokens(env.space, env.np_random) for _ in range(4)]
            for tokens, reward, evaluation in env.play(batch):
                Watching.seen.append((tokens, reward, evaluation.epochs or EPOCHS))


@pytest.mark.parametrize(
    "agent",
    [ASHA, SuccessiveHalving, Hyperband, lambda proposer: ASHA(proposer, mode="stopping")],
    ids=["asha", "successive-halving", "hyperband", "stopping"],
)
def test_a_proposer_sees_ranks_and_no_accuracy(agent: Any) -> None:
    made = agent(proposer=f"{__name__}:Watching")
    search(SPACE, LANDSCAPE, made, budget_epochs=300, seed=0)
    assert len(Watching.seen) > 20
    assert all(0 < reward < 1 for _, reward, _ in Watching.seen)
    rungs = [1, 3, 9, 27]
    for _, reward, epochs in Watching.seen:  # of a higher rung, a higher reward
        place = rungs.index(epochs)
        assert place / 4 < reward < (place + 1) / 4


@pytest.mark.parametrize("proposer", ["random-search", "regularized-evolution", "reinforce"])
def test_the_budget_is_spent(proposer: str) -> None:
    result = search(SPACE, LANDSCAPE, ASHA(proposer=proposer), budget_epochs=500, seed=1)
    paid = 0
    reached: dict[str, int] = {}
    for answer in result.answers:
        key, end = answer.evaluation.architecture.key, answer.evaluation.epochs or EPOCHS
        if answer.evaluation.source != "memo":
            paid += end - reached.get(key, 0)
            reached[key] = end
    assert 500 <= paid < 500 + 8 * EPOCHS
    alike = search(SPACE, LANDSCAPE, ASHA(proposer=proposer), budget=64, seed=1)
    assert len(alike.answers) == 64


@pytest.mark.slow
def test_agents_that_step_can_propose() -> None:
    agent = ASHA(proposer={"name": "sb3-ppo", "batch_size": 4})
    result = search(SPACE, LANDSCAPE, agent, budget_epochs=150, seed=0)
    assert set(epochs_of(result)) >= {1, 3}


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["promotion", "stopping"])
def test_a_third_of_the_epochs_finds_as_much(mode: str) -> None:
    """The same proposer, paired over ten landscapes, with a third of the epochs."""

    def found(agent: Any, seed: int, epochs: int) -> float:
        landscape = Landscape(SPACE, seed=seed, noise=0.001, epochs=EPOCHS, curve_noise=0.01)
        best = search(SPACE, landscape, agent, budget_epochs=epochs, seed=seed).best()[0]
        return landscape.accuracy(best.evaluation.architecture.tokens)

    whole = [found("random-search", seed, 60 * EPOCHS) for seed in range(10)]
    in_part = [found(ASHA(mode=mode), seed, 20 * EPOCHS) for seed in range(10)]
    assert np.mean(in_part) >= np.mean(whole)


def test_a_search_is_resumed(tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    agent = {"name": "asha", "proposer": {"name": "regularized-evolution", "batch_size": 3}}
    search("nasbench201", LANDSCAPE, agent, budget=25, run="cut", store=store, seed=4)
    assert load_run("cut", store).config["agent"] == agent
    more = resume("cut", store, budget=90)
    whole = search("nasbench201", LANDSCAPE, agent, budget=90, seed=4)
    assert [(a.evaluation.epochs, a.reward) for a in more.answers] == [
        (a.evaluation.epochs, a.reward) for a in whole.answers
    ]


def test_a_proposer_of_the_users_is_to_be_trusted(tmp_path: Path) -> None:
    agent = ASHA(proposer=f"{__name__}:Watching")
    assert list(foreign_modules("agent", spec_of("agent", agent))) == [__name__]
    store = tmp_path / "s.sqlite"
    search("nasbench201", LANDSCAPE, agent, budget=9, run="r", store=store)
    with pytest.raises(UntrustedModule, match=f"--trust {__name__}"):
        resume("r", store, budget=12)
    assert len(resume("r", store, budget=12, trust=[__name__]).answers) == 12


TRAINED = {"name": "nsga2", "objectives": ["accuracy", "-parameters"]}
WRAPPED = {"name": "with-proxy", "agent": {**TRAINED, "name": "mo-evolution"}}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"proposer": "asha"}, "trains in part itself: give an agent that only proposes"),
        ({"min_epochs": 9, "max_epochs": 3}, "max_epochs is 3 and min_epochs is 9"),
        ({"reduction_factor": 1}, "reduction_factor of agent 'asha' is 1: give a whole number"),
        ({"mode": "halting"}, "mode"),
        ({"proposer": TRAINED}, "'accuracy', and values after different epochs do not compare"),
        ({"proposer": WRAPPED}, "'accuracy', and values after different epochs do not compare"),
        ({"name": "successive-halving", "trials": 2}, "so nobody would go on: give at least 3"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises((InvalidOption, UnknownName), match=message):
        make("agent", {"name": "asha", **options})
    with pytest.raises(UnknownName, match="random-serch"):
        make("agent", {"name": "asha", "proposer": "random-serch"})


@pytest.mark.parametrize("options", [{"max_epochs": 28}, {"min_epochs": 28}])
def test_epochs_beyond_a_training(options: dict[str, int]) -> None:
    ((option, epochs),) = options.items()
    message = f"{option} is {epochs}, and a whole training has 27 epochs: give at most so many"
    with pytest.raises(InvalidOption, match=message):
        search(SPACE, LANDSCAPE, ASHA(**options), budget=10)


@pytest.mark.parametrize("name", ["asha", "hyperband", "successive-halving"])
@pytest.mark.parametrize(
    ("epochs", "options", "message"),
    [
        (6, {"min_epochs": 3}, "no rung below 6 epochs.* min_epochs of at most 2 or reduction.* 2"),
        (2, {}, "no rung below 2 epochs, .*: give reduction_factor of at most 2"),
        (27, {"max_epochs": 2}, "no rung below 2 epochs"),
        (27, {"reduction_factor": 28}, "no rung below 27 epochs"),
        (1, {}, "a whole training has 1 epoch, so nothing can be trained in part"),
    ],
)
def test_a_ladder_of_one_rung_is_refused(
    name: str, epochs: int, options: dict[str, int], message: str
) -> None:
    landscape = Landscape(SPACE, epochs=epochs)
    with pytest.raises(InvalidOption, match=message):
        search(SPACE, landscape, {"name": name, **options}, budget=10)


def test_one_rung_that_was_asked_for() -> None:
    result = search(SPACE, LANDSCAPE, {"name": "asha", "max_epochs": 1}, budget=10)
    assert epochs_of(result) == [1] * 10


def test_too_few_trials_for_the_highest_rung(caplog: pytest.LogCaptureFixture) -> None:
    search(SPACE, LANDSCAPE, SuccessiveHalving(trials=27), budget=10)
    assert caplog.messages == []
    search(SPACE, LANDSCAPE, SuccessiveHalving(trials=9), budget=10)
    (said,) = caplog.messages
    assert said.startswith("of 9 trials nobody comes to the highest of the rungs of 1, 3, 9, 27")


@pytest.mark.parametrize("proposer", ["nsga2", {"name": "nsga2", "objectives": ["reward"]}])
def test_objectives_that_no_training_changes(proposer: Any) -> None:
    assert len(search(SPACE, LANDSCAPE, ASHA(proposer), budget=20, seed=0).answers) == 20


# Of BitString(5) there are 32 architectures, so agents propose them again and again.
NOISY = Landscape(
    BitString(5), seed=3, noise=0.01, fresh_noise=True, epochs=EPOCHS, curve_noise=0.01
)
FAILS = FailingEvaluator(NOISY, rate=0.3)
AGAIN = [
    (ASHA("regularized-evolution"), False),
    (ASHA("regularized-evolution"), True),
    (ASHA("regularized-evolution", mode="stopping"), False),
    (ASHA("regularized-evolution", mode="stopping"), True),
    (Hyperband("regularized-evolution"), False),
    (SuccessiveHalving("regularized-evolution"), False),
]


@pytest.mark.few(2)
@pytest.mark.parametrize("evaluator", [NOISY, FAILS], ids=["noisy", "fails"])
@pytest.mark.parametrize(("agent", "asynchronous"), AGAIN)
def test_what_is_known_is_not_paid_again(agent: Any, asynchronous: bool, evaluator: Any) -> None:
    result = search(BitString(5), evaluator, agent, budget=150, seed=0, asynchronous=asynchronous)
    paid = [(a.evaluation.architecture.key, a.evaluation.epochs) for a in result.answers]
    assert len(paid) > 30
    assert len(paid) == len(set(paid))


def test_the_rungs_of_a_trial_are_of_one_training() -> None:
    """In Hyperband an architecture may begin on a lower rung than it has been on."""
    asked: list[tuple[int, int, int]] = []

    class Noting(FailingEvaluator):
        def evaluate(self, architectures: Any, seeds: Any, fidelities: Any) -> Any:
            for each, seed, part in zip(architectures, seeds, fidelities, strict=True):
                if each.key == best.key:
                    asked.append((seed, part.begun, part.epochs or 4))
            return super().evaluate(architectures, seeds, fidelities)

    space = BitString(3)
    noisy = Landscape(space, seed=3, noise=1e-9, fresh_noise=True, epochs=4, curve_noise=0.0)
    some = [architecture_of(space, tokens) for tokens in enumerate_tokens(space)]
    best, *others = sorted(some, key=lambda each: -noisy.accuracy(each.tokens))
    ledger = Ledger(Noting(noisy, rate=0.0), Accuracy())
    ladder = BracketLadder(ledger, (1, 2, 4), 2, [Bracket(1, 1), Bracket(4, 0)], 2)
    for proposals in ([best], [best, *others[:3]], [best], [best, *others[:3]]):
        ladder.request(proposals)
    first, second = asked[0][0], asked[-1][0]
    # The other training of it begins again, and has all its rungs; then nothing is asked again.
    assert asked == [(first, 0, 2), (second, 0, 1), (second, 1, 2), (second, 2, 4)]
    assert first != second


@pytest.mark.slow
def test_who_trains_in_part_decides_last() -> None:
    inside = {"name": "with-proxy", "agent": "asha", "proxies": ["synflow"], "scored": 0}
    with pytest.raises(InvalidOption, match="agent='asha' with proposer='with-proxy'"):
        search(SPACE, LANDSCAPE, {**inside, "first": 0, "share": 0.5, **SMALL}, budget=10)
    outside = {**inside, "agent": "genetic", "first": 0, "share": 0.5, **SMALL}
    result = search(SPACE, LANDSCAPE, ASHA(proposer=outside), budget=30, seed=0)
    assert len(result.answers) == 30
    assert set(epochs_of(result)) >= {1, 3}
