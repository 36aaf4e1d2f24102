"""The base of engines: executors that are options until the first child, and real from then on."""

import inspect
import platform
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from typing import Any, ClassVar

from nas_gym.errors import InvalidOption, NASGymError, not_installed
from nas_gym.evaluators.configured import Configured


def this_machine() -> str:
    """Return the name by which most engines know the machine of this process."""
    return platform.node()


class OpenEngine(Executor):
    """An executor that an engine has opened, with what a search asks of it beyond ``submit``.

    Args:
        executor: What runs the calls.
    """

    tells_what_runs: ClassVar[bool] = True  # whether its futures are ``running`` when they are

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Have ``fn(*args)`` called on some machine."""
        return self._executor.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End what was started with it."""
        takes = inspect.signature(self._executor.shutdown).parameters
        more = {"cancel_futures": cancel_futures} if "cancel_futures" in takes else {}
        self._executor.shutdown(wait, **more)  # that of distributed takes no more

    def share(self, key: str, parcel: bytes) -> Callable[[], bytes] | None:
        """Put the evaluator where all machines find it, once; None if there is no such place.

        Then each process of the engine is sent it with its first child.

        Args:
            key: Of the evaluator.
            parcel: Of ``make_parcel``.

        Returns:
            What gets it there.
        """
        return None

    def end(self, session: str) -> None:
        """Kill what still runs for a session on machines that stay."""

    @property
    def machine(self) -> Callable[[], str]:
        """What tells in a process of the engine which machine it is on, as ``avoid`` takes it."""
        return this_machine

    def avoid(self, machine: str) -> bool:
        """Send no more to a machine, where that can be had.

        Returns:
            Whether there may be another machine.
        """
        return True

    def room(self) -> int | None:
        """Return how many children it trains at once; None if it does not say."""
        most = getattr(self._executor, "_max_workers", None)
        return most if isinstance(most, int) else None

    def gone(self) -> str | None:
        """Return what is wrong if no child can be evaluated any more, else None."""
        return None


class Engine(Configured, Executor):
    """The base of frozen dataclasses whose options say where children run.

    An engine is a real ``concurrent.futures.Executor``. It is opened by the first ``submit`` and
    closed, with all it started, by ``shutdown``; after that the next ``submit`` opens it again.
    Copies and pickles hold only the options.

    Raises:
        InvalidOption: What it needs is not installed.
    """

    extra: ClassVar[str] = ""  # of nas-gym, which installs what it needs
    needs: ClassVar[tuple[str, ...]] = ()  # modules

    def __post_init__(self) -> None:
        super().__post_init__()
        for module in self.needs:
            if find_spec(module) is None:
                raise InvalidOption(not_installed(f"executor {self.extra!r}", module, self.extra))

    def check_here(self, timeout: float | None, memory_limit: float | None) -> None:
        """Raise InvalidOption if it can never be opened here, or cannot keep the limits of a child.

        Args:
            timeout: Seconds, or None.
            memory_limit: GiB, or None.
        """

    @abstractmethod
    def open(self) -> OpenEngine:
        """Open what runs the calls.

        Raises:
            NASGymError: It is not there, or refuses the options.
        """

    @property
    def opened(self) -> OpenEngine:
        """What runs the calls, opened if it was not."""
        with self._lock:
            if not self._live:
                self._live.append(self.open())
            return self._live[0]

    def room(self) -> int | None:
        """Return how many children it trains at once, as it is now; None if it does not say.

        Raises:
            NASGymError: The engine cannot be opened.
        """
        return self.opened.room()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Have ``fn(*args)`` called on some machine.

        Raises:
            NASGymError: The engine cannot be opened.
        """
        return self.opened.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Close it with all it started; safe to call twice."""
        with self._lock:
            while self._live:
                self._live.pop().shutdown(wait, cancel_futures=cancel_futures)

    @cached_property
    def _live(self) -> list[OpenEngine]:
        """What is open, if it is."""
        return []

    @cached_property
    def _lock(self) -> Any:
        return threading.RLock()


@contextmanager
def shut_down_at_an_error(executor: Executor | None) -> Iterator[None]:
    """Close an engine if what is done here fails; an executor of the user's stays open."""
    try:
        yield
    except BaseException:
        if isinstance(executor, Engine):
            executor.shutdown(cancel_futures=True)
        raise


def unreachable(what: str, error: BaseException, advice: str) -> NASGymError:
    """Return the error for a cluster that does not answer."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return InvalidOption(f"{what} ({reason}): {advice}")
