"""The options of a command as they are typed: in sentences that speak of Python's, and misread.

Whatever a command calls names its options as Python does (``nas_gym.options``): ``budget_epochs is
0: give …``. On the command line the sentence is ``--budget-epochs is 0: give …``.
"""

import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Any, get_args, get_type_hints

import tyro

from nas_gym.errors import InvalidOption, did_you_mean
from nas_gym.options.printable import shown

# Python's names of options that are called otherwise here.
_ELSEWHERE = {"time_limit": "time", "height": "image_size", "width": "image_size", "rank": "best",
              "replace": "force"}  # fmt: skip
_GIVEN = ("given", "asked for")
# An option of a part as --set takes it, maybe quoted for a shell.
_SET = re.compile(r"--set ('?)(\w+)\.(\w+)=([^\s;,)'\[]+|\[[^']*\])\1")
_POSITIONAL = get_args(tyro.conf.Positional[str])[1]


@dataclass(frozen=True)
class Misread:
    """The text of an option that is not what the option takes, until ``check_read`` says so."""

    text: str
    expected: str  # in words, to be read after "give"


def dashed(option: str) -> str:
    """Return an option as it is written on the command line."""
    return option.replace("_", "-")


def check_read(command: object) -> None:
    """Raise InvalidOption for the first option of a command whose text could not be read.

    Or for a module to trust that is not there: a misspelt one would be none.
    """
    for name, flag in _flags(command):
        value = getattr(command, name)
        if isinstance(value, Misread):
            raise InvalidOption(f"{flag} is {value.text!r}: give {value.expected}")
    for module in getattr(command, "trust", ()):
        _check_module(module)


def _check_module(name: str) -> None:
    """Raise InvalidOption for a module to trust that is not there, without importing any."""
    module, colon, _ = name.removesuffix(".py").partition(":")
    if colon or module != name:
        raise InvalidOption(f"--trust is {name!r}: give the module alone, {module}")
    package = name.partition(".")[0]
    try:
        there = package in sys.modules or find_spec(package) is not None
    except ValueError:  # an empty name
        there = False
    if not there:
        hint = did_you_mean(name, (found.name for found in iter_modules([os.getcwd()])))
        raise InvalidOption(
            f"--trust is {name!r}: {hint}there is no module {package!r} to import, in this folder "
            "or where Python looks (PYTHONPATH)"
        )


def in_typed_words(message: str, command: object) -> str:
    """Return a message with the options of ``command`` as they are typed.

    Translated are the names that are said to be what was given (``seeds is 1``), with the part that
    they were handed to (``epochs of recipe 'modern' is 0``); those that are to be given or left out
    (``give workers=1``, ``with store=…``, ``with resume=True``); and those that no other word has:
    with an underscore, unless they are said to be what was not given. Options of parts are not:
    ``--set agent.batch_size=0`` types them so.

    Args:
        message: A sentence that may begin with the name of an option, or have several.
        command: The object that was made of the arguments.
    """
    flags = dict(_flags(command))
    if "set" not in flags:
        message = _SET.sub(_in_json if "evaluator" in flags else r"\g<2>.\g<3>=\g<4>", message)
    assigned = {text.partition("=")[0].rpartition(".")[2] for text in getattr(command, "set", ())}
    for name in [*flags, *(n for n, own in _ELSEWHERE.items() if own in flags)]:
        own = _ELSEWHERE.get(name, name)
        flag, value = flags[own], getattr(command, own)
        if value is not None and value is not False:
            part = "" if name in assigned else "(?: of [a-z]+ '[^']*')?"
            said = "|".join(map(re.escape, _forms(value)))
            message = re.sub(
                rf"((?:^|[,;:] |\b(?:and|or) )){name}{part} is "
                rf"(?=(?:{said})(?!\.?\w))",
                rf"\g<1>{flag} is ",
                message,
            )
        message = re.sub(rf"(?<![\w.'\"/])(?<!in Python ){name}=(?:…|True\b(?!\)))", flag, message)
        message = re.sub(rf"\bleave {name}(?= (?:out|and|or)\b)", f"leave {flag}", message)
        message = re.sub(rf"\b(give|with|without) {name}='?(\w+)'?", rf"\1 {flag} \2", message)
        if "_" in name:
            message = re.sub(rf"(?<![\w.'\"/=(-]){name}(?![\w.'\"/=(]| of | is )", flag, message)
    return message


def _in_json(found: re.Match[str]) -> str:
    """Return an option of a part as commands take it whose parts are JSON."""
    _, part, option, value = found.groups()
    data = value if value == "…" or _is_json(value) else f'"{value}"'
    return f'"{option}": {data} in the JSON of the {part}'


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _forms(value: Any) -> list[str]:
    """Return how a sentence may write the value of an option, the longest first."""
    forms = {shown(value), str(value), *_GIVEN}
    if isinstance(value, int | float) and value is not True:
        forms |= {f"{value:,}", f"{value:g}", f"{value:,g}"}
    return sorted(forms, key=len, reverse=True)


def _flags(command: object) -> Iterator[tuple[str, str]]:
    """Yield the name and the flag of each option of a command; what is positional has none."""
    if not is_dataclass(command):
        return
    hints = get_type_hints(type(command), include_extras=True)
    for field in fields(command):
        said = said_of(hints[field.name])
        if _POSITIONAL not in said:
            names = [getattr(each, "name", None) for each in said]
            yield field.name, f"--{dashed(next(filter(None, names), field.name))}"


def said_of(hint: Any) -> tuple[Any, ...]:
    """Return what an annotation says beside the type."""
    return getattr(hint, "__metadata__", ())
