"""Requests in flight, and the lines in which some of them wait for others."""

from collections import deque
from collections.abc import Container, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from heapq import heappop, heappush

from nas_gym.envs.clock import SimulatedClock
from nas_gym.envs.ledger import Asked
from nas_gym.envs.recorder import Answer
from nas_gym.evaluators.evaluation import Evaluation, Job
from nas_gym.search_spaces.grammar import Tokens


@dataclass(eq=False)
class Ticket:
    """A request in flight."""

    number: int
    asked: Asked
    recorded: bool = False  # the record of the run answers it again
    job: Job | None = None  # that is trained for it
    future: "Future[Evaluation] | None" = None  # of that training, if it is ours, somewhere else
    arrived: Evaluation | Answer | None = None  # what has come in
    answer: Answer | None = None
    done: float = 0.0  # moment at which it is, on the simulated clock
    leads: bool = False  # others of its key wait for it

    @property
    def is_cut(self) -> bool:
        """Whether its child is being trained, so that it is lost if that ends now."""
        return self.future is not None and self.future.running()

    @property
    def tokens(self) -> Tokens:
        """Those of the architecture."""
        return self.asked.architecture.tokens


class Events:
    """The order in which simulated machines are done with children.

    Args:
        clock: Says when.
    """

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._begun: deque[Ticket] = deque()  # as yet without a moment at which they are done
        self._moments: list[tuple[float, int]] = []  # when which ticket is done; a heap
        self._latest: dict[Tokens, float] = {}  # when the last one of these tokens is done

    def begin(self, ticket: Ticket) -> None:
        """Give a ticket to the machine that is free next."""
        self._begun.append(ticket)

    def awaited(self, pending: Container[int]) -> Ticket | None:
        """Return whose answer must be there before it is known what is done first; None: nobody's.

        A child begins when a machine is free, so that it is done no earlier. Those that begin later
        than another is done need not be waited for. With as many machines as children in flight
        there are none, and all have to be trained before the first is handed over: how long a
        child takes is known only then. What is waited for is the same in each run, whatever has
        come in.

        Args:
            pending: Numbers of the tickets that are not handed over; a record may have handed over
                others.
        """
        while self._moments and self._moments[0][1] not in pending:
            heappop(self._moments)
        while self._begun:
            soonest = self._clock.next_start, min(ticket.number for ticket in self._begun)
            if self._moments and self._moments[0] < soonest:
                return None
            ticket = self._begun[0]
            if ticket.answer is None:
                return ticket
            self._begun.popleft()
            done = self._clock.begin(ticket.answer.evaluation.seconds)
            # Of the same tokens the first asked for comes first.
            done = max(done, self._latest.get(ticket.tokens, done))
            ticket.done = self._latest[ticket.tokens] = done
            heappush(self._moments, (done, ticket.number))
        return None

    def first(self) -> int:
        """Take out the number of the ticket that is done first."""
        return heappop(self._moments)[1]


class Lines:
    """Lines of tickets: whoever was asked for first comes first."""

    def __init__(self) -> None:
        # By canonical key: those that wait for one in flight, on which their answer depends.
        self._behind: dict[str, deque[Ticket]] = {}
        # By tokens: trained at the same time; a record tells them apart by their order.
        self._trained: dict[Tokens, deque[Ticket]] = {}
        self._recorded: dict[Tokens, deque[Ticket]] = {}  # by tokens: answered by the record

    def wait(self, ticket: Ticket) -> bool:
        """Put a ticket behind the one of its key that is in flight; return whether there is one."""
        line = self._behind.get(ticket.asked.architecture.key)
        if line is None:
            return False
        line.append(ticket)
        return True

    def lead(self, ticket: Ticket) -> None:
        """Let others of its key wait for a ticket from now on."""
        ticket.leads = True
        self._behind[ticket.asked.architecture.key] = deque()

    def leave(self, ticket: Ticket) -> deque[Ticket]:
        """Return those that waited for a ticket, whose turn it is now."""
        if not ticket.leads:
            return deque()
        return self._behind.pop(ticket.asked.architecture.key)

    def train(self, ticket: Ticket) -> None:
        """Note that something will come in for a ticket."""
        self._trained.setdefault(ticket.tokens, deque()).append(ticket)

    def come_in(self, tokens: Tokens) -> Iterator[Ticket]:
        """Yield those of the same tokens to which something has come in, as far as it is in order.

        Each is out of the line then.
        """
        line = self._trained[tokens]
        while line and line[0].arrived is not None:
            yield line.popleft()
        if not line:
            del self._trained[tokens]

    def record(self, ticket: Ticket) -> None:
        """Note a ticket that the record answers."""
        self._recorded.setdefault(ticket.tokens, deque()).append(ticket)

    def of_record(self, tokens: Tokens) -> Ticket | None:
        """Return who gets the next answer of the record that has these tokens; None: nobody."""
        line = self._recorded.get(tokens)
        return line.popleft() if line else None
