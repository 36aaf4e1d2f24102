"""Neural architecture search as a Gymnasium environment.

Importing this package registers the environments and imports neither torch nor
stable-baselines3. The map, in reading order:

- ``search_spaces``: WHAT may be built (``choose(pick) -> genotype``); ``networks``: HOW.
- ``evaluators``: HOW GOOD it is; ``training``: data sets, recipes, the loop; ``rewards``.
- ``ledger``: the one door to an evaluator; ``store``: the results database.
- ``env``, ``vector_env``: one episode at a time, and rounds of them.
- ``searching``, ``report``, ``describe``, ``cli``: what a person calls.
- ``benchmarking``: agents side by side on tables, with statistics.
- ``nas_agents`` (its own package): who searches.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import gymnasium

if TYPE_CHECKING:
    from nas_gym.agent import Agent
    from nas_gym.envs.env import NASEnv
    from nas_gym.envs.vector_env import NASVectorEnv
    from nas_gym.evaluators.evaluation import Evaluation, Evaluator
    from nas_gym.runs.resume import resume
    from nas_gym.runs.search import search
    from nas_gym.runs.validate import validate
    from nas_gym.search_spaces.architecture import Architecture
    from nas_gym.search_spaces.conv_net.space import ConvNet
    from nas_gym.search_spaces.grammar import Pick, SearchSpace
    from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
    from nas_gym.search_spaces.rnn_cell.space import RNNCell
    from nas_gym.store import load_run

__version__ = "0.1.0"

__all__ = [
    "Agent",
    "Architecture",
    "ConvNet",
    "Evaluation",
    "Evaluator",
    "NASEnv",
    "NASNetCell",
    "NASVectorEnv",
    "Pick",
    "RNNCell",
    "SearchSpace",
    "load_run",
    "resume",
    "search",
    "validate",
]

_HOME = {
    "Agent": "agent",
    "Architecture": "search_spaces.architecture",
    "ConvNet": "search_spaces.conv_net",
    "Evaluation": "evaluators.evaluation",
    "Evaluator": "evaluators.evaluation",
    "NASEnv": "envs.env",
    "NASNetCell": "search_spaces.nasnet_cell",
    "NASVectorEnv": "envs.vector_env",
    "Pick": "search_spaces.grammar",
    "RNNCell": "search_spaces.rnn_cell",
    "SearchSpace": "search_spaces.grammar",
    "load_run": "store",
    "resume": "runs.resume",
    "search": "runs.search",
    "validate": "runs.validate",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name in _HOME:
        return getattr(import_module(f"nas_gym.{_HOME[name]}"), name)
    raise AttributeError(f"module 'nas_gym' has no attribute {name!r}")


gymnasium.register(
    id="NASNetCell-v0",
    entry_point="nas_gym.envs.registration:make_env",
    vector_entry_point="nas_gym.envs.registration:make_vector_env",
    kwargs={"space": "nasnet-cell"},
)
gymnasium.register(
    id="NASConvNet-v0",
    entry_point="nas_gym.envs.registration:make_env",
    vector_entry_point="nas_gym.envs.registration:make_vector_env",
    kwargs={"space": "conv-net"},
)
gymnasium.register(
    id="NASRNNCell-v0",
    entry_point="nas_gym.envs.registration:make_env",
    vector_entry_point="nas_gym.envs.registration:make_vector_env",
    kwargs={"space": "rnn-cell"},
)
gymnasium.register(
    id="NASBench201-v0",
    entry_point="nas_gym.envs.registration:make_env",
    vector_entry_point="nas_gym.envs.registration:make_vector_env",
    kwargs={"space": "nasbench201", "evaluator": "nasbench201"},
)
