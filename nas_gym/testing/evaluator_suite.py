"""Conformance tests for an evaluator: subclass ``EvaluatorSuite``, override ``evaluator``."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from nas_gym.evaluators.evaluation import Evaluation, Evaluator
from nas_gym.search_spaces.architecture import Architecture, architecture_of
from nas_gym.search_spaces.grammar import SearchSpace
from nas_gym.search_spaces.moves import random_tokens
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell

SEED = 12345


class EvaluatorSuite:
    """The tests that every evaluator must pass.

    Override ``space`` too if the evaluator cannot evaluate NASNet cells of two blocks.
    """

    batch = 4  # architectures that a test evaluates; fewer for slow evaluators

    @pytest.fixture
    def space(self) -> SearchSpace[Any]:
        """Return the space of the architectures that are evaluated."""
        return NASNetCell(blocks=2)

    @pytest.fixture
    def evaluator(self, space: SearchSpace[Any]) -> Evaluator:
        """Return the evaluator under test: override this."""
        raise NotImplementedError("override the fixture `evaluator` to return your evaluator")

    @pytest.fixture
    def closing(self, evaluator: Evaluator) -> Iterator[Evaluator]:
        """Yield the evaluator under test, closed at the end."""
        yield evaluator
        evaluator.close()

    @pytest.fixture
    def architectures(self, space: SearchSpace[Any]) -> list[Architecture[Any]]:
        """Draw distinct random architectures."""
        rng = np.random.default_rng(0)
        drawn = [architecture_of(space, random_tokens(space, rng)) for _ in range(20 * self.batch)]
        return list({a.key: a for a in drawn}.values())[: self.batch]

    def test_every_child_is_answered_once(
        self, closing: Evaluator, architectures: list[Architecture[Any]]
    ) -> None:
        """Accept any order; each answer carries its architecture."""
        answers = _evaluate(closing, architectures)
        assert sorted(a.architecture.tokens for a in answers) == sorted(
            a.tokens for a in architectures
        )

    def test_an_answer_is_an_accuracy_or_a_failure(
        self, closing: Evaluator, architectures: list[Architecture[Any]]
    ) -> None:
        """Check that accuracy is a fraction, metrics are finite numbers, a failure has a reason."""
        for answer in _evaluate(closing, architectures):
            assert answer.seconds >= 0
            assert answer.source
            assert all(math.isfinite(value) for value in answer.metrics.values())
            if answer.failure is None:
                assert answer.accuracy is not None
                assert 0 <= answer.accuracy <= 1
            else:
                assert answer.failure
                assert answer.accuracy is None

    def test_same_seeds_same_metrics(
        self, closing: Evaluator, architectures: list[Architecture[Any]]
    ) -> None:
        """Ask alone as well as in a batch; skipped if declared ``stateful``."""
        if closing.stateful:
            pytest.skip("a stateful evaluator may answer differently later")
        together = {a.architecture.tokens: a for a in _evaluate(closing, architectures)}
        for architecture in architectures[:2]:
            (alone,) = _evaluate(closing, [architecture])
            assert alone.metrics == together[architecture.tokens].metrics
            assert alone.failure == together[architecture.tokens].failure

    def test_an_empty_batch_has_no_answers(self, closing: Evaluator) -> None:
        """Check that it is not an error."""
        assert _evaluate(closing, []) == []

    def test_closing_twice_is_harmless(self, evaluator: Evaluator) -> None:
        """Close an evaluator that has evaluated nothing."""
        evaluator.close()
        evaluator.close()


def _evaluate(evaluator: Evaluator, architectures: Sequence[Architecture[Any]]) -> list[Evaluation]:
    return list(evaluator.evaluate(architectures, [SEED] * len(architectures)))
