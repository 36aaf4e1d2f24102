"""Claimed results as rows: what ``nas_gym.check`` is given, with its fields of the right kinds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

import numpy as np

from nas_gym.errors import InvalidOption, NASGymError
from nas_gym.options.printable import shown
from nas_gym.options.scalars import python_value
from nas_gym.search_spaces.architecture import genotype_to_json
from nas_gym.search_spaces.from_json import architecture_from_json, checked_architecture
from nas_gym.search_spaces.grammar import SearchSpace
from nas_gym.store import Row

FIELDS = frozenset(f.name for f in fields(Row))
_NEEDED = ("reward",)
_KINDS: dict[str, Any] = {"reward": int | float, "seconds": int | float, "seed": int, "epochs": int}


def claimed_row(claim: Any, space: SearchSpace[Any]) -> Row:
    """Return a claim as a row; what it leaves out is as it should be.

    Args:
        claim: A row, or a mapping as ``nas_gym.check`` takes it.
        space: Of its tokens.

    Raises:
        InvalidOption: It is neither, or a field is of a wrong kind.
        InvalidGenotype: It has no tokens, and its genotype is none of the space.
    """
    if isinstance(claim, Row):
        _check_kinds(vars(claim))
        return claim
    if not isinstance(claim, Mapping) or not {"tokens", "genotype"} & claim.keys():
        raise InvalidOption("the claim has neither tokens nor genotype: give a row of a run, or "
                            "a mapping such as an answer of `nas-gym ask-tell`")  # fmt: skip
    missing = [name for name in _NEEDED if name not in claim]
    if missing:
        raise InvalidOption(f"the claim has no {missing[0]}: give what is claimed")
    _check_kinds(claim)
    tokens = claim.get("tokens")
    if tokens is None:
        tokens = architecture_from_json(space, claim["genotype"]).tokens
    try:
        own = checked_architecture(space, tokens)
        right = {"genotype": genotype_to_json(own.genotype), "key": own.key}
    except NASGymError:
        right = {"genotype": None, "key": ""}
    usual_values: dict[str, Any] = {
        "number": 0, "seed": 0, "metrics": {}, "seconds": 0.0, "source": "claim",
        "failure": None, "detail": None, **right,
    }  # fmt: skip
    known = {f.name for f in fields(Row) if f.default is MISSING} | {"epochs"}
    given = {name: value for name, value in claim.items() if name in known}
    return Row(**{**usual_values, **given, "tokens": tuple(tokens)})


def claimed_fields(claim: Row | Mapping[str, Any]) -> Collection[str]:
    """Return the names of the fields that are claimed; of a row all."""
    return FIELDS if isinstance(claim, Row) else claim.keys()


def _check_kinds(claim: Mapping[str, Any]) -> None:
    """Raise InvalidOption if a field of a claim is of a wrong kind."""
    for name, kind in _KINDS.items():
        value = python_value(claim.get(name, 0))
        if isinstance(value, bool) or not isinstance(value, kind):
            several = name == "reward" and isinstance(value, Sequence | np.ndarray)
            more = "; of several objectives give the scalar one, which is recorded" * several
            words = "a whole number" if kind is int else "a number"
            raise InvalidOption(f"{name} of the claim is {shown(value)}: give {words}{more}")
    metrics = claim.get("metrics", {})
    if not isinstance(metrics, Mapping) or not all(
        isinstance(python_value(value), int | float) for value in metrics.values()
    ):
        raise InvalidOption(f"metrics of the claim is {shown(metrics)}: give names with numbers")
    for name in ("source", "key"):
        if not isinstance(claim.get(name, ""), str):
            raise InvalidOption(f"{name} of the claim is {shown(claim[name])}: give a text")
    tokens = claim.get("tokens")
    if tokens is not None and not isinstance(tokens, Sequence | np.ndarray):
        raise InvalidOption(f"tokens of the claim is {shown(tokens)}: give a list of them")
