"""Who calls: the access key behind a signature, or nobody where the settings allow that."""

from collections.abc import Callable

from facefleet.core.keys import EVERYTHING, Grant
from facefleet.errors import NotFound
from facefleet.ports import Keys, Vault
from facefleet.web.rekognition.refusals import Refusal
from facefleet.web.rekognition.sigv4 import SignedRequest, parse, verify

# ARNs of callers who name no region.
_REGION = "us-east-1"


class Access:
    """Verifies signatures.

    Args:
        anonymous: whether requests without a signature may do everything. A signature that is given must be right.
        now_s: Unix time.
    """

    def __init__(self, keys: Keys, vault: Vault, *, anonymous: bool, now_s: Callable[[], float]) -> None:
        self._keys = keys
        self._vault = vault
        self._anonymous = anonymous
        self._now_s = now_s

    async def caller(self, request: SignedRequest) -> tuple[str, Grant, str]:
        """Return the caller's key id (empty for nobody), what they may do, and the region they think this is.

        Raises:
            Refusal: no signature, or a wrong one, or one by a key that does not exist (any more).
        """
        header = request.headers.get("authorization")
        if header is None:
            if self._anonymous:
                return "", EVERYTHING, _REGION
            raise Refusal(
                "MissingAuthenticationTokenException",
                "The request is not signed. Make a key with `facefleet keys create`, or start the service on this "
                "machine alone with --anonymous.",
            )
        authorization = parse(header)
        try:
            key = await self._keys.key(authorization.access_key_id)
        except NotFound as error:
            raise Refusal(
                "UnrecognizedClientException", "The security token included in the request is invalid."
            ) from error
        secret = self._vault.open(key.access_key_id, key.sealed_secret)
        verify(authorization, secret, request, now_s=self._now_s())
        return key.access_key_id, key.grant, authorization.region
