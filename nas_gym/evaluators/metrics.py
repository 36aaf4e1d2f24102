"""What the metrics of an evaluation mean."""

import re
from collections.abc import Mapping

_TEST_FIGURE = re.compile(r"(?<![A-Za-z])[Tt][Ee][Ss][Tt]|(?<=[a-z0-9])Test")


def is_test_figure(name: str) -> bool:
    """Whether a metric's name says that it is of the test part: ``x-test``, ``valTest``."""
    return _TEST_FIGURE.search(name) is not None


def is_language(metrics: Mapping[str, float]) -> bool:
    """Whether these are the metrics of a language model, which is compared by perplexity."""
    return "perplexity" in metrics
