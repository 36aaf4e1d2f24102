"""The entry points of ``gym.make`` and ``gym.make_vec``, and environments' specifications."""

import inspect
import logging
from collections.abc import Mapping
from multiprocessing import current_process
from typing import TYPE_CHECKING, Any, Literal

import gymnasium

from nas_gym.envs.env import NASEnv
from nas_gym.envs.ids import ENTRY_POINT, VECTOR_ENTRY_POINT
from nas_gym.envs.ledger import LedgerOptions
from nas_gym.envs.vector_env import NASVectorEnv
from nas_gym.errors import InvalidOption, UnknownKeyword, unknown_name
from nas_gym.evaluators.evaluation import keeps_state
from nas_gym.evaluators.workers.spread import in_workers
from nas_gym.options import check
from nas_gym.registry import Part, make, options_of, usual, usual_reward

if TYPE_CHECKING:
    from nas_gym.envs.edit_env import NASEditEnv
    from nas_gym.envs.edit_vector_env import NASEditVectorEnv

Action = Literal["token", "edit"]

_log = logging.getLogger("nas_gym")


def env_spec_of(config: Mapping[str, Any]) -> str:
    """Return gymnasium's ``EnvSpec``, as JSON, of the environment that a configuration describes.

    ``gym.make(EnvSpec.from_json(…))`` makes it again.
    """
    names_ = ("space", "evaluator", "reward", "budget", "failure_reward")
    kwargs = {name: config[name] for name in names_} | {"seed": config["child_seed"]}
    kwargs |= config.get("simulated", {})
    kwargs |= {"limits": config["cost_limits"]} if "cost_limits" in config else {}
    entry = ENTRY_POINT
    known = [s for s in gymnasium.registry.values() if s.entry_point == entry]
    defaults = {
        s.kwargs["space"]: s.id for s in known if not {"objectives", "action"} & set(s.kwargs)
    }
    return gymnasium.envs.registration.EnvSpec(
        id=defaults.get(config["space"]["name"], "NAS-v0"),
        entry_point=entry,
        vector_entry_point=VECTOR_ENTRY_POINT,
        kwargs=kwargs,
    ).to_json()


def make_env(
    space: Part,
    evaluator: Part | None = None,
    reward: Part | None = None,
    objectives: Any = None,
    action: str = "token",
    **options: Any,
) -> "NASEnv[Any] | NASEditEnv[Any]":
    """Make a ``NASEnv`` for ``gym.make``, with parts given by name, JSON data or object.

    Evaluator and reward are by default what is usual for the space. Options that are not the
    environment's are those of an evaluator that is given by name, or of the usual one:
    ``gym.make("NASBench201-v0", dataset="cifar100")``. With ``objectives`` it is a
    ``MultiObjectiveEnv``, with ``action="edit"`` a ``NASEditEnv``.
    """
    environment: Any = NASEnv
    if _edits(action, objectives=objectives):
        from nas_gym.envs.edit_env import NASEditEnv as environment
    *parts, options = _parts(environment, space, evaluator, reward, options)
    _warn_of_copies(parts[1])
    if objectives is None:
        made: NASEnv[Any] | NASEditEnv[Any] = environment(*parts, **options)
        return made
    from nas_gym.envs.multi_objective import MultiObjectiveEnv

    return MultiObjectiveEnv(*parts, objectives=objectives, **options)


def _edits(action: str, **others: Any) -> bool:
    """Return whether architectures are edited; raise InvalidOption if something else forbids it."""
    if check("action", action, Action) == "token":
        return False
    for name, given in others.items():
        if given is not None:
            raise InvalidOption(
                f"action='edit' and {name} exclude each other: leave out {name}, or the action"
            )
    return True


def _warn_of_copies(evaluator: Any) -> None:
    """Say that each process of gymnasium's ``AsyncVectorEnv`` has a state of its own."""
    second = current_process().name.startswith("Worker<") and current_process().name.endswith("-1")
    if second and keeps_state(evaluator):  # said once, if there is more than one process
        _log.warning(
            "the evaluator %s is stateful, and each process of this vector environment has a copy "
            "with a state of its own: leave out vectorization_mode for one state",
            type(evaluator).__name__,
        )


def make_vector_env(
    space: Part,
    evaluator: Part | None = None,
    reward: Part | None = None,
    num_envs: int = 1,
    workers: int = 0,
    timeout: float | None = None,
    memory_limit: float | None = None,
    executor: Part | None = None,
    in_flight: int | None = None,
    objectives: Any = None,
    action: str = "token",
    **options: Any,
) -> "NASVectorEnv[Any] | NASEditVectorEnv[Any]":
    """Make a ``NASVectorEnv`` for ``gym.make_vec``, with parts given as to ``make_env``.

    With ``in_flight``, children that are trained at once, it is a ``NASAsyncVectorEnv``, whose
    episodes do not wait for each other; with ``objectives`` the rewards of either are vectors
    (``MultiObjectiveVectorEnv``); with ``action="edit"`` it is a ``NASEditVectorEnv``.

    ``workers`` > 0 evaluates each round in that many worker processes (the calling script then
    needs ``if __name__ == "__main__":``); 0 evaluates in this process. ``timeout`` is in seconds
    per child, ``memory_limit`` in GiB per child, and an ``executor`` takes the place of workers
    (see ``in_workers``).
    """
    environment: Any = NASVectorEnv
    if _edits(action, objectives=objectives, in_flight=in_flight):
        from nas_gym.envs.edit_vector_env import NASEditVectorEnv as environment
    space, evaluator, reward, options = _parts(environment, space, evaluator, reward, options)
    spread = in_workers(
        evaluator, workers, timeout=timeout, memory_limit=memory_limit, executor=executor
    )
    options |= {"num_envs": num_envs, "reward": reward}
    if in_flight is not None:
        from nas_gym.envs.async_env import NASAsyncVectorEnv as environment

        options["in_flight"] = in_flight
    if objectives is not None:
        from nas_gym.envs import multi_objective as several

        several_at = several.MultiObjectiveVectorEnv, several.MultiObjectiveAsyncVectorEnv
        environment = several_at[in_flight is not None]
        options["objectives"] = objectives
    made: NASVectorEnv[Any] | NASEditVectorEnv[Any] = environment(space, spread, **options)
    return made


# gymnasium asks the entry point which render modes it may wrap.
make_env.metadata = NASEnv.metadata  # type: ignore[attr-defined]


def _split_options(
    environment: Any, evaluator: Part, options: Mapping[str, Any]
) -> tuple[Part, dict[str, Any]]:
    """Return the evaluator with those options that are its own, and the environment's options."""
    known = _options_of(environment)
    others = {name: value for name, value in options.items() if name not in known}
    if others:
        part = {"name": evaluator} if isinstance(evaluator, str) else evaluator
        its: list[str] = []
        if isinstance(part, Mapping) and isinstance(part.get("name"), str):
            its = options_of("evaluator", part["name"])
        for option in others:
            if option not in its:
                maker = make_vector_env if "num_envs" in known else make_env
                given = set(inspect.signature(maker).parameters) - {"options"}
                known = sorted({*known, *its, *given})
                known_words = str(unknown_name("option of the environment", option, known))
                # TorchRL tries options, and looks for these words of Python's own.
                raise UnknownKeyword(
                    f"got an unexpected keyword argument {option!r}: {known_words}"
                )
        evaluator = {**part, **others}  # type: ignore[dict-item]
    return evaluator, {name: value for name, value in options.items() if name in known}


def _options_of(environment: Any) -> list[str]:
    """Return the names of an environment's options, the ledger's among them."""
    own = inspect.signature(environment).parameters.values()
    return [*(o.name for o in own if o.kind is not o.VAR_KEYWORD), *LedgerOptions.__annotations__]


def _parts(
    environment: Any,
    space: Part,
    evaluator: Part | None,
    reward: Part | None,
    options: Mapping[str, Any],
) -> tuple[Any, Any, Any, dict[str, Any]]:
    """Return an environment's live parts, and the options that are its own."""
    made = make("space", space)
    evaluator = usual("evaluator", made) if evaluator is None else evaluator
    evaluator, own = _split_options(environment, evaluator, options)
    judge = make("evaluator", evaluator, space=made)
    reward = usual_reward(made, judge) if reward is None else reward
    return made, judge, make("reward", reward), own
