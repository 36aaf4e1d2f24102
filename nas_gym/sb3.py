"""``NASVectorEnv`` for Stable-Baselines3, which would take a Gymnasium vector env for a single one.

With ``DummyVecEnv`` every child is evaluated on its own; with this adapter a round's children are
evaluated as one batch, so that worker processes train them side by side.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

from nas_gym.vector_env import NASVectorEnv

Indices = int | Iterable[int] | None


class SB3VecEnv(VecEnv):
    """An SB3 ``VecEnv`` over a ``NASVectorEnv``; works with MaskablePPO.

    Pass ``StopAtBudget()`` to ``learn`` where the environment has a budget.

    Args:
        env: The vector environment; closed with this one.
    """

    def __init__(self, env: NASVectorEnv[Any]) -> None:
        self.env = env
        self._actions = np.zeros(env.num_envs, np.int64)
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> np.ndarray[Any, Any]:
        """Start a new round; uses the seed given to ``seed()``, if any."""
        observations, infos = self.env.reset(seed=self._seeds[0])
        self._reset_seeds()
        self.reset_infos = [{"action_mask": mask} for mask in infos["action_mask"]]
        return observations

    def step_async(self, actions: np.ndarray[Any, Any]) -> None:
        """Keep the actions for ``step_wait``."""
        self._actions = np.asarray(actions)

    def step_wait(self) -> Any:
        """One step of all episodes; infos as SB3 wants them, one dict an episode."""
        observations, rewards, terminated, truncated, infos = self.env.step(self._actions)
        rows: list[dict[str, Any]] = [{"action_mask": mask} for mask in infos["action_mask"]]
        if "final_info" in infos:
            final = infos["final_info"]
            for i, row in enumerate(rows):
                row["terminal_observation"] = infos["final_obs"][i]
                row["TimeLimit.truncated"] = bool(truncated[i])
                if terminated[i]:
                    row.update({k: v[i] for k, v in final.items() if not k.startswith("_")})
        return observations, rewards.astype(np.float32), terminated | truncated, rows

    def close(self) -> None:
        """Close the environment and its evaluator."""
        self.env.close()

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the environment; one result an episode."""
        result = getattr(self.env, method_name)(*method_args, **method_kwargs)
        chosen = self._get_indices(indices)
        if method_name == "action_masks":
            return [result[i] for i in chosen]
        return [result for _ in chosen]

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """An attribute of the environment, once an episode."""
        return [getattr(self.env, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Set an attribute of the environment, which all episodes share."""
        setattr(self.env, attr_name, value)

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Indices = None) -> Sequence[bool]:  # type: ignore[override]
        """False: the environment is not wrapped."""
        return [False for _ in self._get_indices(indices)]


class StopAtBudget(BaseCallback):
    """Ends ``learn`` when the budget is spent."""

    def _on_step(self) -> bool:
        return bool(self.training_env.get_attr("remaining")[0] > 0)
