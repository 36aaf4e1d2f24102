"""Training of language models: texts, recipes, the loop, the size of a child."""
