"""The numbers of a search: what each may be."""

from typing import Annotated, Any, Unpack

from annotated_types import Gt

from nas_gym.envs.ledger import LedgerOptions
from nas_gym.options import check_all
from nas_gym.options.counts import Episodes, Seed, Workers


class SearchOptions(LedgerOptions, total=False):
    """The numbers of a search, checked before anything is made; ``search`` says what they are."""

    child_seed: Seed | None
    num_envs: Episodes | None
    workers: Workers
    timeout: Annotated[float, Gt(0)] | None
    memory_limit: Annotated[float, Gt(0)] | None
    time_limit: Annotated[float, Gt(0)] | None
    in_flight: Episodes | None


def checked_options(**options: Unpack[SearchOptions]) -> dict[str, Any]:
    """Return the numbers of a search, as Python's own; raise InvalidOption for a wrong one."""
    return check_all(SearchOptions, options)
