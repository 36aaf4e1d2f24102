"""A Gaussian process over architectures: what a reward is expected to be, and how sure that is.

The kernel compares architectures choice by choice, by name, with one weight per choice (the
"transformed overlap" kernel of Wan et al. 2021, arXiv 2102.07188, without its scale):
``amplitude * exp(-sum of the weights of the choices that differ)``. A product over choices lets any
of them interact. Two independent parts come on top: what is peculiar to one architecture (a
training run cannot average it away), and the noise of an evaluation (repeats can); and a linear
trend in each zero-cost proxy, if there are any. Weights and variances maximise the posterior
density given the rewards (type-II MAP; Rasmussen & Williams 2006, section 5.4), by Adam with the
closed-form gradient.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from nas_agents.adam import GrowingAdam
from nas_agents.arrays import Floats, Ints
from nas_agents.surrogate.blas import one_blas_thread
from nas_agents.surrogate.encoder import Codes, Encoder
from nas_agents.surrogate.features import ProxyFeatures
from nas_agents.surrogate.warp import warp_of
from nas_gym.agent import Observed
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import Tokens

FIT_POINTS = 150  # most architectures that the weights are fitted to
FIRST_STEPS, STEPS, RATE = 24, 6, 0.15  # of Adam: at the first fit, at each later one; its rate
GROWTH = 0.1  # share of new architectures after which the hyperparameters are fitted again
TOTAL_WEIGHT = 2.0  # prior: the median of the sum of the choices' weights, about
CONSTANT = 1.0  # prior variance of the mean reward; rewards are standardised
# Prior of the logarithms of amplitude, own and noise. That of the noise is narrow: else the rewards
# of the first random architectures, which the weights cannot explain yet, would pass for noise.
CENTRES, VARIANCES = (0.0, -4.0, -3.0), (1.0, 4.0, 1.0)
JITTER = 1e-6  # added to variances, for Cholesky's sake
TRENDS = 0.5  # prior: the median of the sum of the trends' variances, about
# Places in the logarithms of the hyperparameters; the weights come after the trends.
AMPLITUDE, OWN, NOISE, TREND = 0, 1, 2, 3


class Posterior(NamedTuple):
    """The process's prediction for some architectures, in warped rewards."""

    mean: Floats  # (architectures,)
    deviation: Floats  # (architectures,) standard deviation, without an evaluation's noise
    explained: Floats  # (points, architectures): its square is what the points explain
    hot: Floats  # (architectures, codes)
    features: Floats  # (architectures, proxies)

    def take(self, places: Ints) -> "Posterior":
        """Return the prediction for only the architectures at ``places``."""
        return Posterior(
            self.mean[places],
            self.deviation[places],
            self.explained[:, places],
            self.hot[places],
            self.features[places],
        )

    def joined(self, other: "Posterior") -> "Posterior":
        """Return the prediction for these architectures, then ``other``'s; both are of one fit."""
        return Posterior(
            np.concatenate([self.mean, other.mean]),
            np.concatenate([self.deviation, other.deviation]),
            np.hstack([self.explained, other.explained]),
            np.vstack([self.hot, other.hot]),
            np.vstack([self.features, other.features]),
        )


class Predictor:
    """The process, given all observations; repeats count as their mean and their number.

    Args:
        choices: The space's choices.
        points: Most architectures that it is conditioned on, >= 3: the best, and of the others the
            latest.
        features: Proxies of architectures; none by default.
    """

    def __init__(
        self, choices: ChoiceTable, points: int = 300, features: ProxyFeatures | None = None
    ) -> None:
        self.encoder = Encoder(choices)
        self.features = ProxyFeatures(choices.space) if features is None else features
        self.points = points
        self.tokens: list[Tokens] = []  # each different architecture once
        self.means: list[float] = []  # its mean reward
        self.counts: list[int] = []  # its observations
        self._fitted = 0  # architectures when the hyperparameters were last moved
        self._within = 0.0  # sum of squared deviations of repeats from their means
        self._places: dict[Tokens, int] = {}
        self._codes: Codes = np.zeros((0, 0), np.int64)
        self._features: Floats = np.zeros((0, self.features.count))
        self._weights = TREND + self.features.count  # the place of the first weight
        trends = np.full(self.features.count, np.log(TRENDS / max(1, self.features.count)))
        self._logs: Floats = np.concatenate([[0.0, -3.0, -3.0], trends])
        self._adam = GrowingAdam(RATE, 0.8, 0.95)

    def __contains__(self, tokens: Tokens) -> bool:
        return tokens in self._places

    @property
    def seen_noise(self) -> bool:
        """Whether two evaluations of one architecture were rewarded differently."""
        return self._within > 0

    def observe(self, observed: Iterable[Observed]) -> None:
        """Take note of rewards, for the next ``fit``."""
        for tokens, reward, *_ in observed:
            i = self._places.setdefault(tokens, len(self.tokens))
            if i == len(self.tokens):
                self.tokens.append(tokens)
                self.means.append(reward)
                self.counts.append(1)
            else:
                self.counts[i] += 1
                before = reward - self.means[i]
                self.means[i] += before / self.counts[i]
                self._within += before * (reward - self.means[i])
        self._encode_new()

    def fit(self, steps: int | None = None) -> None:
        """Move the hyperparameters towards the observations, and condition on these.

        Args:
            steps: Of Adam; by default ``FIRST_STEPS`` at first, and then ``STEPS`` each time that
                the architectures have grown by the share ``GROWTH``.
        """
        means = np.array(self.means)
        self.warp = warp_of(means)
        order = np.argsort(-means, kind="stable")
        self.chosen = _best_and_latest(order, self.points)
        self._widen()
        if steps is None:
            steps = STEPS if self._adam.steps else FIRST_STEPS
            grown = len(means) >= (1 + GROWTH) * self._fitted
            steps = steps if grown else 0
        with one_blas_thread():
            if steps:
                self._fitted = len(means)
                self._move(_best_and_latest(order, FIT_POINTS), steps)
            self._condition()

    def posterior(self, architectures: Sequence[Tokens], fresh: bool = False) -> Posterior:
        """Return what is known of ``architectures``, observed ones or not, after ``fit``.

        Args:
            architectures: Any.
            fresh: Whether proxies are computed of those that have none yet; else these count as
                average.
        """
        hot = self._hot(self.encoder.encode(architectures))
        features = self.features.of(architectures, fresh)
        with one_blas_thread():
            cross = self._kernel(self._points_hot, hot) + CONSTANT
            cross += self._trend(self._features[self.chosen], features)
            amplitude, own = np.exp(self._logs[:NOISE])
            for j, tokens in enumerate(architectures):
                i = self._rows.get(tokens)
                if i is not None:
                    cross[i, j] += own
            explained = self._root @ cross
            trends = features**2 @ np.exp(self._logs[TREND : self._weights])
            variance = amplitude + CONSTANT + own + trends - np.sum(explained**2, axis=0)
            deviation = np.sqrt(np.maximum(variance, JITTER))
            return Posterior(self._half @ explained, deviation, explained, hot, features)

    def samples(self, posterior: Posterior, count: int, rng: np.random.Generator) -> Floats:
        """Draw all warped rewards together, ``count`` times: (count, architectures)."""
        with one_blas_thread():
            covariance = self._kernel(posterior.hot, posterior.hot) + CONSTANT
            covariance += self._trend(posterior.features, posterior.features)
            covariance -= posterior.explained.T @ posterior.explained
            np.fill_diagonal(covariance, posterior.deviation**2)
            normal = rng.standard_normal((count, len(covariance)))
            return posterior.mean + normal @ _cholesky(covariance).T

    def gradient(self, hot: Floats, subset: Ints) -> Floats:
        """Return the gradient of ``loss`` by the logarithms of the hyperparameters."""
        own, noise = np.exp(self._logs[OWN:TREND])
        kernel, slope, counts, warped = self._parts(hot, subset)
        features = self._features[subset]
        trend = self._trend(features, features)
        inverse = np.linalg.inv(self._covariance(kernel + trend, slope, counts))
        pull = inverse @ warped
        by_covariance = 0.5 * (inverse - np.outer(pull, pull))
        by_kernel = by_covariance * kernel
        by_mean = by_covariance.diagonal()
        repeats = sum(self.counts) - len(self.counts)
        within = self._within * self.warp.unit**2
        gradient = np.empty_like(self._logs)
        gradient[AMPLITUDE] = by_kernel.sum()
        gradient[OWN] = own * by_mean.sum()
        gradient[NOISE] = np.sum(by_mean * slope**2 * noise / counts) + 0.5 * (
            repeats - within / noise
        )
        by_trend = np.sum((by_covariance @ features) * features, axis=0)
        trends = np.exp(self._logs[TREND : self._weights])
        gradient[TREND : self._weights] = trends * by_trend
        matches = np.sum((by_kernel @ hot) * hot, axis=0)  # by code
        matches = np.add.reduceat(matches, np.cumsum(self._sizes) - self._sizes)
        weights = np.exp(self._logs[self._weights :])
        gradient[self._weights :] = weights * (matches - gradient[AMPLITUDE])
        centre, variance = self._prior()
        return gradient + (self._logs - centre) / variance

    def loss(self, hot: Floats, subset: Ints) -> float:
        """Return minus the log posterior density of the hyperparameters, up to a constant."""
        noise = np.exp(self._logs[NOISE])
        kernel, slope, counts, warped = self._parts(hot, subset)
        trend = self._trend(self._features[subset], self._features[subset])
        covariance = self._covariance(kernel + trend, slope, counts)
        fit = warped @ np.linalg.solve(covariance, warped) + np.linalg.slogdet(covariance)[1]
        repeats = sum(self.counts) - len(self.counts)
        spread = repeats * np.log(noise) + self._within * self.warp.unit**2 / noise
        centre, variance = self._prior()
        return float(0.5 * (fit + spread + np.sum((self._logs - centre) ** 2 / variance)))

    # ---------------------------------------------------------------- within

    def _move(self, subset: Ints, steps: int) -> None:
        hot = self._hot(self._codes[subset])
        for _ in range(steps):
            moved = self._logs - self._adam.move(self.gradient(hot, subset))
            self._logs = np.clip(moved, -12.0, 4.0)

    def _prior(self) -> tuple[Floats, Floats]:
        """Return mean and variance of the normal prior on the logarithms."""
        names = len(self._logs) - self._weights
        centre = np.full(len(self._logs), np.log(TOTAL_WEIGHT / max(1, names)))
        centre[:TREND] = CENTRES
        centre[TREND : self._weights] = np.log(TRENDS / max(1, self.features.count))
        variance = np.ones(len(self._logs))
        variance[:TREND] = VARIANCES
        return centre, variance

    def _parts(self, hot: Floats, subset: Ints) -> tuple[Floats, Floats, Floats, Floats]:
        means = np.array(self.means)[subset]
        counts = np.array(self.counts, np.float64)[subset]
        return self._kernel(hot, hot), self.warp.slope(means), counts, self.warp(means)

    def _covariance(self, kernel: Floats, slope: Floats, counts: Floats) -> Floats:
        """Return that of the means of rewards; noise equal in rewards is unequal in warped ones."""
        own, noise = np.exp(self._logs[OWN:TREND])
        covariance = kernel + CONSTANT
        covariance.flat[:: len(covariance) + 1] += own + slope**2 * noise / counts + JITTER
        return covariance

    def _kernel(self, one: Floats, other: Floats) -> Floats:
        weights = np.exp(self._logs[self._weights :])
        alike = (one * np.repeat(weights, self._sizes)) @ other.T
        return np.asarray(np.exp(self._logs[AMPLITUDE] + alike - weights.sum()))

    def _trend(self, one: Floats, other: Floats) -> Floats:
        """Return the covariance of a linear trend in each of the proxies."""
        return np.asarray((one * np.exp(self._logs[TREND : self._weights])) @ other.T)

    def _condition(self) -> None:
        self._points_hot = self._hot(self._codes[self.chosen])
        kernel, slope, counts, warped = self._parts(self._points_hot, self.chosen)
        features = self._features[self.chosen]
        covariance = self._covariance(kernel + self._trend(features, features), slope, counts)
        self._root = np.linalg.inv(_cholesky(covariance))
        self._half = self._root @ warped
        self._rows = {self.tokens[j]: i for i, j in enumerate(self.chosen)}

    def _encode_new(self) -> None:
        new = self.tokens[len(self._codes) :]
        self._features = np.vstack([self._features, self.features.of(new, fresh=True)])
        codes = self.encoder.encode(new)
        names = len(self.encoder.sizes)
        known = np.pad(self._codes, ((0, 0), (0, names - self._codes.shape[1])))
        self._codes = np.vstack([known, codes])

    def _widen(self) -> None:
        """Make room for choices seen since the last fit."""
        self._sizes = self.encoder.sizes
        more = self._weights + len(self._sizes) - len(self._logs)
        start = np.full(more, np.log(TOTAL_WEIGHT / max(1, len(self._sizes))))
        self._logs = np.concatenate([self._logs, start])
        # Codes are as many as names when ``observe`` ended, but a proposal may have named more.
        self._codes = np.pad(self._codes, ((0, 0), (0, len(self._sizes) - self._codes.shape[1])))

    def _hot(self, codes: Codes) -> Floats:
        """Return (architectures, codes) one-hot; what is newer than the fit matches nothing."""
        codes = codes[:, : len(self._sizes)]
        rows, columns = np.nonzero(codes < self._sizes[: codes.shape[1]])
        starts = np.cumsum(self._sizes) - self._sizes
        hot = np.zeros((len(codes), int(self._sizes.sum())))
        hot[rows, starts[columns] + codes[rows, columns]] = 1.0
        return hot


def _best_and_latest(order: Ints, limit: int) -> Ints:
    """Return, of places from best to worst, the best two thirds of ``limit`` and the latest."""
    if len(order) <= limit:
        return np.arange(len(order))
    best, rest = np.split(order, [2 * limit // 3])
    return np.concatenate([best, np.sort(rest)[len(best) - limit :]])


def _cholesky(covariance: Floats) -> Floats:
    jitter = JITTER * max(1.0, float(covariance.diagonal().max()))
    while True:
        covariance.flat[:: len(covariance) + 1] += jitter
        try:
            return np.asarray(np.linalg.cholesky(covariance), np.float64)
        except np.linalg.LinAlgError:
            jitter *= 100
