"""Agents, one file each. ``nas_gym`` finds them through ``AGENTS``, never by import."""

# name -> "module:class"; the module's PRESETS has its named settings.
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
