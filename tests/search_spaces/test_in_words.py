"""A space in words: short, whole, and with an example that is one."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from nas_gym.plugins import names
from nas_gym.registry import make
from nas_gym.search_spaces.architecture import architecture_of, genotype_to_json
from nas_gym.search_spaces.choice_table import ChoiceTable
from nas_gym.search_spaces.from_json import architecture_from_json
from nas_gym.search_spaces.grammar import Pick
from nas_gym.search_spaces.in_words import LONGEST, space_in_words
from nas_gym.search_spaces.limits import LimitedSpace
from nas_gym.search_spaces.limits.wanted import limits_of
from nas_gym.testing.spaces import BitString, LayerChain

LETTERS = [chr(ord("a") + i // 26) + chr(ord("a") + i % 26) for i in range(400)]
WIDE = tuple(f"{n:040d}" for n in range(20))


class Wide:
    """A space whose page would be far too long."""

    max_length = 400
    max_options = 20

    def choose(self, pick: Pick) -> list[str]:
        return [pick(name, WIDE) for name in LETTERS]


SPACES = [*names("space"), LayerChain(3), BitString(100), Wide()]


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "part", SPACES, ids=lambda part: part if isinstance(part, str) else type(part).__name__
)
def test_the_page_is_short_and_its_example_true(part: Any) -> None:
    space = make("space", part)
    words = space_in_words(space)
    assert len(words) <= LONGEST
    lines = [json.loads(line) for line in words.splitlines() if line.startswith("{")]
    architecture = architecture_of(space, lines[0]["tokens"])
    if len(lines) == 2:
        assert lines[1]["genotype"] == json.loads(
            json.dumps(genotype_to_json(architecture.genotype))
        )
        assert architecture_from_json(space, lines[1]["genotype"]) == architecture
    if not isinstance(space, Wide):
        first = ChoiceTable(space).after(())
        assert first is not None
        assert f"Their order: {first.name}" in words


def test_what_is_conditional_is_said() -> None:
    words = space_in_words(LayerChain(3))
    assert "an architecture is a list of at most 10 tokens" in words
    assert "- depth = 3: adds layer1.operation, layer1.width, layer1.source, layer2" in words
    assert '- layer0.operation = "pool": leaves out layer0.width, layer0.source' in words
    assert "What depends on" not in space_in_words(make("space", "nasnet-cell"))


def test_limits_are_said() -> None:
    class All:
        def open_tokens(self, prefix: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(range(5))

    space = LimitedSpace(
        make("space", "nasbench201"), limits_of({"parameters": 400_000}), None, All()
    )
    assert f"Limits that every architecture must keep: {space.limits}." in space_in_words(space)


def test_describe_prints_it(nas_gym_run: Callable[..., tuple[int, str, str]]) -> None:
    status, out, _ = nas_gym_run("describe", "nats-size", "--text")
    assert (status, out) == (0, space_in_words(make("space", "nats-size")) + "\n")
    status, out, _ = nas_gym_run("describe", "--text", "--json", "--space", "rnn-cell")
    assert json.loads(out) == {
        "space": "rnn-cell", "text": space_in_words(make("space", "rnn-cell"))
    }  # fmt: skip
    for wrong in (["nats-size", "--latency"], ["nats"], ["nats-size", "--repeats", "2"],
                  ["nats-size", "--space", "rnn-cell"], ["--evaluator", "training"],
                  ["nasbench201", "--limit", "parameters=5"]):  # fmt: skip
        status, _, err = nas_gym_run("describe", "--text", *wrong)
        assert (status, len(err.splitlines())) == (2, 1)


def test_describe_says_the_limits_that_hold(
    nas_gym_run: Callable[..., tuple[int, str, str]],
) -> None:
    line = ("describe", "nasbench201", "--text", "--limit", "parameters=73306")
    status, out, _ = nas_gym_run(*line, "--evaluator", "nasbench201")
    assert status == 0
    assert "Limits that every architecture must keep: at most 73,306 parameters." in out
    example = next(json.loads(each) for each in out.splitlines() if each.startswith("{"))
    assert not {2, 3} & set(example["tokens"])  # no convolution: those have parameters
    status, _, err = nas_gym_run(*line)  # networks for digits have fewer
    assert (status, err) == (0, "")
    _, out, _ = nas_gym_run(*line, "--limit", "task.filters=8")
    assert "at most 73,306 parameters, built with filters = 8." in out
    status, _, err = nas_gym_run("describe", "nasnet-a", "--limit", "parameters=5")
    assert status == 2
    assert "--limit is only for a whole space: give --text" in err


@pytest.fixture
def nas_gym_run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    from nas_gym.cli.main import main

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        shown = capsys.readouterr()
        return int(exit_.value.code or 0), shown.out, shown.err

    return run
