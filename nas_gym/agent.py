"""The contract of an agent, and what agents share: recommendations, playing in batches."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from nas_gym.errors import InvalidOption
from nas_gym.evaluators.evaluation import rank
from nas_gym.evaluators.proxies.names import AnyProxies as AnyProxies  # of agents' options
from nas_gym.evaluators.proxies.names import Proxies as Proxies
from nas_gym.registry import foreign_modules, make
from nas_gym.search_spaces.grammar import SearchSpace, Tokens

if TYPE_CHECKING:
    from nas_gym.envs.async_env import NASAsyncVectorEnv
    from nas_gym.envs.vector_env import NASVectorEnv, Played
    from nas_gym.evaluators.proxies.ranking import Ranking


class Observed(NamedTuple):
    """One answered request, as an agent saw it."""

    tokens: Tokens
    reward: float
    epochs: int = 0  # that the child was trained; 0: all
    # Whether another evaluation would have the same reward, as ``env.noise_free`` says; None: not
    # known, but for repeats. That repeats are equal proves nothing where a memo answers them, or a
    # table of single trainings does.
    noise_free: bool | None = None


@runtime_checkable
class Agent(Protocol):
    """A frozen dataclass of hyperparameters that knows how to search.

    ``batch_size`` is how many architectures it wants evaluated at once: ``nas_gym.search`` makes an
    environment with that many sub-environments unless the user says otherwise. An agent draws its
    randomness from ``env.np_random`` (seeded by ``env.reset(seed=…)``) and keeps no state between
    searches.

    An agent may also have ``recommend(space, observed) -> tokens``: the architecture that it would
    hand over after the requests ``observed`` (at least one ``Observed``, in order) if it may trust
    its own model more than the single best reward. It depends only on them, and answers with one
    of them.

    An agent that need not wait for a whole batch has ``search_async(env)`` beside ``search``: it
    asks a ``NASAsyncVectorEnv`` for as many architectures as there is room for, and learns from
    each answer as it comes. (One that has it in some configurations has a property
    ``searches_async`` that says whether this is one.)

    With ``trains_in_part = True`` it says that it asks for parts of trainings: a search with an
    evaluator that has none is refused before it begins.

    ``family`` (``"rl"``, ``"evolution"`` or ``"other"``) and ``name`` of its class are how
    ``nas-gym benchmark`` shows an agent of the user's own.

    With ``takes_others = True`` it says that it learns from the tokens of its answers
    (``Played.tokens``) and not from those that it asked for: another agent that stands between it
    and the environment may then answer a request with another architecture.
    """

    @property
    def batch_size(self) -> int:
        """Episodes per round, >= 1."""

    def search(self, env: "NASVectorEnv[Any]") -> None:
        """Spend the budget: step or ``play`` until ``env.remaining`` is 0."""


TOP = 30  # architectures with the highest averages, among which the choice is made
LEAST_SPREAD = 0.5  # of the noise variance: the top is never taken for all alike
REDRAWS = 20  # of a candidate that is a copy, before it is let in: a small space may hold no other


def best_observed(observed: Sequence[Observed]) -> Tokens:
    """Return the highest single reward, the first of equals: the answer in the benchmarks' papers.

    Raises:
        InvalidOption: Nothing was observed.
    """
    return max(furthest(observed), key=lambda each: each.reward).tokens


def best_average(observed: Sequence[Observed]) -> Tokens:
    """Return the highest average reward, each average shrunk for how few rewards it has.

    A single lucky reward loses to a slightly lower average of many. This is the posterior mean
    under normal noise and a normal prior, both estimated from the 30 highest averages (empirical
    Bayes; Efron & Morris 1975): what lies below has a long tail that says nothing about the best.
    Without repeats, or if repeats always agree, it is the best observed. Ties go to the first.

    Raises:
        InvalidOption: Nothing was observed.
    """
    rewards: dict[Tokens, list[float]] = {}
    for tokens, reward, *_ in furthest(observed):
        rewards.setdefault(tokens, []).append(reward)
    # Sorting is stable: of equals the first observed stays first.
    top = sorted(rewards, key=lambda tokens: -_average(rewards[tokens]))[:TOP]
    return top[int(np.argmax(shrunk_averages([rewards[tokens] for tokens in top])))]


def shrunk_averages(rewards: Sequence[Sequence[float]]) -> npt.NDArray[np.float64]:
    """Estimate the noise-free rewards, (architectures,), from each one's observed rewards.

    Args:
        rewards: At least one architecture, each with at least one reward.
    """
    counts = np.array([len(each) for each in rewards], np.float64)
    averages = np.array([_average(each) for each in rewards])
    squares = sum(
        (reward - average) ** 2
        for each, average in zip(rewards, averages.tolist(), strict=True)
        for reward in each
    )
    noise = squares / max(1.0, float((counts - 1).sum()))  # pooled variance of repeats
    if noise == 0:
        return averages
    middle = float(averages.mean())
    # Their variance as observed: what noise adds to it, and what is cut off below, cancel roughly.
    spread = max(float(averages.var()), LEAST_SPREAD * noise)
    shrunk: npt.NDArray[np.float64] = middle + (averages - middle) * spread / (
        spread + noise / counts
    )
    return shrunk


def _average(rewards: Sequence[float]) -> float:
    """Return the mean; exactly the value of rewards that are all equal."""
    first = rewards[0]
    return first + sum(reward - first for reward in rewards) / len(rewards)


def furthest(observed: Sequence[Observed]) -> Sequence[Observed]:
    """Return what was trained furthest: rewards of different epochs do not compare.

    Raises:
        InvalidOption: Nothing was observed.
    """
    if not observed:
        raise InvalidOption("nothing was observed: recommend after one request or more")
    furthest = min(rank(each.epochs, 0.0) for each in observed)
    return [each for each in observed if rank(each.epochs, 0.0) == furthest]


def agent_of(part: str | Mapping[str, Any]) -> Agent:
    """Return the agent that another one names: a name, or ``{"name": …}`` with options.

    Raises:
        UnknownName: There is no such agent or option.
        InvalidOption: A value that an option does not take.
    """
    made: Agent = make("agent", part)
    return made


def modules_of(part: Any) -> list[str]:
    """Return the modules of the user's that a recorded agent would import."""
    spec = {"name": part} if isinstance(part, str) else part
    return list(foreign_modules("agent", spec)) if isinstance(spec, Mapping) else []


def proxy_ranking(
    space: SearchSpace[Any], proxies: Sequence[str], options: Mapping[str, Any] | None = None
) -> "Ranking":
    """Return what scores architectures without an evaluation: zero-cost proxies.

    Args:
        space: Of the architectures; its networks are for images, whatever evaluates them.
        proxies: Names, as ``nas_gym.evaluators.proxies.PROXIES`` has them.
        options: See ``nas_gym.evaluators.proxies.ranking.ranking_of``.

    Raises:
        InvalidSpace: A space without networks for images.
        InvalidOption: A value that an option does not take.
        UnknownName: No such option or proxy.
    """
    from nas_gym.evaluators.proxies.ranking import ranking_of

    unlimited = getattr(space, "unlimited", space)  # limits change no network
    return ranking_of(unlimited, proxies, options)


def searches_async(agent: Any) -> bool:
    """Return whether an agent can search without waiting for batches."""
    return hasattr(agent, "search_async") and bool(getattr(agent, "searches_async", True))


def play_as_they_come(
    env: "NASAsyncVectorEnv[Any]",
    propose: Callable[[], Tokens],
    learn: "Callable[[Played], object]",
) -> None:
    """Keep as many architectures in flight as there is room for, until the budget is spent.

    Args:
        env: Answers.
        propose: Returns what to ask for next.
        learn: Is told each answer, as it comes.
    """
    while env.remaining > 0 or env.waiting:
        while env.free and env.remaining > 0:
            env.submit(propose())
        for _, played in env.collect():
            learn(played)


def play_in_batches(
    env: "NASVectorEnv[Any]", token_lists: Iterable[Tokens], batch_size: int
) -> "Iterator[list[Played]]":
    """Play ``batch_size`` of them at a time, as far as the budget goes, and yield each batch.

    Takes from ``token_lists`` only what the next batch needs.
    """
    source = iter(token_lists)
    while env.remaining > 0:
        batch = list(islice(source, int(min(batch_size, env.remaining))))
        if not batch:
            return
        yield env.play(batch)


def without_copies(
    draw: Callable[[], Tokens], count: int, known: Collection[Tokens]
) -> list[Tokens]:
    """Draw ``count`` times: none ``known`` and none twice, unless 20 draws in a row were."""
    candidates: list[Tokens] = []
    taken = set(known)
    for _ in range(count):
        for _ in range(REDRAWS):
            candidate = draw()
            if candidate not in taken:
                break
        candidates.append(candidate)
        taken.add(candidate)
    return candidates
