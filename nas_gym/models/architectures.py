"""Find the architecture that is meant: a published name, a file, tokens, a string."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nas_gym.drawing.plain import plain_style
from nas_gym.errors import (
    InvalidGenotype,
    InvalidOption,
    InvalidTokens,
    UnknownName,
    unknown_name,
)
from nas_gym.evaluators.trained.trainers import TRAINERS
from nas_gym.networks.task import task_from_json
from nas_gym.networks.task_kinds import IMAGES
from nas_gym.options.json_text import read_json
from nas_gym.options.paths import user_path
from nas_gym.plugins import PLUGINS
from nas_gym.registry import make, usual
from nas_gym.search_spaces.grammar import NetworkSpace, decode, tokens_of
from nas_gym.search_spaces.nasnet_cell.space import NASNetCell
from nas_gym.search_spaces.published import PUBLISHED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGEST_FILE = 4 * 2**20  # bytes of a file with an architecture
_TOKENS = re.compile(r"[ ,]*[0-9]{1,9}([ ,]+[0-9]{1,9})*[ ,]*")
USUAL_SPACE = "nasnet-cell"
WITH_STRINGS = ("nasbench201", "nats-size")  # spaces whose architectures are written as strings


class Found(NamedTuple):
    """An architecture, and what it was found with."""

    genotype: Any
    space: NetworkSpace[Any]
    task: Any = None  # the size that was saved
    tokens: tuple[int, ...] | None = None  # if they were given

    @plain_style()
    def drawn(self) -> "Figure":
        """Draw it; a published cell need not have tokens."""
        from nas_gym.search_spaces.rendering import draw_genotype, drawn_by_space

        figure = drawn_by_space(self.space, self.genotype)
        return draw_genotype(self.space, self._tokens()) if figure is None else figure

    def in_words(self) -> str:
        """Write it in words."""
        to_text = getattr(self.space, "to_text", None)
        if to_text is None:
            from nas_gym.search_spaces.rendering import genotype_as_text

            return genotype_as_text(self.space, self._tokens())
        return str(to_text(self.genotype))

    def _tokens(self) -> tuple[int, ...]:
        return self.tokens or tokens_of(self.space, self.genotype)


def find(text: str, space_name: str | None) -> Found:
    """Return what a name, a JSON file, a token list or an architecture string stands for.

    Raises:
        UnknownName: None of these, or no such space.
        InvalidGenotype: A file or string that does not fit the space.
        InvalidTokens: Tokens that do not.
    """
    if text in PUBLISHED:
        found = Found(*PUBLISHED[text])
        if space_name is not None and _space(space_name) != found.space:
            raise InvalidOption(
                f"--space is {space_name!r}, and {text} is a published architecture with a space "
                "of its own: leave it out"
            )
        return found
    if text.lower().endswith(".json"):
        return _read(user_path(text, "the architecture's file"), space_name)
    if _TOKENS.fullmatch(text):
        return _of_tokens(tuple(map(int, text.replace(",", " ").split())), space_name)
    for name in WITH_STRINGS if space_name is None else (space_name,):
        space = _space(name)
        try:
            return Found(_from_json(space, text), space)
        except InvalidGenotype:
            if space_name is not None and not isinstance(space, NASNetCell):
                raise
    known = [*PUBLISHED, "a .json file", "tokens such as 1,0,12,…", "an architecture string"]
    raise unknown_name("architecture", text, known)


def usual_task(space: NetworkSpace[Any]) -> Any:
    """Return the task for which a space's networks are described unless something else is said."""
    trainer = TRAINERS.get(usual("evaluator", space))
    kind = IMAGES if trainer is None else trainer.task_kind
    return getattr(space, "usual_task", kind.usual)


def _of_tokens(tokens: tuple[int, ...], space_name: str | None) -> Found:
    space = _space(space_name or USUAL_SPACE)
    try:
        return Found(decode(space, tokens), space, tokens=tokens)
    except InvalidTokens as error:
        if space_name is not None:
            raise
        raise InvalidTokens(
            f"{error} (these were read as tokens of {USUAL_SPACE}: name another space with --space)"
        ) from error


def _space(name: str | Mapping[str, Any]) -> NetworkSpace[Any]:
    space: NetworkSpace[Any] = make("space", name)
    if not callable(getattr(space, "build", None)):
        raise InvalidOption(
            f"architectures of {type(space).__name__} cannot be described: it needs a method "
            "build(genotype, task) that returns the network"
        )
    return space


def _from_json(space: NetworkSpace[Any], data: Any) -> Any:
    read = getattr(space, "genotype_from_json", None)
    if read is None:
        raise InvalidOption(
            f"{type(space).__name__} reads no genotypes: give tokens such as 1,0,12,…"
        )
    return read(data)


def _read(path: Path, space_name: str | None) -> Found:
    try:
        data = read_json(_text_of(path))
    except (OSError, ValueError) as error:
        raise InvalidGenotype(f"{path} is not a readable JSON file ({error})") from error
    if not isinstance(data, dict) or "architecture" not in data:
        space = _space(space_name or USUAL_SPACE)
        return Found(_from_json(space, data), space)
    space = _space(_saved_space(path, data.get("space"), space_name))
    task = _saved_task(path, data.get("task"), space)
    if not hasattr(space, "genotype_from_json") and isinstance(data.get("tokens"), list):
        return Found(decode(space, data["tokens"]), space, task, tuple(data["tokens"]))
    return Found(_from_json(space, data["architecture"]), space, task)


def _text_of(path: Path) -> str:
    """Return the text of a file; raise ValueError if it is none, or too large."""
    if path.exists() and not path.is_file():  # a pipe would be waited for, a device never ends
        raise ValueError("it is no file")
    with path.open("rb") as file:
        data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise ValueError(f"it has more than {LARGEST_FILE:,} bytes")
    return data.decode("utf-8-sig")  # editors of Windows begin a file with a mark


def _saved_space(path: Path, saved: Any, given: str | None) -> str | Mapping[str, Any]:
    """Return the space of a file: it may say the options, but not which module is imported."""
    if not isinstance(saved, dict) or given not in (None, saved.get("name")):
        return given or USUAL_SPACE
    name = str(saved.get("name"))
    if given is not None or name.partition("/")[0] in PLUGINS["space"]:
        return saved
    raise InvalidGenotype(
        f"{path} says that its space is {name!r}, and no file may say what is imported: name the "
        "space yourself with --space"
    )


def _saved_task(path: Path, data: Any, space: NetworkSpace[Any]) -> Any:
    if data is None:
        return None
    wrong = f"{path}: 'task' is not what a report writes: leave it out"
    try:
        task = task_from_json(data)
    except (InvalidOption, UnknownName) as error:
        raise InvalidGenotype(wrong) from error
    if type(task) is not type(usual_task(space)):
        raise InvalidGenotype(wrong)
    return task
