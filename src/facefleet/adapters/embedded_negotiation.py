"""How a client of PostgreSQL asks for TLS (PostgreSQL 18 documentation, 54.2.11), seen from the server.

Either it sends a request of eight bytes in clear text and waits for an `S`, or it begins with TLS at once, naming the
protocol inside (ALPN). Whoever asks for encryption by GSSAPI is told `N` and asks again.
"""

import asyncio
import socket
import struct

ALPN = "postgresql"
_REQUEST = struct.Struct("!II")  # length, code
_TLS_REQUEST = _REQUEST.pack(8, 80877103)
_GSS_REQUEST = _REQUEST.pack(8, 80877104)
_CLIENT_HELLO = b"\x16"  # the first byte of TLS; a length of PostgreSQL's begins with 0
_LONGEST_STARTUP = 10_000  # bytes, as PostgreSQL has it
_TEXT = b"SFATAL\0VFATAL\0C28000\0MThis database is entered over TLS only: sslmode=verify-full.\0\0"
_REFUSAL = b"E" + struct.pack("!I", len(_TEXT) + 4) + _TEXT


async def negotiate(plain: socket.socket) -> bool:
    """Come to where TLS begins, not a byte further: what a stranger slips in before it is never taken for the client's.

    Returns:
        Whether the client began with TLS at once.

    Raises:
        OSError, EOFError: it does not ask for TLS, or has gone.
    """
    loop = asyncio.get_running_loop()
    if await _first_byte(plain) == _CLIENT_HELLO:
        return True
    asked = await _read(plain, _REQUEST.size)
    if asked == _GSS_REQUEST:
        await loop.sock_sendall(plain, b"N")
        asked = await _read(plain, _REQUEST.size)
    if asked != _TLS_REQUEST:
        length, _ = _REQUEST.unpack(asked)
        if length <= _LONGEST_STARTUP:  # with something left unread the refusal would not arrive
            await _read(plain, max(0, length - _REQUEST.size))
            await loop.sock_sendall(plain, _REFUSAL)
        raise ConnectionError("it does not ask for TLS")
    await loop.sock_sendall(plain, b"S")
    return False


async def _first_byte(plain: socket.socket) -> bytes:
    """Return the first byte and leave it there."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(plain, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(plain)
    return plain.recv(1, socket.MSG_PEEK)


async def _read(plain: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    found = b""
    while len(found) < size:
        more = await loop.sock_recv(plain, size - len(found))
        if not more:
            raise EOFError
        found += more
    return found
