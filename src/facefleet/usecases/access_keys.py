"""Making access keys."""

import base64
from collections.abc import Callable, Iterable

from facefleet.core.keys import AccessKey, Grant, Scope
from facefleet.ports import Keys, Vault

# AWS's form: 20 characters for the id, 40 for the secret (240 random bits).
_PREFIX = "FFAK"
_ID_BYTES = 10
_SECRET_BYTES = 30


async def make_key(
    keys: Keys,
    vault: Vault,
    *,
    scope: Scope,
    collections: Iterable[str],
    random: Callable[[int], bytes],
    now_s: float,
) -> tuple[AccessKey, str]:
    """Make a key and keep it; return it with its secret, which cannot be shown again.

    Args:
        collections: the only ones the key may name; none of them means all.
        random: returns so many bytes that nobody can guess.
        now_s: Unix time.
    """
    name = _PREFIX + base64.b32encode(random(_ID_BYTES)).decode()
    secret = base64.urlsafe_b64encode(random(_SECRET_BYTES)).decode()
    key = AccessKey(
        access_key_id=name,
        grant=Grant(scope=scope, collections=frozenset(collections) or None),
        created_s=now_s,
        sealed_secret=vault.seal(name, secret),
    )
    await keys.add(key)
    return key, secret
