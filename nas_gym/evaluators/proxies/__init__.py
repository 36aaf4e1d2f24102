"""Zero-cost proxies: what an untrained network tells of how well it would learn.

- ``names`` lists them, ``ranks`` puts several together: AZ-NAS's aggregation of ranks.
- ``features`` runs a network and keeps what it computes after its stem and each of its cells.
- ``az_nas``, ``synflow``, ``patterns``, ``gradients`` and ``zen`` are the definitions.
- ``compute`` computes any of them for one network, ``scorer`` for the architectures of a space, and
  ``evaluator`` is the evaluator ``zero-cost``.

Definitions are those of the papers' published code; where the code is tied to one network, a
module's docstring says what is done instead. None of them trains anything.
"""

from typing import TYPE_CHECKING

from nas_gym.lazy import exports

if TYPE_CHECKING:
    from nas_gym.evaluators.proxies.evaluator import ZeroCost
    from nas_gym.evaluators.proxies.names import PROXIES
    from nas_gym.evaluators.proxies.ranks import az_nas_scores
    from nas_gym.evaluators.proxies.scorer import Scorer

__all__ = ["PROXIES", "Scorer", "ZeroCost", "az_nas_scores"]

__getattr__, __dir__ = exports(
    __name__,
    {
        "PROXIES": "names",
        "Scorer": "scorer",
        "ZeroCost": "evaluator",
        "az_nas_scores": "ranks",
    },
)
