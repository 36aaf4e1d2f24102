"""Children that are trained in part: who goes on, what it costs, what answers a repeat."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_gym import load_run, search
from nas_gym.envs.async_env import NASAsyncVectorEnv
from nas_gym.envs.children import Children
from nas_gym.envs.edit_env import NASEditEnv
from nas_gym.envs.env import NASEnv
from nas_gym.envs.ledger import Ledger
from nas_gym.envs.multi_objective import MultiObjectiveEnv
from nas_gym.envs.rewards import Accuracy
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import BudgetExceeded, InvalidOption, RunDiverged, UnknownName
from nas_gym.evaluators.evaluation import WHOLE, Evaluation, Fidelity
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.search_spaces.architecture import Architecture, architecture_of
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell

SPACE = NASBench201()
EPOCHS = 27
LANDSCAPE = Landscape(SPACE, seed=1, noise=0.001, epochs=EPOCHS)


class Noting:
    """An evaluator that notes what it is asked, and fails beyond an epoch if it is told to."""

    most_epochs = EPOCHS

    def __init__(self, inner: Any = LANDSCAPE, fails_from: float = math.inf) -> None:
        self.inner, self.fails_from = inner, fails_from
        self.asked: list[Fidelity] = []
        self.seeds: list[int] = []

    @property
    def stateful(self) -> bool:
        return bool(self.inner.stateful)

    def evaluate(
        self,
        architectures: Sequence[Architecture[Any]],
        seeds: Sequence[int],
        fidelities: Sequence[Fidelity] | None = None,
    ) -> Iterator[Evaluation]:
        parts = [WHOLE] * len(seeds) if fidelities is None else list(fidelities)
        self.asked += parts
        self.seeds += seeds
        for answer, part in zip(
            self.inner.evaluate(architectures, seeds, parts), parts, strict=True
        ):
            fails = (part.epochs or EPOCHS) >= self.fails_from
            yield replace(answer, metrics={}, failure="diverged") if fails else answer

    def close(self) -> None: ...


def cells(count: int, seed: int = 0) -> list[Architecture[Any]]:
    rng = np.random.default_rng(seed)
    found: dict[str, Architecture[Any]] = {}
    while len(found) < count:
        cell = architecture_of(SPACE, random_tokens(SPACE, rng))
        found.setdefault(cell.key, cell)
    return list(found.values())


def test_a_child_goes_on_and_only_its_new_epochs_are_paid() -> None:
    noting = Noting()
    ledger = Ledger(noting, Accuracy())
    (cell,) = cells(1)
    answers = [ledger.request([cell], [epochs])[0] for epochs in (1, 9, 9, 3, EPOCHS)]
    whole = ledger.request([cell])[0]
    assert noting.asked == [
        Fidelity(1, 0),
        Fidelity(9, 1),
        Fidelity(3, 0),  # it went beyond: trained once more
        Fidelity(0, 9),
    ]
    assert len(set(noting.seeds)) == 1
    assert [a.evaluation.source for a in (answers[2], whole)] == ["memo", "memo"]
    assert [a.evaluation.epochs for a in answers] == [1, 9, 9, 3, 0]
    assert ledger.budget.paid_epochs == 1 + 8 + 3 + 18
    assert ledger.clock.seconds == 1 + 8 + 8 + 3 + 18 + 18  # a repeat counts again


def test_a_part_says_what_a_whole_training_says_at_that_epoch() -> None:
    (cell,) = cells(1)
    direct = Ledger(LANDSCAPE, Accuracy()).request([cell])[0]
    in_parts = Ledger(LANDSCAPE, Accuracy())
    early = in_parts.request([cell], [3])[0]
    late = in_parts.request([cell], [EPOCHS])[0]
    assert late.evaluation.metrics == direct.evaluation.metrics
    assert early.reward == Ledger(LANDSCAPE, Accuracy()).request([cell], [3])[0].reward
    assert early.reward != late.reward


def test_isomorphic_architectures_are_one_child() -> None:
    space = NASNetCell(blocks=1)
    first = random_tokens(space, np.random.default_rng(0))
    # A block's two inputs with their operations, the other way round.
    swapped = (first[1], first[0], first[3], first[2], *first[4:])
    assert swapped != first
    one, other = (architecture_of(space, tokens) for tokens in (first, swapped))
    assert one.key == other.key
    noting = Noting(Landscape(space, seed=1, epochs=EPOCHS))
    ledger = Ledger(noting, Accuracy())
    low = ledger.request([one], [3])[0]
    assert ledger.request([other], [3])[0].reward == low.reward
    ledger.request([other], [9])
    assert noting.asked == [Fidelity(3, 0), Fidelity(9, 3)]


def test_a_child_that_failed_is_not_trained_further() -> None:
    noting = Noting(fails_from=3)
    ledger = Ledger(noting, Accuracy(), failure_reward=-1.0)
    (cell,) = cells(1)
    assert ledger.request([cell], [1])[0].evaluation.failure is None
    rewards = [ledger.request([cell], [epochs])[0] for epochs in (3, 9, EPOCHS)]
    assert [a.reward for a in rewards] == [-1.0] * 3
    assert [a.evaluation.failure for a in rewards] == ["diverged"] * 3
    assert noting.asked == [Fidelity(1, 0), Fidelity(3, 1)]


def test_where_a_repeat_is_another_training_the_latest_goes_on() -> None:
    noting = Noting(replace(LANDSCAPE, fresh_noise=True))
    ledger = Ledger(noting, Accuracy())
    (cell,) = cells(1)
    for epochs in (3, 3, 9, EPOCHS, EPOCHS):
        ledger.request([cell], [epochs])
    assert noting.asked == [*[Fidelity(3, 0)] * 2, Fidelity(9, 3), Fidelity(0, 9), WHOLE]
    first, second, third, fourth, fifth = noting.seeds
    assert second == third == fourth
    assert len({first, second, fifth}) == 3


@given(
    asked=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), max_size=30),
    repeat=st.booleans(),
)
def test_no_child_is_begun_further_than_it_went(asked: list[tuple[str, int]], repeat: bool) -> None:
    children = Children(0, repeat)
    reached: dict[tuple[str, int], float] = {}
    for key, epochs in asked:
        seed, part = children.next(key, epochs)
        end = epochs or math.inf
        assert part.epochs == epochs
        assert part.begun < end
        assert part.begun in (0, reached.get((key, seed), 0))
        if repeat and not part.begun:
            assert (key, seed) not in reached  # another training has another seed
        reached[key, seed] = max(end, reached.get((key, seed), 0))


def test_one_batch_has_many_epochs() -> None:
    env = NASVectorEnv(SPACE, LANDSCAPE, budget=10)
    env.reset(seed=0)
    tokens = [cell.tokens for cell in cells(3)]
    played = env.play(tokens, [1, 3, EPOCHS])
    assert [each.evaluation.epochs for each in played] == [1, 3, 0]
    assert [each.evaluation.seconds for each in played] == [1.0, 3.0, 27.0]
    alone = [NASVectorEnv(SPACE, LANDSCAPE).play([t], 3)[0].reward for t in tokens]
    assert alone == [each.reward for each in NASVectorEnv(SPACE, LANDSCAPE).play(tokens, 3)]
    assert env.most_epochs == EPOCHS


def test_an_episode_may_be_trained_in_part() -> None:
    env = NASEnv(SPACE, LANDSCAPE)
    info = _episode(env, {"epochs": 3})
    assert info["evaluation"]["epochs"] == 3.0
    assert info["evaluation"]["accuracy"] < _episode(env, None)["evaluation"]["accuracy"]
    assert env.ledger.budget.paid_epochs == EPOCHS


def _episode(env: NASEnv[Any], options: dict[str, Any] | None) -> dict[str, Any]:
    env.reset(seed=0, options=options)
    done = False
    while not done:
        _, _, done, _, info = env.step(np.int64(3))
    return info


@pytest.mark.parametrize("epochs", [0, EPOCHS + 1, 2.5, True, "3"])
def test_epochs_that_a_training_does_not_have(epochs: Any) -> None:
    env = NASVectorEnv(SPACE, LANDSCAPE)
    with pytest.raises(InvalidOption, match=r"epochs is .*: give a whole number from 1 to 27"):
        env.play([cells(1)[0].tokens], [epochs])
    with pytest.raises(InvalidOption, match=r"epochs is .*: give a whole number from 1 to 27"):
        NASEnv(SPACE, LANDSCAPE).reset(options={"epochs": epochs})
    assert env.ledger.requests == 0


@pytest.mark.parametrize("epochs", [np.int64(2), [np.int64(2)], np.array([2]), np.array(2), (2,)])
def test_whole_numbers_of_numpy_are_epochs(epochs: Any) -> None:
    env = NASVectorEnv(SPACE, LANDSCAPE)
    assert env.play([cells(1)[0].tokens], epochs)[0].evaluation.epochs == 2


@pytest.mark.parametrize("epochs", [2.0, np.float64(2), "2", True, {2}, {"all": 2}, range])
def test_other_epochs_are_refused_in_one_sentence(epochs: Any) -> None:
    env = NASVectorEnv(SPACE, LANDSCAPE)
    with pytest.raises(InvalidOption, match=r"epochs is .*: give a whole number from 1 to 27"):
        env.play([cells(1)[0].tokens], epochs)
    assert env.ledger.requests == 0


@pytest.mark.parametrize(
    "name", ["NASEnv", "NASVectorEnv", "NASAsyncVectorEnv", "edits", "several"]
)
def test_an_option_of_reset_that_is_not_known(name: str) -> None:
    env: Any = {
        "NASEnv": NASEnv,
        "NASVectorEnv": NASVectorEnv,
        "NASAsyncVectorEnv": NASAsyncVectorEnv,
        "edits": NASEditEnv,
        "several": partial(MultiObjectiveEnv, objectives=("accuracy", "reward")),
    }[name](SPACE, LANDSCAPE)
    for options in (None, {}):
        env.reset(seed=0, options=options)
    for options in ({"epoch": 3}, {"tokens": None, "reset_mask": np.ones(1, bool)}):
        with pytest.raises(UnknownName, match=r"unknown option of reset '(epoch|reset_mask)'"):
            env.reset(options=options)
    with pytest.raises(InvalidOption, match="options is 3: give a mapping"):
        env.reset(options=3)


def test_a_vector_environment_takes_epochs_in_play_alone() -> None:
    env = NASVectorEnv(SPACE, LANDSCAPE, num_envs=2)
    with pytest.raises(InvalidOption, match="give them to play"):
        env.reset(seed=0, options={"epochs": 3})


def test_as_many_epochs_as_architectures() -> None:
    with pytest.raises(InvalidOption, match="2 numbers of epochs were given for 1 arch"):
        NASVectorEnv(SPACE, LANDSCAPE).play([cells(1)[0].tokens], [1, 3])


def test_an_evaluator_without_parts_is_refused() -> None:
    plain = Landscape(SPACE)
    message = "the evaluator Landscape cannot train in part"
    with pytest.raises(InvalidOption, match=message):
        NASVectorEnv(SPACE, plain).play([cells(1)[0].tokens], 3)
    with pytest.raises(InvalidOption, match=message):
        Ledger(plain, Accuracy(), budget_epochs=100)
    with pytest.raises(InvalidOption, match=message):
        search(SPACE, plain, "asha", budget=10)


def test_a_budget_of_epochs() -> None:
    env = gym.make_vec(
        "NASBench201-v0", num_envs=2, evaluator=LANDSCAPE, budget_epochs=30, budget=100
    )
    unwrapped: Any = env.unwrapped
    env.reset(seed=0)
    first, second, third = (cell.tokens for cell in cells(3))
    unwrapped.play([first], 9)
    unwrapped.play([first], 9)  # costs nothing
    assert unwrapped.remaining == 98
    unwrapped.play([second, third], EPOCHS)  # the batch in which they run out is answered
    assert unwrapped.remaining == 0
    with pytest.raises(BudgetExceeded, match="after 63 epochs, but the budget is 30: stop when"):
        unwrapped.play([first], 1)


def test_a_budget_of_epochs_that_nothing_spends_ends() -> None:
    ledger = Ledger(LANDSCAPE, Accuracy(), budget_epochs=100)
    (cell,) = cells(1)
    ledger.request([cell] * 10_000, [3] * 10_000)
    with pytest.raises(InvalidOption, match="took no time, so the budget of 100 epochs never ends"):
        ledger.request([cell] * 10_001, [3] * 10_001)


def test_whole_trainings_cost_all_their_epochs() -> None:
    result = search(SPACE, LANDSCAPE, "random-search", budget_epochs=10 * EPOCHS, seed=0)
    assert len(result.answers) in range(10, 18)
    assert all(answer.evaluation.epochs == 0 for answer in result.answers)


class InParts:
    """An agent that asks for some epochs, and for more of the best half."""

    batch_size = 4

    def __init__(self, first: int = 1) -> None:
        self.first = first

    def search(self, env: NASVectorEnv[Any]) -> None:
        while env.remaining >= 6:
            tokens = [random_tokens(env.space, env.np_random) for _ in range(4)]
            played = sorted(env.play(tokens, self.first), key=lambda each: -each.reward)
            env.play([each.tokens for each in played[:2]], [9, EPOCHS])


def test_what_was_trained_further_is_better(tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    result = search(SPACE, LANDSCAPE, InParts(), budget=30, run="r", store=store)
    best = result.best(30)
    order = [a.evaluation.epochs or math.inf for a in best]
    assert order == sorted(order, reverse=True)
    whole = [a for a in result.answers if a.evaluation.epochs == 0]
    assert best[0].reward == max(a.reward for a in whole)
    run = load_run("r", store)
    records = run.records()
    assert [r["epochs"] for r in records] == [a.evaluation.epochs for a in result.answers]
    assert list(run.dataframe().columns)[-1] == "epochs"


def history(result: Any) -> list[tuple[Any, ...]]:
    of = [(answer.evaluation, answer.reward) for answer in result.answers]
    return [(e.architecture.tokens, e.epochs, reward) for e, reward in of]


def test_a_run_goes_on_with_its_epochs(tmp_path: Path) -> None:
    store, space = tmp_path / "s.sqlite", NASNetCell(blocks=2)
    landscape = Landscape(space, seed=1, epochs=EPOCHS)
    search(space, landscape, InParts(), budget=12, run="cut", store=store)
    more = search(space, landscape, InParts(), budget=30, run="cut", store=store, resume=True)
    whole = search(space, landscape, InParts(), budget=30)
    assert history(more) == history(whole)
    with pytest.raises(RunDiverged, match=r"request 0 was of 1 epochs when .* is of 3 epochs now"):
        search(space, landscape, InParts(3), budget=30, run="cut", store=store, resume=True)


def test_runs_of_a_store_share_parts(tmp_path: Path) -> None:
    store, noting = tmp_path / "s.sqlite", LANDSCAPE
    search(SPACE, noting, InParts(), budget=12, run="a", store=store)
    again = search(SPACE, noting, InParts(), budget=12, run="b", store=store)
    assert {a.evaluation.source for a in again.answers} == {"memo"}
    other = search(SPACE, noting, InParts(3), budget=12, run="c", store=store)
    sources = [a.evaluation.source for a in other.answers[:4]]
    assert sources == ["landscape"] * 4  # of other epochs


def test_a_curve_is_kept(tmp_path: Path) -> None:
    curve = (0.125, 0.5)

    class Curved(Noting):
        def evaluate(self, *asked: Any, **parts: Any) -> Iterator[Evaluation]:
            for answer in super().evaluate(*asked, **parts):
                yield replace(answer, curve=curve)

    store = tmp_path / "s.sqlite"
    search(SPACE, Curved(), "random-search", budget=3, run="r", store=store)
    assert [row.curve for row in load_run("r", store).rows] == [curve] * 3

    class Wrong(Noting):
        def evaluate(self, *asked: Any, **parts: Any) -> Iterator[Evaluation]:
            for answer in super().evaluate(*asked, **parts):
                yield replace(answer, curve=(0.5, 1.5))

    with pytest.raises(
        InvalidOption, match=r"accuracy in a curve is 1.5: give a fraction from 0 to 1"
    ):
        search(SPACE, Wrong(), "random-search", budget=3)
