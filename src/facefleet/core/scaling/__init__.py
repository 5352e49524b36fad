"""Scaling rules by name: the original one, the known ones with their sources, and ours.

Each is a pure function from an observation and a memory to a decision and a memory, so the controller and the
simulator run the same code.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from facefleet.core.fleet import Policy
from facefleet.core.scaling.backlog import Backlog
from facefleet.core.scaling.facefleet import Facefleet
from facefleet.core.scaling.hpa import Hpa
from facefleet.core.scaling.keda import Keda
from facefleet.core.scaling.kpa import Kpa
from facefleet.core.scaling.naive import Naive
from facefleet.core.scaling.rayserve import RayServe
from facefleet.core.scaling.static import Static
from facefleet.core.scaling.terms import Billing, Objective
from facefleet.errors import InvalidInput

_RULES: Mapping[str, Callable[[Objective, Billing], Policy[Any]]] = {
    "facefleet": lambda objective, billing: Facefleet(objective=objective, billing=billing),
    "naive": lambda _objective, _billing: Naive(),
    "naive+pending": lambda _objective, _billing: Naive(counts_pending=True),
    "backlog": lambda objective, _billing: Backlog(objective=objective),
    "keda": lambda _objective, _billing: Keda(),
    "kpa": lambda _objective, _billing: Kpa(),
    "hpa": lambda _objective, _billing: Hpa(),
    "rayserve": lambda _objective, _billing: RayServe(),
}
_STATIC = re.compile(r"static[ -]?(\d+)")

NAMES = (*_RULES, "static N")


def policy(name: str, *, objective: Objective | None = None, billing: Billing | None = None) -> Policy[Any]:
    """Return the scaling rule of this name.

    Args:
        name: one of `NAMES`; `static N` with a number.
        objective: what the user asks for; read by `facefleet` and `backlog`.
        billing: what workers cost; read by `facefleet`.

    Raises:
        InvalidInput: there is none of this name; the detail lists the names.
    """
    if fixed := _STATIC.fullmatch(name.strip()):
        return Static(workers=int(fixed[1]))
    rule = _RULES.get(name.strip())
    if rule is None:
        raise InvalidInput(f"There is no policy {name!r}; choose among {', '.join(NAMES)}.")
    return rule(objective or Objective(), billing or Billing())
