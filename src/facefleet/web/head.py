"""HEAD wherever there is GET (RFC 9110, sections 9.1 and 9.3.2), which FastAPI's routes do not take by themselves.

Load balancers and monitors probe with it. The routes see a GET, and of their answer the headers are sent, the length of
the body included. A stream is run to its end, unsent.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEAD = "facefleet.head"


class HeadAsGet:
    """Answers HEAD as GET without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        # A copy: the server must know that no body follows, and the metrics count what was asked.
        get = {**scope, "method": "GET", _HEAD: True}
        try:
            await self._app(get, receive, without_body)
        finally:
            if "route" in get:
                scope["route"] = get["route"]


def is_head(scope: Scope) -> bool:
    """Tell whether the client gets the headers alone."""
    return _HEAD in scope
