"""The command ``nas-gym``: results on stdout, progress and errors on stderr.

Exit status 0 when the job was done, 2 for bad input (one sentence on stderr), 130 after Ctrl-C and
143 after SIGTERM.

A command's module is imported when it is asked for, and what it needs when it runs, so that help
and refusals answer at once.
"""

import atexit
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import make_dataclass
from importlib import import_module
from typing import Any

from nas_gym import __version__
from nas_gym.errors import Interrupted, NASGymError, printable

# Name -> what it does: the first line of the docstring of its class, which stands in the module of
# the same name. ``tests/cli/test_main.py`` compares them.
COMMANDS = {
    "search": "Search for an architecture: an agent picks, children are trained, everything is "
    "recorded.",
    "resume": "Continue a run that was cut, exactly where it was; all its options are in the "
    "record.",
    "report": "Show a recorded run: the best architectures, the learning curve, what it cost.",
    "validate": "Train the best architectures of a run again and only then measure them on the "
    "test part.",
    "export": "Write the best architectures of a run, each as JSON with a card of how it was "
    "found.",
    "list": "List environments, spaces, agents, data sets, recipes, rewards, benchmarks, recorded "
    "runs.",
    "describe": "Describe a named or saved architecture: parameters, multiply-adds, its parts.",
    "benchmark": "Compare agents on tabular benchmarks: tables, figures, and a verdict with its "
    "statistics.",
}
_OBJECTS = 200_000  # new ones between two collections; importing torch alone makes more


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name, and exit."""
    # Collecting what imports make, and all of it again at the end, takes a third of torch's import.
    gc.set_threshold(_OBJECTS)
    atexit.register(gc.freeze)
    sys.path.insert(0, os.getcwd())  # so that module:attribute finds the user's own files
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given == ["--version"]:
        print(f"nas-gym {__version__}")
        sys.exit(0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends as Ctrl-C does: recorded
    command = _read(given)
    try:
        status = command()
        sys.stdout.flush()
    except NASGymError as error:
        print(f"nas-gym: {printable(error)}", file=sys.stderr)
        sys.exit(error.status if isinstance(error, Interrupted) else 2)
    except KeyboardInterrupt:
        print("nas-gym: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(status)


def class_of(name: str) -> type:
    """Import the class of a command."""
    found: type = getattr(import_module(f"nas_gym.cli.{name}"), name.title())
    return found


def _read(arguments: Sequence[str]) -> Callable[[], int]:
    """Return the command with its options; print help or what is wrong, and exit, if it is not one.

    Only the module of the command that is named is imported.
    """
    import tyro

    config = (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes)
    if arguments and arguments[0] in COMMANDS:
        name = arguments[0]
        command: Callable[[], int] = tyro.cli(
            class_of(name), prog=f"nas-gym {name}", args=_one_by_one(arguments[1:]), config=config
        )
        return command
    stubs: dict[str, Callable[..., Any]] = {
        name: make_dataclass(name.title(), [], namespace={"__doc__": line})
        for name, line in COMMANDS.items()
    }
    unreachable: Callable[[], int] = tyro.extras.subcommand_cli_from_dict(
        stubs,
        prog="nas-gym",
        description="Neural architecture search as reinforcement learning.",
        args=arguments,
        config=config,
    )
    return unreachable


def _one_by_one(arguments: Sequence[str]) -> list[str]:
    """Write ``--set A B`` as ``--set A --set B``, as tyro reads options that may be repeated."""
    spread: list[str] = []
    option = ""
    for argument in arguments:
        if argument.startswith("-"):
            option = argument
        elif option == "--set" and spread[-1] != "--set":
            spread.append("--set")
        spread.append(argument)
    return spread
