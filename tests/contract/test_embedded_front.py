"""What the embedded database promises when it is opened to the fleet: TLS and password, or nothing."""

import asyncio
import os
import shutil
import socket
import ssl
import stat
import struct
import sys
import tempfile
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from ipaddress import ip_address, ip_network
from pathlib import Path

import psutil
import psycopg
import pytest

from facefleet.adapters import embedded_front
from facefleet.adapters.embedded_certificate import EmbeddedCertificate
from facefleet.adapters.embedded_postgres import EmbeddedPostgres
from facefleet.adapters.embedded_way_in import opened_to_fleet
from facefleet.config import load
from facefleet.errors import Unavailable, WrongSettings

HOST = "127.0.0.2"
# The system takes 127.0.0.1 as the source address unless it is told another.
CLIENTS, STRANGER = "127.0.0.0/29", "127.0.0.9"
TLS_REQUEST, GSS_REQUEST = struct.pack("!II", 8, 80877103), struct.pack("!II", 8, 80877104)
YEAR_S = 365 * 24 * 3600


@pytest.fixture(scope="module")
def server():
    folder = Path(tempfile.mkdtemp(prefix="facefleet-"))
    with EmbeddedPostgres(folder / "postgres") as server:
        yield server
    shutil.rmtree(folder)


@asynccontextmanager
async def opening(server, data, *, clients=CLIENTS, port=0):
    """Open the server as a room would; yield the URL that another machine takes from the file."""
    place, networks = (ip_address(HOST), port), [ip_network(clients)]
    async with opened_to_fleet(server, place, clients=networks, data=data, now_s=time.time):
        yield url_in(data / "database.pem")


@pytest.fixture
async def url(server, tmp_path):
    async with opening(server, tmp_path) as url:
        yield url


def url_in(file):
    return load(database_url=file.as_uri()).database_url.get_secret_value()


def port_of(url):
    return psycopg.conninfo.conninfo_to_dict(url)["port"]


def connecting(url, **options):
    return psycopg.AsyncConnection.connect(url, autocommit=True, **options)


async def answer(url, **options):
    async with await connecting(url, **options) as connection:
        return await (await connection.execute("SELECT 1")).fetchone()


@asynccontextmanager
async def plain(url, **options):
    """A connection without TLS."""
    reader, writer = await asyncio.open_connection(HOST, port_of(url), **options)
    try:
        yield reader, writer
    finally:
        writer.close()


async def said(url, sent, **options):
    """What the front answers to bytes in clear text until it hangs up."""
    async with plain(url, **options) as (reader, writer):
        writer.write(sent)
        try:
            return await asyncio.wait_for(reader.read(), 90)
        except ConnectionResetError:
            return b""


async def test_the_file_is_all_that_another_machine_needs(url):
    """Address, password and the certificate to verify; the connection is encrypted by TLS 1.3."""
    options = psycopg.conninfo.conninfo_to_dict(url)
    assert (options["host"], options["sslmode"]) == (HOST, "verify-full")
    async with await connecting(url) as connection:
        assert connection.pgconn.ssl_in_use
        user = await (await connection.execute("SELECT current_user")).fetchone()
    assert user == ("facefleet",)


async def test_a_session_can_do_what_it_can_on_the_machine_itself(url):
    """Notifications, a copy of 20 MB both ways, and the cancellation of a statement: a connection of its own."""
    line = b"x" * 999 + b"\n"
    async with await connecting(url) as one, await connecting(url) as other:
        await one.execute("LISTEN news")
        await other.execute("NOTIFY news, 'hello'")
        assert [note.payload async for note in one.notifies(stop_after=1, timeout=90)] == ["hello"]
        await one.execute("CREATE TEMP TABLE lines (line text)")
        async with one.cursor() as cursor:
            async with cursor.copy("COPY lines FROM STDIN") as copy:
                for _ in range(200):
                    await copy.write(line * 100)
            async with cursor.copy("COPY lines TO STDOUT") as copy:
                assert sum([len(data) async for data in copy]) == 20_000_000
        sleeping = asyncio.create_task(one.execute("SELECT pg_sleep(600)"))
        while not await (await other.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")).fetchone():
            await asyncio.sleep(0.01)
        await one.cancel_safe()
        with pytest.raises(psycopg.errors.QueryCanceled):
            await sleeping


async def test_tls_may_begin_at_once_if_it_names_the_protocol(url):
    """PostgreSQL 17's direct negotiation; without ALPN it might be a browser that somebody talked into it."""
    assert await answer(url, sslnegotiation="direct") == (1,)
    context = ssl.create_default_context(cafile=psycopg.conninfo.conninfo_to_dict(url)["sslrootcert"])
    reader, writer = await asyncio.open_connection(HOST, port_of(url), ssl=context)
    writer.write(struct.pack("!II", 8, 80877103))
    with suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 90) == b""
    writer.close()


async def test_older_versions_of_tls_are_refused(url):
    """Both ends are of this program, so nothing is gained by offering them."""
    with pytest.raises(psycopg.OperationalError, match=r"(?i)tls|ssl|protocol"):
        await answer(url, ssl_max_protocol_version="TLSv1.2")


async def test_one_machine_cannot_take_every_connection(url, monkeypatch):
    """Whatever it does with them, others still get in."""
    monkeypatch.setattr(embedded_front, "_MOST_A_PEER", 3)
    context = ssl.create_default_context(cafile=psycopg.conninfo.conninfo_to_dict(url)["sslrootcert"])
    context.set_alpn_protocols(["postgresql"])
    async with AsyncExitStack() as taken:
        for _ in range(3):
            await taken.enter_async_context(await connecting(url))
        with pytest.raises(psycopg.OperationalError):
            await answer(url)
        elsewhere = ("127.0.0.3", 0)
        _, writer = await asyncio.open_connection(HOST, port_of(url), ssl=context, local_addr=elsewhere)
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        writer.close()
    for _ in range(1200):  # the front notices the end of a session in its own time
        with suppress(psycopg.OperationalError):
            assert await answer(url) == (1,)
            return
        await asyncio.sleep(0.05)
    raise AssertionError("what was closed still counts")


async def test_encryption_by_kerberos_is_declined_and_tls_offered(url):
    """As PostgreSQL without it does."""
    async with plain(url) as (reader, writer):
        writer.write(GSS_REQUEST)
        assert await reader.readexactly(1) == b"N"
        writer.write(TLS_REQUEST)
        assert await reader.readexactly(1) == b"S"


async def test_nobody_talks_in_clear_text(url):
    """Neither a login with the right password, nor the cancellation of somebody's statement."""
    with pytest.raises(psycopg.OperationalError, match="TLS only"):
        await answer(url, sslmode="disable")
    # libpq's old way to cancel has the right key and no TLS; it waits for the answer and holds Python's lock meanwhile.
    program = """
import contextlib, psycopg, sys
with psycopg.connect(sys.argv[1]) as connection:
    connection.pgconn.send_query(b"SELECT pg_sleep(1)")
    with contextlib.suppress(psycopg.Error):
        connection.pgconn.get_cancel().cancel()
    print(psycopg.pq.ExecStatus(connection.pgconn.get_result().status).name)
"""
    run = await asyncio.create_subprocess_exec(sys.executable, "-c", program, url, stdout=asyncio.subprocess.PIPE)
    assert (await run.communicate())[0] == b"TUPLES_OK\n"


async def test_what_is_slipped_in_before_tls_is_never_read_as_the_clients(url):
    """CVE-2021-23222: whoever sits on the line adds a statement to the request for TLS."""
    smuggled = struct.pack("!II", 8, 196608) + b"Q\0\0\0\x0dSELECT 1\0"
    assert (await said(url, TLS_REQUEST + smuggled)).startswith(b"S")
    assert b"Z" not in (await said(url, TLS_REQUEST + smuggled))[1:]


async def test_a_wrong_password_is_refused_by_the_server(url):
    """TLS lets as far as the password, not further."""
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await answer(url, password="guessed")


async def test_a_client_refuses_another_server(server, url, tmp_path):
    """One with another authority's certificate, and one with a certificate for another address."""
    other = tmp_path / "other"
    async with opening(server, other) as theirs:
        with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
            await answer(theirs, sslrootcert=str(tmp_path / "database.pem"))
        with pytest.raises(psycopg.OperationalError, match=r'certificate for "127\.0\.0\.2" .*does not match'):
            await answer(theirs, host="127.0.0.3", hostaddr=HOST)
        assert await answer(theirs) == (1,)


async def test_only_the_networks_that_were_named_may_connect(server, url, tmp_path):
    """Others are hung up on before they have said a word, whatever they know."""
    assert await said(url, TLS_REQUEST, local_addr=(STRANGER, 0)) == b""
    async with plain(url, local_addr=("127.0.0.6", 0)) as (reader, writer):
        writer.write(TLS_REQUEST)
        assert await reader.readexactly(1) == b"S"
    async with opening(server, tmp_path / "other", clients="10.0.0.0/8") as closed:
        with pytest.raises(psycopg.OperationalError):
            await answer(closed)


async def test_strangers_who_are_slow_or_talk_rubbish_do_no_harm(url):
    """A hundred connections, silent or full of rubbish: the fleet gets in meanwhile, and nothing is left open."""
    before = psutil.Process().num_fds()
    rubbish = [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + os.urandom(600), TLS_REQUEST + os.urandom(600)]
    rubbish += [b"\0" * 8, b"\xff" * 8, struct.pack("!II", 9_999, 196608) + b"\0" * 100, b"\0"]
    async with AsyncExitStack() as silent:
        for sent in [b"", TLS_REQUEST[:5], TLS_REQUEST, *rubbish] * 12:
            _, writer = await silent.enter_async_context(plain(url))
            writer.write(sent)
        assert await answer(url) == (1,)
    while psutil.Process().num_fds() > before:
        await asyncio.sleep(0.05)
    assert await answer(url) == (1,)


async def test_a_client_that_does_not_read_holds_the_server_up_and_not_our_memory(url):
    """Of an answer of 400 MB a few hundred kilobytes are on the way."""
    lazy = await connecting(url)
    async with await connecting(url) as watching:
        before = psutil.Process().memory_info().rss
        lazy.pgconn.send_query(b"SELECT repeat('x', 1000000) FROM generate_series(1, 400)")
        lazy.pgconn.flush()
        waiting = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event = 'ClientWrite'"
        for _ in range(20):  # waiting at 20 looks one after another: it does wait
            while not await (await watching.execute(waiting, [lazy.pgconn.backend_pid])).fetchone():
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.01)
        assert psutil.Process().memory_info().rss - before < 40e6
    await lazy.close()


async def test_closing_ends_what_is_open_and_frees_the_address(server, tmp_path):
    """And the next start takes the same port."""
    async with opening(server, tmp_path) as url:
        connection = await connecting(url)
    with pytest.raises(psycopg.OperationalError):
        await connection.execute("SELECT 1")
    await connection.close()
    async with opening(server, tmp_path, port=int(port_of(url))) as again:
        assert again == url
        assert await answer(url) == (1,)


async def test_an_address_that_cannot_be_had_is_named(server, tmp_path):
    """It is another program's."""
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=rf"{HOST} port {port}: Address already in use"):
            async with opening(server, tmp_path, port=port):
                pass


async def test_no_other_user_reads_the_file_or_the_keys_and_no_log_tells_the_password(server, tmp_path, capfd):
    """What opens the database is in files of mode 0600 alone."""
    async with opening(server, tmp_path) as url:
        await answer(url)
    files = [tmp_path / "database.pem", *(tmp_path / "tls").iterdir()]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
    password = psycopg.conninfo.conninfo_to_dict(url)["password"]
    assert "PRIVATE" not in files[0].read_text()
    assert password not in "".join(capfd.readouterr())


async def test_the_file_stays_right_through_restarts(server, tmp_path):
    """What was carried to another machine is not carried again."""
    async with opening(server, tmp_path):
        carried = (tmp_path / "database.pem").read_text().splitlines()[3:]
    async with opening(server, tmp_path):
        assert (tmp_path / "database.pem").read_text().splitlines()[3:] == carried


class Clock:
    now_s = time.time()

    def __call__(self):
        return self.now_s


def served(context):
    """The certificate that a context greets with."""
    client, server = ssl.create_default_context(), (ssl.MemoryBIO(), ssl.MemoryBIO())
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    ours = client.wrap_bio(server[1], server[0])
    theirs = context.wrap_bio(server[0], server[1], server_side=True)
    for side in (ours, theirs, ours):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return ours.getpeercert(binary_form=True)


def test_the_certificate_is_renewed_in_time_and_the_authority_stays(tmp_path):
    """While the program runs and when it starts; clients know the authority alone."""
    clock = Clock()
    certificate = EmbeddedCertificate(tmp_path, ip_address(HOST), now_s=clock)
    authority, first = certificate.authority(), served(certificate.context())
    clock.now_s += YEAR_S / 2
    assert served(certificate.context()) == first
    clock.now_s += YEAR_S / 4
    second = served(certificate.context())
    assert second != first
    again = EmbeddedCertificate(tmp_path, ip_address(HOST), now_s=clock)
    assert (again.authority(), served(again.context())) == (authority, second)
    elsewhere = EmbeddedCertificate(tmp_path, ip_address("fd00::5"), now_s=clock)
    assert served(elsewhere.context()) != second
    assert elsewhere.authority() == authority


def test_a_damaged_key_is_named(tmp_path):
    """With what to do about it."""
    (tmp_path / "authority.pem").write_text("scrap")
    with pytest.raises(Unavailable, match=r"authority\.pem is damaged: delete"):
        EmbeddedCertificate(tmp_path, ip_address(HOST), now_s=time.time).authority()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"database_listen": "10.0.0.5:5433"}, "database_listen and database_clients go together"),
        ({"database_clients": "10.0.0.0/16"}, "database_listen and database_clients go together"),
        ({"database_listen": "0.0.0.0:5433", "database_clients": "10.0.0.0/16"}, "the one address"),
        ({"database_listen": "web:5433", "database_clients": "10.0.0.0/16"}, "'web' does not appear to be an IPv4"),
        ({"database_listen": "10.0.0.5", "database_clients": "10.0.0.0/16"}, "an address and a port"),
        ({"database_listen": "10.0.0.5:5433", "database_clients": "0.0.0.0/0"}, "everybody is too many"),
        ({"database_listen": "10.0.0.5:5433", "database_clients": "10.0.0.1/16"}, "has host bits set"),
        (
            {"database_listen": "10.0.0.5:1", "database_clients": "10.0.0.0/16", "database_url": "postgresql://h/d"},
            "database_url names another",
        ),
        ({"database_url": "file:///nowhere/database.pem"}, "/nowhere/database.pem cannot be read: No such file"),
        ({"database_url": Path(__file__).as_uri()}, "is no database.pem"),
    ],
)
def test_settings_that_let_in_nobody_or_everybody_are_refused(given, sentence):
    """In a sentence with the setting and what it must be."""
    with pytest.raises(WrongSettings, match=sentence):
        load(**given)
