"""Neural architecture search as a Gymnasium environment.

Importing this package registers the environments and imports neither torch nor
stable-baselines3, nor Gymnasium before you do. The map, in reading order:

- ``search_spaces``: WHAT may be built (``choose(pick) -> genotype``), one folder per space.
- ``evaluators``: HOW GOOD it is; ``training`` and ``networks``: the children, really trained.
- ``envs``: one episode at a time, rounds of them, and the ledger behind both.
- ``store``: the results database; ``runs``: a search, from its start to what it hands over.
- ``models``: networks as files that load without this package.
- ``cli``: the command; ``benchmark``: agents side by side on tables, with statistics.
- ``nas_agents`` (its own package): who searches.

``docs/developer/architecture.md`` says where a new thing goes.
"""

import os
import sys

# Ctrl-C in the command's first moments, before ``cli`` is there to answer it; no library's matter.
if (sys.argv[:1] == ["-m"] and "nas_gym" in sys.orig_argv) or (
    os.path.basename("".join(sys.argv[:1])) == "nas-gym"
):
    # Built in: a file signal.py of the user's must not come first.
    import _signal  # type: ignore[import-not-found]

    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(
            _signal.SIGINT, lambda *_: (os.write(2, b"nas-gym: interrupted\n"), os._exit(130))
        )

from typing import TYPE_CHECKING

from nas_gym.envs.ids import register_with_gymnasium
from nas_gym.lazy import exports

if TYPE_CHECKING:
    from nas_gym.agent import Agent
    from nas_gym.envs.async_env import NASAsyncVectorEnv
    from nas_gym.envs.env import NASEnv
    from nas_gym.envs.vector_env import NASVectorEnv
    from nas_gym.errors import NASGymError
    from nas_gym.evaluators.evaluation import Evaluation, Evaluator
    from nas_gym.models.loading import load_model
    from nas_gym.models.training.train import train
    from nas_gym.runs.ask_tell import AskTell
    from nas_gym.runs.check import check
    from nas_gym.runs.resume import resume
    from nas_gym.runs.search import search
    from nas_gym.runs.tabulating.tabulate import tabulate
    from nas_gym.runs.trajectories import trajectories
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
    "AskTell",
    "ConvNet",
    "Evaluation",
    "Evaluator",
    "NASAsyncVectorEnv",
    "NASEnv",
    "NASGymError",
    "NASNetCell",
    "NASVectorEnv",
    "Pick",
    "RNNCell",
    "SearchSpace",
    "check",
    "load_model",
    "load_run",
    "resume",
    "search",
    "tabulate",
    "train",
    "trajectories",
    "validate",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "Agent": "agent",
        "Architecture": "search_spaces.architecture",
        "AskTell": "runs.ask_tell",
        "ConvNet": "search_spaces.conv_net",
        "Evaluation": "evaluators.evaluation",
        "Evaluator": "evaluators.evaluation",
        "NASAsyncVectorEnv": "envs.async_env",
        "NASEnv": "envs.env",
        "NASGymError": "errors",
        "NASNetCell": "search_spaces.nasnet_cell",
        "NASVectorEnv": "envs.vector_env",
        "Pick": "search_spaces.grammar",
        "RNNCell": "search_spaces.rnn_cell",
        "SearchSpace": "search_spaces.grammar",
        "check": "runs.check",
        "load_model": "models.loading",
        "load_run": "store",
        "resume": "runs.resume",
        "search": "runs.search",
        "tabulate": "runs.tabulating.tabulate",
        "train": "models.training.train",
        "trajectories": "runs.trajectories",
        "validate": "runs.validate",
    },
)


register_with_gymnasium()
