"""Agents, one file each. ``nas_gym`` finds them through ``AGENTS``, never by import."""

from typing import TYPE_CHECKING

from nas_gym.lazy import exports

if TYPE_CHECKING:
    from nas_agents.asha import ASHA
    from nas_agents.genetic import Genetic
    from nas_agents.hyperband import Hyperband
    from nas_agents.local_search import LocalSearch
    from nas_agents.mo_evolution import MOEvolution
    from nas_agents.model_based_reinforce import ModelBasedReinforce
    from nas_agents.nsga2 import NSGA2
    from nas_agents.path_consistency import PathConsistency
    from nas_agents.ppo import PPO
    from nas_agents.predictor_evolution import PredictorEvolution
    from nas_agents.priority_queue import PriorityQueue
    from nas_agents.random_search import RandomSearch
    from nas_agents.regularized_evolution import RegularizedEvolution
    from nas_agents.reinforce import Reinforce
    from nas_agents.sb3.a2c import SB3A2C
    from nas_agents.sb3.algorithm import SB3
    from nas_agents.sb3.dqn import SB3DQN
    from nas_agents.sb3.maskable_ppo import SB3MaskablePPO
    from nas_agents.sb3.ppo import SB3PPO
    from nas_agents.softmax_reinforce import SoftmaxReinforce
    from nas_agents.successive_halving import SuccessiveHalving
    from nas_agents.with_proxy import WithProxy

# name -> "module:class"
AGENTS: dict[str, str] = {
    "random-search": "nas_agents.random_search:RandomSearch",
    "regularized-evolution": "nas_agents.regularized_evolution:RegularizedEvolution",
    "genetic": "nas_agents.genetic:Genetic",
    "nsga2": "nas_agents.nsga2:NSGA2",
    "mo-evolution": "nas_agents.mo_evolution:MOEvolution",
    "local-search": "nas_agents.local_search:LocalSearch",
    "softmax-reinforce": "nas_agents.softmax_reinforce:SoftmaxReinforce",
    "reinforce": "nas_agents.reinforce:Reinforce",
    "sb3": "nas_agents.sb3.algorithm:SB3",
    "sb3-a2c": "nas_agents.sb3.a2c:SB3A2C",
    "sb3-dqn": "nas_agents.sb3.dqn:SB3DQN",
    "sb3-maskable-ppo": "nas_agents.sb3.maskable_ppo:SB3MaskablePPO",
    "sb3-ppo": "nas_agents.sb3.ppo:SB3PPO",
    "predictor-evolution": "nas_agents.predictor_evolution:PredictorEvolution",
    "model-based-reinforce": "nas_agents.model_based_reinforce:ModelBasedReinforce",
    "ppo": "nas_agents.ppo:PPO",
    "priority-queue": "nas_agents.priority_queue:PriorityQueue",
    "path-consistency": "nas_agents.path_consistency:PathConsistency",
    "asha": "nas_agents.asha:ASHA",
    "hyperband": "nas_agents.hyperband:Hyperband",
    "successive-halving": "nas_agents.successive_halving:SuccessiveHalving",
    "with-proxy": "nas_agents.with_proxy:WithProxy",
}

# Named settings beside "default", in the PRESETS of the agent's module; names can so be listed
# without an import of the modules.
PRESETS: dict[str, tuple[str, ...]] = {
    "regularized-evolution": (
        "real2018",
        "nasbench101",
        "nasbench201",
        "tabular",
    ),
    "nsga2": ("deb2002",),
    "mo-evolution": ("tabular",),
    "local-search": ("white2020",),
    "softmax-reinforce": (
        "nasbench101",
        "nasbench201",
        "nats-bench",
    ),
    "reinforce": (
        "zoph2016",
        "zoph2016-convnet",
        "zoph2016-rnn",
        "nasnet2017",
        "enas2018",
    ),
    "ppo": (
        "critic",
        "nasnet2017",
    ),
    "priority-queue": ("plain",),
    "with-proxy": ("filter",),
}

__all__ = [
    "AGENTS",
    "ASHA",
    "NSGA2",
    "PPO",
    "PRESETS",
    "SB3",
    "SB3A2C",
    "SB3DQN",
    "SB3PPO",
    "Genetic",
    "Hyperband",
    "LocalSearch",
    "MOEvolution",
    "ModelBasedReinforce",
    "PathConsistency",
    "PredictorEvolution",
    "PriorityQueue",
    "RandomSearch",
    "RegularizedEvolution",
    "Reinforce",
    "SB3MaskablePPO",
    "SoftmaxReinforce",
    "SuccessiveHalving",
    "WithProxy",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "ASHA": "asha",
        "Genetic": "genetic",
        "Hyperband": "hyperband",
        "LocalSearch": "local_search",
        "MOEvolution": "mo_evolution",
        "ModelBasedReinforce": "model_based_reinforce",
        "NSGA2": "nsga2",
        "PPO": "ppo",
        "PathConsistency": "path_consistency",
        "PredictorEvolution": "predictor_evolution",
        "PriorityQueue": "priority_queue",
        "RandomSearch": "random_search",
        "RegularizedEvolution": "regularized_evolution",
        "Reinforce": "reinforce",
        "SB3": "sb3.algorithm",
        "SB3A2C": "sb3.a2c",
        "SB3DQN": "sb3.dqn",
        "SB3MaskablePPO": "sb3.maskable_ppo",
        "SB3PPO": "sb3.ppo",
        "SoftmaxReinforce": "softmax_reinforce",
        "SuccessiveHalving": "successive_halving",
        "WithProxy": "with_proxy",
    },
)
