"""The card of a model: ``README.md`` with the front matter that the Hugging Face Hub reads."""

from collections.abc import Iterator, Mapping
from typing import Any

from nas_gym import __version__
from nas_gym.models.preprocessing import Preprocessing, TextPreprocessing
from nas_gym.networks.task import Task, task_to_json
from nas_gym.runs.markdown import plain, table

_HEAD = """\
---
library_name: nas-gym
pipeline_tag: {pipeline}
license: other  # fill in: the licence of the weights follows from you and your data
tags:
- neural-architecture-search
- pytorch
---
"""
_USE = """\
## Use

With nas-gym {version}:

```
nas-gym predict FOLDER {example}
```

Without it, by `model.py`, which needs PyTorch alone:

```python
import model

network = model.load("model.safetensors")  # in evaluation mode
logits = network({call})  # {call} are {shape}
```
"""


def card(
    title: str, task: Any, preprocessing: Preprocessing, figures: Mapping[str, Any], fresh: bool
) -> str:
    """Return the card as Markdown.

    Args:
        title: What the network is, in a few words.
        task: What it was built for.
        preprocessing: How it is fed.
        figures: What is known of its training, by name.
        fresh: Whether it was not trained.
    """
    return "\n".join(_lines(title, task, preprocessing, figures, fresh)) + "\n"


def _lines(
    title: str, task: Any, preprocessing: Preprocessing, figures: Mapping[str, Any], fresh: bool
) -> Iterator[str]:
    text = isinstance(preprocessing, TextPreprocessing)
    yield _HEAD.format(pipeline="text-generation" if text else "image-classification")
    yield f"# {plain(title)}\n"
    if fresh:
        yield "The weights are fresh: the network has not been trained.\n"
    if figures:
        yield table(("", ""), [(plain(name), plain(value)) for name, value in figures.items()])
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
            f"{preprocessing.width} with values in [0, 1], normalised by mean and std of "
            f"`preprocess.json`. {len(preprocessing.classes)} classes: {shown}{more}.\n"
        )
    yield "## Size\n"
    yield table(("", ""), [(plain(n), plain(v)) for n, v in task_to_json(task).items()])
    yield ""
    images = isinstance(task, Task)
    yield _USE.format(
        version=__version__,
        example="IMAGE..." if images else "TEXT.txt",
        call="images" if images else "tokens",
        shape="(batch, channels, height, width)" if images else "(time, batch)",
    ).rstrip()
