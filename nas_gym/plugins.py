"""Names and where they live, ``"module:attribute"``, loaded when they are used."""

import importlib
import traceback
from collections.abc import Mapping
from typing import Any

from nas_gym.errors import InvalidOption, UnknownName, unknown_name

_CELL = "nas_gym.search_spaces.nasnet_cell.space"


PLUGINS: dict[str, dict[str, str]] = {
    "space": {
        "nasnet-cell": f"{_CELL}:NASNetCell",
        "amoebanet-cell": f"{_CELL}:AMOEBANET_CELL",
        "enas-micro-cell": f"{_CELL}:ENAS_MICRO_CELL",
        "nasbench201": "nas_gym.search_spaces.nasbench201.space:NASBench201",
        "nats-size": "nas_gym.search_spaces.nasbench201.size_space:NATSSize",
        "conv-net": "nas_gym.search_spaces.conv_net.space:ConvNet",
        "rnn-cell": "nas_gym.search_spaces.rnn_cell.space:RNNCell",
        "enas-rnn-cell": "nas_gym.search_spaces.enas_rnn_cell.space:ENASRNNCell",
    },
    "evaluator": {
        "training": "nas_gym.evaluators.trained.images:TrainingEvaluator",
        "language-model": "nas_gym.evaluators.trained.text:LanguageModelEvaluator",
        "nasbench201": "nas_gym.evaluators.tables.nasbench201:NASBench201Table",
        "table": "nas_gym.evaluators.tables.file:TableFile",
        "nats-bench": "nas_gym.evaluators.tables.nats_bench:NATSBench",
        "landscape": "nas_gym.evaluators.landscapes:Landscape",
    },
    "reward": {
        "accuracy": "nas_gym.envs.rewards:Accuracy",
        "accuracy-cubed": "nas_gym.envs.rewards:AccuracyCubed",
        "accuracy-under-target": "nas_gym.envs.rewards:AccuracyUnderTarget",
        "inverse-perplexity": "nas_gym.envs.rewards:InversePerplexity",
        "inverse-perplexity-squared": "nas_gym.envs.rewards:InversePerplexitySquared",
    },
}


def names(kind: str) -> list[str]:
    """The names that ``make(kind, …)`` knows; ``kind`` is space, evaluator, reward or agent."""
    listed = list(_table(kind))
    if kind in ("agent", "space"):
        presets = {name: _presets(kind, name) for name in listed}
        listed += [f"{n}/{preset}" for n in presets for preset in presets[n] if preset != "default"]
    return sorted(listed)


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
