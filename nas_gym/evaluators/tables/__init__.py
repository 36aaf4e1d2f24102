"""Evaluators that look up what was trained before: ``tabular`` is the contract."""
