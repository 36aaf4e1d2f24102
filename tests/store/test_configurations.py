"""Runs that are not there, or were begun otherwise: one sentence, nothing changed."""

from pathlib import Path
from typing import Any

import pytest

from nas_gym.store import load_run


def test_an_unknown_run(filled: Path, stores: Any) -> None:
    for command in ("report", "resume"):
        sentence = stores.refused(command, "firts", "--store", filled)
        assert f"there is no run 'firts' in {filled}: did you mean 'first'?" in sentence


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "2"], "begun with --child-seed 1, and is given 2"),
        (["--budget", "4"], "has 8 evaluations already: give a budget of that many or more"),
        (["--agent", "regularized-evolution"], "begun with agent"),
        (["--num-envs", "3"], "begun with --num-envs 8, and is given 3"),
        (["--reward", "accuracy-cubed"], "begun with reward"),
    ],
)
def test_another_configuration_is_refused(
    options: list[str], message: str, filled: Path, stores: Any
) -> None:
    before = load_run("cut", filled)
    same = ("search", *stores.cheap, "--budget", "16", "--seed", "1", "--run", "cut", "--resume")
    sentence = stores.refused(*same, *options, "--store", filled)
    assert message in sentence
    assert load_run("cut", filled) == before
