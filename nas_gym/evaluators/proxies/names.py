"""The names of the proxies, and of the values that each of them needs."""

from collections.abc import Iterable
from typing import Annotated

from annotated_types import MinLen

from nas_gym.options import EachOnce, OneOf

AZ_NAS = "az-nas"
# AZ-NAS's four parts; the fourth, its complexity, is the number of multiply-adds.
AZ_PARTS = ("expressivity", "progressivity", "trainability", "multiply_adds")
ALIVE = "alive"  # beside the proxies' values: 1, NaN of a network whose output says nothing
UNSCORED = "unscored"  # a metric: how many values of a network could not be computed
PROXIES = (
    AZ_NAS, "synflow", "logsynflow", "nwot", "jacov", "zen", "zico", "grad_norm", "snip",
    "parameters", "multiply_adds",
)  # fmt: skip

ProxyName = Annotated[str, OneOf(PROXIES)]
Proxies = Annotated[tuple[ProxyName, ...], MinLen(1), EachOnce]
AnyProxies = Annotated[tuple[ProxyName, ...], EachOnce]  # or none


def values_for(proxies: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the values that proxies are made of, each once.

    Args:
        proxies: Names from ``PROXIES``; each is a value of its own but ``"az-nas"``, which is made
            of ``AZ_PARTS``.
    """
    names = (name for proxy in proxies for name in (AZ_PARTS if proxy == AZ_NAS else (proxy,)))
    return tuple(dict.fromkeys(names))
