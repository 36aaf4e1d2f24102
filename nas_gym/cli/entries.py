"""The two words of ``nas-gym benchmark`` that are about a leaderboard: ``entry`` and ``check``."""

import sys
from collections.abc import Sequence
from pathlib import Path

from nas_gym.cli.shared import count_of, print_json
from nas_gym.cli.streams import results
from nas_gym.errors import InvalidOption
from nas_gym.options.paths import user_path

FOLDER = Path("benchmarks") / "leaderboard"


def make_entries(files: Sequence[str], agents: Sequence[str], out: Path | None, json: bool) -> int:
    """Write an entry for each agent of a folder of results; return 0."""
    if len(files) != 1:
        raise InvalidOption(
            f"{len(files)} folders of results are given: name one, "
            "e.g. nas-gym benchmark entry runs/benchmarks/rl-vs-evolution"
        )
    from nas_gym.benchmark.entries import write_entries
    from nas_gym.benchmark.results import read_results
    from nas_gym.benchmark.suite import SUITES

    found = read_results(user_path(files[0], "RESULTS"))
    suite = SUITES.get(str(found.suite["name"]))
    try:
        written = [str(file) for file in write_entries(found, out or FOLDER, agents, suite)]
    except InvalidOption as error:
        raise InvalidOption(f"no leaderboard takes what is in {files[0]}: {error}") from None
    if json:
        print_json(written)
    else:
        print("\n".join(written), file=results())
    return 0


def check_entries(
    files: Sequence[str], count: int | None, workers: int, trust: Sequence[str], json: bool
) -> int:
    """Run some seeds of each entry again; return 0 if everything is as its log says, else 1."""
    if not files:
        raise InvalidOption(
            "no entry is given: name one or more, e.g. nas-gym benchmark check "
            "benchmarks/leaderboard/rl-vs-evolution/ppo.json"
        )
    from nas_gym.benchmark.entries import SAMPLE, check_entry, read_entry, sample_of

    entries = [read_entry(user_path(file, "ENTRY")) for file in files]
    found = []
    for file, entry in zip(files, entries, strict=True):
        seeds = sample_of(entry, SAMPLE if count is None else count)
        wrong = check_entry(entry, seeds, workers, trust)
        found.append({"entry": file, "seeds": seeds, "wrong": wrong})
        for sentence in wrong:
            print(f"nas-gym: {sentence}", file=sys.stderr)
        if not json:
            verdict = "the same" if not wrong else "NOT the same"
            told = f"{file}: {verdict} with {count_of(len(seeds), 'seed')} {_listed(seeds)}"
            print(f"{told} of each data set", file=results())
    if json:
        print_json(found)
    return int(any(each["wrong"] for each in found))


def _listed(seeds: Sequence[int]) -> str:
    return f"({', '.join(map(str, seeds))})"
