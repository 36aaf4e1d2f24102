"""The base of evaluators that load data, tables or processes besides what they are given."""

from dataclasses import fields
from typing import Any

from nas_gym.options import Options


class Configured(Options):
    """A base of dataclasses that are pickled and copied as their options, without what they loaded.

    Each process loads that itself. What is loaded is kept in a ``cached_property``.
    """

    def __getstate__(self) -> dict[str, Any]:
        own: Any = self  # a dataclass, which mypy does not know here
        return {field.name: getattr(self, field.name) for field in fields(own)}
