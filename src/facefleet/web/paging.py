"""Many at once: listings, a page at a time, continued by naming the last item seen; and how many were deleted."""

from collections.abc import Callable
from typing import Generic, TypeVar

from pydantic import BaseModel, Field

from facefleet.core.faces import Page
from facefleet.web.parameters import Parameters

T = TypeVar("T")
J = TypeVar("J")


class PageQuery(Parameters):
    """How much of a listing."""

    limit: int = Field(default=100, ge=1, le=1000, description="Most items.")


class Listing(BaseModel, Generic[J]):
    """One page; ask again with `after=<next_after>` for the next one, unless that is null."""

    items: tuple[J, ...]
    next_after: str | None


class Deleted(BaseModel):
    """How many went."""

    deleted: int


def listing(page: Page[T], as_json: Callable[[T], J]) -> Listing[J]:
    """Return a page in its wire form."""
    return Listing(items=tuple(as_json(item) for item in page.items), next_after=page.next_after)
