from dataclasses import dataclass
from typing import Any
import numpy as np
from nas_gym.errors import InvalidOption
from nas_gym.search_spaces.moves import random_tokens, mutate, crossover
from nas_gym.vector_env import NASVectorEnv
from nas_agents.predictor import Encoder, Predictor

@dataclass(frozen=True)
class PredictorEvolution:
    batch_size: int = 10
    start: int = 20
    pool: int = 300
    generations: int = 2
    points: int = 300
    fit_points: int = 150
    steps: int = 6
    rate: float = .15
    offset: float = 0.3
    opts: tuple = ()
    acq: str = "ts"
    beta: float = 2.0
    joint: int = 100
    parents: int = 20

    def search(self, env):
        rng = env.np_random
        predictor = Predictor(Encoder(env.choices), points=self.points, fit_points=self.fit_points, steps=self.steps, rate=self.rate, offset=self.offset, opts=self.opts)
        spent = 0
        while env.remaining > 0:
            count = int(min(self.batch_size, env.remaining))
            if spent < self.start:
                batch = [random_tokens(env.space, rng) for _ in range(count)]
            else:
                predictor.fit(rng)
                batch = self.propose(env, predictor, rng, count)
            played = env.play(batch)
            spent += len(batch)
            predictor.observe([(p.tokens, p.reward) for p in played])

    def propose(self, env, predictor, rng, count):
        order = np.argsort(-np.array(predictor.mean_)[predictor.chosen], kind="stable")[: 3*self.parents]
        pool = [predictor.tokens[predictor.chosen[i]] for i in order]
        sizes = predictor.encoder.sizes - 1
        for _ in range(self.generations):
            mean, V, hot, own = predictor.posterior(pool)
            ucb = mean + self.beta * np.sqrt(predictor.variance(V, own))
            keep = np.argsort(-ucb, kind="stable")[: self.parents]
            parents = [pool[i] for i in keep]
            if env.choices.static is not None:
                P = np.array(parents)
                k = self.pool
                A = P[rng.integers(len(P), size=k)]
                B = P[rng.integers(len(P), size=k)]
                take = (rng.random((k, A.shape[1])) < .5) & (rng.random(k) < .5)[:, None]
                A = np.where(take, B, A)
                times = np.where(rng.random(k)<.5, 1, 2)
                for r in range(2):
                    col = rng.integers(A.shape[1], size=k)
                    sz = sizes[col]
                    new = (A[np.arange(k), col] + 1 + (rng.random(k) * (sz-1)).astype(int)) % sz
                    A[np.arange(k), col] = np.where(r < times, new, A[np.arange(k), col])
                kids = map(tuple, A.tolist())
            else:
                kids = []
                for _ in range(self.pool):
                    a = parents[rng.integers(len(parents))]
                    if rng.random() < .5:
                        a = crossover(env.space, a, parents[rng.integers(len(parents))], rng)
                    for _ in range(1 + (rng.random() < .5)):
                        a = mutate(env.space, a, rng)
                    kids.append(a)
            pool = list(dict.fromkeys([*pool, *kids]))
        mean, V, hot, own = predictor.posterior(pool)
        var = predictor.variance(V, own)
        keep = np.argsort(-(mean + self.beta * np.sqrt(var)), kind="stable")[: self.joint]
        mean, V, hot, own = mean[keep], V[:, keep], hot[keep], own[keep]
        cov = predictor.covariance(V, hot, own)
        picked = []
        if self.acq == "ts":
            L = np.linalg.cholesky(cov + 1e-6 * np.eye(len(cov)))
            draws = mean + rng.standard_normal((count, len(mean))) @ L.T
            for d in draws:
                d[picked] = -np.inf
                picked.append(int(d.argmax()))
                if len(picked) == len(mean): break
        batch = [pool[keep[i]] for i in picked]
        while len(batch) < count:
            batch.append(random_tokens(env.space, rng))
        return batch

    def recommend(self, space, observed):
        from nas_gym.search_spaces.grammar import ChoiceTable
        predictor = Predictor(Encoder(ChoiceTable(space)), points=self.points, fit_points=self.fit_points, steps=max(self.steps,10), rate=self.rate, offset=self.offset, opts=self.opts)
        predictor.observe(observed)
        predictor.fit(None)
        pool = [predictor.tokens[i] for i in predictor.chosen]
        mean, *_ = predictor.posterior(pool)
        return pool[int(mean.argmax())]

PRESETS = {"default": PredictorEvolution()}
