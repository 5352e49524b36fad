"""Paging tokens: sealed, good for one listing and for a day.

A token holds the last item seen and when it ends, encrypted and bound to what is listed (AES-SIV, RFC 5297). It cannot
be made up, nor used for another collection, nor kept, nor read: the last item may be a collection that the caller's key
may not know of. Tokens are short, but not always within Rekognition's 255 characters: an item
whose name takes more than 170 bytes makes a longer one, which is accepted in spite of the limit.
"""

import base64
import binascii
import struct
from collections.abc import Callable
from typing import Annotated

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from pydantic import StringConstraints

from facefleet.web.rekognition.members import Members
from facefleet.web.rekognition.refusals import Refusal

LIFETIME_S = 86_400
# As long as the longest name there may be makes it: 255 characters of four bytes.
_MAX_CHARACTERS = 1500
_ENDS = struct.Struct(">I")

NextToken = Annotated[str, StringConstraints(max_length=_MAX_CHARACTERS)]


class PageRequest(Members):
    """A listing's place."""

    next_token: NextToken | None = None


class PagingTokens:
    """Makes and reads tokens.

    Args:
        key: 32 secret bytes, the same on every node.
        now_s: Unix time.
    """

    def __init__(self, key: bytes, *, now_s: Callable[[], float]) -> None:
        self._cipher = AESSIV(key)
        self._now_s = now_s

    def make(self, listing: str, after: str | None) -> str | None:
        """Return the token that continues a listing behind an item; None at its end.

        Args:
            listing: what is listed, filters included.
        """
        if after is None:
            return None
        text = _ENDS.pack(int(self._now_s()) + LIFETIME_S) + after.encode()
        sealed = self._cipher.encrypt(text, [listing.encode()])
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def read(self, listing: str, token: str | None) -> str | None:
        """Return the item to continue behind.

        Raises:
            Refusal: the token is not ours, not of this listing, or too old.
        """
        if token is None:
            return None
        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            text = self._cipher.decrypt(sealed, [listing.encode()])
        except (binascii.Error, ValueError, InvalidTag) as error:
            raise _refused() from error
        if _ENDS.unpack_from(text)[0] <= self._now_s():
            raise _refused()
        return text[_ENDS.size :].decode()


def _refused() -> Refusal:
    return Refusal(
        "InvalidPaginationTokenException",
        "The pagination token is not valid: it is damaged, older than a day, or of another listing.",
    )
