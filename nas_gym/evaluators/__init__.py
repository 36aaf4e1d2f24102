"""Evaluators say how good an architecture is; ``README.md`` shows how to write one.

``training`` gives the number by really training the child; ``parallel`` says where: in worker
processes. The contract is ``nas_gym.evaluation.Evaluator``.
"""
