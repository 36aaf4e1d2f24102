import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_agents.reinforce import Reinforce
from nas_gym.envs.registration import make_env
from nas_gym.envs.rewards import Accuracy, AccuracyUnderTarget, InversePerplexitySquared
from nas_gym.errors import InvalidOption, InvalidSpace, UnknownName
from nas_gym.evaluators.evaluation import Evaluation
from nas_gym.evaluators.landscapes import Landscape
from nas_gym.evaluators.workers.spread import in_workers
from nas_gym.networks.task import LanguageTask, Task
from nas_gym.options import OneOf, Options
from nas_gym.plugins import load, names
from nas_gym.registry import make, spec_of, usual, usual_reward
from nas_gym.search_spaces.conv_net.space import POOLING, ConvNet
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.search_spaces.nasnet_cell.space import AMOEBANET_CELL, NASNetCell
from nas_gym.search_spaces.rnn_cell.space import RNNCell
from nas_gym.testing.spaces import LayerChain
from nas_gym.training.images.presets import RECIPES
from nas_gym.training.text.recipe import LANGUAGE_RECIPES


@dataclass(frozen=True)
class OwnReward:
    scale: float = 1.0

    def __call__(self, evaluation: Evaluation) -> float:
        return self.scale * evaluation.metrics["accuracy"]


KINDS = ("space", "reward", "agent", "evaluator")
NEEDED: dict[str, dict[str, object]] = {
    "accuracy-under-target": {"target": 1000},
    "metric": {"metric": "latency"},
    "table": {"file": "table.csv", "unit": "percent", "missing": "failure"},
    "nats-bench": {"folder": "NATS-tss-v1_0-3ffb9-simple"},
}


def made(kind: str, name: str, **options: object) -> Any:
    """The part of that name, for a space that it fits."""
    space: Any = NASNetCell()
    if name in ("nasbench201", "table", "nats-bench"):
        space = NASBench201()
    elif name == "language-model":
        space = RNNCell()
    return make(kind, {"name": name, **NEEDED.get(name, {}), **options}, space=space)


@pytest.fixture(scope="module", autouse=True)
def _table_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("here")
    row = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|,9"
    (folder / "table.csv").write_text(f"architecture,accuracy\n{row}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


@pytest.mark.parametrize("kind", KINDS)
def test_every_name_makes_something(kind: str) -> None:
    for name in names(kind):
        assert made(kind, name) is not None


def test_parts_by_name_by_json_by_path_and_alive() -> None:
    assert make("space", "nasnet-cell") == NASNetCell()
    assert make("space", {"name": "nasnet-cell", "blocks": 3}) == NASNetCell(blocks=3)
    assert make("space", {"name": "amoebanet-cell", "blocks": 3}).combines == ("add",)
    assert make("space", "nas_gym.search_spaces.nasnet_cell.space:AMOEBANET_CELL") is AMOEBANET_CELL
    space = NASNetCell(blocks=1)
    assert make("space", space) is space
    assert make("evaluator", "landscape", space=space) == Landscape(space)


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("space", NASNetCell(blocks=3, combines=("add",))),
        ("space", POOLING),
        ("space", RNNCell(base=3, activations=("tanh", "sin"))),
        ("reward", AccuracyUnderTarget(5000.0, exponent=-0.5)),
        ("reward", InversePerplexitySquared(c=100.0)),
        ("reward", OwnReward(2.0)),
        ("agent", Reinforce(learning_rate=0.01)),
    ],
)
def test_specs_round_trip_through_json(kind: str, part: object) -> None:
    spec = json.loads(json.dumps(spec_of(kind, part)))
    made = make(kind, spec)
    assert repr(made) == repr(part)


def test_presets_of_spaces_are_names() -> None:
    assert make("space", "conv-net/pooling") is POOLING
    assert "rnn-cell/control" in names("space")
    assert make("space", {"name": "conv-net/strides", "depth": 4}).depths == (4,)
    with pytest.raises(UnknownName, match="unknown preset of space 'conv-net'"):
        make("space", "conv-net/stride")


def test_a_space_says_what_is_usual_for_it() -> None:
    space = RNNCell(base=2)
    assert usual("evaluator", space) == "language-model"
    assert usual_reward(space, make("evaluator", "language-model", space=space)) == (
        "inverse-perplexity-squared"
    )
    assert usual_reward(space, Landscape(space)) == "accuracy"
    trained = make("evaluator", "training", space=ConvNet())
    assert usual_reward(ConvNet(), trained) == "accuracy-cubed"
    assert usual_reward(ConvNet(), in_workers(trained, 2)) == "accuracy-cubed"
    assert usual_reward(NASNetCell(), Landscape(NASNetCell())) == "accuracy"
    assert make_env(space, Landscape(space)).ledger.reward == Accuracy()


def test_mistakes_get_one_clear_sentence() -> None:
    with pytest.raises(UnknownName, match="unknown agent 'reinforc': did you mean 'reinforce'"):
        make("agent", "reinforc")
    with pytest.raises(UnknownName, match="unknown preset of agent 'reinforce'"):
        make("agent", "reinforce/zoph2015")
    with pytest.raises(UnknownName, match="no module 'nowhere'"):
        make("space", "nowhere:Space")
    with pytest.raises(UnknownName, match="has no 'Nothing'"):
        make("space", "nas_gym.search_spaces.nasnet_cell.space:Nothing")
    with pytest.raises(InvalidOption, match="needs a value for target"):
        make("reward", "accuracy-under-target")
    with pytest.raises(InvalidOption, match="'json:dumps' is no space: it lacks choose"):
        make("space", "json:dumps")
    with pytest.raises(InvalidOption, match="is no agent: it lacks search, batch_size"):
        make("agent", 7)
    with pytest.raises(InvalidSpace, match="give it a method build"):
        make("evaluator", "training", space=LayerChain())
    with pytest.raises(InvalidOption, match="give its name"):
        make("reward", {"target": 1})


# ---------------------------------------------------------------- every option of every part


class Option(NamedTuple):
    """An option, and what has it."""

    kind: str  # one of KINDS, or "recipe", "task": those are not made by name here
    of: str
    name: str
    annotation: Any


OTHERS: dict[tuple[str, str], Any] = {
    ("recipe", "quick"): RECIPES["quick"],
    ("recipe", "quick-text"): LANGUAGE_RECIPES["quick-text"],
    ("task", "images"): Task(3, 32, 32, 10),
    ("task", "text"): LanguageTask(100),
}
OWNERS = [(kind, name) for kind in KINDS for name in names(kind) if "/" not in name] + [*OTHERS]


@cache
def part(kind: str, name: str) -> Any:
    return OTHERS[kind, name] if (kind, name) in OTHERS else made(kind, name)


def class_of(kind: str, name: str) -> type:
    found = OTHERS[kind, name] if (kind, name) in OTHERS else load(kind, name)
    return found if isinstance(found, type) else type(found)


def annotation_of(owner: type, name: str) -> Any:
    """The annotation, without strings; what only type checkers import is Any."""
    unseen: dict[str, Any] = {}
    declaring = next(c for c in owner.__mro__ if name in vars(c).get("__annotations__", {}))
    holder = type("Holder", (), {"__annotations__": {name: declaring.__annotations__[name]}})
    while True:
        try:
            module = vars(sys.modules[declaring.__module__])
            return get_type_hints(holder, module, unseen, include_extras=True)[name]
        except NameError as error:
            unseen[str(error.name)] = Any


def options() -> Iterator[Option]:
    for kind, name in OWNERS:
        owner = class_of(kind, name)
        for field in fields(owner) if is_dataclass(owner) else ():
            if field.init and field.name != "space":
                yield Option(kind, name, field.name, annotation_of(owner, field.name))


def leaves(annotation: Any, words: bool = False) -> Iterator[Any]:
    """The types in a union; a choice of words is ``Literal``, free text ``str``."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from leaves(inner[0], any(isinstance(mark, OneOf) for mark in inner[1:]))
    elif origin in (Union, UnionType):
        for each in inner:
            yield from leaves(each, words)
    elif annotation is str and words:
        yield Literal
    else:
        yield origin or annotation


def item_of(annotation: Any) -> Any:
    """The annotation of a tuple's first item, or None."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return item_of(inner[0])
    found = [item_of(each) for each in inner if origin in (Union, UnionType)]
    return inner[0] if origin is tuple else next((each for each in found if each is not None), None)


TRUTH = st.booleans()
NEITHER = st.sampled_from([math.nan, math.inf, -math.inf, np.float64("nan"), np.float32("inf")])
IN_WORDS = st.integers().map(str) | st.sampled_from(["3", "1e-3", "true", "null", ""])
FRACTIONS = st.floats(-1e6, 1e6).filter(lambda number: number != int(number))


def wrong(annotation: Any) -> st.SearchStrategy[Any]:
    """Values that no option with this annotation takes."""
    taken = set(leaves(annotation))
    values = [NEITHER]
    values += [TRUTH] * (bool not in taken)
    values += [IN_WORDS] * (str not in taken)
    values += [FRACTIONS] * (float not in taken)
    values += [st.none()] * (not taken & {None, type(None)})
    if tuple in taken:
        values.append(wrong(item_of(annotation)).map(lambda item: [item]))
    return st.one_of(values)


OPTIONS = [option for option in options() if not set(leaves(option.annotation)) & {Any}]
IDS = ["-".join(option[:3]) for option in OPTIONS]


@pytest.mark.parametrize("option", OPTIONS, ids=IDS)
@settings(max_examples=6, deadline=None)  # of each of hundreds of options
@given(data=st.data())
def test_wrong_values_are_refused_in_one_sentence(option: Option, data: st.DataObject) -> None:
    value, name = data.draw(wrong(option.annotation)), option.name
    whole = part(option.kind, option.of)
    if issubclass(class_of(option.kind, option.of), Options):
        with pytest.raises((InvalidOption, UnknownName)) as raised:
            replace(whole, **{name: value})
        assert_sentence(str(raised.value), name)
    if option.kind in KINDS:
        with pytest.raises((InvalidOption, UnknownName)) as raised:
            made(option.kind, option.of, **{name: value})
        assert_sentence(str(raised.value), f"{name} of {option.kind} {option.of!r}")


def assert_sentence(message: str, what: str) -> None:
    refused = message.startswith(f"{what} is ") and ": give " in message
    unknown = message.startswith((f"unknown {what} ", f"unknown item of {what} "))
    assert refused or (unknown and "known: " in message), message
    assert "\n" not in message


@pytest.mark.parametrize("option", OPTIONS, ids=IDS)
def test_numpys_whole_numbers_are_pythons(option: Option) -> None:
    whole = part(option.kind, option.of)
    value = getattr(whole, option.name)
    if type(value) is not int or not issubclass(class_of(option.kind, option.of), Options):
        return
    for scalar in (np.int64, np.uint32, np.array):
        found = replace(whole, **{option.name: scalar(value)})
        assert getattr(found, option.name) == value
        assert type(getattr(found, option.name)) is int
        assert found == whole


def test_every_part_with_options_checks_them_when_made() -> None:
    owners = dict.fromkeys((option.kind, option.of) for option in options())
    assert [owner for owner in owners if not issubclass(class_of(*owner), Options)] == []
