"""A Pareto front as a picture that needs no script: one objective against another, as SVG."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape

from nas_gym.options.printable import printable
from nas_gym.runs.fronts import Front, in_words

WIDTH, HEIGHT = 440, 290
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 10, 44  # around the field of the points
POINTS = 1_500  # others that are drawn, at most
PLACES = 20_000  # others that are looked at for it
TICKS = 5  # about so many

FAR = 5  # per cent of the others, the worst, for whose sake no axis is twice as long

Floats = npt.NDArray[np.float64]


class FrontPicture(NamedTuple):
    """A picture of a front, one objective against another."""

    svg: Markup
    outside: int  # others that are so much worse that they are not shown


def front_picture(front: Front, across: int, words: Sequence[str]) -> FrontPicture:
    """Return the first objective against another one.

    Args:
        front: The front, and all that it was found among.
        across: Position of the other objective, which is drawn from left to right.
        words: Names of all objectives, for people.
    """
    names = [each.name for each in front.objectives]
    signs = np.array([front.objectives[across].sign, front.objectives[0].sign])
    others = front.others[:, [across, 0]] * signs
    members = front.values[:, [across, 0]] * signs
    x, y = (_Axis.of(others[:, k], members[:, k], int(signs[k])) for k in (0, 1))
    inside = x.has(others[:, 0]) & y.has(others[:, 1])
    outside, others = int((~inside).sum()), others[inside]
    parts = [*_grid(x, y), _dots(others, x, y)]
    if len(front.objectives) == 2:
        parts.append(_line(members, x, y, front.objectives[across].sign))
    for row, point in zip(front.rows, members, strict=True):
        said = (
            f"request {row.number + 1}: {words[0]} {in_words(names[0], point[1])}, "
            f"{words[across]} {in_words(names[across], point[0])}"
        )
        parts.append(
            f'<circle cx="{_px(x.at(point[0]))}" cy="{_py(y.at(point[1]))}" r="4">'
            f"<title>{escape(said)}</title></circle>"
        )
    middle = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    parts += [
        f'<text x="{middle[0]:.0f}" y="{HEIGHT - 6}" text-anchor="middle">'
        f"{escape(printable(words[across]))}</text>",
        f'<text transform="translate(11 {middle[1]:.0f}) rotate(-90)" text-anchor="middle">'
        f"{escape(printable(words[0]))}</text>",
    ]
    label = (
        f"{words[0]} against {words[across]}: {len(members)} architectures of the front among "
        f"{len(front.others):,}; the table below has their figures"
    )
    svg = (
        f'<svg class="front" role="img" aria-label="{escape(printable(label))}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(parts)}</svg>'
    )
    return FrontPicture(Markup(svg), outside)


class _Axis:
    """Numbers as shares of an axis, from 0 to 1, with round numbers on it."""

    def __init__(self, low: float, high: float) -> None:
        room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
        self.low, self.high = low - room, high + room
        rough = (self.high - self.low) / TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        self.step = power * next((n for n in (1, 2, 2.5, 5) if n * power >= rough), 10)
        self.first = math.ceil(self.low / self.step)

    @classmethod
    def of(cls, others: Floats, members: Floats, sign: int) -> "_Axis":
        """Return one with all members, and with all others but those that are far worse."""
        ends = [min(others.min(), members.min()), max(others.max(), members.max())]
        side = 0 if sign > 0 else 1  # where the worse ones are
        worse = (np.minimum, np.maximum)[side](
            np.percentile(others, FAR if sign > 0 else 100 - FAR),
            (members.min(), members.max())[side],
        )
        if abs(ends[1 - side] - worse) < (ends[1] - ends[0]) / 2:
            ends[side] = worse
        return cls(float(ends[0]), float(ends[1]))

    def has(self, values: Floats) -> npt.NDArray[np.bool_]:
        return (values >= self.low) & (values <= self.high)

    def at(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)

    @property
    def ticks(self) -> list[float]:
        last = math.floor(self.high / self.step)
        return [n * self.step for n in range(self.first, last + 1)]

    def label(self, tick: float) -> str:
        size = max(abs(self.low), abs(self.high))
        for letter, unit in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
            if size >= 10 * unit or (size >= unit and unit > 1e3):
                return f"{tick / unit:.6g}{letter}" if tick else "0"
        return f"{tick:.6g}" if abs(tick) > 1e-9 * size else "0"


def _px(share: float) -> str:
    return f"{LEFT + share * (WIDTH - LEFT - RIGHT):.1f}".removesuffix(".0")


def _py(share: float) -> str:
    return f"{HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM):.1f}".removesuffix(".0")


def _grid(x: _Axis, y: _Axis) -> list[str]:
    parts = []
    for tick in x.ticks:
        place = _px(x.at(tick))
        parts.append(f'<path class="grid" d="M{place} {TOP}V{HEIGHT - BOTTOM}"/>')
        parts.append(
            f'<text x="{place}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">'
            f"{x.label(tick)}</text>"
        )
    for tick in y.ticks:
        place = _py(y.at(tick))
        parts.append(f'<path class="grid" d="M{LEFT} {place}H{WIDTH - RIGHT}"/>')
        parts.append(
            f'<text x="{LEFT - 5}" y="{place}" dy=".35em" text-anchor="end">{y.label(tick)}</text>'
        )
    return parts


def _dots(points: Floats, x: _Axis, y: _Axis) -> str:
    """Return all points as one path of round ends; those at one place are drawn once."""
    some = points[:: max(1, math.ceil(len(points) / PLACES))]
    places = dict.fromkeys((_px(x.at(a)), _py(y.at(b))) for a, b in some)
    shown = list(places)[:: max(1, math.ceil(len(places) / POINTS))]
    return f'<path class="dots" d="{"".join(f"M{a} {b}h0" for a, b in shown)}"/>'


def _line(members: Floats, x: _Axis, y: _Axis, sign: int) -> str:
    """Return the border of what the front reaches: steps from member to member.

    Args:
        members: (members, 2).
        x: From left to right.
        y: From below.
        sign: 1 if the axis from left to right has what should be large, -1 if small.
    """
    order = members[np.argsort(members[:, 0])]
    places = [(_px(x.at(a)), _py(y.at(b))) for a, b in order]
    steps = "".join(f"H{a}V{b}" if sign < 0 else f"V{b}H{a}" for a, b in places[1:])
    return f'<path class="steps" d="M{places[0][0]} {places[0][1]}{steps}"/>'
