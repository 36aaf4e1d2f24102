"""Set-selection attention: Zoph & Le 2016, section 3.3.

Which earlier parts of an architecture are inputs of part i is a set of independent bits,

    P(part j is an input of part i) = sigmoid(v^T tanh(W_prev h_j + W_curr h_i)),    j < i,

where h is the controller's state at the anchor point of a part. A space asks for it by a member
``set_selection``: the kind of these bits, which are tokens like others, named by their parts:
``layer3.skip1``. The anchor point of a part is the step after the last of its other tokens: the
step of its first bit, or of the next part's first token if it has none. All bits of a part use that
one state.

The paper does not say what the LSTM reads while bits are drawn, nor which layer's state h is. Here
it steps over the bits as over any token, so that later parts know what was connected; h is the
output of its last layer.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nas_gym.errors import InvalidSpace

DIGITS = "0123456789"


class Anchors(NamedTuple):
    """The states that sampling keeps of the steps so far."""

    states: Tensor  # (episodes, parts + 1, hidden_size): at each part's anchor; row 0 is unused
    ended: Tensor  # (episodes,) int64: the part of the last token; 0 if that was a bit


class SetSelection(nn.Module):
    """Scores of the bits that say which earlier parts are inputs of a part.

    Args:
        kind: Kind of these bits.
        names: The number of each choice's name, from 1; 0 is for names not known in advance, which
            are never bits here.
        hidden_size: Size of the controller's states.

    Raises:
        InvalidSpace: A bit is not about an earlier part of the space.
    """

    def __init__(self, kind: str, names: Mapping[str, int], hidden_size: int) -> None:
        super().__init__()
        self.previous = nn.Linear(hidden_size, hidden_size, bias=False)  # W_prev
        self.current = nn.Linear(hidden_size, hidden_size, bias=False)  # W_curr
        self.v = nn.Parameter(torch.empty(hidden_size))
        self.hidden_size = hidden_size
        parts, earlier, self.count = _parts(kind, names)
        self.parts = torch.tensor(parts)  # (names + 1,) int64: from 1; 0 is unknown
        self.earlier = torch.tensor(earlier)  # (names + 1,): of a bit; 0 is no bit

    def first_anchors(self, episodes: int) -> Anchors:
        """Return what is kept before the first step."""
        states = torch.zeros(episodes, self.count + 1, self.hidden_size)
        return Anchors(states, torch.zeros(episodes, dtype=torch.int64))

    def step(self, names: Tensor, output: Tensor, anchors: Anchors) -> tuple[Tensor, Anchors]:
        """Return the next token's log-odds, if it is a bit, and what to keep.

        Args:
            names: (episodes,) of the open choices.
            output: (episodes, hidden_size) of the LSTM before this token.
            anchors: What was kept.

        Returns:
            (episodes,) log-odds, without a meaning if no bit is open, and the anchors.
        """
        every = torch.arange(len(names))
        # A part that goes on after this token overwrites its state at the next step.
        states = anchors.states.index_put((every, anchors.ended), output)
        parts, earlier = self.parts[names], self.earlier[names]
        scores = self._scores(
            self.previous(states[every, earlier]), self.current(states[every, parts])
        )
        return scores, Anchors(states, parts.masked_fill(earlier > 0, 0))

    def forward(self, names: Tensor, outputs: Tensor) -> Tensor:
        """Return (episodes, max_length), of whole episodes: the same as ``step`` after ``step``.

        Args:
            names: (episodes, max_length).
            outputs: (episodes, max_length, hidden_size).
        """
        parts, earlier = self.parts[names], self.earlier[names]
        length = names.shape[1]
        following = torch.arange(1, length + 1).expand_as(parts).masked_fill(earlier > 0, 0)
        steps = parts.new_zeros(len(parts), self.count + 1)
        steps = steps.scatter_reduce(1, parts, following, "amax")
        steps = steps.clamp(max=length - 1)  # of a last part that nobody asks for
        states = outputs.gather(1, steps[..., None].expand(-1, -1, self.hidden_size))
        every = torch.arange(len(parts))[:, None]
        return self._scores(
            self.previous(states)[every, earlier], self.current(states)[every, parts]
        )

    def put_into(self, logits: Tensor, names: Tensor, scores: Tensor) -> Tensor:
        """Set the logits (..., max_options) of bits to (0, score): their softmax is a sigmoid."""
        pairs = nn.functional.pad(scores[..., None], (1, logits.shape[-1] - 2))
        return torch.where((self.earlier[names] > 0)[..., None], pairs, logits)

    def _scores(self, of_previous: Tensor, of_current: Tensor) -> Tensor:
        scores: Tensor = torch.tanh(of_previous + of_current) @ self.v
        return scores


def _parts(kind: str, names: Mapping[str, int]) -> tuple[list[int], list[int], int]:
    """Return the part of each name's number, a bit's earlier part, and the number of parts."""
    numbers = {part: n for n, part in enumerate(dict.fromkeys(map(_part, names)), 1)}
    parts, earlier = [0] * (len(names) + 1), [0] * (len(names) + 1)
    for name, number in names.items():
        part, _, field = name.rpartition(".")
        parts[number] = numbers[part]
        if field.rstrip(DIGITS) != kind:
            continue
        stem = part.rstrip(DIGITS)
        own, other = part.removeprefix(stem), field.removeprefix(kind)
        if not own or not other or int(other) >= int(own) or stem + other not in numbers:
            raise InvalidSpace(
                f"choice {name} is of the kind {kind!r} of set_selection, but names no earlier "
                f"part: name such choices like layer3.{kind}1, after those of layer1"
            )
        earlier[number] = numbers[stem + other]
    return parts, earlier, len(numbers)


def _part(name: str) -> str:
    return name.rpartition(".")[0]
