"""Agents that train children in part: who is trained further, whoever proposed them."""
