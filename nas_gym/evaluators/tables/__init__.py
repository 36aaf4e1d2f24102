"""Evaluators that look up what was trained before; ``tabular`` is what they have in common."""
