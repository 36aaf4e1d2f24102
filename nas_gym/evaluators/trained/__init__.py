"""Evaluators that really train: children during a search, and afterwards what it found."""
