"""Executors by name, and those that a function of the user's makes."""

import importlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from nas_gym.errors import InvalidOption, NASGymError
from nas_gym.evaluators.workers.engines.engine import Engine, OpenEngine
from nas_gym.options.printable import shown
from nas_gym.plugins import foreign_module, load, names
from nas_gym.registry import make, spec_of


def executor_of(part: Any) -> Executor | None:
    """Return the executor that a part stands for; None for None.

    Args:
        part: A name, ``{"name": …, option: value, …}``, ``"module:factory"`` (a function or class
            that takes the options and returns an executor), or a live executor.

    Raises:
        UnknownName: No such name, module, attribute or option.
        InvalidOption: It is something else, or an option has a value that it cannot take.
    """
    if part is None or isinstance(part, Executor):
        return part
    if isinstance(part, str):
        part = {"name": part}
    if not isinstance(part, Mapping) or not isinstance(part.get("name"), str):
        raise InvalidOption(
            f"executor is {shown(part)}: give a live concurrent.futures.Executor, a name "
            f"({', '.join(names('executor'))}) or module:factory, or leave it out"
        )
    name: str = part["name"]
    if foreign_module("executor", name) is not None:
        found = load("executor", name)
        if not issubclass(found if isinstance(found, type) else type(found), Engine):
            return FromFactory(name, {o: v for o, v in part.items() if o != "name"})
    made: Executor = make("executor", part)
    return made


def recorded_executor(executor: Any) -> dict[str, Any]:
    """Return what a record keeps of an executor, as JSON data; empty for a live one."""
    return {"executor": spec_of("executor", executor)} if isinstance(executor, Engine) else {}


@dataclass(frozen=True)
class FromFactory(Engine):
    """An executor that a function of the user's makes when the first child is there.

    Args:
        factory: ``"module:function"``, which returns a ``concurrent.futures.Executor``; it is shut
            down when the search ends.
        options: What the function is called with.

    Raises:
        UnknownName: There is no such module or function.
        InvalidOption: It is nothing that can be called.
    """

    factory: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(load("executor", self.factory)):
            raise InvalidOption(
                f"executor {self.factory!r} cannot be called: name a function that returns a "
                "concurrent.futures.Executor"
            )

    @staticmethod
    def imports(options: Mapping[str, Any]) -> Iterator[str]:
        """Yield the module that a recorded one would import."""
        module = foreign_module("executor", str(options.get("factory")))
        if module is not None:
            yield module

    def open(self) -> OpenEngine:
        """Call the function.

        Raises:
            InvalidOption: It raised, or returned something else.
        """
        module, _, function = self.factory.partition(":")
        try:
            made = getattr(importlib.import_module(module), function)(**self.options)
        except NASGymError:
            raise
        except Exception as error:
            raise InvalidOption(
                f"executor {self.factory!r} cannot be made ({type(error).__name__}: {error}): look "
                "at its options (--set executor.OPTION=…) and at the cluster"
            ) from error
        if not isinstance(made, Executor):
            raise InvalidOption(
                f"executor {self.factory!r} returned {shown(made)}: return a "
                "concurrent.futures.Executor"
            )
        return OpenEngine(made)
