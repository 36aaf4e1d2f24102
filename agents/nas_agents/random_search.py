"""Random search: every choice uniform over its open options (Zoph et al. 2017, section 4.4)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Interval

from nas_gym.agent import play_as_they_come
from nas_gym.options import Options
from nas_gym.search_spaces.moves import random_tokens

if TYPE_CHECKING:
    from nas_gym.envs.async_env import NASAsyncVectorEnv
    from nas_gym.envs.vector_env import NASVectorEnv


@dataclass(frozen=True)
class RandomSearch(Options):
    """Independent random architectures: the yardstick of every other agent.

    Args:
        batch_size: Architectures evaluated at once, >= 1; the history does not depend on it.
    """

    batch_size: Annotated[int, Interval(ge=1, le=10**5)] = 8

    takes_others = True

    def search(self, env: "NASVectorEnv[Any]") -> None:
        """Play random architectures until the budget is spent."""
        while env.remaining > 0:
            count = int(min(self.batch_size, env.remaining))
            env.play([random_tokens(env.space, env.np_random) for _ in range(count)])

    def search_async(self, env: "NASAsyncVectorEnv[Any]") -> None:
        """Keep random architectures in flight until the budget is spent."""
        play_as_they_come(env, lambda: random_tokens(env.space, env.np_random), lambda _: None)


PRESETS: dict[str, RandomSearch] = {"default": RandomSearch()}
