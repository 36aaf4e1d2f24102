"""How architectures and learning curves look, as SVG and in words.

Of an SVG file its texts with their places are recorded, how many shapes it has of which colours,
and a hash of all of it without dates and random names, numbers rounded to a tenth of a point.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import gymnasium as gym
import matplotlib
import pytest

import nas_gym
from nas_gym.drawing import draw_learning_curve, save
from nas_gym.search_spaces.rendering import draw_partial  # no other door to these as SVG

Check = Callable[[str, str], None]
PUBLISHED = ("nasnet-a", "nas-v1-dense", "nas-cell")
SPACES: dict[str, Any] = {  # beside those that are listed: with what they leave out
    "conv-net of any depth": {
        "name": "conv-net",
        "depth": [2, 3, 4],
        "types": ["conv", "pool"],
        "block_layers": 2,
        "pools": [1],
    },
    "nasnet-cell that only adds": {"name": "nasnet-cell", "blocks": 3, "combines": ["add"]},
}


@pytest.fixture(autouse=True)
def _texts_as_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(matplotlib.rcParamsDefault, "svg.fonttype", "none")  # what is drawn under


@pytest.fixture
def check_drawing(golden: Any) -> Check:
    """Compare an SVG file with what is recorded; skip under another matplotlib."""
    version = ".".join(matplotlib.__version__.split(".")[:2])
    if golden.record:
        golden.check("drawings", "matplotlib", version)
    recorded = golden.recorded("drawings").get("matplotlib")
    if recorded != version:
        pytest.skip(
            f"the drawings were recorded with matplotlib {recorded}, and this is {version}: "
            "another release may place texts elsewhere"
        )
    return lambda name, path: golden.check("drawings", name, drawing(path))


def drawing(path: str | Path) -> dict[str, Any]:
    """Return what an SVG file shows, without what another day or processor changes."""
    text = re.sub(r"(?s)<metadata>.*?</metadata>", "", Path(path).read_text(encoding="utf-8"))
    text = re.sub(r"-?\d+\.\d+(?:e-?\d+)?", lambda number: _tenths(number.group()), text)
    names = dict.fromkeys(re.findall(r'\bid="([^"]+)"', text))
    for number, name in enumerate(names):
        text = re.sub(rf'(?<=["#]){re.escape(name)}(?=["\)])', f"n{number}", text)
    root = ElementTree.fromstring(text)
    elements = [(each.tag.rpartition("}")[2], each) for each in root.iter()]
    shapes = Counter(_shape(tag, each) for tag, each in elements if tag in ("path", "use"))
    return {
        "size": f"{root.get('width')} x {root.get('height')}",
        "texts": [_text(each) for tag, each in elements if tag == "text"],
        "shapes": dict(shapes),
        "sha256": hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:16],
    }


def _tenths(number: str) -> str:
    return f"{round(float(number), 1) + 0.0:g}"


def _text(element: ElementTree.Element) -> str:
    """Return a text after where it stands."""
    place = element.get("transform") or f"{element.get('x')} {element.get('y')}"
    place = re.sub(r"^(?:translate\(|rotate\(-?0 )(.*)\)$", r"\1", place)
    return f"{place}: {''.join(element.itertext()).strip()}"


def _shape(tag: str, element: ElementTree.Element) -> str:
    colours = re.findall(r"(fill|stroke): ([^;]+)", element.get("style") or "")
    return " ".join([tag, *(f"{name} {colour}" for name, colour in colours)])


def environment(space: Any, render_mode: str | None = None) -> Any:
    return gym.make("NASNetCell-v0", space=space, evaluator="landscape", render_mode=render_mode)


def tokens_in(space: Any, seed: int = 5) -> list[int]:
    """Return a random architecture of a space."""
    result = nas_gym.search(space, "landscape", "random-search", budget=1, num_envs=1, seed=seed)
    return list(result.answers[0].evaluation.architecture.tokens)


# ---------------------------------------------------------------- SVG


@pytest.mark.few(1)
@pytest.mark.parametrize("architecture", PUBLISHED)
def test_a_published_architecture_is_drawn(
    architecture: str, check_drawing: Check, nas_gym_command: Callable[..., Any]
) -> None:
    assert nas_gym_command("describe", architecture, "--draw", "it.svg").status == 0
    check_drawing(architecture, "it.svg")


@pytest.mark.few(3)
def test_an_architecture_of_each_space_is_drawn(
    space_name: str, check_drawing: Check, nas_gym_command: Callable[..., Any]
) -> None:
    tokens = ",".join(map(str, tokens_in(space_name)))
    shown = nas_gym_command("describe", tokens, "--space", space_name, "--draw", "it.svg")
    assert shown.status == 0, shown.err
    check_drawing(f"finished {space_name}", "it.svg")


@pytest.mark.slow
def test_a_run_is_drawn(check_drawing: Check, nas_gym_command: Callable[..., Any]) -> None:
    run = ("--agent", "regularized-evolution", "--budget", "40", "--run", "it", "--workers", "1")
    space = ("--space", "nasbench201", "--evaluator", "nasbench201")
    shown = nas_gym_command("search", *space, *run)
    assert shown.status == 0, shown.err
    check_drawing("learning curve", "runs/it/learning_curve.svg")
    check_drawing("best of a run", "runs/it/best-1.svg")


def test_a_learning_curve_with_failures_is_drawn(check_drawing: Check) -> None:
    rewards = [None if i % 7 == 3 else i * 37 % 101 / 101 for i in range(60)]
    save(draw_learning_curve(rewards, title="with failures", ylabel="accuracy"), "it.svg")
    check_drawing("learning curve with failures", "it.svg")


@pytest.mark.few(2)
@pytest.mark.parametrize("part", ["begun", "finished"])
@pytest.mark.parametrize("space", SPACES)
def test_an_architecture_of_other_spaces_is_drawn(
    space: str, part: str, check_drawing: Check
) -> None:
    with environment(SPACES[space]) as env:
        tokens = tokens_in(SPACES[space])
        taken = tokens[: len(tokens) // 2] if part == "begun" else tokens
        save(draw_partial(env.unwrapped.space, taken), "it.svg")
    check_drawing(f"{part} {space}", "it.svg")


@pytest.mark.few(3)
def test_an_unfinished_architecture_of_each_space_is_drawn(
    space_name: str, check_drawing: Check
) -> None:
    with environment(space_name) as env:
        tokens = tokens_in(space_name)
        save(draw_partial(env.unwrapped.space, tokens[: len(tokens) // 2]), "it.svg")
    check_drawing(f"begun {space_name}", "it.svg")


# ---------------------------------------------------------------- in words


def test_an_environment_shows_architectures_in_words(space_name: str, golden: Any) -> None:
    """Before the first choice, in the middle and at the end; and how large its pictures are."""
    tokens, shown = tokens_in(space_name), {}
    with environment(space_name, "ansi") as env:
        env.reset(seed=0)
        shown["at the start"] = lines(env.render())
        for taken, token in enumerate(tokens, start=1):
            *_, info = env.step(token)
            if taken == len(tokens) // 2:
                shown["in the middle"] = lines(env.render())
        shown["at the end"] = lines(env.render())
        shown["info"] = sorted(info)
    with environment(space_name, "rgb_array") as env:
        env.reset(seed=0)
        shown["pixels"] = list(env.render().shape)
    golden.check("renders", space_name, shown)


def lines(text: Any) -> list[str]:
    assert isinstance(text, str)
    return text.splitlines()
