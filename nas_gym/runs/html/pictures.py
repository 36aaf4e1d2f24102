"""Drawings as parts of a page: a picture that needs no file, and two kinds drawn here as SVG."""

import io
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from nas_gym.drawing.plain import plain_style
from nas_gym.runs.html.behaviour import Behaviour
from nas_gym.search_spaces.rendering import draw_genotype

_PATH = re.compile(r" d=\"[^\"]*\"")
_LONG = re.compile(r"(\d+\.\d\d)\d+")  # more digits of a place than a screen has


def drawing(space: Any, tokens: Sequence[int]) -> str:
    """Return an architecture's drawing as a ``data:`` address.

    Within an image no script runs and nothing is fetched, whatever a user's ``draw`` returned.
    """
    text = io.StringIO()
    with plain_style():
        draw_genotype(space, tokens).savefig(text, format="svg", metadata={"Date": None})
    return svg_address(text.getvalue())


def svg_address(svg: str) -> str:
    """Return the ``data:`` address of an SVG, shortened."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"\s+", " ", body)
    # Places only: of a scale, 0.015625, every digit counts.
    body = _PATH.sub(lambda path: _LONG.sub(r"\1", path.group()), body).replace('"', "'")
    return "data:image/svg+xml," + quote(body, safe=" =:/'(),;+*@!$&?.-_~")


def heat_map(behaviour: Behaviour) -> Markup:
    """Return the entropies as an SVG: a row per window, a column per token; dark is undecided."""
    rows, columns = behaviour.windows, behaviour.positions
    width = max(6, min(28, 840 // max(1, len(columns))))
    cells = []
    for y, window in enumerate(rows):
        for x, (name, share) in enumerate(zip(columns, window.entropies, strict=False)):
            said = (
                f"{name}, requests {window.first + 1} to {window.first + window.count}: {share:.0%}"
            )
            cells.append(
                f'<rect x="{x * width}" y="{y * 14}" width="{width - 1}" height="13" '
                f'fill-opacity="{0.06 + 0.94 * share:.2f}"><title>{escape(said)}</title></rect>'
            )
    return _svg(
        f"Entropy of {len(columns)} tokens in {len(rows)} windows of requests",
        len(columns) * width, len(rows) * 14, cells,
    )  # fmt: skip


def _svg(label: str, width: float, height: float, parts: Sequence[str]) -> Markup:
    return Markup(
        f'<svg class="heat" role="img" aria-label="{escape(label)}" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">{"".join(parts)}</svg>'
    )
