"""Names for spaces, evaluators, rewards and agents, and the makers behind ``gym.make``.

Everywhere a part can be given as a name (``"digits"``), as JSON data with options
(``{"name": "nasnet-cell", "blocks": 4}``), as ``"module:attribute"`` of the user's own code, or as
a live object. Names and JSON data keep ``env.spec.to_json()`` working.
"""

import importlib
import inspect
import traceback
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any

import gymnasium

from nas_gym.env import NASEnv
from nas_gym.errors import InvalidOption, NASGymError, UnknownName, unknown_name
from nas_gym.options import check_all
from nas_gym.vector_env import NASVectorEnv

_CELL = "nas_gym.search_spaces.nasnet_cell"

PLUGINS: dict[str, dict[str, str]] = {
    "space": {
        "nasnet-cell": f"{_CELL}:NASNetCell",
        "amoebanet-cell": f"{_CELL}:AMOEBANET_CELL",
        "enas-micro-cell": f"{_CELL}:ENAS_MICRO_CELL",
        "nasbench201": "nas_gym.search_spaces.nasbench201:NASBench201",
        "nats-size": "nas_gym.search_spaces.nats_size:NATSSize",
        "conv-net": "nas_gym.search_spaces.conv_net:ConvNet",
        "rnn-cell": "nas_gym.search_spaces.rnn_cell:RNNCell",
        "enas-rnn-cell": "nas_gym.search_spaces.enas_rnn_cell:ENASRNNCell",
    },
    "evaluator": {
        "training": "nas_gym.evaluators.training:TrainingEvaluator",
        "language-model": "nas_gym.evaluators.language:LanguageModelEvaluator",
        "nasbench201": "nas_gym.evaluators.tables.nasbench201:NASBench201Table",
        "table": "nas_gym.evaluators.tables.file:Tabular",
        "nats-bench": "nas_gym.evaluators.tables.nats_bench:NATSBench",
        "landscape": "nas_gym.testing.landscapes:Landscape",
    },
    "reward": {
        "accuracy": "nas_gym.rewards:Accuracy",
        "accuracy-cubed": "nas_gym.rewards:AccuracyCubed",
        "accuracy-under-target": "nas_gym.rewards:AccuracyUnderTarget",
        "inverse-perplexity": "nas_gym.rewards:InversePerplexity",
        "inverse-perplexity-squared": "nas_gym.rewards:InversePerplexitySquared",
    },
}

# What an architecture is evaluated and rewarded by where neither the user nor its space says so.
_USUAL = {"evaluator": "training", "reward": "accuracy", "recipe": "quick"}

_CONTRACTS = {
    "space": ("choose", "max_length", "max_options"),
    "evaluator": ("evaluate", "stateful", "close"),
    "reward": ("__call__",),
    "agent": ("search", "batch_size"),
}

# What a class must define before it is made: a name may come from somebody else's record.
_METHODS = {"space": "choose", "evaluator": "evaluate", "reward": "__call__", "agent": "search"}

Part = str | Mapping[str, Any] | object


def names(kind: str) -> list[str]:
    """The names that ``make(kind, …)`` knows; ``kind`` is space, evaluator, reward or agent."""
    listed = list(_table(kind))
    if kind in ("agent", "space"):
        presets = {name: _presets(kind, name) for name in listed}
        listed += [f"{n}/{preset}" for n in presets for preset in presets[n] if preset != "default"]
    return sorted(listed)


def usual(kind: str, space: Any) -> str:
    """The name of the evaluator, reward or recipe for a space, where the user names none.

    A space says so in ``usual_evaluator``, ``usual_reward`` and ``usual_recipe``.
    """
    return str(getattr(space, f"usual_{kind}", _USUAL[kind]))


def usual_reward(space: Any, evaluator: Any) -> str:
    """The name of the reward where the user names none: the space's with its usual evaluator.

    Other evaluators need not give the metric that the space's reward asks for.
    """
    while getattr(evaluator, "changes_nothing", False):
        evaluator = evaluator.inner
    is_usual = spec_of("evaluator", evaluator)["name"] == usual("evaluator", space)
    return usual("reward", space) if is_usual else _USUAL["reward"]


def make(kind: str, part: Part, **context: Any) -> Any:
    """The live object that ``part`` names.

    Args:
        kind: ``"space"``, ``"evaluator"``, ``"reward"`` or ``"agent"``.
        part: A name, ``{"name": …, option: value, …}``, ``"module:attribute"`` or a live object.
        context: Options filled in where the class takes them and ``part`` does not give them,
            e.g. ``space`` for an evaluator.

    Raises:
        UnknownName: No such name or option; says which is nearest.
        InvalidOption: A value that the class refuses.
    """
    if isinstance(part, str):
        part = {"name": part}
    made = _make_named(kind, part, context) if isinstance(part, Mapping) else part
    missing = [name for name in _CONTRACTS[kind] if not hasattr(made, name)]
    if missing:
        raise InvalidOption(
            f"{_shown(part)} is no {kind}: it lacks {', '.join(missing)}; "
            f"{'an' if kind[0] in 'ae' else 'a'} {kind} has {', '.join(_CONTRACTS[kind])}"
        )
    return made


def _make_named(kind: str, part: Mapping[str, Any], context: Mapping[str, Any]) -> Any:
    options = dict(part)
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise InvalidOption(f"{kind} is {dict(part)!r}: give its name as {{'name': …}}")
    found = _load(kind, name)
    if isinstance(found, type) and not any(_METHODS[kind] in vars(c) for c in found.__mro__):
        raise InvalidOption(
            f"{name!r} is no {kind}: its class defines no {_METHODS[kind]}(); name another"
        )
    known = _option_names(found)
    if is_dataclass(found):
        of = found if isinstance(found, type) else type(found)
        options = check_all(of, options, f"{kind} {name!r}")
    elif unknown := [option for option in options if option not in known]:
        raise unknown_name(f"option of {kind} {name!r}", unknown[0], known)
    options = {o: v for o, v in context.items() if o in known and o not in options} | options
    needed = [option for option in _required(found) if option not in options]
    if needed:
        raise InvalidOption(
            f"{kind} {name!r} needs a value for {', '.join(needed)}: give {{'name': {name!r}, "
            f"{needed[0]!r}: …}}, or --set {kind}.{needed[0]}=… on the command line"
        )
    try:
        if isinstance(found, type):
            return found(**options)
        return replace(found, **options) if options else found
    except NASGymError:
        raise
    except TypeError as error:
        raise InvalidOption(f"{kind} {name!r} cannot be made: {error}") from error


def options_of(kind: str, name: str) -> list[str]:
    """The options that ``make(kind, {"name": name, …})`` takes; raises UnknownName."""
    return _option_names(_load(kind, name))


def spec_of(kind: str, part: Any) -> dict[str, Any]:
    """JSON data from which ``make(kind, …)`` makes an equal object, as far as its fields are JSON.

    For a live object that is not a dataclass: its ``"module:Class"`` name alone.
    """
    target = f"{type(part).__module__}:{type(part).__qualname__}"
    name = next((n for n, path in _table(kind).items() if path == target), target)
    spec: dict[str, Any] = {"name": name}
    if is_dataclass(part) and not isinstance(part, type):
        for field in fields(part):
            value = getattr(part, field.name)
            if field.init and value != field.default and _is_json(value):
                spec[field.name] = list(value) if isinstance(value, tuple) else value
    return spec


def restorable(kind: str, part: Any, **context: Any) -> bool:
    """Whether ``make(kind, spec_of(kind, part), **context)`` gives an equal part in any process."""
    if type(part).__module__ == "__main__":
        return False
    try:
        again = make(kind, spec_of(kind, part), **context)
    except NASGymError:
        return False
    if is_dataclass(part):
        return bool(again == part)
    return type(again) is type(part) and not getattr(part, "__dict__", None)


def env_spec_of(config: Mapping[str, Any]) -> str:
    """JSON of gymnasium's ``EnvSpec`` for the environment that a run's configuration describes.

    ``gym.make(EnvSpec.from_json(…))`` makes it again.
    """
    names_ = ("space", "evaluator", "reward", "budget", "failure_reward")
    kwargs = {name: config[name] for name in names_} | {"seed": config["child_seed"]}
    kwargs |= config.get("simulated", {})
    entry = f"{__name__}:make_env"
    known = [s.id for s in gymnasium.registry.values() if s.entry_point == entry]
    defaults = {gymnasium.registry[i].kwargs["space"]: i for i in known}
    return gymnasium.envs.registration.EnvSpec(
        id=defaults.get(config["space"]["name"], "NAS-v0"),
        entry_point=entry,
        vector_entry_point=f"{__name__}:make_vector_env",
        kwargs=kwargs,
    ).to_json()


def make_env(
    space: Part,
    evaluator: Part | None = None,
    reward: Part | None = None,
    **options: Any,
) -> NASEnv[Any]:
    """What ``gym.make`` calls: ``NASEnv`` with its parts given by name, JSON data or object.

    Evaluator and reward are by default what is usual for the space. Options that are not the
    environment's are those of an evaluator that is given by name, or of the usual one:
    ``gym.make("NASBench201-v0", dataset="cifar100")``.
    """
    *parts, options = _parts(NASEnv, space, evaluator, reward, options)
    return NASEnv(*parts, **options)


def make_vector_env(
    space: Part,
    evaluator: Part | None = None,
    reward: Part | None = None,
    num_envs: int = 1,
    workers: int = 0,
    timeout: float | None = None,
    memory_limit: float | None = None,
    executor: Executor | None = None,
    **options: Any,
) -> NASVectorEnv[Any]:
    """What ``gym.make_vec`` calls: ``NASVectorEnv`` with its parts by name, as ``make_env``.

    ``workers`` > 0 evaluates each round in that many worker processes (the calling script then
    needs ``if __name__ == "__main__":``); 0 evaluates in this process. ``timeout`` is in seconds a
    child, ``memory_limit`` in GiB a child, and ``executor`` is evaluated in instead of workers (see
    ``in_workers``).
    """
    space, evaluator, reward, options = _parts(NASVectorEnv, space, evaluator, reward, options)
    return NASVectorEnv(
        space,  # type: ignore[arg-type]
        in_workers(
            evaluator, workers, timeout=timeout, memory_limit=memory_limit, executor=executor
        ),
        num_envs=num_envs,
        reward=reward,  # type: ignore[arg-type]
        **options,
    )


# gymnasium asks the entry point which render modes it may wrap.
make_env.metadata = NASEnv.metadata  # type: ignore[attr-defined]


def in_workers(
    evaluator: Any,
    workers: int,
    *,
    timeout: float | None = None,
    memory_limit: float | None = None,
    executor: Executor | None = None,
) -> Any:
    """``evaluator``, spread over ``workers`` processes or an executor; as it is for 0 and None.

    Args:
        evaluator: Gives the numbers; must be one that can be pickled, to be spread. One that is
            ``instant`` (a table) stays in this process.
        workers: Processes on this machine, each replaced when a child ends it; 0 for none.
        timeout: Seconds that a child may take in a worker.
        memory_limit: GiB that a child may allocate in a worker; Linux only.
        executor: A live ``concurrent.futures.Executor`` instead of workers; stays open.

    Raises:
        InvalidOption: An option out of range, or options that exclude each other.
    """
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
        raise InvalidOption(f"workers is {workers!r}: give a whole number of 0 or more")
    limits = {"timeout": timeout, "memory_limit": memory_limit}
    for name, limit in limits.items():
        if limit is not None and workers == 0:
            raise InvalidOption(
                f"{name} is {limit} and workers is 0: only worker processes can be limited, give "
                "workers=1 or more"
            )
    if getattr(evaluator, "instant", False):
        return evaluator
    if executor is not None:
        if workers > 0:
            raise InvalidOption(
                f"workers is {workers} and there is an executor: give one of the two"
            )
        from nas_gym.evaluators.executor import ExecutorEvaluator

        return ExecutorEvaluator(evaluator, executor)
    if workers == 0:
        return evaluator
    from nas_gym.evaluators.parallel import ParallelEvaluator

    return ParallelEvaluator(evaluator, workers, timeout, memory_limit)


def _split_options(
    environment: Any, evaluator: Part, options: Mapping[str, Any]
) -> tuple[Part, dict[str, Any]]:
    """The evaluator with those options that are its own, and those of the environment."""
    known = [name for name in inspect.signature(environment).parameters if name != "self"]
    others = {name: value for name, value in options.items() if name not in known}
    if others:
        part = {"name": evaluator} if isinstance(evaluator, str) else evaluator
        its: list[str] = []
        if isinstance(part, Mapping) and isinstance(part.get("name"), str):
            its = options_of("evaluator", part["name"])
        for option in others:
            if option not in its:
                known = sorted({*known, *its} - {"space"})
                raise unknown_name("option of the environment", option, known)
        evaluator = {**part, **others}  # type: ignore[dict-item]
    return evaluator, {name: value for name, value in options.items() if name in known}


def _parts(
    environment: Any,
    space: Part,
    evaluator: Part | None,
    reward: Part | None,
    options: Mapping[str, Any],
) -> tuple[Any, Any, Any, dict[str, Any]]:
    """The live parts of an environment, and the options that are the environment's own."""
    made = make("space", space)
    evaluator = usual("evaluator", made) if evaluator is None else evaluator
    evaluator, own = _split_options(environment, evaluator, options)
    judge = make("evaluator", evaluator, space=made)
    reward = usual_reward(made, judge) if reward is None else reward
    return made, judge, make("reward", reward), own


def _shown(part: Any) -> str:
    return repr(part["name"]) if isinstance(part, Mapping) else repr(part)[:60]


def _table(kind: str) -> dict[str, str]:
    if kind == "agent":
        return dict(_load_attribute("nas_agents:AGENTS"))
    return PLUGINS[kind]


def _load(kind: str, name: str) -> Any:
    """The class or ready-made object behind ``name``, ``name/preset`` or ``module:attribute``."""
    base, slash, preset = name.partition("/")
    path = _table(kind).get(base, base)
    if ":" not in path:
        raise unknown_name(kind, name, names(kind))
    if not slash:
        return _load_attribute(path)
    presets = _presets(kind, base)
    if preset not in presets:
        raise unknown_name(f"preset of {kind} {base!r}", preset, presets)
    return presets[preset]


def _presets(kind: str, name: str) -> Mapping[str, Any]:
    """The named settings that the module of an agent offers as ``PRESETS``."""
    module = _table(kind).get(name, name).partition(":")[0]
    presets: Mapping[str, Any] = getattr(importlib.import_module(module), "PRESETS", {})
    return presets


def _load_attribute(path: str) -> Any:
    module, _, attribute = path.partition(":")
    if not module or not attribute:
        raise UnknownName(f"{path!r} is not module:attribute: write it as my_module:MyClass")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name is not None and module.startswith(error.name):
            raise UnknownName(
                f"{path!r}: there is no module {error.name!r} to import, in this folder or where "
                "Python looks (PYTHONPATH)"
            ) from error
        raise _broken_module(module, error) from error
    except AttributeError as error:
        raise UnknownName(f"{path!r}: module {module!r} has no {attribute!r}") from error
    except Exception as error:
        raise _broken_module(module, error) from error


def _broken_module(module: str, error: Exception) -> InvalidOption:
    line = traceback.extract_tb(error.__traceback__)[-1]
    return InvalidOption(
        f"module {module!r} cannot be imported ({type(error).__name__}: {error}; raised at "
        f"{line.filename}:{line.lineno}): mend it and try again"
    )


def _option_names(found: Any) -> list[str]:
    if is_dataclass(found):
        return [field.name for field in fields(found) if field.init]
    return list(inspect.signature(found).parameters) if isinstance(found, type) else []


def _required(found: Any) -> list[str]:
    if not (isinstance(found, type) and is_dataclass(found)):
        return []
    return [
        field.name
        for field in fields(found)
        if field.init and field.default is MISSING and field.default_factory is MISSING
    ]


def _is_json(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(_is_json(item) for item in value)
    return value is None or isinstance(value, str | bool | int | float)
