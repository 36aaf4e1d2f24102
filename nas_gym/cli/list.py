"""``nas-gym list``."""

import ast
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import tyro

from nas_gym.cli.listed import told_of
from nas_gym.cli.shared import StorePlace, Words, count_of, print_json
from nas_gym.errors import unknown_name
from nas_gym.options.printable import printable
from nas_gym.store.location import DEFAULT_STORE


@dataclass(frozen=True)
class List:
    """List environments, spaces, agents, data sets, recipes, rewards, benchmarks, recorded runs."""

    lists: Annotated[tyro.conf.Positional[Words], tyro.conf.arg(metavar="[LIST]")] = ()
    """Only this one, or these: spaces, agents, runs, …; all by default."""
    store: StorePlace = str(DEFAULT_STORE)
    json: bool = False
    """Print the lists as JSON."""

    def __call__(self) -> int:
        """Print the lists."""
        listing = _listing()
        for name in self.lists:
            if name not in (*listing, "runs"):
                raise unknown_name("list", name, (*listing, "runs"))
        if "runs" in (self.lists or ("runs",)):
            listing["runs"] = _runs(self.store)
        listing = {name: listing[name] for name in self.lists or listing}
        if self.json:
            print_json(listing)
            return 0
        print("\n".join(_in_groups(listing)))
        return 0


def _runs(store: str) -> list[dict[str, Any]]:
    if store == str(DEFAULT_STORE) and not DEFAULT_STORE.exists():
        return []  # nothing was searched here yet
    from nas_gym.store import Store

    with Store(store, must_exist=True) as opened:
        return opened.runs()


def _listing() -> dict[str, Any]:
    from nas_gym.benchmark.suite import BENCHMARKS
    from nas_gym.envs.ids import EDIT_IDS, IDS, MULTI_OBJECTIVE_IDS
    from nas_gym.plugins import names
    from nas_gym.search_spaces.published import PUBLISHED
    from nas_gym.training.named import NAMED_RECIPES

    return {
        "environments": [*IDS, *EDIT_IDS, *MULTI_OBJECTIVE_IDS],
        "spaces": names("space"),
        "agents": names("agent"),
        "evaluators": names("evaluator"),
        "rewards": names("reward"),
        "executors": names("executor"),
        "datasets": [
            *sorted([*names("dataset"), *names("text")]),
            "a folder of images",
            "a .npz file",
            "a folder of text",
        ],
        "recipes": sorted(NAMED_RECIPES),
        "architectures": sorted(PUBLISHED),
        "benchmarks": sorted(BENCHMARKS),
    }


# ---------------------------------------------------------------- for people: groups, a line each


_WIDTH = 80
_KINDS = {
    "spaces": "space",
    "agents": "agent",
    "evaluators": "evaluator",
    "rewards": "reward",
    "executors": "executor",
}


def _in_groups(listing: dict[str, Any]) -> Iterator[str]:
    for title, entries in listing.items():
        if title == "runs":
            yield from _runs_in_lines(entries)
        elif title in _KINDS:
            with_presets = " (with a preset: NAME/PRESET)" * any("/" in name for name in entries)
            yield f"{title}{with_presets}:"
            yield from _parts_in_lines(_KINDS[title], entries)
        else:
            yield f"{title}:"
            yield from _named_in_lines(entries, told_of(title, _summary))


def _parts_in_lines(kind: str, entries: Iterable[str]) -> Iterator[str]:
    """Return a line for each part, with what it is, and its presets below."""
    from nas_gym.plugins import names, table

    known = set(names(kind))
    places = {name: place for name, place in table(kind).items() if name in known}
    width = max(map(len, places))
    presets: dict[str, list[str]] = {name: [] for name in places}
    for name, slash, preset in (entry.partition("/") for entry in entries):
        if slash:
            presets[name].append(preset)
    for name, named in sorted(presets.items()):
        line = f"  {name:{width}}  {_summary(places[name])}".rstrip()
        yield from _first_clause(line, " " * (width + 4))
        if named:
            yield from _wrapped(f"presets: {', '.join(named)}", " " * (width + 4))


def _named_in_lines(entries: Sequence[str], told: Mapping[str, str]) -> Iterator[str]:
    """Return a line for each entry of which something is said, and the others below."""
    width = max((len(entry) for entry in entries if told.get(entry)), default=0)
    for entry in entries:
        if said := told.get(entry):
            yield from _wrapped(f"{entry:{width}}  {said}", "  ", " " * (width + 4))
    others = [entry for entry in entries if not told.get(entry)]
    if others:
        yield from _wrapped(", ".join(others), "  ")


def _runs_in_lines(runs: list[dict[str, Any]]) -> Iterator[str]:
    yield "runs (the best reward, and when they began, UTC):" if runs else "runs: none yet"
    for run in runs:
        best = run["best_reward"]
        shown = "-" if best is None else f"{best:.4f}"
        done = run["requests"] + run["unanswered"]
        begun = printable(run["started"])[:16].replace("T", " ")  # to the minute
        yield from _wrapped(
            f"{printable(run['name'])}: {run['status']}, {count_of(done, 'evaluation')}, "
            f"best {shown}, {begun}",
            "  ", "    ",
        )  # fmt: skip


def _wrapped(text: str, indent: str, further: str | None = None) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=further or indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _first_clause(line: str, indent: str) -> list[str]:
    """Return a line up to a clause that fits; without one the whole of it, wrapped."""
    if len(line) <= _WIDTH:
        return [line]
    for clause in range(_WIDTH, _WIDTH // 2, -1):
        begun = line[:clause]
        brackets = begun.count("(") + begun.count("[") - begun.count(")") - begun.count("]")
        if line[clause : clause + 2] in (": ", "; ", ", ") and not brackets:
            return [begun]
    return _wrapped(line, "", indent)


def _summary(place: str) -> str:
    """Return the first line that ``module:attribute`` says of itself, without importing it."""
    module, _, attribute = place.partition(":")
    body = _tree(module).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == attribute:
            return _first_line(ast.get_docstring(node))
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == attribute for target in targets):
            told = after.value if isinstance(after, ast.Expr) else None
            return _first_line(told.value) if isinstance(told, ast.Constant) else ""
    return ""


def _first_line(docstring: object) -> str:
    line = str(docstring or "").strip().partition("\n")[0].rstrip(".")
    return line.replace("``", "")


@cache
def _tree(module: str) -> ast.Module:
    spec = find_spec(module)
    source = Path(spec.origin) if spec is not None and spec.origin is not None else None
    return ast.parse(source.read_text(encoding="utf-8") if source and source.is_file() else "")
