"""Random search: every choice uniform over its open options (Zoph et al. 2017, section 4.4)."""

from dataclasses import dataclass
from typing import Any

from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption
from nas_gym.search_spaces.moves import random_tokens


@dataclass(frozen=True)
class RandomSearch:
    """Draws each architecture afresh; the yardstick of every other agent.

    Args:
        batch_size: Architectures evaluated at once, >= 1; the history does not depend on it.
    """

    batch_size: int = 8

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise InvalidOption(f"batch_size is {self.batch_size}: give 1 or more")

    def search(self, env: NASVectorEnv[Any]) -> None:
        """Play random architectures until the budget is spent."""
        while env.remaining > 0:
            count = int(min(self.batch_size, env.remaining))
            env.play([random_tokens(env.space, env.np_random) for _ in range(count)])


PRESETS: dict[str, RandomSearch] = {"default": RandomSearch()}
