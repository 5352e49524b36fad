"""ClientRequestToken: a request that its client sends again is answered again, not done again.

SDKs fill the token in and keep it while they retry. It is known by access key and operation for as long as receipts are
kept. Two at the same instant may both be done; what they do is refused the second time by the gallery itself.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable

from facefleet.ports import Receipts
from facefleet.web.rekognition.members import Members
from facefleet.web.rekognition.refusals import Refusal
from facefleet.web.rekognition.shapes import Document


async def once(
    receipts: Receipts, caller: str, name: str, request: Members, answer: Callable[[], Awaitable[Document]]
) -> Document:
    """Return the answer to a request: the earlier one, if its token has one.

    Raises:
        Refusal: the token was used for another request.
    """
    token: str | None = getattr(request, "client_request_token", None)
    if token is None:
        return await answer()
    digest = hashlib.sha256(request.model_dump_json(exclude={"client_request_token"}).encode()).hexdigest()
    key = f"{caller}/{name}/{token}"
    found = await receipts.find(key)
    if found is not None:
        if found[0] != digest:
            raise Refusal(
                "IdempotentParameterMismatchException",
                "This ClientRequestToken was used before, for a request with other parameters.",
            )
        earlier: Document = json.loads(found[1])
        return earlier
    document = await answer()
    await receipts.keep(key, digest, json.dumps(document).encode())
    return document
