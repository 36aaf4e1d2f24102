"""REINFORCE on independent softmaxes: the policy gradient of the tabular benchmarks.

Ying et al. 2019 (NAS-Bench-101) and Dong & Yang 2020 (NAS-Bench-201) use no controller network:
every choice has logits of its own, and REINFORCE (Williams 1992) moves them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Interval

from nas_agents.adam import RowwiseAdam
from nas_agents.arrays import Floats
from nas_gym.agent import Observed, best_average
from nas_gym.options import Options
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import Choice, SearchSpace, Tokens

if TYPE_CHECKING:
    from nas_gym.envs.vector_env import NASVectorEnv

BETAS = (0.9, 0.999)  # of Adam
EPSILON = 1e-8  # keeps advantages of 0 from a division by 0


@dataclass(frozen=True)
class SoftmaxReinforce(Options):
    """Policy gradient on one independent categorical distribution per choice, by name.

    Args:
        batch_size: Architectures per update, >= 1; the benchmarks take 1.
        optimizer: ``"adam"``, or ``"ascent"``: plain gradient ascent.
        learning_rate: > 0.
        initial_scale: Standard deviation of the first logits, >= 0.
        reward_scale: Multiplies the rewards, > 0; 100 for accuracy in percent.
        baseline_decay: Weight of the past in the moving average of rewards, in [0, 1).
        normalize_advantages: Divide advantages by the root of the moving average of their squares.
        entropy_weight: Bonus for the entropy of a choice (nats), averaged over an architecture's
            choices, >= 0: in a larger space each one's advantage is harder to see as well.
        learn_from_failures: Whether children that failed move baseline and logits as well.
    """

    batch_size: Annotated[int, Interval(ge=1, le=10**5)] = 1
    optimizer: Literal["adam", "ascent"] = "adam"
    learning_rate: Annotated[float, Gt(0)] = 0.15
    initial_scale: Annotated[float, Ge(0)] = 0.0
    reward_scale: Annotated[float, Gt(0)] = 1.0
    baseline_decay: Annotated[float, Interval(ge=0, lt=1)] = 0.9
    normalize_advantages: bool = True
    entropy_weight: Annotated[float, Ge(0)] = 2.4
    learn_from_failures: bool = True

    def search(self, env: "NASVectorEnv[Any]") -> None:
        """Sample, play and learn until the budget is spent."""
        policy = Policy(self, env.space.max_options, env.np_random)
        learner = SoftmaxLearner(self, policy)
        while env.remaining > 0:
            count = int(min(self.batch_size, env.remaining))
            episodes = [policy.sample(env.choices) for _ in range(count)]
            played = env.play([episode.tokens for episode in episodes])
            learnt = [
                (episode, child.reward)
                for episode, child in zip(episodes, played, strict=True)
                if self.learn_from_failures or child.evaluation.failure is None
            ]
            if learnt:
                learner.update(*zip(*learnt, strict=True))

    def recommend(self, space: SearchSpace[Any], observed: Sequence[Observed]) -> Tokens:
        """Return the highest average reward: a policy asks again for what it likes."""
        return best_average(observed)


class SampledEpisode(NamedTuple):
    """A sampled architecture."""

    tokens: Tokens
    rows: list[int]  # of the policy's logits, one per token; all different
    closed: Sequence[tuple[int, ...]] = ()  # tokens that could not be drawn, for each; or nothing


class Policy:
    """Logits of every choice met so far, one row each; minus infinity for what is no option.

    A choice is known by its name and number of options. In a conditional space it gets its row
    when it is first open.
    """

    def __init__(
        self, settings: SoftmaxReinforce, max_options: int, rng: np.random.Generator
    ) -> None:
        self.settings = settings
        self.rng = rng
        self.rows: dict[tuple[str, int], int] = {}
        self.logits: Floats = np.empty((0, max_options))
        self.moved()

    def moved(self) -> None:
        """Bring the probabilities up to date with the logits."""
        self.probabilities: Floats = softmax(self.logits)  # (rows, max_options)
        self._cumulative: list[list[float]] = self.probabilities.cumsum(axis=1).tolist()

    def sample(self, choices: ChoiceTable) -> SampledEpisode:
        """Draw an architecture, token by token."""
        tokens: list[int] = []
        rows: list[int] = []
        closed: list[tuple[int, ...]] = []
        while (choice := choices.after(tuple(tokens))) is not None:
            rows.append(self._row(choice))
            closed.append(choice.closed)
            bounds = self._cumulative[rows[-1]]
            if choice.closed:
                bounds = among_open(self.probabilities[rows[-1]], choice.closed).cumsum().tolist()
            drawn = self.rng.random()
            below = sum(drawn >= bound for bound in bounds)
            tokens.append(min(below, choice.tokens[-1]))  # rounding may leave a sum below 1
        return SampledEpisode(tuple(tokens), rows, closed)

    def _row(self, choice: Choice) -> int:
        count = len(choice.options)
        row = self.rows.setdefault((choice.name, count), len(self.rows))
        if row == len(self.logits):
            logits = np.full((1, self.logits.shape[1]), -np.inf)
            logits[0, :count] = self.settings.initial_scale * self.rng.standard_normal(count)
            self.logits = np.concatenate([self.logits, logits])
            self.moved()
        return row


def among_open(probabilities: Floats, closed: Sequence[int]) -> Floats:
    """Return the probabilities (options,) given that none of ``closed`` is drawn."""
    opened = probabilities.copy()
    opened[list(closed)] = 0.0
    if opened.sum() <= 0:  # all that is open has become as good as impossible
        opened = (probabilities > -1).astype(np.float64)
        opened[list(closed)] = 0.0
    normalised: Floats = opened / opened.sum()
    return normalised


def softmax(logits: Floats) -> Floats:
    """Return probabilities along the last axis; minus infinity has probability 0."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Floats = weights / weights.sum(axis=-1, keepdims=True)
    return probabilities


class SoftmaxLearner:
    """A learner that moves the logits along the policy gradient.

    Choices off a batch's path stay put.
    """

    def __init__(self, settings: SoftmaxReinforce, policy: Policy) -> None:
        self.settings = settings
        self.policy = policy
        self.baseline = MovingAverage(settings.baseline_decay)
        self.squares = MovingAverage(settings.baseline_decay)
        self.adam = RowwiseAdam(settings.learning_rate, policy.logits.shape[1], BETAS)

    def update(self, episodes: Sequence[SampledEpisode], rewards: Sequence[float]) -> None:
        """Let a batch into the baseline, then climb its gradient."""
        gradient = self.gradient(episodes, self.advantages(rewards))
        rows = np.unique(np.concatenate([episode.rows for episode in episodes]))
        if self.settings.optimizer == "adam":
            step = self.adam.move(gradient, rows)
        else:
            step = self.settings.learning_rate * gradient[rows]
        self.policy.logits[rows] += step
        self.policy.moved()

    def advantages(self, rewards: Sequence[float]) -> Floats:
        """Return (episodes,) R - b; b has these rewards in it already, as in both benchmarks."""
        scaled = self.settings.reward_scale * np.array(rewards, np.float64)
        advantages: Floats = scaled - self.baseline.let_in(float(scaled.mean()))
        if self.settings.normalize_advantages:
            square = self.squares.let_in(float(np.square(advantages).mean()))
            advantages = advantages / (square**0.5 + EPSILON)
        return advantages

    def gradient(self, episodes: Sequence[SampledEpisode], advantages: Floats) -> Floats:
        """Return (rows, max_options), of mean(advantage * log p(architecture) + entropy bonus)."""
        probabilities = self.policy.probabilities
        gradient = np.zeros_like(probabilities)
        bonuses = np.zeros(len(gradient))
        for (tokens, rows, closed), advantage in zip(episodes, advantages, strict=True):
            drawn_from = probabilities[rows]
            for place, tokens_closed in enumerate(closed):
                if tokens_closed:
                    drawn_from[place] = among_open(drawn_from[place], tokens_closed)
            gradient[rows] -= advantage * drawn_from
            gradient[rows, tokens] += advantage
            bonuses[rows] += self.settings.entropy_weight / len(rows)
        if self.settings.entropy_weight:
            gradient += bonuses[:, None] * entropy_gradient(probabilities)
        return gradient / len(episodes)


def entropy_gradient(probabilities: Floats) -> Floats:
    """Return the gradient of each row's entropy H by its logits: -p (log p + H)."""
    logarithms = np.log(np.where(probabilities > 0, probabilities, 1.0))
    entropies = -(probabilities * logarithms).sum(axis=-1, keepdims=True)
    gradient: Floats = -probabilities * (logarithms + entropies)
    return gradient


class MovingAverage:
    """An exponential moving average, corrected for the zero that it starts from."""

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.numerator = self.denominator = 0.0

    def let_in(self, value: float) -> float:
        """Let ``value`` in and return the average."""
        self.numerator = self.decay * self.numerator + (1 - self.decay) * value
        self.denominator = self.decay * self.denominator + (1 - self.decay)
        return self.numerator / self.denominator


PRESETS: dict[str, SoftmaxReinforce] = {
    "default": SoftmaxReinforce(),
    # As released with NAS-Bench-101; what fails there (an invalid graph) is drawn again, unlearnt.
    "nasbench101": SoftmaxReinforce(
        optimizer="ascent",
        learning_rate=0.1,
        initial_scale=0.0,
        normalize_advantages=False,
        entropy_weight=0.0,
        learn_from_failures=False,
    ),
    # NAS-Bench-201's script and its documented example.
    "nasbench201": SoftmaxReinforce(
        learning_rate=0.5,
        initial_scale=1e-3,
        reward_scale=100.0,
        normalize_advantages=False,
        entropy_weight=0.0,
    ),
    # The same script with NATS-Bench's learning rate.
    "nats-bench": SoftmaxReinforce(
        learning_rate=0.01,
        initial_scale=1e-3,
        reward_scale=100.0,
        normalize_advantages=False,
        entropy_weight=0.0,
    ),
}
