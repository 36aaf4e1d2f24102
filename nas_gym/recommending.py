"""Which architecture to hand over after a search, for agents that keep no model of their own."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nas_gym.agent import Observed
from nas_gym.errors import InvalidOption

Tokens = tuple[int, ...]
TOP = 30  # architectures with the highest averages, among which the choice is made
LEAST_SPREAD = 0.5  # of the noise variance: the top is never taken for all alike


def best_observed(observed: Sequence[Observed]) -> Tokens:
    """The highest single reward, the first of equals: the answer in the benchmarks' papers.

    Raises:
        InvalidOption: Nothing was observed.
    """
    return max(_some(observed), key=lambda each: each.reward).tokens


def best_average(observed: Sequence[Observed]) -> Tokens:
    """The highest average reward, each average shrunk for how few rewards it is of.

    A single lucky reward loses to a slightly lower average of many. This is the posterior mean
    under normal noise and a normal prior, both estimated from the 30 highest averages (empirical
    Bayes; Efron & Morris 1975): what lies below has a long tail that says nothing about the best.
    Without repeats, or if repeats always agree, it is the best observed. Ties go to the first.

    Raises:
        InvalidOption: Nothing was observed.
    """
    rewards: dict[Tokens, list[float]] = {}
    for tokens, reward in _some(observed):
        rewards.setdefault(tokens, []).append(reward)
    # Sorting is stable: of equals the first observed stays first.
    top = sorted(rewards, key=lambda tokens: -_average(rewards[tokens]))[:TOP]
    return top[int(np.argmax(shrunk_averages([rewards[tokens] for tokens in top])))]


def shrunk_averages(rewards: Sequence[Sequence[float]]) -> npt.NDArray[np.float64]:
    """(architectures,) estimates of the noise-free rewards, from each one's observed rewards.

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
    """The mean; exactly the value of rewards that are all equal."""
    first = rewards[0]
    return first + sum(reward - first for reward in rewards) / len(rewards)


def _some(observed: Sequence[Observed]) -> Sequence[Observed]:
    if not observed:
        raise InvalidOption("nothing was observed: recommend after one request or more")
    return observed
