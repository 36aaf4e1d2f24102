"""The ledger of requests in flight: asked for at any time, answered as their children are done.

What an agent can see follows from its own requests and from the order in which answers were handed
over, and not from the moment at which a child was done. The record holds that order: a run that
goes on hands over the same answers in the same order, and begins anew with what was in flight.
"""

import math
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any, Unpack

from nas_gym.envs.ledger import Asked, Ledger, LedgerOptions
from nas_gym.envs.memo import known_of, may_answer, recalled
from nas_gym.envs.recorder import Answer, Claim, Known, Recorder
from nas_gym.envs.rewards import Reward
from nas_gym.envs.tickets import Events, Lines, Ticket
from nas_gym.errors import InvalidOption, RunDiverged, TimeUp
from nas_gym.evaluators.evaluation import Evaluation, Evaluator
from nas_gym.options import check
from nas_gym.options.counts import Episodes
from nas_gym.search_spaces.architecture import Architecture
from nas_gym.search_spaces.grammar import Tokens

POLL_SECONDS = (0.1, 1.0)  # between looks at what another run is training: at first, at most
LONGEST_WAIT = 1e6  # seconds: more than any clock of the system refuses to wait for


class AsyncLedger(Ledger):
    """Answers requests as their children are done.

    Where children are trained somewhere else (workers, an executor), answers are handed over in the
    order in which they come in. Where they are evaluated in this process, or machines are
    simulated, it is the order in which ``simulated_workers`` machines would be done, which is
    always the same. If children are trained somewhere else under a simulated clock, those that
    could be done first have to be trained before the first is handed over (see ``Events``).

    Args:
        evaluator: Gives the numbers.
        reward: From an evaluation to what the agent sees.
        in_flight: Children that are trained at once, >= 1; more that are asked for wait.
        options: See ``LedgerOptions``.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        reward: Reward,
        in_flight: int = 1,
        **options: Unpack[LedgerOptions],
    ) -> None:
        self.in_flight: int = check("in_flight", in_flight, Episodes)
        self._numbers = count()
        self._pending: dict[int, Ticket] = {}  # not handed over, in the order of their numbers
        self._queue: deque[Ticket] = deque()  # not begun
        self._begun = 0
        self._lines = Lines()
        self._theirs: list[Ticket] = []  # another run trains them
        self._came_in: SimpleQueue[tuple[Ticket, Future[Evaluation]]] = SimpleQueue()
        self._ready: deque[Ticket] = deque()  # answered, in the order in which they were
        self._pause = POLL_SECONDS[0]  # until the next look at what other runs train
        self._recorded: dict[Tokens, deque[Known]] = {}  # what the record answers, in its order
        super().__init__(evaluator, reward, **options)
        self._events = Events(self.clock)
        self._simulated = not hasattr(evaluator, "submit") or self.clock.workers > 1

    @property
    def waiting(self) -> int:
        """Requests whose answer is not handed over yet."""
        return len(self._pending)

    @property
    def free(self) -> int:
        """Requests that would be begun at once."""
        return max(0, self.in_flight - len(self._pending))

    def attach(self, record: Recorder | None) -> None:
        """Write to ``record`` from now on, after answering again what it has already."""
        super().attach(record)
        self._recorded = {}
        if self._to_replay:
            for tokens, known in self.record.history():
                self._recorded.setdefault(tokens, deque()).append(known)

    def request(
        self, architectures: Sequence[Architecture[Any]], epochs: Sequence[int] | None = None
    ) -> list[Answer]:
        """Do as ``Ledger.request``; raise InvalidOption while others are in flight."""
        if self._pending:
            raise InvalidOption(
                f"{self.waiting} requests are in flight: collect their answers before a batch is "
                "asked for"
            )
        return super().request(architectures, epochs)

    def submit(self, architecture: Architecture[Any], epochs: int | None = None) -> int:
        """Ask for one architecture, and return the number of its ticket, from 0.

        Args:
            architecture: What is asked for.
            epochs: How far it is to be trained, from 1 to ``most_epochs``; None: to the end.

        Raises:
            NASGymError: As ``request``.
        """
        self._check_time()
        self.budget.check(1)
        (asked,) = self._asked([architecture], None if epochs is None else [epochs])
        self.asked = True
        ticket = Ticket(next(self._numbers), asked)
        self.budget.in_flight += 1
        self._pending[ticket.number] = ticket
        self._queue.append(ticket)
        self._begin()
        return ticket.number

    def collect(self, count: int = 1, timeout: float | None = None) -> list[tuple[int, Answer]]:
        """Hand over answers as children are done, each with the number of its ticket.

        Args:
            count: Answers; it is waited for so many. Fewer only if no more are in flight.
            timeout: Seconds after which those that there are, maybe none, are handed over; None
                to wait. A run that goes on may then ask for others, which is noticed.

        Raises:
            NASGymError: As ``request``, and for what concerns all children.
        """
        until = math.inf if timeout is None else time.monotonic() + timeout
        handed: list[tuple[int, Answer]] = []
        while len(handed) < count and self._pending:
            ticket = self._next(until)
            if ticket is None:
                break
            handed.append((ticket.number, self._hand_over(ticket)))
        return handed

    def keep_what_came(self) -> None:
        """Record children that are done and were not taken in: a run that goes on has them."""
        while not self._came_in.empty():
            with suppress(Exception):  # an error of all children: nothing to keep
                self._done(*self._came_in.get())

    def _check_time(self) -> None:
        if time.monotonic() >= self._end:
            raise TimeUp(sum(ticket.is_cut for ticket in self._pending.values()))

    # ------------------------------------------------------------ beginning

    def _begin(self) -> None:
        """Begin what waits, as far as there is room."""
        while self._queue and self._begun < self.in_flight:
            self._begun += 1
            self._resolve(self._queue.popleft())

    def _resolve(self, ticket: Ticket) -> None:
        """Answer from the record or the memo, else let it be trained, or wait for an equal one."""
        architecture, epochs = ticket.asked
        alone = self.evaluator.stateful and not (epochs or self.in_part)
        if not alone and self._lines.wait(ticket):
            return
        if self._simulated:
            self._events.begin(ticket)
        memo = None if self.evaluator.stateful else self._memo.get(architecture.key, epochs)
        if memo is None and not alone:
            self._lines.lead(ticket)
        known = self._from_record(ticket)
        if known is not None:
            if memo is None:
                self._lived_through(self._job(architecture, epochs))
            ticket.recorded, ticket.answer = True, recalled(architecture, known, "replay")
            self._lines.record(ticket)
            return
        self._lines.train(ticket)
        if memo is not None:
            self._arrived(ticket, recalled(architecture, memo, "memo"))
            return
        ticket.job = self._job(architecture, epochs)
        (found,) = self.record.claim([ticket.job])
        self._take(ticket, found)

    def _from_record(self, ticket: Ticket) -> Known | None:
        """Return what the record answers; None if the request was in flight when it was cut."""
        tokens, epochs = ticket.tokens, ticket.asked.epochs
        left = self._recorded.get(tokens)
        if not left:
            return None
        known = left.popleft()
        if not may_answer(known, epochs):
            raise RunDiverged(self.budget.requests, tokens, tokens, (known.epochs, epochs))
        return known

    def _take(self, ticket: Ticket, found: Evaluation | Claim) -> None:
        """Go on with what a recorder found for a ticket's job."""
        assert ticket.job is not None
        if isinstance(found, Evaluation):
            self._lived_through(ticket.job)
            self._arrived(ticket, self._rewarded(self._guard.recorded(found)))
        elif found is Claim.THEIRS:
            self._theirs.append(ticket)
        elif hasattr(self.evaluator, "submit"):
            future: Future[Evaluation] = self.evaluator.submit(*ticket.job)
            ticket.future = future
            future.add_done_callback(lambda done: self._came_in.put((ticket, done)))
        else:
            ((_, evaluation),) = self._guard.evaluations({0: ticket.job})
            self._arrived(ticket, evaluation)

    # ------------------------------------------------------------ handing over

    def _done(self, ticket: Ticket, future: "Future[Evaluation]") -> None:
        assert ticket.job is not None
        self._arrived(ticket, self._guard.answer(future.result(), ticket.job))

    def _arrived(self, ticket: Ticket, what: Evaluation | Answer) -> None:
        """Judge and record what has come in; of the same tokens the first asked for comes first."""
        ticket.arrived = what
        for first in self._lines.come_in(ticket.tokens):
            came = first.arrived
            if isinstance(came, Evaluation):
                assert first.job is not None
                came = self._judged(came, first.job.seed)
            first.answer = came
            if not self._simulated:
                self._ready.append(first)

    def _next(self, until: float) -> Ticket | None:
        """Return whose answer is handed over next; None if there is none at ``until``."""
        if self._simulated and not self._clocked(until):
            return None
        if self._to_replay:
            tokens, _ = next(self._history)
            recorded = self._lines.of_record(tokens)
            if recorded is None:
                asked = next(iter(self._pending.values())).tokens
                raise RunDiverged(self.budget.requests, tokens, asked)
            return recorded
        if self._simulated:
            return self._pending[self._events.first()]
        while not self._ready:
            if not self._wait(until):
                return None
        return self._ready.popleft()

    def _clocked(self, until: float) -> bool:
        """Wait until the first event on the simulated clock is known; False if not in time."""
        while self._events.awaited(self._pending) is not None:
            if not self._wait(until):
                return False
        return True

    def _wait(self, until: float) -> bool:
        """Take in what comes next; return False if nothing came until then."""
        end = min(until, self._end)
        while True:
            left = end - time.monotonic()
            patience = min(max(0.0, left), self._pause if self._theirs else LONGEST_WAIT)
            try:
                ticket, future = self._came_in.get(timeout=patience)
            except Empty:
                if self._look_at_theirs():
                    return True
                self._check_time()
                if time.monotonic() >= until:
                    return False
                continue
            self._done(ticket, future)
            return True

    def _look_at_theirs(self) -> bool:
        """Take over what other runs have trained, or gave up; return whether there was some."""
        theirs, self._theirs = self._theirs, []
        for ticket in theirs:
            assert ticket.job is not None
            self._take(ticket, self.record.wait(ticket.job, until=-math.inf))
        some = len(self._theirs) < len(theirs)
        self._pause = POLL_SECONDS[0] if some else min(2 * self._pause, POLL_SECONDS[1])
        return some

    def _hand_over(self, ticket: Ticket) -> Answer:
        """Record an answer, and begin what waited for it."""
        answer, (architecture, epochs) = ticket.answer, ticket.asked
        assert answer is not None
        del self._pending[ticket.number]
        self._begun -= 1
        if ticket.recorded:
            self._to_replay -= 1
            self.record.replayed(self.budget.requests, [answer])
        else:
            self.record.requested(self.budget.requests, [answer])
        if not self._simulated:
            ticket.done = self.clock.begin(answer.evaluation.seconds)
        self.budget.hand_over(ticket.done)
        if not self.evaluator.stateful:
            self._memo.keep(architecture.key, epochs, known_of(answer))
        for behind in self._lines.leave(ticket):
            self._resolve(behind)
        self._begin()
        return answer

    def _replay(self, asked: Sequence[Asked]) -> list[Answer]:
        """Return the first of these answers, as far as the record has them."""
        answers = super()._replay(asked)
        for answer in answers:
            self._recorded[answer.evaluation.architecture.tokens].popleft()
        return answers
