"""Scaling rules by name: the original one, the known ones with their sources, and ours.

Each is a pure function from an observation and a memory to a decision and a memory, so the controller and the
simulator run the same code.
"""

from collections.abc import Callable, Mapping
from typing import Any

from facefleet.core.fleet import Policy
from facefleet.core.scaling.naive import Naive
from facefleet.errors import InvalidInput

_RULES: Mapping[str, Callable[[], Policy[Any]]] = {
    "naive": Naive,
    "naive+pending": lambda: Naive(counts_pending=True),
}

NAMES = tuple(_RULES)


def policy(name: str) -> Policy[Any]:
    """Return the scaling rule of this name.

    Raises:
        InvalidInput: there is none; the detail lists the names.
    """
    rule = _RULES.get(name.strip())
    if rule is None:
        raise InvalidInput(f"There is no policy {name!r}; choose among {', '.join(NAMES)}.")
    return rule()
