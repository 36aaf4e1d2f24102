"""``NASVectorEnv`` for Stable-Baselines3, which would take a Gymnasium vector env for a single one.

With ``DummyVecEnv`` every child is evaluated on its own; with this adapter a round's children are
evaluated as one batch, so that worker processes train them side by side.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

from nas_gym.envs.edit_vector_env import NASEditVectorEnv
from nas_gym.envs.vector_env import NASVectorEnv

Indices = int | Iterable[int] | None
CLIP = 3.0  # standard deviations


class SB3VecEnv(VecEnv):
    """An SB3 ``VecEnv`` over a ``NASVectorEnv`` or ``NASEditVectorEnv``; works with MaskablePPO.

    Pass ``StopAtBudget()`` to ``learn`` if the environment has a budget.

    Args:
        env: The vector environment; closed with this one.
    """

    def __init__(self, env: NASVectorEnv[Any] | NASEditVectorEnv[Any]) -> None:
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
        """Step all episodes; infos as SB3 wants them, one dict per episode."""
        observations, rewards, terminated, truncated, infos = self.env.step(self._actions)
        rows: list[dict[str, Any]] = [{"action_mask": mask} for mask in infos["action_mask"]]
        if "final_info" in infos:
            final = infos["final_info"]
            for i in np.flatnonzero(terminated | truncated):
                row = rows[i]
                row["terminal_observation"] = infos["final_obs"][i]
                row["TimeLimit.truncated"] = bool(truncated[i])
                if terminated[i]:
                    row.update({k: v[i] for k, v in final.items() if not k.startswith("_")})
        return observations, rewards.astype(np.float32), terminated | truncated, rows

    def close(self) -> None:
        """Close the environment and its evaluator."""
        self.env.close()

    def get_images(self) -> Sequence[npt.NDArray[np.uint8] | None]:
        """Return a picture of each episode, (height, width, 3), as ``render`` and videos ask.

        All have one size: SB3 tiles them.
        """
        pictures = self.env.render() or ()
        height, width = np.max([picture.shape[:2] for picture in pictures], axis=0)
        padded = []
        for picture in pictures:
            padded.append(np.full((height, width, 3), 255, np.uint8))
            padded[-1][: picture.shape[0], : picture.shape[1]] = picture
        return padded

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the environment; one result per episode."""
        result = getattr(self.env, method_name)(*method_args, **method_kwargs)
        chosen = self._get_indices(indices)
        if method_name == "action_masks":
            return [result[i] for i in chosen]
        return [result for _ in chosen]

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """Return an attribute of the environment, once per episode."""
        return [getattr(self.env, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Set an attribute of the environment, which all episodes share."""
        setattr(self.env, attr_name, value)

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Indices = None) -> Sequence[bool]:  # type: ignore[override]
        """Return False for each: the environment is not wrapped."""
        return [False for _ in self._get_indices(indices)]


class StandardizedVecEnv(SB3VecEnv):
    """``SB3VecEnv`` as small networks learn from it soonest; the agents use it.

    Observations are flat zeros and ones, (num_envs, max_length * (max_options + 1)): for every
    position one number per option, all zero while it is open, and one number that is 1 at the
    position that is picked now. (From ``MultiDiscrete`` SB3 makes such vectors token by token,
    which takes more time than its network.)

    Rewards are standardized: less the mean of all so far, divided by their standard deviation, and
    clipped to [-3, 3]. Accuracies of 0.87 to 0.91 would otherwise drown in the errors of a value
    function that starts near 0. Children that failed (their reward is ``failure_reward``) stay out
    of mean and deviation and get -3. Infos have the ``evaluation`` as it is.

    Args:
        env: The vector environment; closed with this one.
    """

    def __init__(self, env: NASVectorEnv[Any]) -> None:
        super().__init__(env)
        length, options = env.space.max_length, env.space.max_options
        self._option_rows = np.eye(options + 1, options, k=-1, dtype=np.int8)  # row 0: still open
        self._position_rows = np.eye(length, dtype=np.int8)[:, None, :].repeat(env.num_envs, axis=1)
        self.observation_space = Box(0, 1, (length * (options + 1),), np.int8)
        self.steps = 0  # of this round
        self._count, self._mean, self._squares = 0, 0.0, 0.0  # of rewards so far

    def reset(self) -> npt.NDArray[np.int8]:
        """Start a new round."""
        self.steps = 0
        return self._flat(super().reset())

    def step_wait(self) -> Any:
        """Step all episodes."""
        observations, rewards, ended, rows = super().step_wait()
        self.steps = (self.steps + 1) % len(self._position_rows)
        if self.steps == 0:
            evaluated = np.array([not row["TimeLimit.truncated"] for row in rows])
            rewards = self._standardized(rewards, evaluated)
            last = self._flat(np.stack([row["terminal_observation"] for row in rows]))
            for row, observation in zip(rows, last, strict=True):
                row["terminal_observation"] = observation
        return self._flat(observations), rewards, ended, rows

    def _flat(self, observations: npt.NDArray[np.int64]) -> npt.NDArray[np.int8]:
        tokens = self._option_rows[observations].reshape(self.num_envs, -1)
        return np.concatenate([tokens, self._position_rows[self.steps]], axis=1)

    def _standardized(
        self, rewards: npt.NDArray[np.float32], evaluated: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.float32]:
        """Standardize the round's rewards by all rewards so far, this round's among them."""
        failed = rewards == np.float32(self.env.ledger.failure_reward)
        for reward in rewards[evaluated & ~failed].tolist():  # Welford's running moments
            self._count += 1
            before = reward - self._mean
            self._mean += before / self._count
            self._squares += before * (reward - self._mean)
        deviation = (self._squares / max(1, self._count)) ** 0.5 + 1e-8
        scaled = np.clip((rewards - self._mean) / deviation, -CLIP, CLIP)
        return np.where(evaluated, np.where(failed, -CLIP, scaled), 0).astype(np.float32)


class StopAtBudget(BaseCallback):
    """A callback that ends ``learn`` when the budget is spent, of any of the environments.

    It works with the vector environments above and with those of ``gym.make``.
    Nothing is learnt from a last, partial round. SB3 asks after each step: do not call ``learn``
    when ``remaining`` is 0 already.
    """

    def _on_step(self) -> bool:
        return bool(min(self.training_env.get_attr("remaining")) > 0)
