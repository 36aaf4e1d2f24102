"""Requests in flight: their order, their budget, and what a run that goes on sees again."""

import math
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_gym.envs.async_ledger import AsyncLedger
from nas_gym.envs.clock import SimulatedClock
from nas_gym.envs.memo import known_of
from nas_gym.envs.recorder import Answer, Known, Recorder
from nas_gym.envs.rewards import Accuracy
from nas_gym.errors import BudgetExceeded, InvalidOption, RunDiverged, TimeUp
from nas_gym.evaluators.evaluation import WHOLE, Evaluation, Fidelity
from nas_gym.search_spaces.architecture import Architecture, architecture_of
from nas_gym.testing import BitString, Landscape

SPACE = BitString(5)


def architecture(number: int) -> Architecture[Any]:
    return architecture_of(SPACE, tuple(int(bit) for bit in f"{number % 32:05b}"))


class Timed:
    """Answers at once, with the seconds that a list says."""

    stateful = False
    most_epochs = 9

    def __init__(self, seconds: Sequence[float]) -> None:
        self.seconds = seconds
        self.asked: list[tuple[str, Fidelity]] = []

    def evaluate(self, architectures: Any, seeds: Any, fidelities: Any = None) -> Any:
        for each, fidelity in zip(architectures, fidelities or [WHOLE] * len(seeds), strict=True):
            self.asked.append((each.key, fidelity))
            number = int("".join(map(str, each.tokens)), 2)
            seconds = self.seconds[number % len(self.seconds)]
            yield Evaluation(each, {"accuracy": number / 100}, seconds, "table")

    def close(self) -> None: ...


class InThreads:
    """Trains for some milliseconds in other threads, and draws a noise from the child's seed."""

    seeded = True

    def __init__(self, threads: int, stateful: bool) -> None:
        self.stateful = stateful
        self.threads = ThreadPoolExecutor(threads)
        self.running = self.most = 0

    def evaluate(self, architectures: Any, seeds: Any) -> Any:
        for each, seed in zip(architectures, seeds, strict=True):
            yield self.train(each, seed)

    def train(self, architecture: Architecture[Any], seed: int) -> Evaluation:
        self.running += 1
        self.most = max(self.most, self.running)
        time.sleep(random.random() / 200)
        self.running -= 1
        noise = seed % 1000 / 2000 if self.stateful else 0.0
        accuracy = sum(architecture.tokens) / 10 + noise
        return Evaluation(architecture, {"accuracy": accuracy}, 1.0)

    def submit(self, architecture: Any, seed: int, fidelity: Any = WHOLE) -> Future[Evaluation]:
        return self.threads.submit(self.train, architecture, seed)

    def close(self) -> None:
        self.threads.shutdown()


class Kept(Recorder):
    """A record in memory, that may have a history."""

    def __init__(self, history: Sequence[tuple[tuple[int, ...], Known]] = ()) -> None:
        self.before = list(history)
        self.answers: list[Answer] = []
        self.evaluations: list[tuple[str, int]] = []

    def history(self) -> Sequence[tuple[tuple[int, ...], Known]]:
        return self.before

    def replayed(self, first: int, answers: Sequence[Answer]) -> None:
        assert first == len(self.answers)
        self.answers += answers

    def evaluated(self, answer: Answer, seed: int) -> None:
        self.evaluations.append((answer.evaluation.architecture.key, seed))

    def requested(self, first: int, answers: Sequence[Answer]) -> None:
        assert first == len(self.answers)
        self.answers += answers

    def as_history(self, count: int) -> list[tuple[tuple[int, ...], Known]]:
        return [(a.evaluation.architecture.tokens, known_of(a)) for a in self.answers[:count]]


def test_answers_come_in_the_order_in_which_machines_would_be_done() -> None:
    ledger = AsyncLedger(Timed([3.0, 1.0, 1.5]), Accuracy(), in_flight=2, simulated_workers=2)
    tickets = [ledger.submit(architecture(number)) for number in range(3)]
    assert tickets == [0, 1, 2]
    moments = []
    order = []
    while ledger.waiting:
        ((ticket, _),) = ledger.collect()
        order.append(ticket)
        moments.append(ledger.clock.seconds)
    assert order == [1, 2, 0]  # the second machine takes the third child after one second
    assert moments == [1.0, 2.5, 3.0]
    assert ledger.clock.busy_seconds == 5.5


class ByHand(Timed):
    """Is done with a child when it is told to."""

    def __init__(self, seconds: Sequence[float]) -> None:
        super().__init__(seconds)
        self.futures: list[tuple[Future[Evaluation], Any]] = []

    def submit(self, architecture: Any, seed: int, fidelity: Any = WHOLE) -> Future[Evaluation]:
        future: Future[Evaluation] = Future()
        self.futures.append((future, architecture))
        return future

    def finish(self, number: int) -> None:
        future, architecture = self.futures[number]
        (evaluation,) = self.evaluate([architecture], [0])
        future.set_result(evaluation)


def test_simulated_machines_wait_for_no_child_that_begins_later() -> None:
    """Of four in flight on two machines two begin when the first is done, so that it can go."""
    by_hand = ByHand([1.0, 5.0, 2.0, 9.0, 1.0])
    ledger = AsyncLedger(by_hand, Accuracy(), in_flight=4, simulated_workers=2)
    for number in range(4):
        ledger.submit(architecture(number))
    by_hand.finish(0)
    assert ledger.collect(1, timeout=0.0) == []  # the second may take less
    by_hand.finish(1)
    assert [ticket for ticket, _ in ledger.collect(1, timeout=0.0)] == [0]
    ledger.submit(architecture(4))
    assert ledger.collect(1, timeout=0.0) == []  # the third began at 1.0
    for number in (3, 2, 4):
        by_hand.finish(number)
    order = [ticket for ticket, _ in ledger.collect(4)]
    assert order == [2, 1, 4, 3]  # at 3.0, 5.0, 5.0 + 1.0 and 3.0 + 9.0
    assert ledger.clock.seconds == 12.0


@given(
    st.lists(st.floats(0, 1e4), min_size=1, max_size=25),
    st.integers(1, 5),
    st.integers(1, 4),
)
def test_a_round_is_a_queue_that_is_waited_for(
    seconds: list[float], machines: int, size: int
) -> None:
    rounds, queue = SimulatedClock(machines), SimulatedClock(machines)
    for first in range(0, len(seconds), size):
        batch = seconds[first : first + size]
        rounds.add(batch)
        for moment in [queue.begin(each) for each in batch]:
            queue.wait(moment)
        assert queue.seconds == rounds.seconds
    assert queue.busy_seconds == pytest.approx(rounds.busy_seconds)


@given(st.lists(st.floats(1, 1e3), min_size=8, max_size=40), st.integers(1, 4))
def test_no_machine_waits_while_something_is_to_be_trained(
    seconds: list[float], machines: int
) -> None:
    ledger = AsyncLedger(Timed(seconds), Accuracy(), in_flight=machines, simulated_workers=machines)
    left = list(range(min(len(seconds), 32)))
    total = math.fsum(seconds[number] for number in left)
    while left or ledger.waiting:
        while ledger.free and left:
            ledger.submit(architecture(left.pop(0)))
        ledger.collect()
    # Graham 1966: the last child begins when all are busy.
    assert ledger.clock.seconds <= total / machines + max(seconds) + 1e-6
    assert ledger.clock.busy_seconds == pytest.approx(total)


def test_the_budget_counts_what_is_in_flight() -> None:
    ledger = AsyncLedger(Timed([1.0]), Accuracy(), in_flight=2, budget=3)
    for number in range(3):
        ledger.submit(architecture(number))
    assert (ledger.remaining, ledger.waiting, ledger.free) == (0, 3, 0)
    with pytest.raises(BudgetExceeded, match="only 0 of the budget of 3 are left"):
        ledger.submit(architecture(3))
    assert len(ledger.collect(10)) == 3
    assert (ledger.remaining, ledger.waiting, ledger.free, ledger.requests) == (0, 0, 2, 3)


def test_no_more_than_in_flight_are_asked_of_the_evaluator() -> None:
    evaluator = InThreads(8, stateful=False)
    ledger = AsyncLedger(evaluator, Accuracy(), in_flight=3)
    for number in range(20):
        ledger.submit(architecture(number))
    assert len(ledger.collect(20)) == 20
    assert evaluator.most <= 3
    evaluator.close()


def test_an_equal_architecture_in_flight_is_not_trained_again() -> None:
    evaluator = Timed([2.0])
    ledger = AsyncLedger(evaluator, Accuracy(), in_flight=4, simulated_workers=4)
    for _ in range(3):
        ledger.submit(architecture(1))
    answers = [answer for _, answer in ledger.collect(3)]
    assert [a.evaluation.source for a in answers] == ["table", "memo", "memo"]
    assert len(evaluator.asked) == 1
    assert ledger.clock.seconds == 4.0  # a repeat counts its time again, once the first is done


def test_a_child_goes_on_when_its_part_is_done() -> None:
    evaluator = Timed([1.0])
    ledger = AsyncLedger(evaluator, Accuracy(), in_flight=4)
    ledger.submit(architecture(1), 3)
    ledger.submit(architecture(1), 9)
    ledger.submit(architecture(1), 3)
    ends = [answer.evaluation.epochs for _, answer in ledger.collect(3)]
    assert ends == [3, 0, 3]
    assert [fidelity for _, fidelity in evaluator.asked] == [Fidelity(3, 0), Fidelity(0, 3)]
    assert ledger.budget.paid_epochs == 9


def test_a_batch_is_refused_while_something_is_in_flight() -> None:
    ledger = AsyncLedger(Timed([1.0]), Accuracy(), in_flight=1)
    ledger.submit(architecture(1))
    with pytest.raises(InvalidOption, match="1 requests are in flight: collect"):
        ledger.request([architecture(2)])
    ledger.collect()
    assert len(ledger.request([architecture(2)])) == 1


@pytest.mark.parametrize("in_flight", [0, -1, 1.5, True, "2"])
def test_in_flight_is_a_whole_number(in_flight: Any) -> None:
    with pytest.raises(InvalidOption, match=r"^in_flight is [^:]*: give a whole number"):
        AsyncLedger(Timed([1.0]), Accuracy(), in_flight=in_flight)


def test_nothing_is_waited_for_beyond_a_timeout() -> None:
    slow, free = InThreads(1, stateful=False), threading.Event()
    slow.threads.submit(free.wait, 200)
    ledger = AsyncLedger(slow, Accuracy(), in_flight=2)
    ledger.submit(architecture(1))
    assert ledger.collect(1, timeout=0.02) == []
    free.set()
    assert len(ledger.collect(1, timeout=60)) == 1
    slow.close()


def test_the_time_of_a_search_ends_the_waiting() -> None:
    class Slow(InThreads):
        def train(self, architecture: Any, seed: int) -> Evaluation:
            begun.set()
            free.wait(200)
            return super().train(architecture, seed)

    slow, begun, free = Slow(1, stateful=False), threading.Event(), threading.Event()
    ledger = AsyncLedger(slow, Accuracy(), in_flight=2)
    ledger.submit(architecture(1))
    ledger.submit(architecture(2))  # waits for the thread, so that nothing of it is lost
    assert begun.wait(60)
    ledger.end_at(time.monotonic() + 0.05)
    with pytest.raises(TimeUp, match="1 child was cut"):
        ledger.collect()
    with pytest.raises(TimeUp, match="1 child was cut"):
        ledger.submit(architecture(3))
    free.set()
    slow.close()


def test_what_concerns_all_children_ends_the_search() -> None:
    class Broken(InThreads):
        def train(self, architecture: Any, seed: int) -> Evaluation:
            raise InvalidOption("the data is gone")

    broken = Broken(1, stateful=False)
    ledger = AsyncLedger(broken, Accuracy(), in_flight=1)
    ledger.submit(architecture(1))
    with pytest.raises(InvalidOption, match="the data is gone"):
        ledger.collect()
    broken.close()


# ---------------------------------------------------------------- going on


def search(
    evaluator: Any, record: Kept, budget: int, in_flight: int, min_ready: int, machines: int = 1
) -> list[tuple[int, float]]:
    """Search as an agent whose every choice depends on all answers so far."""
    ledger = AsyncLedger(
        evaluator, Accuracy(), in_flight, budget=budget, record=record, simulated_workers=machines
    )
    seen: list[tuple[int, float]] = []
    while ledger.remaining > 0 or ledger.waiting:
        while ledger.free and ledger.remaining > 0:
            draw = np.random.default_rng([len(seen), ledger.waiting, *map(hash_of, seen[-3:])])
            ledger.submit(architecture(int(draw.integers(12))))
        seen += [(ticket, a.reward) for ticket, a in ledger.collect(min_ready)]
    return seen


def hash_of(seen: tuple[int, float]) -> int:
    return seen[0] * 1000 + round(seen[1] * 1e6)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.booleans(), st.integers(1, 5), st.integers(1, 3), st.integers(0, 30), st.booleans())
def test_a_run_that_goes_on_sees_the_same(
    stateful: bool, in_flight: int, min_ready: int, cut: int, simulated: bool
) -> None:
    """Children take random times, in threads; still every ticket gets the answer that it had."""
    machines = in_flight if simulated else 1
    whole, again = Kept(), Kept()
    evaluator = InThreads(3, stateful)
    seen = search(evaluator, whole, 30, in_flight, min_ready, machines)
    again = Kept(whole.as_history(cut))
    resumed = search(evaluator, again, 30, in_flight, min_ready, machines)
    assert len(seen) == len(resumed) == 30
    assert resumed[:cut] == seen[:cut]
    for before, after in zip(whole.answers[:cut], again.answers[:cut], strict=True):
        assert before.evaluation.architecture.tokens == after.evaluation.architecture.tokens
        assert after.evaluation.source == "replay"
    if simulated:  # then nothing depends on the time that a child takes
        assert resumed == seen
    if not stateful:
        assert len(set(again.evaluations)) == len(again.evaluations)
    evaluator.close()


def test_a_run_that_asks_for_something_else_is_noticed() -> None:
    record = Kept()
    search(InThreads(2, False), record, 10, 2, 1)
    ledger = AsyncLedger(InThreads(2, False), Accuracy(), 2, record=Kept(record.as_history(5)))
    others = [n for n in range(32) if architecture(n).tokens not in dict(record.as_history(5))]
    ledger.submit(architecture(others[0]))
    with pytest.raises(RunDiverged, match="request 0 was"):
        ledger.collect()


def test_a_landscape_is_answered_as_in_rounds() -> None:
    landscape = Landscape(SPACE, noise=0.05)
    ledger = AsyncLedger(landscape, Accuracy(), in_flight=3)
    tickets = [ledger.submit(architecture(n)) for n in (1, 2, 1, 3)]
    flying = dict(ledger.collect(4))
    rounds = AsyncLedger(landscape, Accuracy()).request([architecture(n) for n in (1, 2, 1, 3)])
    assert [flying[ticket].reward for ticket in tickets] == [answer.reward for answer in rounds]
