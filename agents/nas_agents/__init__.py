"""The agents: one file each. ``nas_gym`` finds them through ``AGENTS``, never by import."""

# name -> "module:class"; the module's PRESETS has its named settings.
AGENTS: dict[str, str] = {
    "random-search": "nas_agents.random_search:RandomSearch",
    "regularized-evolution": "nas_agents.regularized_evolution:RegularizedEvolution",
    "genetic": "nas_agents.genetic:Genetic",
    "nsga2": "nas_agents.nsga2:NSGA2",
    "local-search": "nas_agents.local_search:LocalSearch",
    "softmax-reinforce": "nas_agents.softmax_reinforce:SoftmaxReinforce",
    "reinforce": "nas_agents.reinforce:Reinforce",
}
