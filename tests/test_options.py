import math
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import FrozenInstanceError, InitVar, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Generic,
    Literal,
    Optional,
    Protocol,
    TypedDict,
    TypeVar,
    Union,
)

import numpy as np
import pytest
import torch
from annotated_types import Ge, Gt, Interval, Le, Lt, MinLen
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_gym.errors import InvalidOption, UnknownName
from nas_gym.options import EachOnce, OneOf, Options, check, check_all

if TYPE_CHECKING:
    from decimal import Decimal

    import pandas as pd


class Speaker(Protocol):
    def speak(self) -> str: ...


T = TypeVar("T")


class Box(Generic[T]):
    pass


@dataclass(frozen=True)
class Plain:
    depth: int = 1


def whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def number(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return whole(value) and abs(value) < 2**1000  # type: ignore[operator]


def listed(value: object, of: Callable[[Any], bool]) -> bool:
    return isinstance(value, list | tuple) and all(map(of, value))


def word(value: object) -> bool:
    return isinstance(value, str)


# An annotation, what it accepts, and its words in a message.
KNOWN: list[tuple[Any, Callable[[Any], bool], str]] = [
    (int, whole, "a whole number"),
    (Annotated[int, Ge(1)], lambda v: whole(v) and v >= 1, "a whole number of 1 or more"),
    (
        Annotated[int, Ge(1), Le(8)],
        lambda v: whole(v) and 1 <= v <= 8,
        "a whole number from 1 to 8",
    ),
    (
        Annotated[int, Interval(gt=0, le=8)],
        lambda v: whole(v) and 0 < v <= 8,
        "a whole number above 0 and up to 8",
    ),
    (float, number, "a finite number"),
    (Annotated[float, Gt(0)], lambda v: number(v) and v > 0, "a finite number above 0"),
    (Annotated[float, Le(0)], lambda v: number(v) and v <= 0, "a finite number of 0 or less"),
    (
        Annotated[float, Interval(ge=0, le=1)],
        lambda v: number(v) and 0 <= v <= 1,
        "a number from 0 to 1",
    ),
    (
        Annotated[float, Ge(0), Lt(0.5)],
        lambda v: number(v) and 0 <= v < 0.5,
        "a number of 0 or more and below 0.5",
    ),
    (bool, lambda v: isinstance(v, bool), "true or false"),
    (str, word, "a word"),
    (None, lambda v: v is None, "null"),
    (int | None, lambda v: whole(v) or v is None, "a whole number, or leave it out"),
    (
        Annotated[int | None, Ge(1)],
        lambda v: v is None or (whole(v) and v >= 1),
        "a whole number of 1 or more, or leave it out",
    ),
    (
        Optional[Annotated[int, Ge(1)]],  # noqa: UP045
        lambda v: v is None or (whole(v) and v >= 1),
        "a whole number of 1 or more, or leave it out",
    ),
    (Union[str, int], lambda v: word(v) or whole(v), "a word or a whole number"),  # noqa: UP007
    (bool | float, lambda v: isinstance(v, bool) or number(v), "true or false or a finite number"),
    (Literal[0, 1], lambda v: whole(v) and v in (0, 1), "one of 0, 1"),
    (Literal["add", None], lambda v: v is None or v == "add", "one of 'add', None"),
    (Literal["add", "mul"], lambda v: word(v) and v in ("add", "mul"), "one of 'add', 'mul'"),
    (
        Annotated[str, OneOf(("add", "mul"))],
        lambda v: word(v) and v in ("add", "mul"),
        "one of 'add', 'mul'",
    ),
    (
        tuple[Annotated[int, Ge(1)], ...],
        lambda v: listed(v, lambda i: whole(i) and i >= 1),
        "a list, each item a whole number of 1 or more",
    ),
    (
        Annotated[tuple[str, ...], MinLen(1), EachOnce],
        lambda v: listed(v, word) and 0 < len(v) == len(set(v)),
        "a list of 1 or more, each once, each item a word",
    ),
    (
        tuple[float, float],
        lambda v: listed(v, number) and len(v) == 2,
        "a list of 2, each item a finite number",
    ),
    (
        tuple[str, int],
        lambda v: listed(v, lambda _: True) and len(v) == 2 and word(v[0]) and whole(v[1]),
        "a list of 2: a word, a whole number",
    ),
    (tuple, lambda v: isinstance(v, list | tuple), "a list"),
    (list[int], lambda v: isinstance(v, list), "a list"),
    (Sequence[int], lambda v: isinstance(v, Sequence), "a list"),
    (Mapping[str, int], lambda v: isinstance(v, Mapping), "a mapping"),
    (dict, lambda v: isinstance(v, dict), "a mapping"),
    (str | Path, lambda v: word(v) or isinstance(v, Path), "a word or a path"),
    (os.PathLike, lambda v: isinstance(v, Path), "a path"),
    (Plain, lambda v: isinstance(v, Plain), "a Plain"),
    (Plain | None, lambda v: isinstance(v, Plain) or v is None, "a Plain, or leave it out"),
]

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, 3, 8, 10**400, 0.0, 0.5, 1.0, math.inf, -math.inf, math.nan])
    | st.floats()
    | st.text()
    | st.sampled_from(["add", "mul", "ad", "red", "3", "true", "a\nb", "x" * 500])
    | st.sampled_from([b"a", 1j, object(), int, Path("a"), Plain(), {1}])
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)

# What hypothesis draws nothing for, or only the same value again.
NOT_DRAWN = {"a path", "null", "a word or a path", "a mapping", "a Plain"}
NOT_DRAWN |= {"a whole number of 1 or more, or leave it out"}


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same kind: True is not 1."""
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and (one == other or one is other)


@pytest.mark.few(12)
@pytest.mark.parametrize(("annotation", "accepts", "words"), KNOWN, ids=[k[2] for k in KNOWN])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_right_values_come_back_and_all_others_are_refused_in_one_sentence(
    annotation: Any, accepts: Callable[[Any], bool], words: str, data: st.DataObject
) -> None:
    value = data.draw(ANYTHING if words in NOT_DRAWN else st.from_type(annotation) | ANYTHING)
    if accepts(value):
        found = check("it", value, annotation)
        assert same(value, found)
        return
    with pytest.raises((InvalidOption, UnknownName)) as raised:
        check("it", value, annotation)
    message = str(raised.value)
    assert "\n" not in message or "\n" in str(value)
    if isinstance(raised.value, UnknownName):
        assert message.startswith("unknown it ")
        assert isinstance(value, str)
    else:
        assert message.startswith("it is ")
        assert f": give {words}" in message
        assert len(message) < 200 + len(words)


@given(st.from_type(Annotated[int, Ge(1), Le(8)]))
def test_hypothesis_draws_what_is_declared(value: int) -> None:
    assert check("it", value, Annotated[int, Ge(1), Le(8)]) == value


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        (np.int64(3), int, 3),
        (np.uint8(3), float, 3),
        (np.array(3), int, 3),
        (torch.tensor(3), int, 3),
        (np.float32(0.5), float, 0.5),
        (np.float64(0.5), float | None, 0.5),
        (torch.tensor(0.5), float, 0.5),
        (np.True_, bool, True),
        (torch.tensor(True), bool, True),
        (np.str_("add"), str, "add"),
        (np.str_("add"), Literal["add", "mul"], "add"),
        (3, float, 3),
        ([1, np.int64(2)], tuple[int, ...], (1, 2)),
        ([[1], [2]], tuple[tuple[int, ...], ...], ((1,), (2,))),
        (range(3), tuple[int, ...], (0, 1, 2)),
        ([1, 2], int | tuple[int, ...], (1, 2)),
    ],
)
def test_values_of_json_numpy_and_torch_become_pythons(
    value: object, annotation: Any, expected: object
) -> None:
    assert same(check("it", value, annotation), expected)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (np.True_, int),
        (np.True_, float),
        (torch.tensor(True), int),
        (np.float64(2.0), int),
        (np.float64("nan"), float),
        (np.float32("inf"), Annotated[float, Gt(0)]),
        (np.int64(1), bool),
        (np.array([3]), int),
        (torch.tensor([3]), int),
        (np.arange(3), tuple[int, ...]),
        (np.arange(3), Literal["add", "mul"]),
        (np.datetime64("2020-01-01"), int),
        (1.0, Literal[1]),
        (Plain, Plain),
    ],
)
def test_near_misses_are_refused(value: object, annotation: Any) -> None:
    with pytest.raises(InvalidOption, match=r"^it is .*: give "):
        check("it", value, annotation)


def test_what_is_not_known_is_left_to_the_class() -> None:
    thing = object()
    for annotation in (Any, T, Speaker, Callable[[int], int], Box[int], type[int], Any | int):
        assert check("it", thing, annotation) is thing
    assert check("it", [1], tuple[int, ...] | Any) == (1,)


def test_values_that_cannot_be_shown_are_refused_as_well() -> None:
    for value in (10**5000, [10**5000]):
        with pytest.raises(InvalidOption, match=r"^it is of type \w+: give "):
            check("it", value, Annotated[float, Gt(0)])


def test_lists_and_mappings_stay_the_same_objects() -> None:
    items, mapping = [1, 2], {"a": 1}
    assert check("it", items, list[int]) is items
    assert check("it", items, Sequence[int]) is items
    assert check("it", mapping, Mapping[str, int]) is mapping


def test_unknown_words_get_a_hint() -> None:
    with pytest.raises(UnknownName, match="unknown stem 'cifr': did you mean 'cifar'"):
        check("stem", "cifr", Literal["cifar", "imagenet"])
    with pytest.raises(UnknownName, match="unknown stem 'cifr': did you mean 'cifar'"):
        check("stem", "cifr", Annotated[str | None, OneOf(("cifar", "imagenet"))])
    with pytest.raises(UnknownName, match="unknown item of operations 'ad': did you mean 'add'"):
        check("operations", ["mul", "ad"], tuple[Literal["add", "mul"], ...])
    with pytest.raises(InvalidOption, match="seeds is 'man': give 'mean' or a whole number"):
        check("seeds", "man", Literal["mean"] | int)


# ---------------------------------------------------------------- classes


@dataclass(frozen=True)
class Child(Options):
    size: Annotated[int, Ge(1)]
    mutation: Literal["one", "two"] = "one"
    betas: tuple[float, float] = (0.9, 0.999)
    names: tuple[str, ...] = field(default_factory=tuple)
    later: "tuple[Annotated[int, Ge(1)], ...] | None" = None
    unseen: "pd.DataFrame | Decimal | None" = None
    speaker: Speaker | None = None
    kept: int = 3
    computed: int = field(init=False, default=0)
    shared: ClassVar[int] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < len(self.names):
            raise InvalidOption(f"size is {self.size} and there are {len(self.names)} names")
        object.__setattr__(self, "computed", self.size**2)

    @cached_property
    def double(self) -> int:
        return 2 * self.size


@dataclass(frozen=True)
class Grandchild(Child):
    size: Annotated[int, Ge(2)] = 4
    rate: Annotated[float, Gt(0)] = 1.0


@dataclass(frozen=True, slots=True)
class Slotted(Options):
    size: Annotated[int, Ge(1)] = 1
    layers: tuple[int, ...] = ()


@dataclass
class Changing(Options):
    size: InitVar[int]
    layers: tuple[int, ...] = ()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Child(0), "^size is 0: give a whole number of 1 or more$"),
        (lambda: Child(True), "^size is True: give a whole number of 1 or more$"),
        (lambda: Child("3"), "^size is '3': give"),  # type: ignore[arg-type]
        (lambda: Child(2.0), "^size is 2.0: give"),  # type: ignore[arg-type]
        (lambda: Child(1, betas=(1.0,)), "give a list of 2, each item a finite number$"),  # type: ignore[arg-type]
        (lambda: Child(1, later=(0,)), r"^later is \(0,\): give a list, .*, or leave it out$"),
        (lambda: Child(1, kept="a"), "^kept is 'a': give a whole number$"),  # type: ignore[arg-type]
        (lambda: Child(1, names=("a", "b")), "^size is 1 and there are 2 names$"),
        (lambda: Grandchild(size=1), "^size is 1: give a whole number of 2 or more$"),
        (lambda: Grandchild(rate=math.inf), "^rate is inf: give a finite number above 0$"),
        (lambda: replace(Grandchild(), rate=0), "^rate is 0: give a finite number above 0$"),
        (lambda: Slotted(0), "^size is 0: give"),
        (lambda: Changing(1, layers=(0.5,)), "^layers is"),  # type: ignore[arg-type]
    ],
)
def test_fields_are_checked_when_made(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        make()


def test_options_are_dataclasses_like_others() -> None:
    child = Child(np.int64(3), betas=[0, 0.5], names=["a"], unseen=7)  # type: ignore[arg-type]
    assert child == Child(3, betas=(0, 0.5), names=("a",), unseen=7)  # type: ignore[arg-type]
    assert type(child.size) is int
    assert hash(child) == hash(replace(child))
    assert pickle.loads(pickle.dumps(child)) == child
    assert (child.double, child.computed, replace(child, size=4).computed) == (6, 9, 16)
    with pytest.raises(FrozenInstanceError):
        child.size = 1  # type: ignore[misc]
    slotted = Slotted(layers=[1])  # type: ignore[arg-type]
    assert pickle.loads(pickle.dumps(slotted)) == slotted == Slotted(1, (1,))
    assert not hasattr(slotted, "__dict__")
    assert Changing(1, layers=[2]).layers == (2,)  # type: ignore[arg-type]


class More(TypedDict, total=False):
    budget: Annotated[int | None, Ge(1)]
    sizes: tuple[int, ...]
    later: "Annotated[float, Gt(0)]"


def test_options_of_a_typed_dict_and_of_a_dataclass() -> None:
    assert check_all(More, {"budget": None, "sizes": [1], "later": 1}) == {
        "budget": None,
        "sizes": (1,),
        "later": 1,
    }
    with pytest.raises(UnknownName, match=r"^unknown option 'budgt': did you mean 'budget'"):
        check_all(More, {"budgt": 1})
    with pytest.raises(
        InvalidOption, match=r"^budget is 0: give a whole number of 1 or more, or l"
    ):
        check_all(More, {"budget": 0})
    with pytest.raises(InvalidOption, match=r"^sizes is 3: give a list"):
        check_all(More, {"sizes": 3})
    with pytest.raises(InvalidOption, match=r"^later is 0: give a finite number above 0"):
        check_all(More, {"later": 0})
    with pytest.raises(InvalidOption, match=r"^depth of space 'mine' is 0.5: give a whole number$"):
        check_all(Plain, {"depth": 0.5}, "space 'mine'")
    with pytest.raises(UnknownName, match="unknown option of space 'mine' 'dept'"):
        check_all(Plain, {"dept": 1}, "space 'mine'")


def test_neither_torch_nor_pydantic_is_imported() -> None:
    code = "import sys, nas_gym.options; print(*{'torch', 'pydantic'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
