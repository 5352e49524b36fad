"""How commands come by a client, without `--help` having to wait for one."""

from typing import TYPE_CHECKING
from urllib.parse import quote

from facefleet.cli.exits import Failure

if TYPE_CHECKING:
    from facefleet.cli.client import Client


def connect(url: str | None) -> "Client":
    """Return a client for this address, or for the one in the settings.

    Raises:
        Failure: the address or a setting is wrong.
    """
    from facefleet.cli import client

    return client.connect(url)


def api(*parts: str) -> str:
    """Return `/v1/…` with each part quoted, so that a name may hold any character.

    Raises:
        Failure: a part is empty, `.` or `..`; the address would be that of something else.
    """
    for part in parts:
        if part in ("", ".", ".."):
            raise Failure(f"{part!r} names nothing; nothing was sent.")
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)
