"""DQN (Mnih et al. 2015, Nature 518) of Stable-Baselines3, on whole returns, without masks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Ge, Gt, Interval

from nas_agents.sb3.algorithm import TunedSB3

if TYPE_CHECKING:
    from nas_agents.sb3.learning import Stepped


@dataclass(frozen=True)
class SB3DQN(TunedSB3):
    """The value of every token, learnt; takes the best one, and sometimes any.

    Args:
        learning_starts: Random episodes before the first update, >= 1.
        exploration: Episodes in which the share of random tokens falls to its last value, >= 1.
        explored_tokens: Random tokens that an episode has on average from then on, > 0.
        replay: Episodes remembered, >= 1.
        updates: Gradient steps per round, >= 1.
        minibatch_size: Steps of episodes per gradient step, >= 1.
    """

    learning_starts: Annotated[int, Ge(1)] = 20
    exploration: Annotated[int, Ge(1)] = 250
    explored_tokens: Annotated[float, Gt(0)] = 0.5
    replay: Annotated[int, Interval(ge=1, le=10**7)] = 1000
    updates: Annotated[int, Interval(ge=1, le=10**5)] = 4
    minibatch_size: Annotated[int, Interval(ge=1, le=10**5)] = 256

    algorithm: ClassVar[str] = "nas_agents.sb3.episodic_dqn:EpisodicDQN"

    def arguments(self, env: "Stepped") -> dict[str, Any]:
        """Return the keyword arguments of the algorithm's class."""
        from nas_agents.sb3.learning import episode_length, exploration, steps_per_evaluation

        length, evaluation = episode_length(env), steps_per_evaluation(env)
        return {
            **super().arguments(env),
            "learning_starts": self.learning_starts * evaluation,
            "exploration_fraction": exploration(env, self.exploration),
            "exploration_final_eps": min(1.0, self.explored_tokens / length),
            # A round at a time, so that every remembered episode is finished.
            "buffer_size": max(self.replay, env.num_envs) * evaluation,
            "train_freq": evaluation,
            "gradient_steps": self.updates,
            "batch_size": self.minibatch_size,
            # A step's target is its episode's reward: nothing is bootstrapped, so the network that
            # targets come from is never asked.
            "n_steps": length,
        }


PRESETS: dict[str, SB3DQN] = {"default": SB3DQN()}
