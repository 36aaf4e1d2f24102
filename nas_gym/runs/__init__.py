"""Runs: a search from its start to what it hands over, and what is made of its record."""
