"""The command ``nas-gym``: results on stdout, progress and errors on stderr.

Exit status 0 when the job was done, 1 if only its output could not be written, 2 for bad input (one
sentence on stderr), 130 after Ctrl-C and 143 after SIGTERM.

A command's module is imported when it is asked for, and what it needs when it runs, so that help
and refusals answer at once.
"""

import atexit
import gc
import os
import sys
import warnings
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stderr, suppress
from dataclasses import make_dataclass
from functools import partial
from importlib import import_module
from io import StringIO
from itertools import pairwise
from typing import Any

from nas_gym import __version__
from nas_gym.cli.interrupts import answered
from nas_gym.cli.streams import kept_for_json, lasting_streams
from nas_gym.cli.trusted import trusted_one_by_one
from nas_gym.errors import Interrupted, InvalidOption, NASGymError, unknown_name
from nas_gym.options.printable import printable, shortened

# Name -> what it does: the first line of the docstring of its class, which stands in the module of
# the same name. ``tests/cli/test_main.py`` compares them.
COMMANDS = {
    "search": "Search for an architecture: an agent picks, children are trained, everything is "
    "recorded.",
    "ask-tell": "Evaluate what an outside proposer asks for, in JSON lines: recorded, within a "
    "budget.",
    "resume": "Continue a run that was cut, exactly where it was; all its options are in the "
    "record.",
    "report": "Show a recorded run: the best architectures, the learning curve, what it cost.",
    "check": "Check a run's claims: tokens, genotypes, keys, seeds and figures fit, and come out "
    "again.",
    "validate": "Train the best architectures of a run again and only then measure them on the "
    "test part.",
    "train": "Train one network to its end, exactly resumable: a model that loads without nas-gym.",
    "export": "Write the best architectures of a run, or (--to) a network that loads without "
    "nas-gym.",
    "predict": "Say what a model makes of images (classes, probabilities) or texts (perplexity).",
    "tabulate": "Train every architecture of a space, or a sample: a table with learning curves.",
    "list": "List environments, spaces, agents, data sets, recipes, rewards, benchmarks, recorded "
    "runs.",
    "describe": "Describe an architecture (parameters, multiply-adds, its parts), or a data set of "
    "images.",
    "benchmark": "Compare agents, or cheap signals, on tabular benchmarks: tables, figures, and a "
    "verdict.",
}
# Options that take several words at once, too, by command; of all others it is --set.
SPREAD = {
    "benchmark": {"--agent", "--agents", "--families", "--datasets", "--proxies", "--formats"},
}
SHELLS = ("bash", "zsh", "fish")  # whose completions tyro writes without another package
_LONGEST = 4_000  # characters of a sentence: what it quotes from a file may be megabytes
_OBJECTS = 200_000  # new ones between two collections; importing torch alone makes more


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name, and exit."""
    with answered(), lasting_streams() as (out, err, there):
        # Collecting what imports make, and all of it again at the end, takes a third of torch's
        # import.
        gc.set_threshold(_OBJECTS)
        atexit.register(gc.freeze)
        _find_users_modules()
        _let_warnings_pass()
        given = list(sys.argv[1:] if arguments is None else arguments)
        status = _status_of(given, partial(kept_for_json, out, err, arguments is None))
        out.flush()
        if not there or (out.lost is not None and not isinstance(out.lost, BrokenPipeError)):
            why = "it is closed" if out.lost is None else getattr(out.lost, "strerror", out.lost)
            print(f"nas-gym: the output could not be written ({why}); the rest is done",
                  file=sys.stderr)  # fmt: skip
        sys.stderr.flush()
        if status == 0 and (out.lost is not None or not there):
            status = 1
    sys.exit(status)


def _status_of(
    arguments: list[str], kept_for_json: Callable[[], AbstractContextManager[None]]
) -> int:
    """Run the command; return its exit status, whatever ends it."""
    command: Callable[[], int] | None = None
    try:
        if arguments == ["--version"]:
            print(f"nas-gym {__version__}")
            return 0
        command = _read(arguments)
        if _current_folder() is None and arguments[0] != "list":
            raise InvalidOption("the current folder was removed: go to one that is there")
        from nas_gym.runs.provenance import begun_with

        kept = kept_for_json() if getattr(command, "json", False) else nullcontext()
        with kept, begun_with(arguments):
            return command()
    except NASGymError as error:
        said = str(error)
        if command is not None:
            from nas_gym.cli.typed import in_typed_words

            said = in_typed_words(said, command)
        _say(said)
        return error.status if isinstance(error, Interrupted) else 2
    except KeyboardInterrupt:
        print("nas-gym: interrupted", file=sys.stderr)
        return 130
    except SystemExit as ended:  # after help, or what cannot be parsed; SIGTERM
        if ended.code == 143:
            print("nas-gym: interrupted", file=sys.stderr)
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except Exception as error:
        from nas_gym.cli.raised import own_code_raised

        own = own_code_raised(error, arguments)
        if own is None:
            raise
        _say(own)
        return 2


def _say(sentence: str) -> None:
    """Say on stderr, in one line, what ended the command."""
    told = shortened(" ".join(sentence.splitlines()), _LONGEST)
    print(f"nas-gym: {printable(told)}", file=sys.stderr)


def _find_users_modules() -> None:
    """Let module:attribute find the user's own files, but nothing of ours find them first."""
    here = _current_folder()
    if here is not None and here not in sys.path:
        sys.path.append(here)


def _current_folder() -> str | None:
    """Return the current folder; None if it was removed."""
    with suppress(OSError):
        return os.getcwd()
    return None


def _let_warnings_pass() -> None:
    """Undo ``PYTHONWARNINGS=error``, which would end the work at a warning of any package."""
    if any(option.startswith("error") for option in sys.warnoptions):
        sys.warnoptions[:] = [o for o in sys.warnoptions if not o.startswith("error")]
        os.environ.pop("PYTHONWARNINGS", None)  # for the workers
        warnings.filters[:] = [f for f in warnings.filters if f[0] != "error"]  # type: ignore[index]


def class_of(name: str) -> type:
    """Import the class of a command."""
    module = import_module(f"nas_gym.cli.{name.replace('-', '_')}")
    found: type = getattr(module, name.replace("-", "").title())
    return found


def _read(arguments: Sequence[str]) -> Callable[[], int]:
    """Return the command with its options; print help or what is wrong, and exit, if it is not one.

    Only the module of the command that is named is imported.
    """
    import tyro

    from nas_gym.cli.misuse import HELP, check_words, no_command

    _check_shell(arguments)
    config = (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes)
    if arguments and arguments[0] in COMMANDS:
        name, kind = arguments[0], class_of(arguments[0])
        words = _one_by_one(arguments[1:], SPREAD.get(name, {"--set"}))
        check_words(name, kind, words)
        command: Callable[[], int] = _parsed(
            partial(tyro.cli, kind, prog=f"nas-gym {name}", config=config), words
        )
        from nas_gym.cli.typed import check_read

        check_read(command)
        return command
    if arguments and not arguments[0].startswith("-"):
        raise unknown_name("command", arguments[0], COMMANDS)
    if not HELP & {*arguments}:
        raise no_command(arguments, COMMANDS)
    stubs: dict[str, Callable[..., Any]] = {
        name: make_dataclass(name.replace("-", "").title(), [], namespace={"__doc__": line})
        for name, line in COMMANDS.items()
    }
    unreachable: Callable[[], int] = _parsed(
        partial(
            tyro.extras.subcommand_cli_from_dict,
            stubs,
            prog="nas-gym",
            description="Neural architecture search as reinforcement learning.",
            config=config,
        ),
        arguments,
    )
    return unreachable


def _check_shell(arguments: Sequence[str]) -> None:
    """Raise InvalidOption for completions of a shell for which there are none."""
    words = [part for argument in arguments for part in argument.split("=", 1)]
    options = ("--tyro-print-completion", "--tyro-write-completion")
    for option, shell in pairwise(words):
        if option.replace("_", "-") in options and shell not in SHELLS:
            raise InvalidOption(
                f"{option} is {shell!r}: completions are written for {', '.join(SHELLS)}"
            )


def _parsed(parse: Callable[..., Any], arguments: Sequence[str]) -> Any:
    """Return what ``parse`` makes of the arguments, which it shows as they are if they are wrong.

    Control characters in them are shown as escapes.
    """
    shown = [printable(argument) for argument in arguments]
    if shown == list(arguments):
        return parse(args=arguments)
    try:
        with redirect_stderr(StringIO()):
            return parse(args=arguments)
    except SystemExit:
        parse(args=shown)
        raise


def _one_by_one(arguments: Sequence[str], options: Collection[str]) -> list[str]:
    """Write ``--set A B`` as ``--set A --set B``, as tyro reads options that may be repeated."""
    spread: list[str] = []
    option = ""
    for argument in trusted_one_by_one(arguments):
        if argument.startswith("-"):
            option = argument
        elif option in options and spread[-1] != option:
            spread.append(option)
        spread.append(argument)
    return spread
