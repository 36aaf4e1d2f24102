"""The LSTM that writes architectures: Zoph & Le 2016, section 3; Zoph et al. 2017, appendix A.

It writes token by token: the embedding of the last token goes into an LSTM, whose output goes into
the softmax of the open choice's kind, from which the next token is *sampled*. The agents that train
it (``reinforce``, ``ppo``, ``priority_queue``) differ in what they learn from.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nas_gym.errors import InvalidOption
from nas_gym.search_spaces.grammar import Choice, ChoiceTable, SearchSpace, trace
from nas_gym.search_spaces.moves import random_tokens

CLOSED = -1e9  # added to the logit of an option that is not open
DECAYS, EPSILON = (0.9, 0.999), 1e-8  # Adam's
TRACES = 200  # random architectures that show which choices a conditional space has
State = list[tuple[Tensor, Tensor]]  # of each LSTM layer: hidden and cell, (episodes, hidden_size)


@dataclass(frozen=True)
class LSTMAgent:
    """What all agents with this controller can set; they say what each default comes from.

    Args:
        batch_size: m, architectures an update, >= 1.
        layers: LSTM layers, >= 1.
        hidden_size: Units a layer, and size of the token embeddings, >= 1.
        initial_range: All weights start uniform in [-initial_range, initial_range].
        learning_rate: Of Adam, > 0.
        entropy_weight: Bonus for the policy's entropy (nats, summed over tokens), >= 0.
        choice_bias: Give every choice, by name, logits of its own beside those of its kind's
            softmax.
        temperature: Divides the logits, > 0.
        tanh_constant: Logits become ``tanh_constant * tanh(logits)``; 0 leaves them (Bello et al.
            2016).
    """

    batch_size: int = 8
    layers: int = 1
    hidden_size: int = 32
    initial_range: float = 0.1
    learning_rate: float = 0.03
    entropy_weight: float = 0.05
    choice_bias: bool = True
    temperature: float = 1.0
    tanh_constant: float = 0.0

    def __post_init__(self) -> None:
        at_least(self, 1, "batch_size", "layers", "hidden_size")
        at_least(self, 0, "initial_range", "entropy_weight", "tanh_constant")
        above_zero(self, "learning_rate", "temperature")


def at_least(settings: object, lowest: int, *names: str) -> None:
    """Check that these options are ``lowest`` or more."""
    for name in names:
        if not getattr(settings, name) >= lowest:
            raise InvalidOption(f"{name} is {getattr(settings, name)}: give {lowest} or more")


def above_zero(settings: object, *names: str) -> None:
    """Check that these options are positive."""
    for name in names:
        if not getattr(settings, name) > 0:
            raise InvalidOption(f"{name} is {getattr(settings, name)}: give a number above 0")


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


# ---------------------------------------------------------------- which choices there are


class Opened(NamedTuple):
    """The choices that are open: of some episodes now (episodes,), or at every step of theirs
    (episodes, max_length). Each has a softmax, which is a row of columns in one linear layer.
    """  # noqa: D205

    columns: Tensor  # (..., max_options) int64: of the softmax of the choice's kind
    names: Tensor  # (...,) int64: whose bias
    closed: Tensor  # (..., max_options) float32: 0, or CLOSED where an option is not open

    @property
    def decisions(self) -> Tensor:
        """(...,) bool: whether there was more than one option."""
        return (self.closed == 0).sum(-1) > 1


class Vocabulary:
    """Numbers the kinds and names of a space's choices; 0 is for those not seen in advance.

    A static space shows all of them; a conditional one is sampled.
    """

    def __init__(self, choices: ChoiceTable, rng: np.random.Generator) -> None:
        self.choices = choices
        self.max_options = choices.space.max_options
        self.max_length = choices.space.max_length
        seen = choices.static or _sampled_choices(choices.space, rng)
        self.kinds = {kind: i for i, kind in enumerate(dict.fromkeys(c.kind for c in seen), 1)}
        self.names = {name: i for i, name in enumerate(dict.fromkeys(c.name for c in seen), 1)}
        self._every_option = torch.arange(self.max_options)
        self._static_paths: dict[int, Opened] = {}  # for so many episodes

    def opened(self, prefixes: Sequence[tuple[int, ...]]) -> Opened:
        """The choice that is open after each prefix; token 0 alone once all is chosen."""
        return self._opened([self._numbers(self.choices.after(prefix)) for prefix in prefixes])

    def static_path(self, episodes: int) -> Opened | None:
        """The choices of a static space, the same in all episodes; None for other spaces."""
        path = self.choices.static
        if path is None:
            return None
        if episodes not in self._static_paths:
            padded = [*path, *[None] * (self.max_length - len(path))]
            opened = self._opened([self._numbers(choice) for choice in padded])
            repeated = (part.repeat(episodes, *[1] * part.dim()) for part in opened)
            self._static_paths[episodes] = Opened(*repeated)
        return self._static_paths[episodes]

    def path_of(self, tokens: Sequence[tuple[int, ...]]) -> tuple[Tensor, Opened]:
        """Complete architectures as ``sample`` writes them: tokens, and the choices answered."""
        padded = [(*each, *[0] * (self.max_length - len(each))) for each in tokens]
        path = self.static_path(len(tokens))
        if path is None:
            steps = [
                self.opened([whole[:position] for whole in tokens])
                for position in range(self.max_length)
            ]
            path = Opened(*(torch.stack(parts, dim=1) for parts in zip(*steps, strict=True)))
        return torch.tensor(padded), path

    def _numbers(self, choice: Choice | None) -> tuple[int, int, int]:
        """Kind, name and number of options."""
        if choice is None:
            return 0, 0, 1
        kind, name = self.kinds.get(choice.kind, 0), self.names.get(choice.name, 0)
        return kind, name, len(choice.options)

    def _opened(self, numbers: Sequence[tuple[int, int, int]]) -> Opened:
        kinds, names, counts = torch.tensor(numbers).T
        columns = kinds[:, None] * self.max_options + self._every_option
        closed = torch.where(self._every_option < counts[:, None], 0.0, CLOSED)
        return Opened(columns, names, closed)


def _sampled_choices(space: SearchSpace[Any], rng: np.random.Generator) -> list[Choice]:
    return [c for _ in range(TRACES) for c in trace(space, random_tokens(space, rng))[1]]


class Episodes(NamedTuple):
    """Finished episodes. All have ``max_length`` steps; after completion only token 0 is open."""

    tokens: Tensor  # (episodes, max_length) int64
    opened: Opened  # (episodes, max_length)
    rewards: Tensor  # (episodes,) float32

    def of(self, rows: Tensor) -> "Episodes":
        """Some of them: ``rows`` is (n,) int64."""
        opened = Opened(*(part[rows] for part in self.opened))
        return Episodes(self.tokens[rows], opened, self.rewards[rows])


def joined(batch: Sequence[Episodes]) -> Episodes:
    """All episodes of several rounds."""
    if len(batch) == 1:
        return batch[0]
    tokens, opened, rewards = zip(*batch, strict=True)
    parts = zip(*opened, strict=True)
    return Episodes(torch.cat(tokens), Opened(*map(torch.cat, parts)), torch.cat(rewards))


# ---------------------------------------------------------------- the policy


class Controller(nn.Module):
    """The policy: an LSTM over tokens with one softmax for each kind of choice."""

    def __init__(
        self, settings: LSTMAgent, vocabulary: Vocabulary, generator: torch.Generator
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

    def step(self, inputs: Tensor, opened: Opened, state: State) -> tuple[Tensor, State]:
        """Log-probabilities (episodes, max_options) of the next token, and the LSTM's next state.

        ``inputs`` (episodes,) are the embeddings of the last tokens. The same numbers as
        ``log_probabilities``, whose ``nn.LSTM`` takes more than twice as long for a single step.
        """
        output = self.embedding(inputs)
        following = []
        for weights, layer in zip(self.lstm.all_weights, state, strict=True):
            layer = torch.lstm_cell(output, layer, *weights)
            output = layer[0]
            following.append(layer)
        return self._log_softmax(output, opened), following

    def outputs(self, episodes: Episodes) -> Tensor:
        """What the LSTM knows before each token: (episodes, max_length, hidden_size)."""
        inputs = last_inputs(episodes.opened, episodes.tokens)
        output: Tensor = self.lstm(self.embedding(inputs))[0]
        return output

    def log_probabilities(
        self, episodes: Episodes, outputs: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Of the sampled tokens, and the entropy at each step; both (episodes, max_length).

        ``outputs`` are those of the LSTM, where the caller has them already.
        """
        outputs = self.outputs(episodes) if outputs is None else outputs
        every = self._log_softmax(outputs, episodes.opened)
        sampled = every.gather(-1, episodes.tokens[..., None]).squeeze(-1)
        return sampled, -(every.exp() * every).sum(-1)

    def first_state(self, episodes: int) -> State:
        """Zeros."""
        zeros = torch.zeros(episodes, self.settings.hidden_size)
        return [(zeros, zeros)] * self.settings.layers

    def _log_softmax(self, output: Tensor, opened: Opened) -> Tensor:
        """(..., max_options), from the LSTM's output (..., hidden_size)."""
        logits = self.softmaxes(output).gather(-1, opened.columns)
        if self.settings.choice_bias:
            logits = logits + nn.functional.embedding(opened.names, self.bias)
        if self.settings.temperature != 1:
            logits = logits / self.settings.temperature
        if self.settings.tanh_constant:
            logits = self.settings.tanh_constant * torch.tanh(logits)
        log_probabilities: Tensor = (logits + opened.closed).log_softmax(-1)
        return log_probabilities


class Optimizer:
    """Adam on all that a network may learn, as one vector: an eighth of the calls for each step.

    Args:
        network: Its parameters become views of the vector.
        learning_rate: Adam's, > 0.
    """

    def __init__(self, network: nn.Module, learning_rate: float) -> None:
        learnt = [p for p in network.parameters() if p.requires_grad]
        self.vector = torch.cat([p.detach().flatten() for p in learnt]).requires_grad_()
        self.gradient = self.vector.grad = torch.zeros_like(self.vector)
        sizes = [p.numel() for p in learnt]
        values = torch.split(self.vector.detach(), sizes)
        gradients = torch.split(self.gradient, sizes)
        for parameter, value, gradient in zip(learnt, values, gradients, strict=True):
            parameter.data, parameter.grad = value.view_as(parameter), gradient.view_as(parameter)
        self.learning_rate = learning_rate
        self.steps = 0
        self.mean = torch.zeros_like(self.gradient)
        self.square = torch.zeros_like(self.gradient)

    def minimize(self, loss: Tensor) -> None:
        """One step down the gradient of ``loss``, a scalar."""
        self.gradient.zero_()
        loss.backward()  # type: ignore[no-untyped-call]
        self.step()

    def step(self) -> None:
        """One step down ``gradient``: ``torch.optim.Adam``'s to the bit, in a third of its time."""
        self.steps += 1
        first, second = 1 - DECAYS[0] ** self.steps, 1 - DECAYS[1] ** self.steps
        self.mean.lerp_(self.gradient, 1 - DECAYS[0])
        self.square.mul_(DECAYS[1]).addcmul_(self.gradient, self.gradient, value=1 - DECAYS[1])
        scale = (self.square.sqrt() / second**0.5).add_(EPSILON)
        with torch.no_grad():
            self.vector.addcdiv_(self.mean, scale, value=-self.learning_rate / first)


def _inputs(opened: Opened, tokens: Tensor) -> Tensor:
    """Which embedding stands for a token of a kind; the shape of ``tokens``."""
    return opened.columns[..., 0] + tokens + 1


def last_inputs(opened: Opened, tokens: Tensor) -> Tensor:
    """Before each token of whole episodes: the embedding of the one before; 0 at the first."""
    inputs = _inputs(opened, tokens).roll(1, dims=1)
    inputs[:, 0] = 0
    return inputs


def sample(
    controller: Controller,
    episodes: int,
    generator: torch.Generator,
    take: Callable[[npt.NDArray[np.int64]], object] | None = None,
    exploration: float = 0.0,
) -> tuple[Tensor, Opened]:
    """Write architectures: their tokens (episodes, max_length), and the choices these answered.

    ``take`` is handed the tokens (episodes,) of each step before the next are sampled.
    ``exploration``, in [0, 1], is how often a token is uniform over its open options instead.
    """
    path = controller.vocabulary.static_path(episodes)
    steps = None if path is None else list(zip(*(p.unbind(1) for p in path), strict=True))
    state = controller.first_state(episodes)
    inputs = torch.zeros(episodes, dtype=torch.int64)
    prefixes: list[tuple[int, ...]] = [()] * episodes
    written: list[Tensor] = []
    seen: list[Opened] = []
    for position in range(controller.vocabulary.max_length):
        if steps is None:
            opened = controller.vocabulary.opened(prefixes)
            seen.append(opened)
        else:
            opened = Opened(*steps[position])
        with one_thread(), torch.inference_mode():  # not around take, which may train a child
            log_probabilities, state = controller.step(inputs, opened, state)
            probabilities = log_probabilities.exp()
            if exploration:
                uniform = opened.closed.exp()
                uniform /= uniform.sum(-1, keepdim=True)
                probabilities = probabilities.lerp(uniform, exploration)
            tokens = _draw(probabilities, generator)
            inputs = _inputs(opened, tokens)
        written.append(tokens)
        taken = tokens.numpy()
        if steps is None:
            prefixes = [(*p, t) for p, t in zip(prefixes, taken.tolist(), strict=True)]
        if take is not None:
            take(taken)
    if path is None:
        path = Opened(*(torch.stack(parts, dim=1) for parts in zip(*seen, strict=True)))
    return torch.stack(written, dim=1), path


def _draw(probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """One option a row: what ``torch.multinomial`` does, without its checks, in a third of the
    time. The first of exponential clocks with these rates rings with these probabilities.
    """  # noqa: D205
    clocks = torch.empty_like(probabilities).exponential_(generator=generator)
    return (probabilities / clocks).argmax(-1)
