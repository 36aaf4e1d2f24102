"""Arguments that the parser refuses: one sentence in our words, for every command and option."""

from collections.abc import Callable, Iterator
from typing import ClassVar, get_args, get_origin, get_type_hints

import pytest
import tyro

from nas_gym.cli.main import COMMANDS, class_of
from nas_gym.cli.misuse import _options

Run = Callable[..., int]

POSITIONAL = get_args(tyro.conf.Positional[str])[1]
REFUSED = [
    ("search --bugdet 5", "--bugdet is no option of nas-gym search: did you mean --budget? see"),
    ("search --bugdet=5", "--bugdet is no option of nas-gym search: did you mean --budget? see"),
    ("search --budg 5", "did you mean --budget or --budget-epochs or --budget-seconds? see"),
    ("search --num_env 5", "--num_env is no option of nas-gym search: did you mean --num-envs? "),
    ("search --no-json", "--no-json is no option of nas-gym search: did you mean --json? see"),
    ("search -b 5", "-b is no option of nas-gym search: see them with `nas-gym search --help`"),
    ("search --zzzzz", "--zzzzz is no option of nas-gym search: see them"),
    ("benchmark pareto --agnet x", "did you mean --agent? see"),
    ("search --budget", "--budget has no value: give a whole number after it"),
    ("search --budget --seed 3", "--budget has no value: give a whole number after it"),
    ("search --budget --sede 3", "give a whole number after it, or --budget=--sede"),
    ("search --run -x", "--run has no value: give one after it, or --run=-x"),
    ("search --set", "--set has no value: give PART.OPTION=VALUE after it"),
    ("search --set agent.seed=1 --limit", "--limit has no value: give METRIC=MOST after it"),
    ("search --action", "--action has no value: give token or edit after it"),
    ("search --action edti", "--action is 'edti': give token or edit"),
    ("search --json=yes", "--json takes no value: leave out 'yes'"),
    ("search --json yes", "--json takes no value: leave out 'yes'"),
    ("search nasnet-cell", "nas-gym search takes no 'nasnet-cell': leave it out, or give it with"),
    ("search --budget 5 6", "takes no '6' after the value of --budget: leave it out"),
    ("train a b", "nas-gym train takes no 'b': leave it out"),
    ("train", "nas-gym train needs RUN|ARCHITECTURE|FOLDER: give it"),
    ("resume", "nas-gym resume needs RUN: give it, as `nas-gym resume --help` says"),
    ("benchmark --seeds 3", "nas-gym benchmark needs NAME"),
    ("", "no command is given: give one of search, "),
    ("--bugdet 5", "there is no command before '--bugdet': give one of search, "),
    ("serach", "unknown command 'serach': did you mean 'search'?"),
]


@pytest.mark.parametrize(("line", "message"), REFUSED)
def test_what_cannot_be_parsed_is_one_sentence_in_our_words(
    line: str, message: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*line.split()) == 2
    shown = capsys.readouterr()
    (sentence,) = shown.err.splitlines()
    assert sentence.startswith("nas-gym: ")
    assert message in sentence
    assert shown.out == ""


def flags() -> Iterator[tuple[str, str, bool]]:
    for command in COMMANDS:
        for flag, option in _options(class_of(command))[0].items():
            if flag not in ("-h", "--help"):
                yield command, flag, option.expected is not None


@pytest.mark.parametrize(("command", "flag", "takes_a_value"), list(flags()))
def test_every_option_misspelt_or_without_its_value_is_named(
    command: str, flag: str, takes_a_value: bool, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    words = _options(class_of(command))[1].needed
    misspelt = f"{flag[:3]}{flag[4:]}x"
    assert run(command, *words, misspelt) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith(f"nas-gym: {misspelt} is no option of nas-gym {command}: ")
    assert run(command, *words, flag if takes_a_value else f"{flag}=1") == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    expected = "has no value: give " if takes_a_value else "takes no value: leave out '1'"
    assert sentence.startswith(f"nas-gym: {flag} {expected}")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_known_to_what_looks_for_the_mistake(command: str) -> None:
    known = {flag.lstrip("-").replace("-", "_") for flag in _options(class_of(command))[0]}
    said = {
        "async" if name == "asynchronous" else name
        for name, hint in get_type_hints(class_of(command), include_extras=True).items()
        if POSITIONAL not in get_args(hint) and get_origin(hint) is not ClassVar
    }
    aliases = {"h", "help", "agent", "best"}
    assert said == known - aliases | (aliases & said)
