"""The makers of spaces, evaluators, rewards and agents, behind ``gym.make`` and the command.

Everywhere a part can be given as a name (``"digits"``), as JSON data with options
(``{"name": "nasnet-cell", "blocks": 4}``), as ``"module:attribute"`` of the user's own code, or as
a live object. Names and JSON data keep ``env.spec.to_json()`` working.
"""

import inspect
import math
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any

from nas_gym.errors import InvalidOption, NASGymError, UntrustedModule, unknown_name
from nas_gym.options import check_all
from nas_gym.plugins import foreign_module, is_trusted, load, raised_in, table

# What an architecture is evaluated and rewarded by if neither the user nor its space says so.
_USUAL = {"evaluator": "training", "reward": "accuracy", "recipe": "fitted"}

_CONTRACTS = {
    "space": ("choose", "max_length", "max_options"),
    "evaluator": ("evaluate", "stateful", "close"),
    "reward": ("__call__",),
    "agent": ("search", "batch_size"),
    "executor": ("submit", "shutdown"),
    "watcher": ("started", "replayed", "evaluated", "requested"),
}

# What a class must define before it is made: a name may come from somebody else's record.
_METHODS = {"space": "choose", "evaluator": "evaluate", "reward": "__call__", "agent": "search",
            "executor": "submit"}  # fmt: skip

Part = str | Mapping[str, Any] | object


def usual(kind: str, space: Any) -> str:
    """Return the name of the evaluator, reward or recipe for a space if the user names none.

    A space says so in ``usual_evaluator``, ``usual_reward`` and ``usual_recipe``.
    """
    return str(getattr(space, f"usual_{kind}", _USUAL[kind]))


def unwrapped(evaluator: Any) -> Any:
    """Return what gives the numbers, without where it runs, which changes none."""
    while getattr(evaluator, "changes_nothing", False):
        evaluator = evaluator.inner
    return evaluator


def usual_reward(space: Any, evaluator: Any) -> str | Mapping[str, Any]:
    """Return the reward if the user names none: the space's with its usual evaluator.

    Other evaluators need not give the metric that the space's reward asks for; one may say in
    ``usual_reward`` what is usual for it, as a name or as JSON data.
    """
    inner = unwrapped(evaluator)
    own: str | Mapping[str, Any] | None = getattr(inner, "usual_reward", None)
    if own is not None:
        return own
    is_usual = spec_of("evaluator", inner)["name"] == usual("evaluator", space)
    return usual("reward", space) if is_usual else _USUAL["reward"]


def make(kind: str, part: Part, **context: Any) -> Any:
    """Make the live object that ``part`` names.

    Args:
        kind: ``"space"``, ``"evaluator"``, ``"reward"``, ``"agent"`` or ``"executor"``.
        part: A name, ``{"name": …, option: value, …}``, ``"module:attribute"`` or a live object.
        context: Options filled in if the class takes them and ``part`` does not give them,
            e.g. ``space`` for an evaluator.

    Raises:
        UnknownName: No such name or option; says which is nearest.
        InvalidOption: A value that the class refuses.
    """
    if isinstance(part, str):
        part = {"name": part}
    made = _make_named(kind, part, context) if isinstance(part, Mapping) else part
    check_part(kind, made, shown=_shown(part))
    return made


def check_part(kind: str, made: Any, names: Sequence[str] = (), shown: str = "") -> None:
    """Raise InvalidOption unless ``made`` has what a part of this kind has.

    Args:
        kind: ``"space"``, ``"evaluator"``, ``"reward"``, ``"agent"``, ``"executor"`` or
            ``"watcher"``.
        made: The live object.
        names: What it must have; by default all that its contract says.
        shown: How messages name it.
    """
    if isinstance(made, type):
        raise InvalidOption(f"the {kind} is the class {made.__name__}: give an instance of it")
    names = names or _CONTRACTS[kind]
    missing = [name for name in names if not hasattr(made, name)]
    for name in missing:
        if hasattr(type(made), name):  # a property: what it raises says more
            getattr(made, name)
    if missing:
        raise InvalidOption(
            f"{shown or _shown(made)} is no {kind}: it lacks {', '.join(missing)}; "
            f"{'an' if kind[0] in 'ae' else 'a'} {kind} has {', '.join(names)}"
        )


def foreign_modules(kind: str, spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield the modules that ``make`` would import for a recorded part and that are none of ours.

    A class of ours whose options name code says so in ``imports(options)``.
    """
    name = str(spec.get("name"))
    module = foreign_module(kind, name)
    if module is not None:
        yield module
        return
    imports = getattr(load(kind, name), "imports", None)
    if imports is not None:
        yield from imports({option: value for option, value in spec.items() if option != "name"})


def modules_to_trust(parts: Mapping[str, Any]) -> list[str]:
    """Return the modules that ``check_trusted`` asks for, each once; other keys are passed over."""
    modules: dict[str, None] = {}
    for kind in _CONTRACTS:
        spec = parts.get(kind)
        with suppress(NASGymError):  # a name of a user's own loop is no part
            if isinstance(spec, Mapping):
                modules |= dict.fromkeys(foreign_modules(kind, spec))
    return list(modules)


def check_trusted(
    where: str, parts: Mapping[str, Mapping[str, Any]], trust: Collection[str]
) -> None:
    """Raise UntrustedModule if a recorded part would import code that ``trust`` does not name.

    Args:
        where: What recorded it, e.g. ``"run 'first'"``.
        parts: Recorded parts as JSON data, by kind.
        trust: Modules and packages of the user's.

    Raises:
        UntrustedModule: A part names another module; nothing of it was imported.
        UnknownName: There is no such part.
    """
    asked = [
        (module, kind, str(spec.get("name")))
        for kind, spec in parts.items()
        for module in foreign_modules(kind, spec)
    ]
    lacking = [each for each in asked if not is_trusted(each[0], trust)]
    if lacking:
        named = [name for name in trust if any(is_trusted(each[0], (name,)) for each in asked)]
        needed = tuple(dict.fromkeys([*named, *(module for module, _, _ in lacking)]))
        code = ", and of ".join(
            f"the module {module!r} as its {kind} ({name!r})" for module, kind, name in lacking
        )
        raise UntrustedModule(
            f"{where} names code of {code}, and a record may come from anybody: if you know that "
            f"code, say so with{trust_option(needed)} (in Python trust={needed!r})"
        )


def trust_option(modules: Collection[str]) -> str:
    """Return the option by which a command may import modules, after a space; "" for none."""
    return "".join(f" --trust {shlex.quote(module)}" for module in modules)


def _make_named(kind: str, part: Mapping[str, Any], context: Mapping[str, Any]) -> Any:
    options = dict(part)
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise InvalidOption(f"{kind} is {dict(part)!r}: give its name as {{'name': …}}")
    found = load(kind, name)
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
        line = raised_in(error, (found.__module__,))
        where = "" if line is None else f" (raised at {line.where})"
        raise InvalidOption(f"{kind} {name!r} cannot be made: {error}{where}") from error


def options_of(kind: str, name: str) -> list[str]:
    """Return the options that ``make(kind, {"name": name, …})`` takes; raises UnknownName."""
    return _option_names(load(kind, name))


def spec_of(kind: str, part: Any) -> dict[str, Any]:
    """Return JSON data from which ``make(kind, …)`` makes an equal object, if its fields are JSON.

    For a live object that is not a dataclass, that is only its ``"module:Class"`` name.
    """
    target = f"{type(part).__module__}:{type(part).__qualname__}"
    name = next((n for n, path in table(kind).items() if path == target), target)
    spec: dict[str, Any] = {"name": name}
    if is_dataclass(part) and not isinstance(part, type):
        for field in fields(part):
            value = getattr(part, field.name)
            if field.init and value != field.default and _is_json(value):
                spec[field.name] = list(value) if isinstance(value, tuple) else value
    return spec


def restorable(kind: str, part: Any, **context: Any) -> bool:
    """Return whether any process makes an equal part from ``spec_of(kind, part)``."""
    if type(part).__module__ == "__main__":
        return False
    try:
        again = make(kind, spec_of(kind, part), **context)
    except NASGymError:
        return False
    if is_dataclass(part):
        return bool(again == part)
    return type(again) is type(part) and not getattr(part, "__dict__", None)


def _shown(part: Any) -> str:
    return repr(part.get("name") if isinstance(part, Mapping) else part)[:60]


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
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | bool | int)
