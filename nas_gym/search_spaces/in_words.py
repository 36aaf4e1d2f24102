"""A whole search space in words, short enough for the prompt of a model that proposes."""

import json
import re
from collections.abc import Sequence
from typing import Any

from nas_gym.search_spaces.architecture import architecture_of, genotype_to_json
from nas_gym.search_spaces.choice_table import with_closed
from nas_gym.search_spaces.grammar import Choice, SearchSpace, T, Tokens, checked_choice
from nas_gym.search_spaces.moves import random_tokens

LONGEST = 7_000  # characters: fewer than 2,000 tokens of a prompt, at 3.5 or more each
_EXAMPLE = 2_500  # characters of an example's JSON
_MOST_KINDS = 60  # of choices whose consequences are looked for
_SHOWN = 8  # positions, and options, that are listed before the rest is counted

Path = tuple[Choice, ...]


def space_in_words(space: SearchSpace[Any]) -> str:
    """Describe a space: its choices in order, what depends on what, limits, an example.

    Choices whose names differ in their numbers alone share a line, with # for the number.

    Args:
        space: Any; with limits, these are said.

    Returns:
        Lines of text, of ``LONGEST`` characters at most.
    """
    path = _path(space, ())
    lines = [_opening(space, path), "", "Choices, by position (from 0), with their options:"]
    lines += [_line(pattern, places, path) for pattern, places in _patterns(path).items()]
    lines += ["", f"Their order: {_listed([choice.name for choice in path])}."]
    depends = _dependences(space, path)
    if depends:
        lines += [
            "",
            "What depends on earlier choices (above: the first option of each):",
            *depends,
        ]
    limits = getattr(space, "limits", None)
    if limits is not None:
        lines += ["", f"Limits that every architecture must keep: {limits}{limits.where}."]
    example = ["", *_example(space)]
    return "\n".join([*_fitting(lines, LONGEST - _length(example)), *example])


def _opening(space: SearchSpace[Any], path: Path) -> str:
    unlimited = getattr(space, "unlimited", space)
    fixed = getattr(unlimited, "static", False)
    size = getattr(unlimited, "size", None)
    count = f", {size:,} architectures" if isinstance(size, int) else ""
    length = f"exactly {len(path)}" if fixed else f"at most {space.max_length}"
    return (
        f"Search space {type(unlimited).__name__}: an architecture is a list of {length} tokens"
        f"{count}. Each token answers one choice: it is the index, from 0, of one of the options."
    )


def _path(space: SearchSpace[Any], prefix: Tokens) -> Path:
    """Return the choices on the path that goes on from a prefix with the first open options."""
    open_tokens: Any = getattr(space, "open_tokens", None)
    choices: list[Choice] = []
    tokens: list[int] = []

    def pick(name: str, options: Sequence[T], /) -> T:
        choice = checked_choice(space, name, options, len(tokens))
        if open_tokens is not None:
            choice = with_closed(choice, open_tokens(tuple(tokens)))
        place = len(tokens)
        choices.append(choice)
        tokens.append(prefix[place] if place < len(prefix) else choice.tokens[0])
        return options[tokens[-1]]

    space.choose(pick)
    return tuple(choices)


def _pattern(name: str) -> str:
    return re.sub(r"[0-9]+", "#", name)


def _patterns(path: Path) -> dict[str, list[int]]:
    """Return where the choices of each kind of name stand, in the order of their first one."""
    places: dict[str, list[int]] = {}
    for place, choice in enumerate(path):
        places.setdefault(_pattern(choice.name), []).append(place)
    return places


def _line(pattern: str, places: Sequence[int], path: Path) -> str:
    first, last = path[places[0]], path[places[-1]]
    where = _listed(places)
    if len(places) == 1:
        return f"- {first.name} ({where}): {_options(first)}"
    line = f"- {pattern} ({where}; {first.name} to {last.name}): {_options(first)}"
    if any(path[place].options != first.options for place in places):
        return f"{line} at the first, to {_options(last)} at the last"
    return line


def _options(choice: Choice) -> str:
    return _listed([json.dumps(genotype_to_json(option)) for option in choice.options], " | ")


def _listed(items: Sequence[Any], between: str = ", ") -> str:
    if len(items) <= _SHOWN + 6:
        return between.join(map(str, items))
    shown = [*map(str, items[:_SHOWN]), f"… {len(items) - _SHOWN - 1} more …", str(items[-1])]
    return between.join(shown)


def _dependences(space: SearchSpace[Any], path: Path) -> list[str]:
    """Return, for the first choice of each kind, what its other options change behind it."""
    if getattr(space, "static", False):
        return []
    lines: list[str] = []
    prefix: Tokens = ()
    seen: set[str] = set()
    for place, choice in enumerate(path):
        if _pattern(choice.name) not in seen and len(seen) < _MOST_KINDS:
            seen.add(_pattern(choice.name))
            behind = {t: _path(space, (*prefix, t))[place:] for t in choice.tokens}
            first = behind[choice.tokens[0]]
            for token, other in behind.items():
                change = _change(first, other)
                if change:
                    option = json.dumps(genotype_to_json(choice.options[token]))
                    lines.append(f"- {choice.name} = {option}: {change}")
        prefix = (*prefix, choice.tokens[0])
    return lines


def _change(first: Path, other: Path) -> str:
    """Return what the other path has that the first has not, and the other way round."""
    names, others = ({c.name: c.options for c in path} for path in (first, other))
    parts = [
        ("adds", [n for n in others if n not in names]),
        ("leaves out", [n for n in names if n not in others]),
        ("has other options for", [n for n in names if n in others and names[n] != others[n]]),
    ]
    return "; ".join(f"{verb} {_listed(found)}" for verb, found in parts if found)


def _example(space: SearchSpace[Any]) -> list[str]:
    import numpy as np

    drawn = random_tokens(space, np.random.default_rng(0))
    data = _json(space, drawn)
    if len(data) > _EXAMPLE:
        drawn = tuple(choice.tokens[0] for choice in _path(space, ()))
        data = _json(space, drawn)
    lines = ["An example:", f'{{"tokens": {json.dumps(list(drawn))}}}']
    if len(data) > _EXAMPLE:
        return [*lines, "(its genotype as JSON is too long for this page: propose tokens)"]
    return [*lines, "The same as a genotype:", f'{{"genotype": {data}}}']


def _json(space: SearchSpace[Any], tokens: Tokens) -> str:
    return json.dumps(genotype_to_json(architecture_of(space, tokens).genotype))


def _fitting(lines: list[str], room: int) -> list[str]:
    """Leave out the longest lines, but the first, until the others fit; say so."""
    note = "(more is left out for want of room)"
    kept = set(range(len(lines)))
    longest = sorted(range(1, len(lines)), key=lambda place: -len(lines[place]))
    for place in longest:
        if _length([lines[each] for each in kept]) + len(note) < room:
            break
        kept.remove(place)
    shown = [lines[each] for each in sorted(kept)]
    return shown if len(kept) == len(lines) else [*shown, note]


def _length(lines: Sequence[str]) -> int:
    return sum(map(len, lines)) + len(lines)
