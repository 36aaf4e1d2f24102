"""The card of a model: ``README.md`` with the front matter that the Hugging Face Hub reads."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nas_gym import __version__
from nas_gym.models.preprocessing import Preprocessing, TextPreprocessing
from nas_gym.networks.task import Task, task_to_json
from nas_gym.options.printable import printable
from nas_gym.registry import trust_option
from nas_gym.runs.markdown import plain, table

_HEAD = """\
---
library_name: nas-gym
pipeline_tag: {pipeline}
license: other  # fill in: the licence of the weights follows from you and your data
tags:
- neural-architecture-search
- pytorch
{more}---
"""
_METRICS = {"test_accuracy": "accuracy", "test_perplexity": "perplexity"}  # as the Hub calls them
_USE = """\
## Use

With nas-gym {version}:

```
nas-gym predict FOLDER {example}{trust}
```

or in Python, with files{more}:

```python
import nas_gym

model = nas_gym.load_model("FOLDER"{trusted})
for found in model.predict(["{file}"]):
    print({shown})
```
"""
_USE_SOURCE = """Without it, by `model.py`, which needs PyTorch alone:

```python
import model

network = model.load("model.safetensors")  # in evaluation mode
logits = network({call})  # {call} are {shape}
```
"""


def card(
    title: str, task: Any, preprocessing: Preprocessing, figures: Mapping[str, Any], fresh: bool,
    modules: Sequence[str] = (), without: str = "",
) -> str:  # fmt: skip
    """Return the card as Markdown.

    Args:
        title: What the network is, in a few words.
        task: What it was built for.
        preprocessing: How it is fed.
        figures: What is known of its training, by name.
        fresh: Whether it was not trained.
        modules: Of the user's own, which are imported to load it.
        without: In place of how to use ``model.py``: that there is none.
    """
    lines = [
        *_lines(title, task, preprocessing, figures, fresh),
        *_use(isinstance(task, Task), modules, without),
    ]
    return "\n".join(lines) + "\n"


def without_source(space: Any) -> str:
    """Return that a folder has no ``model.py``, and what that means."""
    module, name = type(space).__module__, type(space).__name__
    where = "the script that defines it" if module == "__main__" else f"the module {module}"
    return (
        f"there is no model.py, since {name} has no method to_source: whoever loads the folder "
        f"needs nas-gym and {where}"
    )


def _use(images: bool, modules: Sequence[str], without: str) -> Iterator[str]:
    yield _USE.format(
        version=__version__, example="IMAGE..." if images else "TEXT.txt",
        trust=trust_option(modules), trusted=f", trust={[*modules]}" if modules else "",
        more=", images of Pillow's or arrays" if images else "",
        file="image.png" if images else "text.txt",
        shown='found["classes"][0]' if images else 'found["perplexity"]',
    )  # fmt: skip
    if without:
        yield f"{plain(without[0].upper() + without[1:])}."
        return
    yield _USE_SOURCE.format(
        call="images" if images else "tokens",
        shape="(batch, channels, height, width)" if images else "(time, batch)",
    ).rstrip()


def _lines(
    title: str, task: Any, preprocessing: Preprocessing, figures: Mapping[str, Any], fresh: bool
) -> Iterator[str]:
    text = isinstance(preprocessing, TextPreprocessing)
    task_name = "text-generation" if text else "image-classification"
    yield _HEAD.format(pipeline=task_name, more=_results(title, task_name, figures))
    yield f"# {plain(title)}\n"
    if fresh:
        yield "The weights are fresh: the network has not been trained.\n"
    if "command" in figures:
        yield "## How it was trained\n"
        yield f"All figures are printed by\n\n```\n{printable(figures['command'])}\n```\n"
        yield "The test part was opened once, when the training was over.\n"
    alone = {n: v for n, v in figures.items() if n != "command" and not isinstance(v, Mapping)}
    if alone:
        yield table(("", ""), [(plain(name), _short(value)) for name, value in alone.items()])
        yield ""
    for name, values in figures.items():
        if isinstance(values, Mapping):
            yield f"### {plain(name).capitalize()}\n"
            yield table(("", ""), [(plain(n), _short(v)) for n, v in values.items()])
            yield ""
    yield "## What it takes\n"
    if isinstance(preprocessing, TextPreprocessing):
        yield (
            f"A text of {preprocessing.level}s, of which it knows "
            f"{len(preprocessing.vocabulary):,} (`preprocess.json`); tokens are (time, batch).\n"
        )
    else:
        shown = ", ".join(map(plain, preprocessing.classes[:20]))
        more = ", …" if len(preprocessing.classes) > 20 else ""
        yield (
            f"Images of {len(preprocessing.mean)} x {preprocessing.height} x "
            f"{preprocessing.width}: upright, cut to a square about the middle, resized, values "
            "brought to [0, 1] and normalised, `(value - mean) / std`, by mean and std of "
            f"`preprocess.json`. {len(preprocessing.classes)} classes: {shown}{more}.\n"
        )
    yield "## Size\n"
    yield table(("", ""), [(plain(n), plain(v)) for n, v in task_to_json(task).items()])
    yield ""


def _short(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(each, float) for each in value):
        return " to ".join(map(_short, value))  # an interval
    return f"{value:.6g}" if isinstance(value, float) else plain(value)


def _results(title: str, task: str, figures: Mapping[str, Any]) -> str:
    """Return the part of the front matter from which the Hub makes its table of results."""
    metrics = {hub: figures[name] for name, hub in _METRICS.items() if name in figures}
    if "test_perplexity" in figures:
        metrics.pop("accuracy", None)  # of single words, which is not what the Hub means
    if not metrics or "dataset" not in figures:
        return ""
    data = json.dumps(printable(str(figures["dataset"])))  # a JSON string is one of YAML
    lines = [
        f"datasets:\n- {data}",
        "metrics:",
        *(f"- {name}" for name in metrics),
        "model-index:",
        f"- name: {json.dumps(printable(title))}",
        "  results:",
        f"  - task:\n      type: {task}",
        f"    dataset:\n      name: {data}\n      type: {data}\n      split: test",
        "    metrics:",
        *(f"    - type: {name}\n      value: {value}" for name, value in metrics.items()),
    ]
    return "\n".join(lines) + "\n"
