"""The public address with TLS: connections, and certificates that are replaced while they are open."""

import asyncio
import shutil
import socket
import ssl
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs

from libs.common.web import certificates as certificates_module
from libs.common.web.door.limits import DoorLimits
from tests.support.clients.client import Client
from tests.support.deadline import DEADLINE
from tests.support.servers import Certificates
from tests.support.services.gateway import POLL, place, until


@pytest.fixture
def files(tmp_path: Path) -> Certificates:
    """Return an authority and a certificate of the test's own."""
    return Certificates.issue(tmp_path)


@pytest.fixture
def others(tmp_path: Path) -> Certificates:
    """Return others."""
    return Certificates.issue(tmp_path / "others")


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the files looked at often, so that nobody waits for it."""
    monkeypatch.setattr(certificates_module, "INTERVAL", POLL)


async def shown(port: int, **options: ssl.TLSVersion) -> bytes:
    """Make a handshake, naming no server, and return the certificate that is shown."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, version in options.items():
        setattr(context, name, version)
    async with asyncio.timeout(DEADLINE):
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return certificate


def _connection(client: Client) -> asyncio.Transport:
    connection = client.websocket._response.connection
    assert connection is not None
    assert isinstance(connection.transport, asyncio.Transport)
    return connection.transport


def content(file: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(file.read_text())


async def replace(files: Certificates, by: Certificates) -> None:
    """Put other files in the place of those that are shown, and wait until they are."""
    with capture_logs() as logs:
        shutil.copy(by.certificate, files.certificate)
        shutil.copy(by.key, files.key)
        await until(lambda: "certificate.replaced" in [line["event"] for line in logs])


class TestConnections:
    """Clients with TLS."""

    async def test_subscribed(self, certificates: Certificates) -> None:
        """
        A client is greeted, subscribes and gets what is published, small and large.
        """
        async with place(certificates=certificates) as here:
            client = await here.join("news")

            await here.publish("news", "1", "x" * 200_000, "2")

            assert [await client.expect("news", "news") for _ in range(3)] == [1, "x" * 200_000, 2]

    async def test_closed(self, certificates: Certificates) -> None:
        """
        A connection ends in order.
        """
        async with place(certificates=certificates) as here:
            client = await here.connect()

            await client.close()

            await until(lambda: here.gateway.counters.closed == {1000: 1})

    async def test_plain_http(self, certificates: Certificates) -> None:
        """
        Requests are answered as without TLS.
        """
        async with place(certificates=certificates) as here:
            assert await here.get("/") == 200
            assert await here.get("/app/app-key") == 426

    async def test_no_tls(self, certificates: Certificates) -> None:
        """
        Who speaks no TLS is cut off, and the others go on.
        """
        async with place(certificates=certificates) as here, aiohttp.ClientSession() as http:
            client = await here.connect()
            with pytest.raises(aiohttp.ClientError):
                await http.get(f"http://127.0.0.1:{here.port}/")

            await client.expect_nothing_else()

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    async def test_versions(self, certificates: Certificates, version: ssl.TLSVersion) -> None:
        """
        TLS 1.2 and 1.3 are spoken.
        """
        async with place(certificates=certificates) as here:
            found = await shown(here.port, minimum_version=version, maximum_version=version)

            assert found == content(certificates.certificate)

    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
    async def test_old_versions(self, certificates: Certificates) -> None:
        """
        Nothing older is.
        """
        old = ssl.TLSVersion.TLSv1_1
        async with place(certificates=certificates) as here:
            # Some builds of OpenSSL will not even ask for it, others are cut off.
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                await shown(here.port, minimum_version=old, maximum_version=old)

    async def test_broken_off(self, certificates: Certificates) -> None:
        """
        A connection that breaks off is counted as such, and is nobody's fault.
        """
        async with place(certificates=certificates) as here:
            client = await here.connect()
            with capture_logs() as logs:
                _connection(client).abort()
                await until(lambda: here.gateway.counters.closed == {0: 1})
                await here.get("/")

            assert [line["event"] for line in logs] == ["connection.closed"]

    async def test_slow(self, certificates: Certificates) -> None:
        """
        A client that takes nothing is sent away once its buffer is full, and does not stay.
        """
        async with place(certificates=certificates, max_unsent=1 << 16) as here:
            client = await here.join("news")
            _connection(client).pause_reading()

            for _ in range(200):
                await here.publish("news", "x" * 100_000)
                if here.gateway.counters.closed:
                    break
            await until(lambda: here.gateway.counters.closed == {4100: 1})

    async def test_no_handshake(self, certificates: Certificates) -> None:
        """
        Who connects and never begins is cut off.
        """
        limits = DoorLimits(handshake_timeout=0.1)
        async with place(certificates=certificates, limits=limits) as here:
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port)

            async with asyncio.timeout(DEADLINE):
                assert await reader.read() == b""
            writer.close()

    async def test_stopped_with_silent_clients(self, certificates: Certificates) -> None:
        """
        Those who only connect, or made a handshake and say nothing, do not hold up the end.
        """
        context = certificates.client_context()
        async with asyncio.timeout(DEADLINE):
            async with place(certificates=certificates) as here:
                silent = socket.create_connection(("127.0.0.1", here.port))
                _, writer = await asyncio.open_connection("127.0.0.1", here.port, ssl=context)
        silent.close()
        writer.transport.abort()


@pytest.mark.usefixtures("watchful")
class TestReplaced:
    """A certificate is replaced while connections are open."""

    async def test_new_handshakes(self, files: Certificates, others: Certificates) -> None:
        """
        New handshakes show the new one, and who was connected stays so and misses nothing.
        """
        async with place(certificates=files) as here:
            client = await here.join("news")
            before = await shown(here.port)
            old = content(files.certificate)

            await replace(files, others)
            await here.publish("news", "1")

            assert before == old
            assert await shown(here.port) == content(others.certificate) != old
            assert await client.expect("news", "news") == 1
            await client.expect_nothing_else()

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    async def test_verified(
        self, files: Certificates, others: Certificates, version: ssl.TLSVersion
    ) -> None:
        """
        A client that trusts the new authority alone, and names the server, is served.
        """
        context = others.client_context()
        context.minimum_version = context.maximum_version = version
        async with place(certificates=files) as here, aiohttp.ClientSession() as http:
            await replace(files, others)

            url = f"https://localhost:{here.port}/"
            async with http.get(url, ssl=context) as response:
                assert response.status == 200

    async def test_broken(self, files: Certificates, others: Certificates) -> None:
        """
        Files that do not fit change nothing: the old certificate is shown, whole.
        """
        async with place(certificates=files) as here:
            old = content(files.certificate)
            with capture_logs() as logs:
                shutil.copy(others.certificate, files.certificate)
                await until(lambda: "certificate.refused" in [line["event"] for line in logs])

            assert await shown(here.port) == old
            await here.connect()

    async def test_resumed(self, files: Certificates, others: Certificates) -> None:
        """
        A client that resumes a session of the old certificate is served.
        """
        async with place(certificates=files) as here:
            context = files.client_context()
            session = await asyncio.to_thread(_visit, here.port, context, None)

            await replace(files, others)

            assert await asyncio.to_thread(_visit, here.port, context, session)


def _visit(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None) -> ssl.SSLSession:
    """Ask for a page, resuming a session, and return the session that the server offers."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as secured,
    ):
        secured.sendall(b"GET /up HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert secured.recv(64).startswith(b"HTTP/1.1 200 ")
        assert secured.session_reused is (session is not None)
        assert secured.session is not None
        return secured.session
