"""The command itself: what it knows without importing anything, and what help and refusals cost."""

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import tyro

from nas_gym.cli.main import COMMANDS, SHELLS, SPREAD, _read, class_of

HEAVY = {
    "typeguard",
    "torch",
    "matplotlib",
    "scipy",
    "pandas",
    "numpy",
    "gymnasium",
    "sqlalchemy",
    "sklearn",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_their_classes_say(name: str) -> None:
    assert (inspect.getdoc(class_of(name)) or "").partition("\n\n")[0] == COMMANDS[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_of_several_words_that_is_given_twice_has_all_of_them(name: str) -> None:
    """argparse keeps the last one alone of an option that takes any number."""
    (positional,) = get_args(tyro.conf.Positional[str])[1:]
    (repeatable,) = get_args(tyro.conf.UseAppendAction[str])[1:]
    for option, hint in get_type_hints(class_of(name), include_extras=True).items():
        kind, *said = get_args(hint) or (hint,)
        if kind is tuple:
            assert {positional, repeatable} & set(said), f"nas-gym {name} --{option}"


@pytest.mark.parametrize(
    "typed",
    ["--agents A B", "--agents A --agents B", "--agent A --agent B", "--agent A --agents=B"],
)
def test_own_agents_are_named_together_or_one_by_one(typed: str) -> None:
    assert SPREAD["benchmark"] >= {"--agent", "--agents"}
    words = f"benchmark rl-vs-evolution {typed} --datasets X Y --datasets Z --seeds 3".split()
    command = _read(words)
    assert (command.agents, command.datasets, command.seeds) == (("A", "B"), ("X", "Y", "Z"), 3)


TYPED = [
    ("--help", 0),
    ("--version", 0),
    *((f"{name} --help", 0) for name in COMMANDS),
    ("list", 0),
    ("nope", 2),
    ("search --nope 1", 2),
    ("search --space nope", 2),
    ("search --space nasnet-cell/nope", 2),
    ("search --agent nope", 2),
    ("search --reward nope", 2),
    ("search --evaluator nope", 2),
    ("search --recipe nope", 2),
    ("search --dataset nope", 2),
    ("search --dataset /no/such/folder", 2),
    ("search --space rnn-cell --dataset nope", 2),
    ("search --set space.blocks=true", 2),
    ("search --set agent.batch_size=2.5", 2),
    ("search --set agent.nope=1", 2),
    ("search --set recipe.epochs=0", 2),
    ("search --set reward.target=1 --reward nope", 2),
    ("search --budget 0", 2),
    ("search --workers 0", 2),
    ("search --seed -1", 2),
    ("search --child-seed -1", 2),
    ("search --num-envs 0", 2),
    ("search --timeout 0", 2),
    ("search --timeout nan", 2),
    ("search --memory-limit -1", 2),
    ("search --failure-reward nan", 2),
    ("search --budget-seconds 0", 2),
    ("search --simulated-workers 0", 2),
    ("search --run .nope", 2),
    ("search --store /", 2),
    ("search --store :memory:", 2),
    ("search --store /dev/null/x.sqlite", 2),
    ("search --folder photos", 2),
    ("describe nasnet-a --draw x.gif", 2),
    ("describe nasnet-a --space rnn-cell", 2),
    ("report nope", 2),
    ("export nope", 2),
    ("resume nope", 2),
    ("validate nope", 2),
    ("describe nope", 2),
    ("describe nasnet-a --hidden 8", 2),
    ("benchmark nope", 2),
    ("tabulate --to t.npz", 2),
    ("tabulate nope --to t.npz", 2),
    ("tabulate nasbench201 --to t.npz --sample 0", 2),
    ("tabulate nasbench201 --to t.npz --time soon", 2),
    ("tabulate nasbench201 --to t.npz --recipe nope", 2),
]
PROGRAM = """
import json, sys
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, StringIO, TextIOWrapper
from nas_gym.cli.main import main

typed, heavy = json.loads(sys.argv[1])
had = set(sys.modules)
print(json.dumps([0, "", [*had & set(heavy)]]))
for arguments in typed:
    with redirect_stdout(StringIO()), redirect_stderr(TextIOWrapper(BytesIO(), "utf-8")) as said:
        try:
            main(arguments.split())
        except SystemExit as ended:
            status = ended.code
    said.flush()
    text = said.buffer.getvalue().decode()
    print(json.dumps([status, text, [*(set(sys.modules) - had) & set(heavy)]]))
    had = set(sys.modules)
"""


def test_help_lists_and_refusals_import_nothing_heavy(tmp_path: Path) -> None:
    """One after another in one process: the first that imports a module is the one to blame."""
    typed, statuses = zip(*TYPED, strict=True)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps([typed, sorted(HEAVY)])],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = [json.loads(line) for line in done.stdout.splitlines()]
    commands = ["(the import of main)", *typed]
    heavy = {a: new for a, (_, _, new) in zip(commands, told, strict=True) if new}
    assert heavy == {}
    assert [status for status, _, _ in told] == [0, *statuses]
    for arguments, (status, said, _) in zip(commands, told, strict=True):
        assert "Traceback" not in said, arguments
        if status == 2 and "---" not in said:  # tyro draws a box around what it cannot parse
            assert len(said.splitlines()) == 1, f"{arguments}: {said}"


@pytest.mark.few(1)
@pytest.mark.parametrize("shell", SHELLS)
def test_completions_are_written_for_these_shells(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], shell: str
) -> None:
    assert run("--tyro-print-completion", shell) == 0
    assert "nas-gym" in capsys.readouterr().out


@pytest.mark.parametrize(
    "typed",
    [
        "--tyro-print-completion tcsh",
        "--tyro-print-completion=tcsh",
        "search --tyro-write-completion tcsh x",
    ],
)
def test_completions_of_another_shell_are_refused_in_a_sentence(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], typed: str
) -> None:
    assert run(*typed.split()) == 2
    said = capsys.readouterr().err
    assert "completion is 'tcsh': completions are written for bash, zsh, fish" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("name", ["report", "resume", "search"])
def test_how_many_architectures_are_shown_has_the_option_of_other_commands(name: str) -> None:
    words = [name] if name == "search" else [name, "r"]
    assert _read([*words, "--best", "2"]).top == _read([*words, "--top", "2"]).top == 2
