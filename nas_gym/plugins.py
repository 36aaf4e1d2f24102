"""The table of names and where they live, ``"module:attribute"``, loaded when they are used."""

import importlib
import re
import sysconfig
import traceback
from collections.abc import Collection, Mapping
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, NamedTuple

from nas_gym.errors import InvalidOption, UnknownName, did_you_mean, unknown_name

_ENGINES = "nas_gym.evaluators.workers.engines"
_CELL = "nas_gym.search_spaces.nasnet_cell.space"
_IMAGES = "nas_gym.training.images.sources"

_OURS = ("nas_gym", "nas_agents")  # packages whose code a record may name
_STANDARD = Path(sysconfig.get_path("stdlib"))
_INSTALLED = re.compile(r"[\\/](site|dist)-packages[\\/]")

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
        "weight-sharing": "nas_gym.evaluators.weight_sharing.evaluator:WeightSharing",
        "zero-cost": "nas_gym.evaluators.proxies.evaluator:ZeroCost",
    },
    "reward": {
        "accuracy": "nas_gym.envs.rewards:Accuracy",
        "accuracy-cubed": "nas_gym.envs.rewards:AccuracyCubed",
        "balanced-accuracy": "nas_gym.envs.rewards:BalancedAccuracy",
        "accuracy-under-target": "nas_gym.envs.rewards:AccuracyUnderTarget",
        "metric": "nas_gym.envs.rewards:OfMetric",
        "inverse-perplexity": "nas_gym.envs.rewards:InversePerplexity",
        "inverse-perplexity-squared": "nas_gym.envs.rewards:InversePerplexitySquared",
    },
    "dataset": {
        # Functions (folder, download) -> Dataset.
        "cifar10": f"{_IMAGES}:cifar10",
        "cifar100": f"{_IMAGES}:cifar100",
        "digits": f"{_IMAGES}:digits",
        "fashion-mnist": f"{_IMAGES}:fashion_mnist",
    },
    "executor": {
        "dask": f"{_ENGINES}.dask:Dask",
        "mpi": f"{_ENGINES}.mpi:MPI",
        "ray": f"{_ENGINES}.ray:Ray",
        "slurm": f"{_ENGINES}.slurm:Slurm",
    },
    "text": {
        "python-docs": "nas_gym.training.text.dataset:PYTHON_DOCS",
    },
}


# Agents that records name and nobody chooses: the proposals of such a run came from outside.
_RECORDED = {"ask-tell": "nas_gym.runs.ask_tell:Outside"}

# Named settings beside "default", in the PRESETS of the part's module, as ``nas_agents.PRESETS``.
PRESETS: dict[str, dict[str, tuple[str, ...]]] = {
    "space": {"conv-net": ("no-stride", "strides", "pooling"), "rnn-cell": ("control",)},
}


def table(kind: str) -> dict[str, str]:
    """Return where the parts of a kind live, by name: ``"module:attribute"``."""
    if kind == "agent":
        return _RECORDED | dict(_attribute("nas_agents:AGENTS"))
    return PLUGINS[kind]


def names(kind: str) -> list[str]:
    """Return the names that ``make(kind, …)`` knows, without an import of what they stand for.

    Args:
        kind: ``"space"``, ``"evaluator"``, ``"reward"``, ``"agent"``, ``"executor"``,
            ``"dataset"`` or ``"text"``.
    """
    presets = _attribute("nas_agents:PRESETS") if kind == "agent" else PRESETS.get(kind, {})
    with_presets = [f"{name}/{preset}" for name in presets for preset in presets[name]]
    return sorted([*(name for name in table(kind) if name not in _RECORDED), *with_presets])


def load(kind: str, name: str) -> Any:
    """Return the class or ready-made object behind a name.

    Args:
        kind: As of ``names``.
        name: ``name``, ``name/preset`` or ``module:attribute``, the latter with a preset as well.

    Raises:
        UnknownName: There is no such name, preset, module or attribute.
        InvalidOption: The module cannot be imported.
    """
    base, slash, preset = name.partition("/")
    path = table(kind).get(base, base)
    if ":" not in path:
        known, own = names(kind), "module:attribute of your own"
        raise unknown_name(kind, name, [*known, own], f"all of `nas-gym list`, {own}")
    if not slash:
        return _attribute(path)
    presets: Mapping[str, Any] = getattr(_module(path), "PRESETS", {})
    if preset not in presets:
        raise unknown_name(f"preset of {kind} {base!r}", preset, presets)
    return presets[preset]


def foreign_module(kind: str, name: str) -> str | None:
    """Return the module that ``load`` would import for a name if it is none of ours, else None.

    Imports none of it.
    """
    base = name.partition("/")[0]
    module, colon, _ = table(kind).get(base, base).partition(":")
    return None if not colon or module.partition(".")[0] in _OURS else module


def is_trusted(module: str, trust: Collection[str]) -> bool:
    """Return whether ``trust`` names a module or a package that it is in."""
    return any(module == name or module.startswith(f"{name}.") for name in trust)


def _attribute(path: str) -> Any:
    """Return what ``module:attribute`` names."""
    module, _, attribute = path.partition(":")
    if not module or not attribute:
        raise UnknownName(f"{path!r} is not module:attribute: write it as my_module:MyClass")
    found = _module(path)
    try:
        return getattr(found, attribute)
    except AttributeError as error:
        hint = did_you_mean(attribute, (name for name in dir(found) if name[0] != "_")).rstrip()
        raise UnknownName(
            f"{path!r}: module {module!r} has no {attribute!r}{f': {hint}' if hint else ''}"
        ) from error


def _module(path: str) -> ModuleType:
    """Import the module of ``module:attribute``."""
    module = path.partition(":")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and module.startswith(error.name):
            if module.endswith(".py"):
                raise UnknownName(
                    f"{path!r} begins with a file: name the module, without .py: "
                    f"{path.replace('.py:', ':')!r}"
                ) from error
            raise UnknownName(
                f"{path!r}: there is no module {error.name!r} to import, in this folder or where "
                "Python looks (PYTHONPATH)"
            ) from error
        raise _broken_module(module, error) from error
    except (Exception, SystemExit) as error:  # a script that ends itself is no module
        raise _broken_module(module, error) from error


def _broken_module(module: str, error: BaseException) -> InvalidOption:
    """Return the error for a user's module that raises while it is imported."""
    line = raised_in(error, (module,))
    if isinstance(error, SyntaxError) and error.filename is not None:
        where = f"{error.filename}:{error.lineno}"
    else:
        where = innermost(error) if line is None else line.where
    said = error.msg if isinstance(error, SyntaxError) else error
    return InvalidOption(
        f"module {module!r} cannot be imported ({type(error).__name__}: {said}; raised at "
        f"{where}): mend it and try again"
    )


class OwnLine(NamedTuple):
    """The line of a user's own code that an exception came from, or passed last."""

    name: str  # as "module:Class.method"
    where: str  # as "file:line"
    ours: str | None  # the line of nas-gym that it called, if that raised


def raised_in(error: BaseException, named: Collection[str] = ()) -> OwnLine | None:
    """Return where in a user's own code an exception was raised; None if nowhere.

    Args:
        error: With its traceback.
        named: Modules or packages that are the user's, although they are installed.
    """
    frames = list(traceback.walk_tb(error.__traceback__))
    packages = {name.partition(".")[0] for name in named} - {*_OURS}
    own = [(frame, line) for frame, line in frames if _is_own(frame, packages)]
    if not own:
        return None
    frame, line = own[-1]
    last = frames[-1][0]
    ours = innermost(error) if _package(last) in _OURS else None
    name = f"{frame.f_globals.get('__name__')}:{frame.f_code.co_qualname}"
    return OwnLine(name, f"{frame.f_code.co_filename}:{line}", ours)


def _is_own(frame: FrameType, packages: Collection[str]) -> bool:
    """Return whether a frame runs a user's own code: neither ours nor installed, but if named."""
    package, file = _package(frame), frame.f_code.co_filename
    if package in _OURS or file.startswith("<"):  # as <frozen importlib._bootstrap>
        return False
    installed = _STANDARD in Path(file).parents or _INSTALLED.search(file) is not None
    return package in packages or not installed


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]


def innermost(error: BaseException) -> str:
    """Return the line that an exception was raised in."""
    line = traceback.extract_tb(error.__traceback__)[-1]
    return f"{line.filename}:{line.lineno}"
