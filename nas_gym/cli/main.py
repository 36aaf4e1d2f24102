"""The command ``nas-gym``: results on stdout, progress and errors on stderr.

Exit status 0 when the job was done, 2 for bad input (one sentence on stderr), 130 after Ctrl-C and
143 after SIGTERM.
"""

import os
import signal
import sys
from collections.abc import Sequence

import tyro

from nas_gym import __version__
from nas_gym.cli.benchmark import Benchmark
from nas_gym.cli.describe import Describe
from nas_gym.cli.export import Export
from nas_gym.cli.list import List
from nas_gym.cli.report import Report
from nas_gym.cli.resume import Resume
from nas_gym.cli.search import Search
from nas_gym.cli.validate import Validate
from nas_gym.errors import Interrupted, NASGymError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name, and exit."""
    sys.path.insert(0, os.getcwd())  # so that module:attribute finds the user's own files
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given == ["--version"]:
        print(f"nas-gym {__version__}")
        sys.exit(0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends as Ctrl-C does: recorded
    command = tyro.extras.subcommand_cli_from_dict(
        {
            "search": Search,
            "resume": Resume,
            "report": Report,
            "validate": Validate,
            "export": Export,
            "list": List,
            "describe": Describe,
            "benchmark": Benchmark,
        },
        prog="nas-gym",
        description="Neural architecture search as reinforcement learning.",
        args=given,
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
    )
    try:
        status = command()
        sys.stdout.flush()
    except NASGymError as error:
        print(f"nas-gym: {error}", file=sys.stderr)
        sys.exit(error.status if isinstance(error, Interrupted) else 2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(status)
