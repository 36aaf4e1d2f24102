"""REINFORCE with an LSTM controller: Zoph & Le 2016, section 3; Zoph et al. 2017, appendix A.

The controller writes an architecture token by token: the embedding of the last token goes into an
LSTM, whose output goes into the softmax of the open choice's kind, from which the next token is
*sampled*. The reward of the finished architecture moves the log-probabilities of all its tokens,
undiscounted, against a moving average of earlier rewards.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from nas_gym.errors import InvalidOption
from nas_gym.search_spaces.grammar import Choice, ChoiceTable, SearchSpace, trace
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.vector_env import NASVectorEnv

CLOSED = -1e9  # logit of an option that is not open
TRACES = 200  # random architectures that show which choices a conditional space has
State = list[tuple[Tensor, Tensor]]  # of each LSTM layer: hidden and cell, (episodes, hidden_size)


@dataclass(frozen=True)
class Reinforce:
    """Policy gradient on an LSTM that writes architectures.

    The defaults are for budgets of 50 to 500 children; ``agents/README.md`` says where they come
    from. The papers' settings, for thousands, are in ``PRESETS``.

    Args:
        batch_size: m, architectures an update, >= 1.
        layers: LSTM layers, >= 1.
        hidden_size: Units a layer, and size of the token embeddings, >= 1.
        initial_range: All weights start uniform in [-initial_range, initial_range].
        learning_rate: Of Adam, > 0.
        baseline_decay: Weight of the past in the moving average of rewards, in [0, 1).
        normalize_advantages: Divide the advantages of a batch by their root mean square, so that
            the scale of the rewards does not matter.
        entropy_weight: Bonus for the policy's entropy (nats, summed over tokens), >= 0.
        choice_bias: Give every choice, by name, logits of its own beside those of its kind's
            softmax.
        temperature: Divides the logits, > 0.
        tanh_constant: Logits become ``tanh_constant * tanh(logits)``; 0 leaves them (Bello et al.
            2016).
        epochs: Updates on each batch, >= 1.
        clip_range: PPO's clipping of the probability ratio, in (0, 1); None is plain REINFORCE.
    """

    batch_size: int = 8
    layers: int = 1
    hidden_size: int = 32
    initial_range: float = 0.1
    learning_rate: float = 0.03
    baseline_decay: float = 0.5
    normalize_advantages: bool = True
    entropy_weight: float = 0.05
    choice_bias: bool = True
    temperature: float = 1.0
    tanh_constant: float = 0.0
    epochs: int = 3
    clip_range: float | None = 0.2

    def __post_init__(self) -> None:
        for name in ("batch_size", "layers", "hidden_size", "epochs"):
            if getattr(self, name) < 1:
                raise InvalidOption(f"{name} is {getattr(self, name)}: give 1 or more")
        for name in ("learning_rate", "temperature"):
            if not getattr(self, name) > 0:
                raise InvalidOption(f"{name} is {getattr(self, name)}: give a number above 0")
        for name in ("initial_range", "entropy_weight", "tanh_constant"):
            if not getattr(self, name) >= 0:
                raise InvalidOption(f"{name} is {getattr(self, name)}: give 0 or more")
        if not 0 <= self.baseline_decay < 1:
            raise InvalidOption(f"baseline_decay is {self.baseline_decay}: give 0 to below 1")
        if self.clip_range is not None and not 0 < self.clip_range < 1:
            raise InvalidOption(f"clip_range is {self.clip_range}: give a number from 0 to 1")
        if self.clip_range is None and self.epochs > 1:
            raise InvalidOption(
                f"epochs is {self.epochs}, but from the second on the samples are not the policy's "
                "own: give clip_range, e.g. 0.2, or epochs 1"
            )

    def search(self, env: NASVectorEnv[Any]) -> None:
        """Sample rounds of architectures and learn from them until the budget is spent."""
        generator = torch.Generator().manual_seed(int(env.np_random.integers(2**62)))
        vocabulary = Vocabulary(env.choices, env.np_random)
        controller = Controller(self, vocabulary, generator)
        learner = Learner(self, controller)
        _, infos = env.reset()
        batch: list[Episodes] = []
        waiting = 0
        while env.remaining > 0:
            episodes, infos = sample_round(env, controller, infos, generator)
            batch.append(episodes)
            waiting += env.num_envs
            # The episodes of a last, partial round are not all rewarded; nobody learns from it.
            if waiting >= self.batch_size and env.remaining > 0:
                with one_thread():
                    learner.update(Episodes(*map(torch.cat, zip(*batch, strict=True))))
                batch, waiting = [], 0


class Episodes(NamedTuple):
    """Finished episodes. All have ``max_length`` steps; after completion only token 0 is open."""

    tokens: Tensor  # (episodes, max_length) int64
    kinds: Tensor  # (episodes, max_length) int64, whose softmax: see Vocabulary
    names: Tensor  # (episodes, max_length) int64, whose bias
    masks: Tensor  # (episodes, max_length, max_options) bool, True = open
    rewards: Tensor  # (episodes,) float32


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch to one thread here: the controller is small, and its threads would wait for cores
    that train children (measured on two busy cores: 30 to 140 ms an architecture instead of 3).
    """  # noqa: D205
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


# ---------------------------------------------------------------- controller


class Vocabulary:
    """Numbers the kinds and names of a space's choices; 0 is for those not seen in advance.

    A static space shows all of them; a conditional one is sampled.
    """

    def __init__(self, choices: ChoiceTable, rng: np.random.Generator) -> None:
        self.choices = choices
        self.max_options = choices.space.max_options
        seen = choices.static or _sampled_choices(choices.space, rng)
        self.kinds = {kind: i for i, kind in enumerate(dict.fromkeys(c.kind for c in seen), 1)}
        self.names = {name: i for i, name in enumerate(dict.fromkeys(c.name for c in seen), 1)}

    def numbers(self, prefixes: Sequence[tuple[int, ...]]) -> tuple[Tensor, Tensor]:
        """(episodes,) kind and (episodes,) name of the choice that is open after each prefix."""
        static = self.choices.static is not None  # then all prefixes open the same choice
        opened = [self.choices.after(prefix) for prefix in (prefixes[:1] if static else prefixes)]
        kinds = [0 if c is None else self.kinds.get(c.kind, 0) for c in opened]
        names = [0 if c is None else self.names.get(c.name, 0) for c in opened]
        shape = (len(prefixes),)
        return torch.tensor(kinds).expand(shape), torch.tensor(names).expand(shape)


def _sampled_choices(space: SearchSpace[Any], rng: np.random.Generator) -> list[Choice]:
    return [c for _ in range(TRACES) for c in trace(space, random_tokens(space, rng))[1]]


class Controller(nn.Module):
    """The policy: an LSTM over tokens with one softmax for each kind of choice."""

    def __init__(
        self, settings: Reinforce, vocabulary: Vocabulary, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.settings = settings
        self.vocabulary = vocabulary
        kinds, options = len(vocabulary.kinds) + 1, vocabulary.max_options
        size, layers = settings.hidden_size, settings.layers
        # Modules initialise themselves from torch's global generator; on "meta" they leave it be.
        with torch.device("meta"):
            self.embedding = nn.Embedding(1 + kinds * options, size)  # 0: no token yet
            self.lstm = nn.LSTM(size, size, layers, batch_first=True)
            self.softmaxes = nn.Linear(size, kinds * options)
        self.to_empty(device="cpu")
        for parameter in self.parameters():
            nn.init.uniform_(
                parameter, -settings.initial_range, settings.initial_range, generator=generator
            )
        self.bias = nn.Parameter(
            torch.zeros(len(vocabulary.names) + 1, options), requires_grad=settings.choice_bias
        )

    def inputs(self, kinds: Tensor, tokens: Tensor) -> Tensor:
        """Which embedding stands for a token of a kind; the shape of both."""
        return 1 + kinds * self.vocabulary.max_options + tokens

    def step(
        self, inputs: Tensor, kinds: Tensor, names: Tensor, masks: Tensor, state: State
    ) -> tuple[Tensor, State]:
        """Log-probabilities (episodes, max_options) of the next token, and the LSTM's next state.

        ``masks`` is (episodes, max_options), all others are (episodes,); ``inputs`` are the
        embeddings of the last tokens. The same numbers as ``log_probabilities``, whose
        ``nn.LSTM`` takes more than twice as long for a single step.
        """
        output = self.embedding(inputs)
        following = []
        for weights, layer in zip(self.lstm.all_weights, state, strict=True):
            layer = torch.lstm_cell(output, layer, *weights)
            output = layer[0]
            following.append(layer)
        return self._log_softmax(output, kinds, names, masks), following

    def log_probabilities(self, episodes: Episodes) -> tuple[Tensor, Tensor]:
        """Of the sampled tokens, and the entropy at each step; both (episodes, max_length)."""
        inputs = self.inputs(episodes.kinds, episodes.tokens).roll(1, dims=1)
        inputs[:, 0] = 0
        output, _ = self.lstm(self.embedding(inputs))
        every = self._log_softmax(output, episodes.kinds, episodes.names, episodes.masks)
        sampled = every.gather(-1, episodes.tokens[..., None]).squeeze(-1)
        return sampled, -(every.exp() * every).sum(-1)

    def first_state(self, episodes: int) -> State:
        """Zeros."""
        zeros = torch.zeros(episodes, self.settings.hidden_size)
        return [(zeros, zeros)] * self.settings.layers

    def _log_softmax(self, output: Tensor, kinds: Tensor, names: Tensor, masks: Tensor) -> Tensor:
        """(..., max_options), from the LSTM's output (..., hidden_size)."""
        softmaxes = self.softmaxes(output).unflatten(-1, (-1, self.vocabulary.max_options))
        chosen = kinds[..., None, None].expand(*kinds.shape, 1, softmaxes.shape[-1])
        logits = softmaxes.gather(-2, chosen).squeeze(-2)
        if self.settings.choice_bias:
            logits = logits + self.bias[names]
        if self.settings.temperature != 1:
            logits = logits / self.settings.temperature
        if self.settings.tanh_constant:
            logits = self.settings.tanh_constant * torch.tanh(logits)
        log_probabilities: Tensor = logits.masked_fill(~masks, CLOSED).log_softmax(-1)
        return log_probabilities


def sample_round(
    env: NASVectorEnv[Any],
    controller: Controller,
    infos: dict[str, Any],
    generator: torch.Generator,
) -> tuple[Episodes, dict[str, Any]]:
    """Play one round of episodes with sampled tokens; also the infos that start the next one."""
    state = controller.first_state(env.num_envs)
    inputs = torch.zeros(env.num_envs, dtype=torch.int64)
    prefixes: list[tuple[int, ...]] = [()] * env.num_envs
    steps = []
    for _ in range(env.space.max_length):
        masks = torch.from_numpy(infos["action_mask"]).bool()
        kinds, names = controller.vocabulary.numbers(prefixes)
        with one_thread(), torch.no_grad():  # not around env.step, which may train a child
            log_probabilities, state = controller.step(inputs, kinds, names, masks, state)
            tokens = torch.multinomial(log_probabilities.exp(), 1, generator=generator)[:, 0]
        steps.append((tokens, kinds, names, masks))
        inputs = controller.inputs(kinds, tokens)
        taken = tokens.numpy()
        prefixes = [(*p, t) for p, t in zip(prefixes, taken.tolist(), strict=True)]
        _, rewards, _, _, infos = env.step(taken)
    tokens, kinds, names, masks = (
        torch.stack(column, dim=1) for column in zip(*steps, strict=True)
    )
    return Episodes(tokens, kinds, names, masks, torch.from_numpy(rewards).float()), infos


# ---------------------------------------------------------------- learning


class Learner:
    """Moves the controller along the policy gradient."""

    def __init__(self, settings: Reinforce, controller: Controller) -> None:
        self.settings = settings
        self.controller = controller
        self.optimizer = torch.optim.Adam(
            [p for p in controller.parameters() if p.requires_grad], lr=settings.learning_rate
        )
        self.baseline: float | None = None  # the first batch's mean stands in for the past

    def update(self, episodes: Episodes) -> None:
        """Learn from a batch, then let its rewards into the baseline."""
        advantages = self.advantages(episodes.rewards)
        sampled_with: Tensor | None = None
        for _ in range(self.settings.epochs):
            loss, log_probabilities = self.loss(episodes, advantages, sampled_with)
            if sampled_with is None:
                sampled_with = log_probabilities.detach()
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()

    def advantages(self, rewards: Tensor) -> Tensor:
        """(episodes,) R - b; then b moves."""
        mean = float(rewards.mean())
        if self.baseline is None:
            self.baseline = mean
        advantages = rewards - self.baseline
        decay = self.settings.baseline_decay
        self.baseline = decay * self.baseline + (1 - decay) * mean
        if self.settings.normalize_advantages:
            advantages = advantages / (advantages.square().mean().sqrt() + 1e-8)
        return advantages

    def loss(
        self, episodes: Episodes, advantages: Tensor, sampled_with: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The scalar whose gradient is Zoph & Le's, with its sign turned; the log-probabilities.

        ``sampled_with`` are the log-probabilities before the batch's first update.
        """
        log_probabilities, entropies = self.controller.log_probabilities(episodes)
        weights = advantages[:, None]
        clip = self.settings.clip_range
        if clip is None:
            gain = log_probabilities * weights
        else:  # Schulman et al. 2017, equation 7, token by token
            old = log_probabilities.detach() if sampled_with is None else sampled_with
            ratio = (log_probabilities - old).exp()
            gain = torch.minimum(ratio * weights, ratio.clamp(1 - clip, 1 + clip) * weights)
        gain = gain + self.settings.entropy_weight * entropies
        return -gain.sum(dim=1).mean(), log_probabilities


PRESETS: dict[str, Reinforce] = {
    "default": Reinforce(),
    # Zoph & Le 2016, section 4.1: 8 children a controller replica; the baseline's decay is not
    # given, nor is there an entropy bonus. (Their 100 replicas update asynchronously.)
    "zoph2016": Reinforce(
        batch_size=8,
        layers=2,
        hidden_size=35,
        initial_range=0.08,
        learning_rate=6e-4,
        baseline_decay=0.95,
        normalize_advantages=False,
        entropy_weight=0.0,
        choice_bias=False,
        epochs=1,
        clip_range=None,
    ),
    # Zoph et al. 2017, appendix A; PPO's clip range and epochs are not given: the values of
    # Schulman et al. 2017, table 3 and of common practice.
    "nasnet2017": Reinforce(
        batch_size=20,
        layers=1,
        hidden_size=100,
        initial_range=0.1,
        learning_rate=3.5e-4,
        baseline_decay=0.95,
        normalize_advantages=False,
        entropy_weight=1e-5,
        choice_bias=False,
        epochs=4,
        clip_range=0.2,
    ),
}
