"""Evaluators that really train: children of a search, and what it found once more, for good."""
