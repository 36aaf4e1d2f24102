"""Every sentence about an option has it as it is typed, and Python's users see Python's name."""

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_type_hints

import pytest
import tyro

from nas_gym import search, train
from nas_gym.cli.main import COMMANDS, class_of
from nas_gym.cli.typed import dashed, in_typed_words
from nas_gym.errors import InvalidOption

Run = Callable[..., int]

# Of each command, what stands before the option in question.
BEFORE = {
    "search": "search --space nasbench201 --evaluator landscape",
    "ask-tell": "ask-tell nasbench201 --evaluator landscape",
    "resume": "resume r",
    "report": "report r",
    "check": "check r",
    "validate": "validate r",
    "train": "train nasnet-a --dataset digits --set recipe.cutout=0 --to out",
    "export": "export nasnet-a --to out",
    "predict": "predict model image.png",
    "tabulate": "tabulate nasbench201 --to table.npz --evaluator landscape",
    "list": "list",
    "describe": "describe nasnet-a",
    "benchmark": "benchmark rl-vs-evolution",
}
OF_A_CONV_NET = ("width_multiplier", "more_filters")
OF_A_TEXT = ("vocabulary", "layers", "hidden", "embedding")
ANY_NUMBER = ("failure_reward",)
ANY_FROM_0 = ("seed", "child_seed", "tolerance", "more_filters", "data_workers")
NO_MORE_THAN_THERE_ARE = ("best", "top", "budget", "budget_epochs", "sample")


def numbers() -> Iterator[tuple[str, str, str]]:
    """Each command, its options that take numbers, and whether they are whole."""
    for command in COMMANDS:
        for name, hint in get_type_hints(class_of(command), include_extras=True).items():
            kinds = {getattr(each, "metavar", None) for each in getattr(hint, "__metadata__", ())}
            if kinds & {"INT", "FLOAT", "TIME"}:
                yield command, name, "INT" if "INT" in kinds else "FLOAT"


def cases() -> Iterator[tuple[str, str, str]]:
    for command, name, kind in numbers():
        for value in ("x", "-1", "0", "nan", str(10**30)):
            fine = {"-1": ANY_NUMBER, "0": (*ANY_NUMBER, *ANY_FROM_0)}.get(value, ())
            large = value == str(10**30)
            if name in fine or (large and (kind == "FLOAT" or name in NO_MORE_THAN_THERE_ARE)):
                continue
            yield command, name, value


@pytest.mark.few(120)
@pytest.mark.parametrize(("command", "name", "value"), list(cases()))
def test_a_number_out_of_range_is_refused_in_the_words_that_were_typed(
    command: str,
    name: str,
    value: str,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    before = BEFORE[command].split()
    if name in (*OF_A_CONV_NET, *OF_A_TEXT) and command in ("export", "describe"):
        before[1] = "nas-v1" if name in OF_A_CONV_NET else "nas-cell"
    if (command, name) == ("export", "best"):
        before = ["export", "r"]
    if name == "cells":
        before[1] = "proxies"
    assert run(*before, f"--{dashed(name)}={value}") == 2
    shown = capsys.readouterr()
    (sentence,) = shown.err.splitlines()
    assert (shown.out, list(Path().iterdir())) == ("", [])
    assert sentence.startswith(f"nas-gym: --{dashed(name)} is ")
    assert not [word for word in sentence.split() if "_" in word and "'" not in word]


@pytest.mark.parametrize(
    ("line", "message", "typed"),
    [
        ("search --seed -1", "seed is -1: give 0", "--seed is -1: give 0"),
        ("search --seed 3", "seed is -1: give 0", "seed is -1: give 0"),  # of something else
        ("search --timeout 5000", "timeout is 5,000: give", "--timeout is 5,000: give"),
        ("search", "give num_envs, or a time_limit", "give --num-envs, or a --time"),
        ("resume r", "the record: budget_epochs is -1", "the record: budget_epochs is -1"),
        ("search", "leave asynchronous and in_flight out", "leave --async and --in-flight"),
        ("search --workers 2", "a state: give workers=1 instead", "a state: give --workers 1 inst"),
        ("search --action edit", "or search without action='edit'", "search without --action edit"),
        ("search", "search('x', run='x', resume=True)", "search('x', run='x', resume=True)"),
        ("search", "folder /data/num_envs/x: no such", "folder /data/num_envs/x: no such"),
        ("search --agent x", "the agent is 'x' of", "the agent is 'x' of"),
        ("search --agent separate-budgets", "agent is 'asha', which", "agent is 'asha', which"),
        ("describe a --image-size 0", "height is 0: give", "--image-size is 0: give"),
        (
            "describe a --hidden 4 --embedding 5",
            "tied is true, embedding is 5 and hidden is 4:",
            "tied is true, --embedding is 5 and --hidden is 4:",
        ),
        ("train r --best 2", "the run: best is given, and r", "the run: --best is given, and r"),
        ("train r --stream", "stream is asked for", "--stream is asked for"),
        ("train r --epochs 0", "epochs of recipe 'x' is 0: give", "--epochs is 0: give"),
        (
            "train r --set recipe.epochs=0",
            "epochs of recipe 'x' is 0: give",
            "epochs of recipe 'x' is 0: give",
        ),
        (
            "benchmark x",
            "give missing='failure' (--set evaluator.missing=failure) to let",
            """give missing='failure' ("missing": "failure" in the JSON of the evaluator) to let""",
        ),
        (
            "benchmark x",
            """write --set 'agent.objectives=["accuracy","-size"]'""",
            'write "objectives": ["accuracy","-size"] in the JSON of the agent',
        ),
        ("benchmark x", "or --set evaluator.target=… on", 'or "target": … in the JSON of the eval'),
        ("check r", "failure' (--set evaluator.missing=failure)", "' (evaluator.missing=failure)"),
        ("search", "(--set evaluator.missing=failure)", "(--set evaluator.missing=failure)"),
        (
            "resume r --budget-epochs 4",
            "budget_epochs is 4, and run 'r' has (more with budget_epochs)",
            "--budget-epochs is 4, and run 'r' has (more with --budget-epochs)",
        ),
    ],
)
def test_a_sentence_is_translated_where_it_speaks_of_an_option(
    line: str, message: str, typed: str
) -> None:
    name, *arguments = line.split()
    config = (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes)
    command = tyro.cli(class_of(name), args=arguments, config=config)
    assert typed in in_typed_words(message, command)


def test_in_python_options_have_pythons_names() -> None:
    with pytest.raises(InvalidOption, match=r"^budget_epochs is 0: give"):
        search("nasbench201", "landscape", budget_epochs=0)
    with pytest.raises(InvalidOption, match=r"^seed is -1: give"):
        train("nasnet-a", seed=-1)
