"""Help for tests of your own parts: toy spaces, evaluators without training, conformance suites.

Landscapes and ``evaluators`` answer at once and need no torch; ``spaces`` has small spaces.
The suites are classes of pytest tests; subclass one and override its fixture:

    from nas_gym.testing.agent_suite import AgentSuite

    class TestMyAgent(AgentSuite):
        @pytest.fixture
        def agent(self):
            return MyAgent()

``space_suite.SpaceSuite`` and ``evaluator_suite.EvaluatorSuite`` work the same way. Only the
suites import pytest.
"""

from nas_gym.evaluators.landscapes import BitCount, Landscape, tuning_landscape
from nas_gym.testing.evaluators import FailingEvaluator, SlowEvaluator
from nas_gym.testing.spaces import BitString, LayerChain

__all__ = [
    "BitCount",
    "BitString",
    "FailingEvaluator",
    "Landscape",
    "LayerChain",
    "SlowEvaluator",
    "tuning_landscape",
]
