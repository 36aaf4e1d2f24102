"""What is wrong with arguments, in one sentence as of any other refusal: the parser draws a box."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import tyro

from nas_gym.cli.typed import dashed, said_of
from nas_gym.errors import InvalidOption, NASGymError, UnknownName, near

HELP = {"-h", "--help"}
_POSITIONAL = get_args(tyro.conf.Positional[str])[1]
_NUMBER = re.compile(r"-\.?\d")  # a value, and no option
_EXPECTED = {"INT": "a whole number", "FLOAT": "a number", "TIME": "a time, e.g. 20m",
             "PATH": "a path", "TEXT": "one", "MODULE": "a module"}  # fmt: skip


class _Option(NamedTuple):
    """An option that takes a value, or none."""

    expected: str | None  # in words, to be read after "give"; None: it takes no value
    choices: tuple[str, ...] = ()


@dataclass
class _Words:
    """What stands on a command's line beside its options."""

    needed: list[str] = field(default_factory=list)  # as help names them
    most: float = 0


def check_words(name: str, kind: type, arguments: Sequence[str]) -> None:
    """Raise what is wrong with a command's arguments, if anything is that the parser refuses.

    Args:
        name: Of the command.
        kind: Its class.
        arguments: After its name.

    Raises:
        UnknownName: An option that the command does not have; says which is nearest.
        InvalidOption: A value is missing, or there is one too many.
    """
    if not {*HELP, "--"} & {*arguments}:
        error = _error(name, kind, arguments)
        if error is not None:
            raise error


def _error(name: str, kind: type, arguments: Sequence[str]) -> NASGymError | None:
    options, words = _options(kind)
    given, left = 0, list(arguments)
    before = ""
    while left:
        word = left.pop(0)
        if _is_option(word):
            flag, equals, value = word.partition("=")
            before = flag.replace("_", "-")
            option = options.get(before)
            if option is None:
                return _unknown(name, flag, options)
            if option.expected is None:
                if equals:
                    return InvalidOption(f"{flag} takes no value: leave out {value!r}")
                continue
            if not equals:
                if not left or _is_option(left[0]):
                    more = f", or {flag}={left[0]}" if _is_value(left, options) else ""
                    return InvalidOption(
                        f"{flag} has no value: give {option.expected} after it{more}"
                    )
                value = left.pop(0)
            if option.choices and value not in option.choices:
                return InvalidOption(f"{flag} is {value!r}: give {' or '.join(option.choices)}")
            continue
        given += 1
        if given > words.most:
            return _superfluous(name, word, before, options)
    if given < len(words.needed):
        return InvalidOption(
            f"nas-gym {name} needs {words.needed[given]}: give it, as `nas-gym {name} --help` says"
        )
    return None


def no_command(arguments: Sequence[str], commands: Collection[str]) -> NASGymError:
    """Return the error for arguments that begin with no command."""
    listed = f"give one of {', '.join(commands)}; `nas-gym --help` says what each does"
    if not arguments:
        return InvalidOption(f"no command is given: {listed}")
    return InvalidOption(f"there is no command before {arguments[0]!r}: {listed}")


def _is_option(word: str) -> bool:
    return len(word) > 1 and word.startswith("-") and _NUMBER.match(word) is None


def _is_value(left: Sequence[str], options: Mapping[str, _Option]) -> bool:
    """Return whether what comes next looks like an option and is none."""
    return bool(left) and left[0].partition("=")[0].replace("_", "-") not in options


def _unknown(name: str, flag: str, options: Mapping[str, _Option]) -> NASGymError:
    typed = flag.replace("_", "-").lstrip("-")
    known = {option.lstrip("-"): option for option in sorted(options) if option != "-h"}
    begun = [each for each in known if len(typed) > 1 and each.startswith(typed)]
    close = [known[each] for each in begun or near(typed, known, most=1, cutoff=0.6)]
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return UnknownName(
        f"{flag} is no option of nas-gym {name}: {hint}see them with `nas-gym {name} --help`"
    )


def _superfluous(name: str, word: str, before: str, options: Mapping[str, _Option]) -> NASGymError:
    """Return the error for a word that stands where an option should."""
    if before and options[before].expected is None:
        return InvalidOption(f"{before} takes no value: leave out {word!r}")
    after = f" after the value of {before}" if before else ""
    return InvalidOption(
        f"nas-gym {name} takes no {word!r}{after}: leave it out, or give it with its option, one "
        f"of those that `nas-gym {name} --help` shows"
    )


def _options(kind: Any) -> tuple[dict[str, _Option], _Words]:
    """Return the options of a command by flag, aliases as well, and what else it takes."""
    hints = get_type_hints(kind, include_extras=True)
    options, words = dict.fromkeys(HELP, _Option(None)), _Words()
    for each in fields(kind):
        metadata = said_of(hints[each.name])
        of = get_args(hints[each.name])[0] if metadata else hints[each.name]
        metavars = [found for m in metadata if (found := getattr(m, "metavar", None))]
        metavar = metavars[-1] if metavars else "TEXT"
        if _POSITIONAL in metadata:
            words.most = float("inf") if of is tuple else words.most + 1
            if each.default is MISSING and of is not tuple:
                words.needed.append(metavar)
            continue
        choices = get_args(of) if get_origin(of) is Literal else ()
        expected = " or ".join(choices) or _EXPECTED.get(metavar, metavar)
        names = [found for m in metadata if (found := getattr(m, "name", None))]
        flags = [f"--{dashed(names[0] if names else each.name)}"]
        flags += [alias for m in metadata for alias in getattr(m, "aliases", None) or ()]
        options |= dict.fromkeys(flags, _Option(None if of is bool else expected, choices))
    return options, words
