"""What is refused before a route is chosen: foreign web pages, and bodies without end, be it in bytes or in time.

The service has no login of its own and listens on this machine by default, so the danger is another web page in the
user's browser. Two doors are shut (OWASP, Cross-Site Request Forgery; DNS rebinding):

- A page of another origin may send forms here. Browsers say so in `Sec-Fetch-Site`, older ones in `Origin`; programs
  send neither. (The rule is that of Go's `http.CrossOriginProtection`.)
- A page may let its own host name point to 127.0.0.1 and then is of our origin. While the service listens on this
  machine only, `Host` must therefore be an address or `localhost`, never a name that somebody else can point here.
"""

import asyncio
import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facefleet.core.addresses import is_loopback
from facefleet.web import problems

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_MAX_OTHER_BYTES = 2**16  # JSON: names of a few hundred faces or jobs


class Guard:
    """Refuses foreign origins and host names, limits bodies, and labels answers as what they are.

    Args:
        host: the address the service listens on.
        max_upload_bytes: longest body of a form, or of a call of the Rekognition interface.
        timeout_s: time to send a body.
    """

    def __init__(self, app: ASGIApp, *, host: str, max_upload_bytes: int, timeout_s: float) -> None:
        self._app = app
        self._local_only = is_loopback(host)
        self._max_upload_bytes = max_upload_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def label(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                headers["x-content-type-options"] = "nosniff"
                headers.setdefault("cache-control", "no-store")  # faces belong into no cache
            await send(message)

        headers = Headers(scope=scope)
        refusal = self._refusal(scope["method"], headers)
        if refusal is not None:
            await problems.response(scope["path"], 403, refusal)(scope, receive, label)
            return
        await self._app(scope, self._limited(receive, headers), label)

    def _refusal(self, method: str, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if self._local_only and not _is_local_name(host):
            return (
                f"The service listens on this machine only and is not known as {host[:80]!r}; call it 127.0.0.1 or "
                "localhost, or let it listen on another address (--host)."
            )
        if method in _SAFE_METHODS:
            return None
        if _is_foreign(headers, host):
            return "Pages of other origins may change nothing here; send this from a program or from our own page."
        return None

    def _limited(self, receive: Receive, headers: Headers) -> Receive:
        has_photos = headers.get("content-type", "").lower().startswith("multipart/") or "x-amz-target" in headers
        max_bytes = self._max_upload_bytes if has_photos else _MAX_OTHER_BYTES
        announced = headers.get("content-length", "0")
        left = max_bytes
        more = True
        ends_s = asyncio.get_running_loop().time() + self._timeout_s

        async def limited() -> Message:
            nonlocal left, more
            if not more:
                return await receive()  # which comes when the client hangs up
            try:
                async with asyncio.timeout_at(ends_s):
                    message = await receive()
            except TimeoutError as error:
                raise HTTPException(408, f"The body did not arrive within {self._timeout_s:g} s.") from error
            more = message.get("more_body", False)
            left -= len(message.get("body", b""))
            if left < 0 or (announced.isdecimal() and int(announced) > max_bytes):
                raise HTTPException(413, f"The body is too long; at most {max_bytes:,} bytes are read here.")
            return message

        return limited


def _is_foreign(headers: Headers, host: str) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("none", "same-origin")
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != host


def _is_local_name(host: str) -> bool:
    """Tell whether a Host header names no machine that somebody else could have named."""
    try:
        name = urlsplit(f"//{host}").hostname
        if name is None:
            return not host  # programs that speak HTTP/1.0 send none
        return name == "localhost" or name.endswith(".localhost") or bool(ipaddress.ip_address(name))
    except ValueError:
        return False
