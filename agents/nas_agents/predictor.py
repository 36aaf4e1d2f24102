"""A Gaussian process over architectures: mean, uncertainty and joint samples of the reward."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nas_gym.search_spaces.grammar import ChoiceTable, trace
from nas_gym.search_spaces.moves import Tokens

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
ABSENT = 0


class Encoder:
    def __init__(self, choices: ChoiceTable) -> None:
        self.choices = choices
        self.names: dict[str, int] = {}
        self.options: list[dict[Any, int]] = []
        if choices.static is not None:
            for choice in choices.static:
                self._column(choice.name, choice.options)

    def _column(self, name, options) -> int:
        column = self.names.setdefault(name, len(self.names))
        if column == len(self.options):
            self.options.append({})
        known = self.options[column]
        for option in options:
            known.setdefault(option, len(known) + 1)
        return column

    def encode(self, architectures: Sequence[Tokens]) -> Codes:
        if self.choices.static is not None:
            return np.array(architectures, np.int64).reshape(len(architectures), -1) + 1
        rows = []
        for tokens in architectures:
            row = {}
            for choice, token in zip(trace(self.choices.space, tokens)[1], tokens, strict=True):
                column = self._column(choice.name, choice.options)
                row[column] = self.options[column][choice.options[token]]
            rows.append(row)
        codes = np.full((len(rows), len(self.names)), ABSENT)
        for i, row in enumerate(rows):
            codes[i, list(row)] = list(row.values())
        return codes

    @property
    def sizes(self):
        return np.array([len(o) + 1 for o in self.options])


def one_hot(codes: Codes, sizes) -> Floats:
    starts = np.cumsum(sizes) - sizes
    hot = np.zeros((len(codes), int(sizes.sum())))
    hot[np.arange(len(codes))[:, None], starts[: codes.shape[1]] + codes] = 1.0
    return hot


class Warp(NamedTuple):
    top: float
    scale: float
    offset: float

    def __call__(self, y):
        r = np.maximum(self.top - y, -0.0) / self.scale
        return -np.log(r + self.offset)

    def slope(self, y):
        r = np.maximum(self.top - y, 0.0) / self.scale
        return 1.0 / (self.scale * (r + self.offset))


class Theta(NamedTuple):
    """Logarithms."""
    amplitude: float
    own: float
    noise: float
    weights: Floats


class Predictor:
    def __init__(self, encoder, *, points=300, fit_points=150, steps=6, rate=0.15, offset=0.3, opts=()):
        self.encoder = encoder
        self.points = points
        self.fit_points = fit_points
        self.steps = steps
        self.rate = rate
        self.offset = offset
        self.opts = dict(opts)
        self.index: dict[Tokens, int] = {}
        self.tokens: list[Tokens] = []
        self.count: list[int] = []
        self.mean_: list[float] = []
        self.square: list[float] = []
        self.codes = np.zeros((0, len(encoder.names)), np.int64)
        self.theta = None
        self.moments = None

    def observe(self, observed):
        new = []
        for tokens, reward in observed:
            i = self.index.setdefault(tokens, len(self.index))
            if i == len(self.tokens):
                self.tokens.append(tokens)
                new.append(tokens)
                self.count.append(1)
                self.mean_.append(reward)
                self.square.append(0.0)
            else:
                self.count[i] += 1
                d = reward - self.mean_[i]
                self.mean_[i] += d / self.count[i]
                self.square[i] += d * (reward - self.mean_[i])
        if new:
            codes = self.encoder.encode(new)
            wide = codes.shape[1] - self.codes.shape[1]
            self.codes = np.vstack([np.pad(self.codes, ((0, 0), (0, wide))), codes])

    # ---------------------------------------------------------------- fitting

    def fit(self, rng):
        y = np.array(self.mean_)
        n = np.array(self.count, float)
        order = np.argsort(-y, kind="stable")
        self.chosen = self._choose(order, self.points)
        fit = self._choose(order, self.fit_points)
        top = y.max()
        regret = top - y
        scale = np.quantile(regret, self.opts.get("q", 0.5))
        if not scale > 0:
            scale = regret.mean() or 1.0
        self.warp = Warp(top, scale, self.offset)
        z = self.warp(y)
        slope = self.warp.slope(y)
        self.shift, self.spread = z.mean(), z.std() or 1.0
        z = (z - self.shift) / self.spread
        unit = self.warp.slope(top) / self.spread  # noise is measured where the best are
        slope = slope / self.spread / unit
        within = float(np.sum(self.square)) * unit**2
        repeats = int(n.sum() - len(n))
        d = self.codes.shape[1]
        if self.theta is None:
            self.theta = np.concatenate([[0.0, -3.0, -3.0], np.full(d, np.log(2.0 / d))])
            self.first, self.second, self.t = np.zeros(3 + d), np.zeros(3 + d), 0
        if d + 3 > len(self.theta):
            more = d + 3 - len(self.theta)
            self.theta = np.concatenate([self.theta, np.full(more, np.log(2.0 / d))])
            self.first = np.concatenate([self.first, np.zeros(more)])
            self.second = np.concatenate([self.second, np.zeros(more)])
        steps = self.steps if self.t else 4 * self.steps
        hot = one_hot(self.codes[fit], self.encoder.sizes)
        for _ in range(steps):
            g = self._gradient(hot, z[fit], slope[fit], n[fit], within, repeats)
            self.t += 1
            self.first += 0.2 * (g - self.first)
            self.second += 0.05 * (g * g - self.second)
            t = self.t
            m = self.first / (1 - 0.8**t)
            v = self.second / (1 - 0.95**t)
            self.theta -= self.rate * m / (np.sqrt(v) + 1e-8)
        self._condition(z, slope, n)

    def _choose(self, order, limit):
        if len(order) <= limit:
            return np.arange(len(order))
        best = order[: 2 * limit // 3]
        rest = np.sort(order[2 * limit // 3 :])[-(limit - len(best)) :]
        return np.concatenate([best, rest])

    def _kernel(self, a, b):
        w = np.exp(self.theta[3:])
        sizes = self.encoder.sizes
        return np.exp((a * np.repeat(w, sizes)) @ b.T - w.sum()) * np.exp(self.theta[0])

    def _gradient(self, hot, z, slope, n, within, repeats):
        amplitude, own, noise = np.exp(self.theta[:3])
        E = self._kernel(hot, hot)
        C = E + 1.0
        diagonal = slope**2 * (own + noise / n)
        C.flat[:: len(C) + 1] += diagonal + 1e-6
        inverse = np.linalg.inv(C)
        alpha = inverse @ z
        G = 0.5 * (inverse - np.outer(alpha, alpha))
        M = G * E
        grad = np.empty_like(self.theta)
        grad[0] = M.sum()
        diag = G.diagonal() * slope**2
        grad[1] = (diag * own).sum()
        grad[2] = (diag * noise / n).sum() + 0.5 * repeats - 0.5 * within / noise
        sizes = self.encoder.sizes
        match = np.add.reduceat(((M @ hot) * hot).sum(0), np.cumsum(sizes) - sizes)
        w = np.exp(self.theta[3:])
        grad[3:] = -w * (grad[0] - match)
        # priors
        d = len(w)
        grad[0] += self.theta[0]
        grad[1] += (self.theta[1] + 4) / 4
        grad[2] += (self.theta[2] + 4) / 4
        grad[3:] += self.theta[3:] - np.log(self.opts.get("w0", 2.0) / d)
        return grad

    def _condition(self, z, slope, n):
        c = self.chosen
        own, noise = np.exp(self.theta[1:3])
        self.hot = one_hot(self.codes[c], self.encoder.sizes)
        C = self._kernel(self.hot, self.hot) + 1.0
        self.own = own * slope**2
        D = slope[c] ** 2 * (own + noise / n[c])
        C.flat[:: len(C) + 1] += D + 1e-6
        L = np.linalg.cholesky(C)
        self.root = np.linalg.inv(L)
        self.half = self.root @ z[c]
        self.place = {self.tokens[j]: i for i, j in enumerate(c)}

    def posterior(self, candidates):
        """(mean, half-covariance V (points, m), prior diag, seen own)."""
        hot = one_hot(self.encoder.encode(candidates), self.encoder.sizes)
        K = self._kernel(self.hot, hot) + 1.0
        own = np.full(len(candidates), np.exp(self.theta[1]))
        at = [self.place.get(t, -1) for t in candidates]
        for j, i in enumerate(at):
            if i >= 0:
                own[j] = self.own[self.chosen[i]]
                K[i, j] += own[j]
        V = self.root @ K
        mean = self.half @ V
        return mean, V, hot, own

    def variance(self, V, own):
        return np.maximum(np.exp(self.theta[0]) + 1.0 + own - (V * V).sum(0), 1e-9)

    def covariance(self, V, hot, own):
        C = self._kernel(hot, hot) + 1.0 - V.T @ V
        C.flat[:: len(C) + 1] += own
        return C
