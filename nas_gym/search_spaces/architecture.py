"""An architecture: the tokens that chose it, the genotype they describe, and its key."""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, Generic, TypeVar

from nas_gym.errors import InvalidGenotype, InvalidSpace
from nas_gym.search_spaces.grammar import SearchSpace, decode, decode_valid

G = TypeVar("G")


@dataclass(frozen=True, slots=True)
class Architecture(Generic[G]):
    """An architecture, as an evaluator gets it.

    ``key`` is equal for designs that compute the same function (a space without
    ``canonical_key`` has one key per token list): what is trained once under a key is never trained
    again.
    """

    tokens: tuple[int, ...]
    genotype: G
    key: str


def architecture_of(space: SearchSpace[G], tokens: Iterable[int]) -> Architecture[G]:
    """Return the architecture that ``tokens`` describe in ``space``.

    Raises:
        InvalidTokens: Wrong length or type, or a token that is not an index into its options.
    """
    plain = tuple(tokens)
    genotype = decode(space, plain)
    return Architecture(plain, genotype, key_of(space, genotype, plain))


def architecture_of_valid(space: SearchSpace[G], tokens: tuple[int, ...]) -> Architecture[G]:
    """Do as ``architecture_of`` without checks, for tokens known to be complete and in range."""
    genotype = decode_valid(space, tokens)
    return Architecture(tokens, genotype, key_of(space, genotype, tokens))


def key_of(space: SearchSpace[G], genotype: G, tokens: tuple[int, ...]) -> str:
    """Return the space's canonical key of ``genotype``, or one that differs for all tokens."""
    canonical_key = getattr(space, "canonical_key", None)
    if canonical_key is not None:
        return str(canonical_key(genotype))
    return ",".join(map(str, tokens))


def up_to_isomorphism(space: SearchSpace[Any]) -> SearchSpace[Any]:
    """Return the space with keys that are equal for designs of the same function, if it has those.

    A space whose benchmark gives isomorphic architectures their own numbers has such keys only if
    it is asked for them, by its method ``up_to_isomorphism()``.
    """
    keyed = getattr(space, "up_to_isomorphism", None)
    return space if keyed is None else keyed()


def genotype_to_json(genotype: object) -> Any:
    """Return ``genotype`` as JSON data: its own ``to_json()``, or its fields and values.

    Raises:
        InvalidSpace: It holds something that JSON cannot.
    """
    to_json = getattr(genotype, "to_json", None)
    if to_json is not None:
        return to_json()
    if is_dataclass(genotype) and not isinstance(genotype, type):
        return {f.name: genotype_to_json(getattr(genotype, f.name)) for f in fields(genotype)}
    if isinstance(genotype, tuple) and hasattr(genotype, "_asdict"):
        return {name: genotype_to_json(value) for name, value in genotype._asdict().items()}
    if isinstance(genotype, Mapping):
        return {str(name): genotype_to_json(value) for name, value in genotype.items()}
    if isinstance(genotype, list | tuple):
        return [genotype_to_json(value) for value in genotype]
    if genotype is None or isinstance(genotype, str | bool | int | float):
        return genotype
    if hasattr(genotype, "dtype") and hasattr(genotype, "tolist"):  # numbers and arrays of numpy
        return genotype_to_json(genotype.tolist())
    raise InvalidSpace(
        f"a genotype holds {genotype!r}, which JSON cannot: use dataclasses, tuples and plain "
        "values, or give it a method to_json()"
    )


def json_object(what: str, data: object, kind: type[Any]) -> dict[str, Any]:
    """Return ``data``, a JSON object with the fields of a dataclass; defaults may be missing.

    Args:
        what: Its name in the message, e.g. ``"layer 3"``.
        data: What JSON gave.
        kind: The dataclass.

    Raises:
        InvalidGenotype: It is something else, or lacks a field, or has another one.
    """
    known = [field.name for field in fields(kind)]
    needed = {field.name for field in fields(kind) if field.default is MISSING}
    if isinstance(data, Mapping) and needed <= set(data) <= set(known):
        return dict(data)
    shown = f"one with {', '.join(map(str, data))}" if isinstance(data, Mapping) else repr(data)
    raise InvalidGenotype(
        f"{what} is a JSON object with the keys {', '.join(known)}, not {shown[:60]}"
    )
