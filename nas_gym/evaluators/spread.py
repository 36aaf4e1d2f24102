"""What evaluators have in common that only say where children are evaluated."""

from typing import Any

from nas_gym.evaluation import Evaluator


class SpreadEvaluator:
    """Evaluates by ``inner``, somewhere else; base of ``parallel`` and ``executor``."""

    inner: Evaluator
    changes_nothing = True  # about the numbers: records name the inner evaluator

    @property
    def stateful(self) -> bool:
        """As the inner evaluator."""
        return self.inner.stateful

    @property
    def protocol(self) -> dict[str, Any]:
        """That of the inner evaluator: where children are evaluated changes no result."""
        protocol: dict[str, Any] = getattr(self.inner, "protocol", {})
        return protocol
