"""Evaluators say how good an architecture is; ``README.md`` shows how to write one.

``training`` gives the number by really training the child. ``parallel`` and ``executor`` say where:
in worker processes that may die, or in any ``concurrent.futures.Executor``. Below them are
``failures`` (an exception becomes a row), ``jobs`` (one child, sent to another process), ``pool``
and ``starting`` (worker processes from outside) and ``worker`` (from inside). The contract is
``nas_gym.evaluators.evaluation.Evaluator``.
"""
