"""Models of the reward that agents ask before they ask the environment."""
