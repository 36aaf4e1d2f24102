"""Proxies of the architectures of every space: what is built, what is kept, what is refused."""

import json
import math
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nas_gym.errors import InvalidOption, InvalidSpace, StoreError, UnknownName
from nas_gym.evaluators.proxies import scorer as module
from nas_gym.evaluators.proxies.names import PROXIES
from nas_gym.evaluators.proxies.ranking import Ranking, ranking_of
from nas_gym.evaluators.proxies.scorer import Scorer, task_for
from nas_gym.networks.task import Task
from nas_gym.plugins import PLUGINS
from nas_gym.registry import make
from nas_gym.search_spaces.architecture import Architecture, architecture_of
from nas_gym.search_spaces.grammar import Pick, tokens_of
from nas_gym.search_spaces.moves import enumerate_tokens, random_tokens
from nas_gym.search_spaces.nasbench201.space import NASBench201
from nas_gym.testing import BitString

SMALL = {"height": 8, "width": 8, "repeats": 1, "filters": 4}
SPACE = NASBench201()
CELL = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_3x3~1|none~2|"


def cell(text: str = CELL) -> Architecture[Any]:
    return architecture_of(SPACE, tokens_of(SPACE, SPACE.genotype_from_json(text)))


def scorer(**options: Any) -> Scorer:
    return Scorer(**{"space": SPACE, "task": SMALL, "images": 4, **options})


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "name", [n for n in PLUGINS["space"] if n not in ("rnn-cell", "enas-rnn-cell")]
)
def test_networks_of_every_image_space_are_scored_by_every_proxy(name: str) -> None:
    space = make("space", {"name": name, **({"depth": 4} if name == "conv-net" else {})})
    judge = Scorer(space, PROXIES, SMALL, images=4)
    rng = np.random.default_rng(0)
    pool = [judge.values(architecture_of(space, random_tokens(space, rng))) for _ in range(3)]
    for values in pool:
        assert set(values) == {*judge.names, "alive"}
        assert math.isfinite(values["expressivity"])
        assert values["multiply_adds"] > 0
        assert math.isfinite(values["synflow"])
    assert 0 < Ranking(judge, pool).score(pool[0], PROXIES) < 1


@dataclass(frozen=True)
class OwnSpace:
    """A user's space with a network of plain layers."""

    static = True
    max_length = 1
    max_options = 3

    def choose(self, pick: Pick) -> int:
        return pick("width", (2, 4, 8))

    def build(self, width: int, task: Task) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(task.channels, width, 3, padding=1), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, task.classes),
        )  # fmt: skip


def test_a_users_own_space_is_scored() -> None:
    judge = Scorer(OwnSpace(), PROXIES, {"height": 8, "width": 8}, images=4)
    found = [judge.values(architecture_of(OwnSpace(), (i,))) for i in range(3)]
    assert all(math.isfinite(v) for values in found for v in values.values())
    assert found[0]["parameters"] < found[1]["parameters"] < found[2]["parameters"]
    assert found[0]["synflow"] < found[1]["synflow"] < found[2]["synflow"]


def test_the_same_options_give_the_same_values_whatever_came_before() -> None:
    everything = scorer(proxies=PROXIES).values(cell())
    other = scorer(proxies=PROXIES)
    other.values(cell(CELL.replace("skip_connect", "none")))
    torch.manual_seed(99)
    with torch.no_grad():
        assert other.values(cell()) == everything
    assert scorer(proxies=PROXIES, seed=1).values(cell()) != everything


CELLS = NASBench201().up_to_isomorphism()
TWINS = [
    (CELLS, (2, 0, 0, 3, 0, 0), (0, 0, 0, 3, 0, 0)),  # a convolution that nothing reads
    (make("space", {"name": "nasnet-cell", "blocks": 2}), (0, 1, 0, 3, 0) * 4, (1, 0, 3, 0, 0) * 4),
    (
        make("space", {"name": "conv-net", "depth": 3}),
        (*(0, 1, 0, 0, 2), *(1, 0, 0, 0, 1, 0), *(0, 0, 0, 0, 0, 1, 1)),
        (*(1, 0, 0, 0, 1), *(0, 1, 0, 0, 2, 0), *(0, 0, 0, 0, 0, 1, 1)),
    ),
]


@pytest.mark.parametrize(("space", "one", "other"), TWINS)
def test_isomorphic_architectures_have_the_same_values(space: Any, one: Any, other: Any) -> None:
    twins = [architecture_of(space, tokens) for tokens in (one, other)]
    assert twins[0].key == twins[1].key
    assert twins[0].genotype != twins[1].genotype
    found = []
    for order in (twins, twins[::-1]):  # whichever comes first
        judge = scorer(space=space, proxies=("zen", "nwot", "parameters"))
        found += [dict(judge.values(twin)) for twin in order]
    assert found == [found[0]] * 4


@pytest.mark.parametrize("space", [space for space, *_ in TWINS])
def test_a_canonical_form_has_the_key_of_all_and_is_one(space: Any) -> None:
    rng = np.random.default_rng(0)
    drawn = [architecture_of(space, random_tokens(space, rng)).genotype for _ in range(100)]
    forms = [space.canonical(genotype) for genotype in drawn]
    assert [space.canonical_key(f) for f in forms] == [space.canonical_key(g) for g in drawn]
    assert [space.canonical(form) for form in forms] == forms
    assert forms != drawn


def test_nothing_of_the_caller_is_touched() -> None:
    states = torch.get_rng_state(), random.getstate(), torch.get_default_dtype()
    scorer(proxies=PROXIES).values(cell())
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (random.getstate(), torch.get_default_dtype()) == states[1:]


def test_more_draws_are_averaged() -> None:
    one, other = (scorer(proxies=("zen",), seed=seed).values(cell())["zen"] for seed in (0, 1))
    both = scorer(proxies=("zen",), draws=2).values(cell())["zen"]
    assert both == pytest.approx((one + other) / 2)


DEAD = (
    "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
    "|none~0|+|none~0|nor_conv_3x3~1|+|none~0|nor_conv_3x3~1|nor_conv_3x3~2|",
)


@pytest.mark.parametrize("text", DEAD)
def test_a_cell_without_a_path_has_no_values_but_its_costs(text: str) -> None:
    values = scorer(proxies=PROXIES).values(cell(text))
    scored = {name for name, value in values.items() if math.isfinite(value)}
    assert scored == {"parameters", "multiply_adds"}


def test_a_dead_network_that_its_space_does_not_tell_crashes_nothing() -> None:
    class Silent(NASBench201):
        is_connected = None  # type: ignore[assignment]

    values = scorer(space=Silent(), proxies=PROXIES).values(cell(DEAD[0]))
    assert not math.isfinite(values["trainability"])
    assert not math.isfinite(values["nwot"])


class Ending(nn.Module):
    """A last layer, by the name of what it makes of the logits."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.kind == "zeros":
            return x * 0
        if self.kind == "some nan":
            return torch.cat([x[:, :1] * math.nan, x[:, 1:]], dim=1)
        return {
            "alive": x,
            "constant": torch.full_like(x, 0.3) + 0 * x,
            "detached": torch.ones_like(x),
            "nan": x * math.nan,
            "infinite": x / 0,
            "one image's": x[:1].expand_as(x),
        }[self.kind]


@dataclass(frozen=True)
class DeadEnds:
    """Networks that are all alike but for what their last layer does."""

    kinds = ("alive", "zeros", "constant", "detached", "nan", "some nan", "infinite", "one image's")
    noisy: bool = False
    static = True
    max_length = 1
    max_options = len(kinds)

    def choose(self, pick: Pick) -> str:
        return pick("ending", self.kinds)

    def build(self, kind: str, task: Task) -> nn.Module:
        last = nn.Linear(8, task.classes)
        nn.init.zeros_(last.weight)  # a usual way to begin: no sign of death
        body = nn.Sequential(
            nn.Conv2d(task.channels, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        )  # fmt: skip
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        tail = nn.Sequential(nn.Dropout(0.5), nn.Linear(task.classes, task.classes))
        end = Ending(kind)
        return nn.Sequential(body, head, last, end, *((tail,) if self.noisy else ()))


@pytest.mark.few(8)
@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("proxy", PROXIES)
def test_a_network_whose_output_says_nothing_is_dead_whatever_the_proxy(
    proxy: str, noisy: bool
) -> None:
    space = DeadEnds(noisy)
    judge = Scorer(space, (proxy,), {"height": 8, "width": 8}, images=4)
    drawn = [judge.values(architecture_of(space, (i,))) for i in range(len(DeadEnds.kinds))]
    alive, *dead = drawn
    assert alive["alive"] == 1
    for values in dead:
        assert {name for name, value in values.items() if math.isfinite(value)} <= {
            "parameters", "multiply_adds"
        }  # fmt: skip
    ranking = Ranking(judge, drawn)
    assert [ranking.score(each, (proxy,)) for each in dead] == [pytest.approx(1 / 9)] * len(dead)
    if proxy in ("az-nas", "nwot", "zen", "parameters"):  # zeros in a last layer hide all others
        assert ranking.score(alive, (proxy,)) > 1 / 9


def test_an_unconnected_cell_is_dead_although_only_its_size_is_asked_for() -> None:
    dead = architecture_of(SPACE, (3, 0, 3, 0, 0, 0))
    ranking = ranking_of(SPACE, ("parameters",), {"task": SMALL, "images": 4, "pool": 6})
    assert ranking.score_of(dead) == pytest.approx(1 / 7)
    assert ranking.scorer.values(dead)["parameters"] > 0


def test_no_pass_is_made_for_it_where_one_is_made_anyway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_gym.evaluators.proxies.compute.responds", None)
    for proxies in (("az-nas",), ("nwot", "parameters"), ("parameters",), ("synflow",)):
        assert scorer(proxies=proxies).values(cell())["alive"] == 1  # or the space says it
    with pytest.raises(TypeError):
        Scorer(OwnSpace(), ("parameters",), {"height": 8}).values(architecture_of(OwnSpace(), (1,)))


def test_which_cells_are_connected() -> None:
    def reaches(operations: tuple[str, ...]) -> bool:
        """Walk from the output back to the input."""
        edges = dict(zip([(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)], operations, strict=True))

        def from_input(node: int) -> bool:
            return node == 0 or any(
                edges[source, node] != "none" and from_input(source) for source in range(node)
            )

        return from_input(3)

    genotypes = [SPACE.choose(picking(tokens)) for tokens in enumerate_tokens(SPACE)]
    assert all(SPACE.is_connected(g) == reaches(g.operations) for g in genotypes)
    assert 0 < sum(not SPACE.is_connected(g) for g in genotypes) < 1000


def picking(tokens: tuple[int, ...]) -> Any:
    left = iter(tokens)
    return lambda name, options: options[next(left)]


def test_the_task_is_the_benchmarks_own_unless_something_else_is_said() -> None:
    full = task_for(SPACE)
    assert (full.repeats, full.filters, full.height, full.width) == (5, 16, 32, 32)
    assert task_for(make("space", "nasnet-cell")).filters == 8
    assert task_for(OwnSpace()) == Task(channels=3, height=32, width=32, classes=10)
    noisy = replace(full, dropout=0.5, drop_path=0.3, auxiliary=True)
    assert task_for(SPACE, None, noisy) == full
    assert task_for(SPACE, {"repeats": 2}).repeats == 2


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (BitString(4), "BitString has no networks to score"),
        (make("space", "rnn-cell"), "RNNCell builds language models, and proxies score"),
    ],
)
def test_a_space_without_networks_for_images_is_refused(space: Any, words: str) -> None:
    with pytest.raises(InvalidSpace, match=words):
        Scorer(space)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"proxies": ("az_nas",)}, UnknownName, "az_nas"),
        ({"proxies": ()}, InvalidOption, "proxies"),
        ({"proxies": ("nwot", "nwot")}, InvalidOption, "each once"),
        ({"task": {"size": 3}}, UnknownName, "option of task 'size'"),
        ({"task": {"repeats": 0}}, InvalidOption, "repeats of task is 0"),
        ({"images": 1}, InvalidOption, "images is 1"),
        ({"draws": 0}, InvalidOption, "draws is 0"),
    ],
)
def test_bad_options_are_refused(options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        scorer(**options)


# ---------------------------------------------------------------- the file of values


def test_values_are_kept_in_a_file_that_others_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "values.jsonl"
    expected = scorer(proxies=("nwot", "synflow"), cache=path).values(cell())
    dead = scorer(proxies=("nwot",), cache=path).values(cell(DEAD[0]))
    monkeypatch.setattr(module.Scorer, "_computed", None)  # nothing may be computed any more
    again = scorer(proxies=("synflow", "nwot"), cache=path)
    assert again.values(cell()) == expected
    found = scorer(proxies=("nwot",), cache=path).values(cell(DEAD[0]))
    assert math.isnan(dead["nwot"])
    assert math.isnan(found["nwot"])
    with pytest.raises(TypeError):  # another seed has other values
        scorer(proxies=("nwot",), cache=path, seed=1).values(cell())
    with pytest.raises(TypeError):  # and so has another space
        Scorer(OwnSpace(), ("nwot",), SMALL, images=4, cache=path).values(cell())


def test_a_line_that_was_cut_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "values.jsonl"
    expected = scorer(proxies=("nwot",), cache=path).values(cell())
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["values"] == dict(expected)
    path.write_text(line[:-20])
    assert scorer(proxies=("nwot",), cache=path).values(cell()) == expected
    path.write_text("nonsense\n[1]\n" + line + "\n")
    assert scorer(proxies=("nwot",), cache=path).values(cell()) == expected


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"the file of scores .* cannot be used"):
        scorer(proxies=("synflow",), cache=tmp_path / "missing" / "x").values(cell())
    with pytest.raises(StoreError, match=r"the file of scores .* cannot be used"):
        scorer(proxies=("synflow",), cache=tmp_path).values(cell())


# ---------------------------------------------------------------- ranks in a pool


def test_a_ranking_is_the_same_for_all_who_make_it() -> None:
    options = {"task": SMALL, "images": 4, "pool": 6}
    one, other = (ranking_of(SPACE, ("az-nas", "synflow"), options) for _ in range(2))
    assert one.score_of(cell()) == other.score_of(cell())
    assert one.standard_scores(cell()) == other.standard_scores(cell())
    assert one.score_of(cell(DEAD[0])) < one.score_of(cell())
    assert len(one.standard_scores(cell())) == 2


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"pool": 0}, InvalidOption, "pool of the proxies is 0"),
        ({"sizes": 1}, UnknownName, "option of the proxies 'sizes'"),
        ({"task": {"stem": "imagenet"}}, InvalidOption, "stem"),
    ],
)
def test_bad_options_of_a_ranking_are_refused(
    options: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        ranking_of(SPACE, ("synflow",), options)


class Broken(OwnSpace):
    def build(self, width: int, task: Task) -> nn.Module:
        if width < 8:
            raise ValueError("no such network")
        return super().build(width, task)


class Hopeless(OwnSpace):
    def build(self, width: int, task: Task) -> nn.Module:
        raise ValueError("no such network")


def test_networks_that_cannot_be_built_rank_lowest_and_none_at_all_is_said() -> None:
    options = {"task": {"height": 8, "width": 8}, "images": 4, "pool": 8}
    ranking = ranking_of(Broken(), ("synflow",), options)
    scores = [ranking.score_of(architecture_of(Broken(), (i,))) for i in range(3)]
    assert scores[0] == scores[1] < scores[2]
    with pytest.raises(InvalidOption, match="none of 8 random networks of Hopeless can be scored"):
        ranking_of(Hopeless(), ("synflow",), options)
