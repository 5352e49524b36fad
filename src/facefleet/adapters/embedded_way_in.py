"""The embedded database, opened to the fleet: an address with TLS, and one file that says how to enter there.

The file holds a URL with the password and the certificate to trust: to PostgreSQL's client library the lines above a
certificate are a comment, to our settings the one that begins with `postgresql://` is the URL.
"""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from facefleet.adapters.embedded_certificate import EmbeddedCertificate, keep_private
from facefleet.adapters.embedded_front import EmbeddedFront
from facefleet.adapters.embedded_postgres import EmbeddedPostgres
from facefleet.core.addresses import Address, Network
from facefleet.errors import Unavailable

log = structlog.get_logger()

_BACKLOG = 256
_WAY_IN = """\
How programs on other machines enter the database of facefleet: facefleet worker --database-url file:///THIS/FILE
Whoever has this file can read and change every enrolled face.
{url}
{authority}"""


@asynccontextmanager
async def opened_to_fleet(
    server: EmbeddedPostgres,
    place: tuple[Address, int],
    *,
    clients: Sequence[Network],
    data: Path,
    now_s: Callable[[], float],
) -> AsyncIterator[None]:
    """Let the fleet in at an address and port for as long as the context lasts; `database.pem` in `data` says how.

    Raises:
        Unavailable: the address cannot be had, or a file not be written.
    """
    with _listen(*place) as listener:
        certificate = EmbeddedCertificate(data / "tls", place[0], now_s=now_s)
        url, way_in = server.url_at(place[0], listener.getsockname()[1]), data / "database.pem"
        keep_private(way_in, _WAY_IN.format(url=url, authority=certificate.authority()))
        front = EmbeddedFront(listener, server.socket(), clients=clients, context=certificate.context)
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(front.serve(), name="database front")
            log.info("database open to the fleet", clients=[str(one) for one in clients], file=str(way_in))
            yield
            serving.cancel()


def _listen(address: Address, port: int) -> socket.socket:
    family = socket.AF_INET if isinstance(address, ipaddress.IPv4Address) else socket.AF_INET6
    try:
        return socket.create_server((str(address), port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise Unavailable(f"The database cannot be opened at {address} port {port}: {error.strerror}.") from error
