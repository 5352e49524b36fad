"""Access keys: who may do what, in which collections.

The secret half of a key signs requests (AWS Signature Version 4), so the service must be able to read it: it is kept
encrypted, not hashed. Values here hold only the sealed form.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class Scope(StrEnum):
    """What a key is for; each includes those before it."""

    READ = "read"  # detect, compare, search, list
    ENROL = "enrol"  # and add, name and delete faces and persons
    ADMIN = "admin"  # and create, tag and delete collections

    def includes(self, other: "Scope") -> bool:
        """Tell whether whoever has this scope may do what `other` allows."""
        order = tuple(Scope)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """What a caller may do.

    Attributes:
        collections: the only ones the caller may name; None is all.
    """

    scope: Scope
    collections: frozenset[str] | None = None

    def reaches(self, collection_id: str) -> bool:
        """Tell whether the caller may know of a collection."""
        return self.collections is None or collection_id in self.collections

    def allows(self, scope: Scope, collection_id: str | None = None) -> bool:
        """Tell whether the caller may do something, in a collection or in none."""
        return self.scope.includes(scope) and (collection_id is None or self.reaches(collection_id))


EVERYTHING = Grant(scope=Scope.ADMIN)


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessKey:
    """One key as it is stored.

    Attributes:
        sealed_secret: the secret, encrypted with the key file (`adapters/key_file.py`).
    """

    access_key_id: str
    grant: Grant
    created_s: float
    sealed_secret: bytes = field(repr=False)
