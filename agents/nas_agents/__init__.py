"""Agents, one file each. ``nas_gym`` finds them through ``AGENTS``, never by import."""

# name -> "module:class"
AGENTS: dict[str, str] = {
    "random-search": "nas_agents.random_search:RandomSearch",
    "regularized-evolution": "nas_agents.regularized_evolution:RegularizedEvolution",
    "genetic": "nas_agents.genetic:Genetic",
    "nsga2": "nas_agents.nsga2:NSGA2",
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
    ),
    "ppo": (
        "critic",
        "nasnet2017",
    ),
    "priority-queue": ("plain",),
}
