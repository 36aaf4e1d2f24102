"""The agents: one file each. ``nas_gym`` finds them through ``AGENTS``, never by import."""

# name -> "module:class"; the module's PRESETS has its named settings.
AGENTS: dict[str, str] = {
    "random-search": "nas_agents.random_search:RandomSearch",
    "regularized-evolution": "nas_agents.regularized_evolution:RegularizedEvolution",
    "reinforce": "nas_agents.reinforce:Reinforce",
    "ppo": "nas_agents.ppo:PPO",
    "priority-queue": "nas_agents.priority_queue:PriorityQueue",
    "path-consistency": "nas_agents.path_consistency:PathConsistency",
}
