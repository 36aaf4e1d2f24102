"""The LSTM that writes architectures: Zoph & Le 2016, section 3; Zoph et al. 2017, appendix A.

It writes token by token: the embedding of the last token goes into an LSTM, whose output goes into
the softmax of the open choice's kind, from which the next token is *sampled*. The agents that train
it (``reinforce``, ``ppo``, ``priority_queue``, ``path_consistency``) differ in what it learns.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nas_agents.lstm.agent import LSTMAgent
from nas_agents.lstm.depth_schedule import scheduled_token
from nas_agents.lstm.set_selection import Anchors, SetSelection
from nas_agents.lstm.vocabulary import Drawn, Episodes, Opened, Vocabulary
from nas_gym.search_spaces.grammar import Tokens

DECAYS, EPSILON = (0.9, 0.999), 1e-8  # Adam's


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch to one thread inside the block.

    The controller is small, and its threads would wait for cores that train children (measured on
    two busy cores: 30 to 140 ms per architecture instead of 3).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class State(NamedTuple):
    """The values that a step leaves for the next."""

    layers: list[tuple[Tensor, Tensor]]  # of the LSTM: hidden and cell, (episodes, hidden_size)
    anchors: Anchors | None  # None without attention
    seen: Tensor | None = None  # (episodes, hidden_size): the condition, beside every input


class Controller(nn.Module):
    """The policy: an LSTM over tokens with one softmax for each kind of choice.

    It may see a condition as well, of so many numbers, which is the same at all steps of an
    episode: what it is embedded as is added to every input.
    """

    def __init__(
        self,
        settings: LSTMAgent,
        vocabulary: Vocabulary,
        generator: torch.Generator,
        conditions: int = 0,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.vocabulary = vocabulary
        kinds, options = len(vocabulary.kinds) + 1, vocabulary.max_options
        size, layers = settings.hidden_size, settings.layers
        with torch.random.fork_rng(devices=[]):  # modules draw from the global generator
            self.embedding = nn.Embedding(1 + kinds * options, size)  # 0: no token yet
            self.lstm = nn.LSTM(size, size, layers, batch_first=True)
            self.softmaxes = nn.Linear(size, kinds * options)
            bits = getattr(vocabulary.choices.space, "set_selection", None)
            self.selection: SetSelection | None = None
            if settings.attention and bits is not None:
                self.selection = SetSelection(bits, vocabulary.names, size)
            self.condition = nn.Linear(conditions, size, bias=False) if conditions else None
        for parameter in self.parameters():
            nn.init.uniform_(
                parameter, -settings.initial_range, settings.initial_range, generator=generator
            )
        self.bias = nn.Parameter(
            torch.zeros(len(vocabulary.names) + 1, options), requires_grad=settings.choice_bias
        )

    def step(self, inputs: Tensor, opened: Opened, state: State) -> tuple[Tensor, State]:
        """Return log-probabilities (episodes, max_options) of the next token, and the next state.

        ``inputs`` (episodes,) are the embeddings of the last tokens. The numbers are those of
        ``log_probabilities``, whose ``nn.LSTM`` takes more than twice as long for a single step.
        """
        output = self.embedding(inputs)
        if state.seen is not None:
            output = output + state.seen
        following = []
        for weights, layer in zip(self.lstm.all_weights, state.layers, strict=True):
            layer = torch.lstm_cell(output, layer, *weights)
            output = layer[0]
            following.append(layer)
        scores, anchors = None, state.anchors
        if self.selection is not None and anchors is not None:
            scores, anchors = self.selection.step(opened.names, output, anchors)
        return self._log_softmax(output, opened, scores), State(following, anchors, state.seen)

    def outputs(self, episodes: Episodes) -> Tensor:
        """Return what the LSTM knows before each token: (episodes, max_length, hidden_size)."""
        inputs = last_inputs(episodes.opened, episodes.tokens)
        embedded = self.embedding(inputs)
        if self.condition is not None and episodes.conditions is not None:
            embedded = embedded + self.condition(episodes.conditions)[:, None]
        output: Tensor = self.lstm(embedded)[0]
        return output

    def log_probabilities(
        self, episodes: Episodes, outputs: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return those of the sampled tokens and each step's entropy; (episodes, max_length).

        ``outputs`` are those of the LSTM, if the caller has them already.
        """
        outputs = self.outputs(episodes) if outputs is None else outputs
        names = episodes.opened.names
        scores = None if self.selection is None else self.selection(names, outputs)
        every = self._log_softmax(outputs, episodes.opened, scores)
        sampled = every.gather(-1, episodes.tokens[..., None]).squeeze(-1)
        return sampled, -(every.exp() * every).sum(-1)

    def first_state(self, episodes: int, conditions: Tensor | None = None) -> State:
        """Return zeros, and what the policy sees of the conditions, (episodes, size)."""
        zeros = torch.zeros(episodes, self.settings.hidden_size)
        anchors = None if self.selection is None else self.selection.first_anchors(episodes)
        seen = None
        if self.condition is not None and conditions is not None:
            with torch.no_grad():
                seen = self.condition(conditions)
        return State([(zeros, zeros)] * self.settings.layers, anchors, seen)

    def depth_token(self, asked: int) -> int | None:
        """Return what the schedule sets after ``asked`` architectures; None without a schedule."""
        schedule, depths = self.settings.depth_schedule, self.vocabulary.depths
        return scheduled_token(schedule, depths, asked) if schedule and depths else None

    def path_of(self, tokens: Sequence[Tokens]) -> tuple[Tensor, Opened]:
        """Return complete architectures as ``sample`` does: tokens, and the choices answered."""
        padded, path = self.vocabulary.path_of(tokens)
        if self.depth_token(0) is not None:
            path = self.vocabulary.depth_is_set(path, padded)
        return padded, path

    def _log_softmax(self, output: Tensor, opened: Opened, scores: Tensor | None) -> Tensor:
        """Return (..., max_options), from the output (..., hidden_size) and scores of bits."""
        logits = self.softmaxes(output).gather(-1, opened.columns)
        if self.selection is not None and scores is not None:
            logits = self.selection.put_into(logits, opened.names, scores)
        if self.settings.choice_bias:
            logits = logits + nn.functional.embedding(opened.names, self.bias)
        if self.settings.temperature != 1:
            logits = logits / self.settings.temperature
        if self.settings.tanh_constant:
            logits = self.settings.tanh_constant * torch.tanh(logits)
        log_probabilities: Tensor = (logits + opened.closed).log_softmax(-1)
        return log_probabilities


class FlatAdam:
    """Adam on all that a network may learn, as one vector: a step is an eighth of the calls.

    Args:
        network: Its parameters become views of the vector.
        learning_rate: Rate of Adam, > 0.
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
        """Take one step down the gradient of ``loss``, a scalar."""
        self.gradient.zero_()
        loss.backward()  # type: ignore[no-untyped-call]
        self.step()

    def step(self) -> None:
        """Step down ``gradient`` as ``torch.optim.Adam``, to the bit, in a third of its time."""
        self.steps += 1
        first, second = 1 - DECAYS[0] ** self.steps, 1 - DECAYS[1] ** self.steps
        self.mean.lerp_(self.gradient, 1 - DECAYS[0])
        self.square.mul_(DECAYS[1]).addcmul_(self.gradient, self.gradient, value=1 - DECAYS[1])
        scale = (self.square.sqrt() / second**0.5).add_(EPSILON)
        with torch.no_grad():
            self.vector.addcdiv_(self.mean, scale, value=-self.learning_rate / first)


def _inputs(opened: Opened, tokens: Tensor) -> Tensor:
    """Return which embedding stands for a token of a kind, in the shape of ``tokens``."""
    return opened.columns[..., 0] + tokens + 1


def last_inputs(opened: Opened, tokens: Tensor) -> Tensor:
    """Return the embedding of the token before each one of whole episodes; 0 at the first."""
    inputs = _inputs(opened, tokens).roll(1, dims=1)
    inputs[:, 0] = 0
    return inputs


def sample(
    controller: Controller,
    episodes: int,
    generator: torch.Generator,
    take: Callable[[npt.NDArray[np.int64]], object] | None = None,
    exploration: float = 0.0,
    depth: int | None = None,
    drawn: Drawn | None = None,
) -> tuple[Tensor, Opened]:
    """Write architectures: their tokens (episodes, max_length), and the choices these answered.

    ``take`` is handed the tokens (episodes,) of each step before the next are sampled.
    ``exploration``, in [0, 1], is the share of tokens that are uniform over their open options
    instead. ``depth`` is the token of the choice of that name, if it is not to be sampled.
    ``drawn`` are the episodes' conditions, if the controller sees some.
    """
    tables = None if drawn is None else drawn.tables
    path = None if tables is not None else controller.vocabulary.static_path(episodes)
    steps = None if path is None else list(zip(*(p.unbind(1) for p in path), strict=True))
    state = controller.first_state(episodes, None if drawn is None else drawn.conditions)
    inputs = torch.zeros(episodes, dtype=torch.int64)
    prefixes: list[Tokens] = [()] * episodes
    written: list[Tensor] = []
    seen: list[Opened] = []
    for position in range(controller.vocabulary.max_length):
        if steps is None:
            opened = controller.vocabulary.opened(prefixes, tables)
            seen.append(opened)
        else:
            opened = Opened(*steps[position])
        if depth is not None:
            opened = controller.vocabulary.depth_is_set(opened, torch.full((episodes,), depth))
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
    all_tokens = torch.stack(written, dim=1)
    if depth is not None:
        path = controller.vocabulary.depth_is_set(path, all_tokens)
    return all_tokens, path


def _draw(probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """Draw one option per row, as ``torch.multinomial`` does: unchecked, in a third of its time.

    The first of exponential clocks with these rates rings with these probabilities.
    """
    clocks = torch.empty_like(probabilities).exponential_(generator=generator)
    return (probabilities / clocks).argmax(-1)
