"""Whether an algorithm writes architectures or edits them: options that all of them share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Interval

from nas_gym.options import Options

if TYPE_CHECKING:
    from nas_gym.envs.edit_vector_env import NASEditVectorEnv
    from nas_gym.envs.vector_env import NASVectorEnv


@dataclass(frozen=True, kw_only=True)
class TokensOrEdits(Options):
    """Which actions an algorithm takes.

    With edits, ``batch_size`` architectures are changed side by side, each step is an evaluation,
    and rewards are what a step gains (``nas_gym.NASEditEnv``, ``reward_form="incremental"``).

    Args:
        action: ``"token"`` writes an architecture, one choice per step; ``"edit"`` changes one
            choice of a whole architecture per step.
        start: What an episode of edits begins with: ``"best"`` (so far), ``"random"``, or tokens.
        horizon: Edits of an episode, >= 1.
    """

    action: Literal["token", "edit"] = "token"
    start: Literal["best", "random"] | tuple[Annotated[int, Ge(0)], ...] = "best"
    horizon: Annotated[int, Interval(ge=1, le=10**6)] = 6

    def stepped(self, env: "NASVectorEnv[Any]") -> "NASVectorEnv[Any] | NASEditVectorEnv[Any]":
        """Return what the algorithm steps: the environment, or the same by edits."""
        if self.action == "token":
            return env
        from nas_gym.envs.edit_vector_env import NASEditVectorEnv

        return NASEditVectorEnv.over(env, start=self.start, horizon=self.horizon)
