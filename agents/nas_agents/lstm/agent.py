"""Options that all agents with the LSTM controller have. Imports no torch, so they load fast."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Interval

from nas_agents.lstm.depth_schedule import DepthSchedule
from nas_gym.options import Options


@dataclass(frozen=True)
class LSTMAgent(Options):
    """The options of every agent with this controller; each says where its defaults come from.

    Args:
        batch_size: m, architectures per update, >= 1.
        layers: LSTM layers, >= 1.
        hidden_size: Units per layer, and size of the token embeddings, >= 1.
        initial_range: All weights start uniform in [-initial_range, initial_range], >= 0.
        learning_rate: Rate of Adam, > 0.
        entropy_weight: Bonus for the policy's entropy (nats, summed over tokens), >= 0.
        choice_bias: Give every choice, by name, logits of its own beside those of its kind's
            softmax.
        temperature: Divides the logits, > 0.
        tanh_constant: Logits become ``tanh_constant * tanh(logits)``, >= 0; 0 leaves them (Bello et
            al. 2016).
        attention: Score the connections of parts by attention between them, if the space has such
            choices (``nas_agents.lstm.set_selection``); False treats them like all others.
        depth_schedule: If the space has a choice named ``depth``: first depth, >= 1, step, >= 0,
            and after how many architectures it comes, >= 1 (``nas_agents.lstm.depth_schedule``);
            None samples the depth.
    """

    batch_size: Annotated[int, Interval(ge=1, le=10**5)] = 8
    layers: Annotated[int, Interval(ge=1, le=100)] = 1
    hidden_size: Annotated[int, Interval(ge=1, le=2**14)] = 32
    initial_range: Annotated[float, Ge(0)] = 0.1
    learning_rate: Annotated[float, Gt(0)] = 0.03
    entropy_weight: Annotated[float, Ge(0)] = 0.05
    choice_bias: bool = True
    temperature: Annotated[float, Gt(0)] = 1.0
    tanh_constant: Annotated[float, Ge(0)] = 0.0
    attention: bool = True
    depth_schedule: DepthSchedule | None = None
