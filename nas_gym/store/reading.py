"""The typed reader: what a store holds becomes plain values, or one sentence says what is wrong.

A store may come from anybody, and its checksums are public: they find changed bytes, not lies. So
every value that is read passes here once, and the rest of the program may rely on its type.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from reprlib import repr as short
from typing import Any, NoReturn

from nas_gym.errors import NASGymError, StoreError
from nas_gym.evaluators.evaluation import Validation
from nas_gym.evaluators.guard import LONGEST
from nas_gym.evaluators.metrics import Metric
from nas_gym.options import check_all
from nas_gym.options.json_text import LONGEST as LONGEST_TEXT
from nas_gym.options.json_text import read_json
from nas_gym.search_spaces.limits.wanted import limits_of
from nas_gym.store.location import is_run_name

LARGEST = 2**53  # whole numbers of a record are below: every reader of JSON knows them exactly
# The name of a class that a function of the user's defines has "<locals>" in it.
_PART_NAME = re.compile(r"\w[\w.:/+<>-]{0,299}")
_SEEDS = 2**63
_LARGEST_FLOAT = sys.float_info.max  # a larger whole number cannot be shown as a figure
_ENVS = "nas_gym.envs.registration:"  # where the entry points of environments stand


class BadRecord(StoreError):
    """A value in a store is not of the type or range that nas-gym writes."""

    of_run = False  # whether it says of which run


@contextmanager
def of_run(name: str, shown: str) -> Iterator[None]:
    """Add to a ``BadRecord`` which run of which store it is in."""
    try:
        yield
    except BadRecord as error:
        if error.of_run:
            raise
        told = BadRecord(
            f"run {short(name)} in {shown}: {error}; nothing was changed in it: ask whoever wrote "
            "it for another copy, or name another store with store=…"
        )
        told.of_run = True
        raise told from error


def refuse(what: str, value: object, expected: str) -> NoReturn:
    """Raise BadRecord for a value that is not ``expected``."""
    raise BadRecord(f"its {what} is {short(value)}: expected {expected}")


# ---------------------------------------------------------------- JSON


def json_value(what: str, text: object, *, infinities: bool = False) -> Any:
    """Return the value of a JSON text that is neither huge nor deep, with finite numbers only."""
    if type(text) is not str:
        refuse(what, text, "JSON text")
    try:
        return read_json(text, infinities=infinities)
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise BadRecord(f"its {what} is {short(text)}: expected JSON text ({reason})") from error


def json_mapping(what: str, text: object) -> dict[str, Any]:
    """Return the mapping of a JSON text."""
    value = json_value(what, text)
    return value if type(value) is dict else refuse(what, value, "a JSON object")


def tokens(what: str, text: object) -> tuple[int, ...]:
    """Return the tokens of a JSON text."""
    if type(text) is str and _TOKENS.fullmatch(text):  # as nas-gym writes them
        return tuple(map(int, text[1:-1].split(",")))
    return _tokens(what, json_value(what, text))


_WHOLE = {int}
_FIGURES = {int, float, bool}
_TOKENS = re.compile(r"\[\d{1,9}(?:,\d{1,9})*\]")
_NUMBERS = (float, int)


def _tokens(what: str, value: Any) -> tuple[int, ...]:
    if type(value) is not list or (value and set(map(type, value)) != _WHOLE):
        refuse(what, value, "a list of whole numbers")
    if value and not 0 <= min(value) <= max(value) < LARGEST:
        refuse(what, value, "whole numbers of 0 or more")
    return tuple(value)


def metrics(what: str, text: object) -> dict[str, float]:
    """Return the figures of a JSON text."""
    return _metrics(what, json_value(what, text, infinities=True))


def _metrics(what: str, value: Any) -> dict[str, float]:
    if type(value) is not dict:
        refuse(what, value, "a JSON object with numbers")
    numbers = value.values()
    if set(map(type, numbers)) <= _FIGURES and max(map(abs, numbers), default=0) <= _LARGEST_FLOAT:
        return value
    for name, figure in value.items():
        if type(figure) not in _FIGURES or abs(figure) > _LARGEST_FLOAT:
            refuse(f"{what} {name!r}", figure, "a finite number")
    return value


def curve(what: str, text: object) -> tuple[float, ...]:
    """Return the figures of a JSON list, one per epoch; none for None."""
    if text is None:
        return ()
    value = json_value(what, text)
    if type(value) is not list or any(type(each) not in _NUMBERS for each in value):
        refuse(what, text, "a list of numbers")
    return tuple(value)


# ---------------------------------------------------------------- columns and single values


def number(
    what: str, value: Any, *, least: float = -_LARGEST_FLOAT, most: float = _LARGEST_FLOAT
) -> float:
    """Return a finite number in [least, most]."""
    if type(value) not in _NUMBERS or not least <= value <= most:
        above = f" of {least:g} or more" if least > -_LARGEST_FLOAT else ""
        refuse(what, value, f"a finite number{above}")
    return value  # type: ignore[no-any-return]


def whole(what: str, value: Any, *, least: int = 0, below: int = LARGEST) -> int:
    """Return a whole number from ``least``, below ``below``."""
    if type(value) is not int or not least <= value < below:
        large = type(value) is int and value >= below
        upto = f"from {least} to {below - 1}" if large else f"of {least} or more"
        refuse(what, value, f"a whole number {upto}")
    return value


def text(what: str, value: Any, *, most: int = LONGEST_TEXT) -> str:
    """Return a text that is not too long."""
    if type(value) is not str or len(value) > most:
        refuse(what, value, f"a text of at most {most:,} characters")
    return value


def text_or_none(what: str, value: object) -> str | None:
    """Return a text, or None."""
    return None if value is None else text(what, value)


def _or_none(read: Callable[..., Any], what: str, value: object, **limits: Any) -> Any:
    return None if value is None else read(what, value, **limits)


# ---------------------------------------------------------------- a run


def run_columns(row: Mapping[str, Any]) -> None:
    """Check the columns of a run that are no JSON: name, start, id."""
    if not is_run_name(row["name"]):
        refuse("name", row["name"], "what can name a folder on every system")
    whole("id", row["id"])
    started = text("start", row["started"], most=64)
    try:
        datetime.fromisoformat(started)
    except ValueError:
        refuse("start", started, "a time such as 2026-01-31T12:00:00+00:00")


def config_of(text_: object) -> dict[str, Any]:
    """Return a run's configuration; what nas-gym writes into one has the type that it writes."""
    config = json_mapping("configuration", text_)
    for name, read in _CONFIG.items():
        if name in config:
            read(f"{name} in the configuration", config[name])
    return config


def _part(what: str, value: object) -> None:
    name = value.get("name") if isinstance(value, dict) else value
    if not isinstance(value, dict) or not isinstance(name, str) or not _PART_NAME.fullmatch(name):
        refuse(what, value, "a JSON object with a name such as 'nasnet-cell' or 'my_module:MyPart'")


def _mapping(what: str, value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else refuse(what, value, "a JSON object")


def _truth(what: str, value: object) -> None:
    if not isinstance(value, bool):
        refuse(what, value, "true or false")


def _protocol(what: str, value: object) -> None:
    if value is None:
        return
    _mapping(what, value)
    for name in ("evaluator", "dataset", "fingerprint"):
        _or_none(text, f"{name} in the protocol", value.get(name))  # type: ignore[attr-defined]
    for name in ("recipe", "task"):
        _or_none(_mapping, f"{name} in the protocol", value.get(name))  # type: ignore[attr-defined]


def _limits(what: str, value: object) -> None:
    if value is None:
        return
    _mapping(what, value)
    for name, limit in value.items():  # type: ignore[attr-defined]
        _or_none(number, f"{name} among the limits", limit, least=0)


def _simulated(what: str, value: object) -> None:
    _mapping(what, value)
    given: Any = value
    if not given.keys() <= {"budget_seconds", "simulated_workers", "budget_epochs"}:
        refuse(what, value, "budget_seconds, budget_epochs and simulated_workers")
    _or_none(number, "budget of seconds", given.get("budget_seconds"), least=0)
    _or_none(whole, "budget of epochs", given.get("budget_epochs"), least=1)
    whole("number of simulated workers", given.get("simulated_workers", 1), least=1)


def _cost_limits(what: str, value: object) -> None:
    _mapping(what, value)
    try:
        limits_of(value)  # type: ignore[arg-type]
    except NASGymError as error:
        raise BadRecord(f"its {what} is {short(value)}: expected limits ({error})") from error


def _metric(what: str, value: object) -> None:
    _mapping(what, value)
    try:
        Metric(**check_all(Metric, value))  # type: ignore[arg-type]
    except (NASGymError, TypeError) as error:
        raise BadRecord(f"its {what} is {short(value)}: expected a metric ({error})") from error


_CONFIG: Mapping[str, Callable[[str, object], Any]] = {
    **dict.fromkeys(("space", "evaluator", "agent", "reward"), _part),
    "budget": lambda what, value: _or_none(whole, what, value, least=1),
    "num_envs": lambda what, value: whole(what, value, least=1),
    "seed": lambda what, value: whole(what, value, below=_SEEDS),
    "child_seed": lambda what, value: whole(what, value, below=_SEEDS),
    "failure_reward": number,
    "limits": _limits,
    "simulated": _simulated,
    "cost_limits": _cost_limits,
    "leading_metric": _metric,
    "restorable": _truth,
    "protocol": _protocol,
    "presets": lambda what, value: _or_none(_mapping, what, value),
}


def sessions_of(text_: object) -> tuple[dict[str, Any], ...]:
    """Return the starts of a run: a list of mappings."""
    sessions = json_value("list of sessions", text_)
    if type(sessions) is not list:
        refuse("list of sessions", sessions, "a JSON list")
    for session in sessions:
        _mapping("session", session)
        whole("number of workers", session.get("workers", 0))
        whole("number of epochs", session.get("most_epochs", 1), least=1)
        text("command", session.get("command", ""))
        versions = _mapping("list of versions", session.get("versions", {}))
        for name, version in versions.items():
            text(f"version of {name!r}", version, most=1000)
    return tuple(sessions)


def env_spec_of(text_: object) -> str | None:
    """Return the JSON of Gymnasium's ``EnvSpec``, which makes an environment of ours; or None."""
    if text_ == "null":
        return None
    spec = json_mapping("env_spec", text_)
    for name in ("entry_point", "vector_entry_point"):
        point = spec.get(name)
        if point is not None and not (isinstance(point, str) and point.startswith(_ENVS)):
            refuse(f"{name} in the env_spec", point, f"one of {_ENVS[:-1]}")
    if spec.get("additional_wrappers"):
        refuse("list of wrappers in the env_spec", spec["additional_wrappers"], "none")
    return str(text_)


def validation_of(text_: object) -> Validation:
    """Return a final training."""
    given = json_mapping("validation", text_)
    if given.keys() - {"metrics"} != _VALIDATION - {"metrics"}:
        refuse("validation", given, f"one with {', '.join(sorted(_VALIDATION))}")
    protocol = given["protocol"]
    if protocol is None:
        refuse("protocol", protocol, "a JSON object")
    _protocol("protocol", protocol)
    return Validation(
        key=text("validation's key", given["key"]),
        tokens=_tokens("validation's tokens", given["tokens"]),
        seed=whole("validation's seed", given["seed"], below=_SEEDS),
        accuracy=_or_none(number, "validation accuracy", given["accuracy"]),
        test_accuracy=_or_none(number, "test accuracy", given["test_accuracy"]),
        seconds=number("validation's seconds", given["seconds"], least=0, most=LONGEST),
        failure=text_or_none("validation's failure", given["failure"]),
        detail=text_or_none("validation's detail", given["detail"]),
        protocol=protocol,
        metrics=_metrics("validation's metric", given.get("metrics", {})),
    )


_VALIDATION = {*Validation.__dataclass_fields__}
