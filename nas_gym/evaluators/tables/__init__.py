"""Evaluators that look up what was trained before: ``tabular`` (the contract), one file a source."""
