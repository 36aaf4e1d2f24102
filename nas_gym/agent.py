"""The contract of an agent."""

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from nas_gym.vector_env import NASVectorEnv


class Observed(NamedTuple):
    """One answered request, as an agent saw it."""

    tokens: tuple[int, ...]
    reward: float


@runtime_checkable
class Agent(Protocol):
    """A frozen dataclass of hyperparameters that knows how to search.

    ``batch_size`` is how many architectures it wants evaluated at once: ``nas_gym.search`` makes an
    environment with that many sub-environments unless the user says otherwise. An agent draws its
    randomness from ``env.np_random`` (seeded by ``env.reset(seed=…)``) and keeps no state between
    searches.

    An agent may also have ``recommend(space, observed) -> tokens``: which architecture it would
    hand over after the requests ``observed`` (at least one ``Observed``, in order) if it may trust
    its own model more than the single best reward. It depends on them alone, and answers with one
    of them.
    """

    @property
    def batch_size(self) -> int:
        """Episodes a round, >= 1."""

    def search(self, env: "NASVectorEnv[Any]") -> None:
        """Spend the budget: step or ``play`` until ``env.remaining`` is 0."""
