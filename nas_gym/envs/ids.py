"""The environments' ids, registered with Gymnasium as soon as someone imports it.

Importing Gymnasium takes longer than everything that ``nas-gym --help`` or a refused option needs,
so ``import nas_gym`` registers at once only if Gymnasium is there already, and otherwise when its
import is done. Whoever can call ``gymnasium.make`` has imported it.
"""

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

ENTRY_POINT = "nas_gym.envs.registration:make_env"
VECTOR_ENTRY_POINT = "nas_gym.envs.registration:make_vector_env"

IDS: dict[str, dict[str, Any]] = {  # id -> keywords of the entry points
    "NASNetCell-v0": {"space": "nasnet-cell"},
    "NASConvNet-v0": {"space": "conv-net"},
    "NASRNNCell-v0": {"space": "rnn-cell"},
    "NASBench201-v0": {"space": "nasbench201", "evaluator": "nasbench201"},
}
# The same with a vector as the reward, for mo-gymnasium and what builds on it.
_OBJECTIVES = {
    "NASNetCell-v0": ("accuracy", "-parameters"),
    "NASConvNet-v0": ("accuracy", "-parameters"),
    # The usual recipe gives all cells the same number of parameters.
    "NASRNNCell-v0": ("-perplexity", "-multiply_adds"),
    "NASBench201-v0": ("accuracy", "-parameters", "-latency"),
}
MULTI_OBJECTIVE_IDS = {
    name.replace("-v0", "MO-v0"): IDS[name] | {"objectives": objectives}
    for name, objectives in _OBJECTIVES.items()
}
EDIT_IDS = {  # the same by edits, as every id is with action="edit"
    name.replace("-v0", "Edit-v0"): IDS[name] | {"action": "edit"}
    for name in ("NASNetCell-v0", "NASBench201-v0")
}


def register_ids() -> None:
    """Register the ids that Gymnasium does not know yet."""
    from gymnasium.envs.registration import register, registry

    for name, keywords in (IDS | EDIT_IDS | MULTI_OBJECTIVE_IDS).items():
        if name not in registry:
            register(
                id=name,
                entry_point=ENTRY_POINT,
                vector_entry_point=VECTOR_ENTRY_POINT,
                # Gymnasium's checker warns of every reward that is no float.
                disable_env_checker=name in MULTI_OBJECTIVE_IDS,
                kwargs=keywords,
            )


def register_with_gymnasium() -> None:
    """Register the ids now if Gymnasium has been imported, else when it is."""
    if "gymnasium" in sys.modules:
        register_ids()
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds Gymnasium as the other finders do, and has the ids registered after its import."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> "ModuleSpec | None":
        if name != "gymnasium":
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(self, spec.loader)  # type: ignore[assignment]
                return spec
        return None


class _Loader:
    """Gymnasium's own loader, which registers the ids when its work is done."""

    def __init__(self, finder: _Finder, own: Any) -> None:
        self._finder, self._own = finder, own

    def create_module(self, spec: "ModuleSpec") -> ModuleType | None:
        module: ModuleType | None = self._own.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._own
        module.__loader__ = self._own
        self._own.exec_module(module)
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        register_ids()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)
