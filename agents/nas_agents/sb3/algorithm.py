"""Algorithms of Stable-Baselines3 (Raffin et al. 2021, JMLR 22) as agents.

``SB3`` takes any of them by name. ``sb3-ppo``, ``sb3-maskable-ppo``, ``sb3-a2c`` and ``sb3-dqn``
are tuned; what these share is here, too. All of them learn as ``nas_agents.sb3.learning`` says.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from math import ceil
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Ge, Gt, Interval

from nas_agents.sb3.edits import TokensOrEdits
from nas_gym.errors import InvalidOption, UnknownName, unknown_name

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

    from nas_agents.sb3.learning import Stepped
    from nas_gym.envs.vector_env import NASVectorEnv

# What ``learn`` decides. Small networks learn fastest on the CPU, and only there repeatably.
OURS = ("policy", "env", "seed", "device", "verbose", "tensorboard_log", "_init_setup_model")

# Modules of which a recorded run may name classes without being trusted: none does harm when it is
# made.
KNOWN = ("stable_baselines3", "sb3_contrib", "torch.nn", "torch.optim")


@dataclass(frozen=True)
class SB3(TokensOrEdits):
    """An algorithm by its class, with its own hyperparameters.

    If ``options`` do not say otherwise, there is no discount (the reward comes at the end), and an
    on-policy algorithm updates on whole episodes, all of them in one minibatch.

    Args:
        action, start, horizon: See ``TokensOrEdits``.
        algorithm: ``"module:Class"`` of a ``BaseAlgorithm`` for discrete actions.
        policy: Its policy, by SB3's name or ``"module:Class"``.
        options: Keyword arguments of the class: a mapping of JSON data, or its text;
            ``"module:attribute"`` stands for what it names. Kept as JSON text.
        batch_size: Episodes per round, >= 1.
        episodes_per_update: Episodes an on-policy algorithm updates on, >= 1; rounded up to whole
            rounds.
        schedule: Evaluations that SB3's ``exploration_fraction`` is a fraction of, >= 1. (Not the
            budget: a run could not go on with a larger one.)
    """

    algorithm: str = "sb3_contrib:MaskablePPO"
    policy: str = "MlpPolicy"
    options: Any = "{}"
    batch_size: Annotated[int, Interval(ge=1, le=10**5)] = 8
    episodes_per_update: Annotated[int, Interval(ge=1, le=10**5)] = 8
    schedule: Annotated[int, Ge(1)] = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        options = _json_object(self.options)
        object.__setattr__(self, "options", json.dumps(options, sort_keys=True))
        if options or self.algorithm != SB3.algorithm:  # the default needs no check, nor torch
            known = signature(algorithm_class(self.algorithm)).parameters
            _check_names(self.algorithm, options, set(known) - set(OURS))
            _named(options)

    @staticmethod
    def imports(options: Mapping[str, Any]) -> list[str]:
        """Return the modules, beside ``KNOWN``, that these options would import."""
        given = {**options, "options": _json_object(options.get("options", {}))}
        modules = {name.partition(":")[0] for name in _names_in(given)}
        return sorted(modules - set(KNOWN))

    def search(self, env: "NASVectorEnv[Any]") -> None:
        """Let the algorithm learn until the budget is spent."""
        from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

        from nas_agents.sb3.learning import exploration, learn

        algorithm = algorithm_class(self.algorithm)
        options = _named(json.loads(self.options))
        known = signature(algorithm).parameters
        if "gamma" in known:
            options.setdefault("gamma", 1.0)
        stepped = self.stepped(env)
        if issubclass(algorithm, OnPolicyAlgorithm) or "rollout_buffer_class" in known:
            options.setdefault("n_steps", rollout(stepped, self.episodes_per_update))
            if "batch_size" in known:
                options.setdefault("batch_size", options["n_steps"] * env.num_envs)
        if "exploration_fraction" in known:
            fraction = options.get("exploration_fraction", known["exploration_fraction"].default)
            options["exploration_fraction"] = exploration(stepped, fraction * self.schedule)
        learn(stepped, algorithm, _named(self.policy), options)


# ---------------------------------------------------------------- tuned ones


@dataclass(frozen=True)
class TunedSB3(TokensOrEdits):
    """Options of every tuned algorithm; those that are SB3's have its names.

    Args:
        action, start, horizon: See ``TokensOrEdits``.
        batch_size: Episodes per round, >= 1.
        learning_rate: Rate of Adam, > 0.
        net_arch: Units of each hidden layer, >= 1, of each network (policy and value, if both).
    """

    batch_size: Annotated[int, Interval(ge=1, le=10**5)] = 8
    learning_rate: Annotated[float, Gt(0)] = 0.01
    net_arch: tuple[Annotated[int, Interval(ge=1, le=2**14)], ...] = (64,)

    algorithm: ClassVar[str]  # "module:Class"

    def search(self, env: "NASVectorEnv[Any]") -> None:
        """Learn from rounds of architectures until the budget is spent."""
        from nas_agents.sb3.learning import learn

        stepped = self.stepped(env)
        learn(stepped, algorithm_class(self.algorithm), "MlpPolicy", self.arguments(stepped))

    def arguments(self, env: "Stepped") -> dict[str, Any]:
        """Return the keyword arguments of the algorithm's class."""
        return {
            "gamma": 1.0,  # the reward comes at the end, and every token has its part in it
            "learning_rate": self.learning_rate,
            "policy_kwargs": {"net_arch": list(self.net_arch)},
        }


@dataclass(frozen=True)
class OnPolicySB3(TunedSB3):
    """Options of the policy gradients that have a value network.

    Args:
        episodes_per_update: Episodes an update learns from, >= 1; rounded up to whole rounds.
        gae_lambda: Lambda of generalized advantage estimation, in [0, 1]; 1 takes the episode's
            reward less the value of each step.
        ent_coef: Bonus for the policy's entropy (nats per token), >= 0.
        vf_coef: Weight of the value network's loss, >= 0.
    """

    episodes_per_update: Annotated[int, Interval(ge=1, le=10**5)] = 8
    gae_lambda: Annotated[float, Interval(ge=0, le=1)] = 1.0
    ent_coef: Annotated[float, Ge(0)] = 0.05
    vf_coef: Annotated[float, Ge(0)] = 0.5

    def arguments(self, env: "Stepped") -> dict[str, Any]:
        """Return the keyword arguments of the algorithm's class."""
        return {
            **super().arguments(env),
            "n_steps": rollout(env, self.episodes_per_update),
            "gae_lambda": self.gae_lambda,
            "ent_coef": self.ent_coef,
            "vf_coef": self.vf_coef,
        }


def rollout(env: "Stepped", episodes: int) -> int:
    """Return the steps of ``env`` in which at least so many episodes end: whole rounds."""
    from nas_agents.sb3.learning import episode_length

    # Two at least: SB3 standardizes the advantages of an update.
    steps = episode_length(env) * ceil(episodes / env.num_envs)
    return steps if steps * env.num_envs > 1 else 2


# ---------------------------------------------------------------- names in options


def algorithm_class(path: str) -> "type[BaseAlgorithm]":
    """Return the class that ``"module:Class"`` names.

    Raises:
        UnknownName: There is no such module or class.
        InvalidOption: It is no algorithm.
    """
    from stable_baselines3.common.base_class import BaseAlgorithm

    found = _attribute(path)
    if not (isinstance(found, type) and issubclass(found, BaseAlgorithm)):
        raise InvalidOption(
            f"algorithm is {path!r}: give an SB3 algorithm by its class, such as "
            "'stable_baselines3:PPO' or 'sb3_contrib:TRPO'"
        )
    return found


def _check_names(algorithm: str, options: Mapping[str, Any], known: set[str]) -> None:
    """Raise an error if an option is ours, or is not among the algorithm's."""
    for option in options:
        if option in OURS:
            raise InvalidOption(f"the agent decides {option!r} itself: leave it out of options")
        if option not in known:
            raise unknown_name(f"option of {algorithm}", option, known)


def _attribute(path: str) -> Any:
    module, _, name = path.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownName(
            f"{path!r} names nothing that can be imported ({error}): write it as module:Class, "
            "e.g. sb3_contrib:TRPO"
        ) from error


def _named(value: Any) -> Any:
    """Return JSON data with ``"module:attribute"`` replaced by what it names."""
    if isinstance(value, dict):
        return {key: _named(item) for key, item in value.items()}
    return _attribute(value) if isinstance(value, str) and ":" in value else value


def _names_in(value: Any) -> Iterator[str]:
    """Yield each text in JSON data that ``_named`` would take for a name."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _names_in(item)
    elif isinstance(value, str) and ":" in value:
        yield value


def _json_object(options: Any) -> dict[str, Any]:
    try:
        found = json.loads(options) if isinstance(options, str) else dict(options)
        if isinstance(found, dict):
            json.dumps(found, allow_nan=False)
            return found
    except (TypeError, ValueError, RecursionError):
        pass
    raise InvalidOption(
        f"options is {options!r}: give the algorithm's keyword arguments as JSON data, "
        'e.g. {"learning_rate": 0.001}'
    )


PRESETS: dict[str, SB3] = {"default": SB3()}
