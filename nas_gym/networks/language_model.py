"""A language model around any recurrent cell: embedding, layers of the cell, softmax."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_gym.networks.task import LanguageTask

LayerState = tuple[Tensor, ...]  # each (batch, units), h first
State = tuple[LayerState, ...]  # one per layer
EMBEDDING_RANGE = 0.1  # of the initial embeddings; Zaremba et al. 2014 and Press & Wolf 2017


class LanguageModel(nn.Module):
    """A model that predicts the next word or character of several streams at once.

    ``forward(tokens, state=None) -> (logits, state)``: tokens are (time, batch) int64, logits are
    (time, batch, vocabulary); ``state`` has a tuple of tensors (batch, units) per layer, zeros by
    default, and what comes back goes into the next call if the streams go on.

    Dropout is variational (Gal & Ghahramani 2016): in training mode each call draws one mask for
    each place and stream, which holds for all of its time steps. It drops words (all occurrences
    of a word in a stream), what goes into each layer, h_{t-1}, and what goes into the softmax.

    Args:
        task: Sizes and dropouts.
        make_layer: ``(inputs, units) -> layer``. A layer is a module with ``forward(x, state,
            hidden_mask=None) -> (outputs, state)``, x (time, batch, inputs), outputs (time, batch,
            units), where ``hidden_mask`` (batch, units) multiplies every h_{t-1} that enters a
            matrix product; and with ``first_state(batch)``.
    """

    def __init__(self, task: LanguageTask, make_layer: Callable[[int, int], nn.Module]) -> None:
        super().__init__()
        self.task = task
        self.embedding = nn.Embedding(task.vocabulary, task.embedding)
        sizes = [task.embedding] + [task.hidden] * (task.layers - 1)
        self.layers = nn.ModuleList([make_layer(inputs, task.hidden) for inputs in sizes])
        self.decoder = nn.Linear(task.hidden, task.vocabulary)
        nn.init.uniform_(self.embedding.weight, -EMBEDDING_RANGE, EMBEDDING_RANGE)
        nn.init.zeros_(self.decoder.bias)
        if task.tied:
            self.decoder.weight = self.embedding.weight  # Press & Wolf 2017
        else:
            nn.init.uniform_(self.decoder.weight, -EMBEDDING_RANGE, EMBEDDING_RANGE)

    def first_state(self, batch: int) -> State:
        """Return zeros for ``batch`` streams."""
        return tuple([_layer(layer).first_state(batch) for layer in self.layers])

    def forward(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return the logits of the next tokens, and the state after the last one."""
        batch = tokens.shape[1]
        if state is None:
            state = self.first_state(batch)
        x = self._embed(tokens)
        states = []
        for layer, before in zip(self.layers, state, strict=True):
            x = self._drop(x, self.task.dropout_input)
            mask = self._mask((batch, self.task.hidden), self.task.dropout_hidden, x)
            x, after = layer(x, before, mask)
            states.append(after)
        x = self._drop(x, self.task.dropout_output)
        return self.decoder(x), tuple(states)

    def _embed(self, tokens: Tensor) -> Tensor:
        """Return the words' vectors; a dropped word is zeros at all its occurrences in a stream."""
        x: Tensor = self.embedding(tokens)
        batch = tokens.shape[1]
        mask = self._mask((self.task.vocabulary, batch), self.task.dropout_embedding, x)
        return x if mask is None else x * mask.gather(0, tokens)[:, :, None]

    def _drop(self, x: Tensor, rate: float) -> Tensor:
        """Return ``x`` (time, batch, features) under one mask for all time steps."""
        mask = self._mask((x.shape[1], x.shape[2]), rate, x)
        return x if mask is None else x * mask

    def _mask(self, shape: tuple[int, int], rate: float, like: Tensor) -> Tensor | None:
        """Draw zeros with probability ``rate``, else 1 / (1 - rate); None if nothing is dropped."""
        if not self.training or rate == 0:
            return None
        return F.dropout(torch.ones(shape, device=like.device, dtype=like.dtype), rate)


def _layer(layer: nn.Module) -> Any:
    """Return the layer; type checkers do not know its ``first_state``."""
    return layer
