"""Architectures as codes: a number for each choice, by name, and each of its options."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nas_agents.arrays import Ints
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.grammar import Choice, Tokens, trace

Codes = Ints  # (architectures, names): 0 absent, else 1 + index of the option


class Encoder:
    """Numbers for choices, by name, and for their options, by value, as they are seen."""

    def __init__(self, choices: ChoiceTable) -> None:
        self.choices = choices
        self._columns: dict[str, int] = {}
        self._options: list[list[Any]] = []
        for choice in choices.static or ():
            self.codes_of(choice)

    @property
    def sizes(self) -> Ints:
        """The number of codes that each choice can have, (names,), "absent" included."""
        return np.array([len(options) + 1 for options in self._options], np.int64)

    def codes_of(self, choice: Choice) -> tuple[int, list[int]]:
        """Return the choice's column, and the code of each of its options."""
        column = self._columns.setdefault(choice.name, len(self._columns))
        if column == len(self._options):
            self._options.append([])
        known = self._options[column]
        known.extend(option for option in choice.options if option not in known)
        return column, [known.index(option) + 1 for option in choice.options]

    def encode(self, architectures: Sequence[Tokens]) -> Codes:
        """Return (architectures, names) codes."""
        if self.choices.static is not None:
            return np.array(architectures, np.int64).reshape(-1, len(self._columns)) + 1
        rows: list[dict[int, int]] = []
        for tokens in architectures:
            row = {}
            for choice, token in zip(trace(self.choices.space, tokens)[1], tokens, strict=True):
                column, codes = self.codes_of(choice)
                row[column] = codes[token]
            rows.append(row)
        encoded = np.zeros((len(rows), len(self._columns)), np.int64)
        for i, row in enumerate(rows):
            encoded[i, list(row)] = list(row.values())
        return encoded
