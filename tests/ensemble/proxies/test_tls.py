"""The program with a certificate, and others in its place while clients are connected."""

import asyncio
import signal
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.support.clients.back_ends import BackEnd
from tests.support.clients.client import Client
from tests.support.deadline import DEADLINE
from tests.support.deployments.fleet import APP, Fleet, complaints, said
from tests.support.deployments.program import Program
from tests.support.servers import Certificates
from tests.support.servers.process import eventually
from tests.support.servers.web import trusting


class Mount:
    """
    A directory as Kubernetes mounts a secret: what stands in it are links through a link that is turned.

    Args:
        root: Where it is.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._version = 0
        for name in ("tls.crt", "tls.key"):
            (root / name).symlink_to(Path("..data") / name)

    @property
    def environ(self) -> dict[str, str]:
        """The settings that name its files."""
        return {
            "FANFARE_SERVER_CERTIFICATE": str(self._root / "tls.crt"),
            "FANFARE_SERVER_CERTIFICATE_KEY": str(self._root / "tls.key"),
        }

    def put(self, certificate: Path, key: Path) -> None:
        """Mount another version, in one step."""
        self._version += 1
        version = self._root / f"..{self._version}"
        version.mkdir()
        (version / "tls.crt").write_bytes(certificate.read_bytes())
        (version / "tls.key").write_bytes(key.read_bytes())
        turned = self._root / "..data_tmp"
        turned.symlink_to(version.name)
        turned.replace(self._root / "..data")


@pytest.fixture
def first(tmp_path: Path) -> Certificates:
    return Certificates.issue(tmp_path / "first")


@pytest.fixture
def second(tmp_path: Path) -> Certificates:
    return Certificates.issue(tmp_path / "second")


@pytest.fixture
def mount(tmp_path: Path, first: Certificates) -> Mount:
    root = tmp_path / "mount"
    root.mkdir()
    mount = Mount(root)
    mount.put(first.certificate, first.key)
    return mount


@pytest.fixture
async def process(tmp_path: Path, mount: Mount) -> AsyncIterator[Program]:
    async with Fleet(tmp_path).running(**mount.environ) as process:
        yield process


async def connect(http: aiohttp.ClientSession, process: Program) -> Client:
    """Connect by wss, and be greeted."""
    url = f"wss://{process.host}:{process.port}/app/{APP.key}?protocol=7"
    async with asyncio.timeout(DEADLINE):
        client = Client(await http.ws_connect(url), APP)
    await client.greeted()
    return client


async def wait_for(process: Program, event: str) -> None:
    """Wait until the log says that something has happened."""

    async def happened() -> bool:
        return bool(said(process, event))

    await eventually(happened, timeout=DEADLINE)


class TestReplaced:
    """Nobody restarts or signals the program, and nobody notices."""

    async def test_while_connected(
        self, process: Program, mount: Mount, first: Certificates, second: Certificates
    ) -> None:
        """
        New handshakes show the new certificate, and who was connected hears on.
        """
        url = f"https://{process.host}:{process.port}"
        async with trusting(first) as old, trusting(second) as new:
            ann = await connect(old, process)
            await ann.subscribe("news")
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await connect(new, process)

            mount.put(second.certificate, second.key)
            await wait_for(process, "certificate.replaced")
            bob = await connect(new, process)
            await bob.subscribe("news")
            published = await BackEnd(new, APP).publish(url, "news", {"n": 1})

            assert published.status == 200
            assert await ann.expect("step", "news") == {"n": 1}
            assert await bob.expect("step", "news") == {"n": 1}
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await connect(old, process)
            assert complaints(process) == {}

    async def test_by_what_does_not_fit(
        self, process: Program, mount: Mount, first: Certificates, second: Certificates
    ) -> None:
        """
        A certificate that cannot be used is complained of once, and the old one stays until one comes that can.
        """
        async with trusting(first) as old, trusting(second) as new:
            mount.put(second.certificate, first.key)
            await wait_for(process, "certificate.refused")
            ann = await connect(old, process)

            mount.put(second.certificate, second.key)
            await wait_for(process, "certificate.replaced")
            bob = await connect(new, process)

            await ann.expect_nothing_else()
            await bob.expect_nothing_else()
            assert list(complaints(process)) == [("certificate.refused", "")], said(process)
            (line,) = said(process, "certificate.refused")
            assert line["level"] == "error"
            assert line["reason"].startswith("server.certificate_key: ")


async def test_health_stays_plain(process: Program) -> None:
    """
    The operators' address speaks plain HTTP, for probes that know no authority.
    """
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{process.internal_url}/health/ready") as response,
    ):
        assert response.status == 200


async def test_stopped(process: Program, first: Certificates) -> None:
    """
    The program ends in order with connections that are open, and tells them to come again.
    """
    async with trusting(first) as http:
        url = f"wss://{process.host}:{process.port}/app/{APP.key}?protocol=7"
        async with http.ws_connect(url, autoclose=False) as websocket:
            client = Client(websocket, APP)
            await client.greeted()

            process.send(signal.SIGTERM)
            await client.expect_error(4200)
            closed = await client.receive()
            await websocket.close()

            assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, 4200)
            async with asyncio.timeout(DEADLINE):
                assert await process.process.wait() == 0


async def test_certificate_is_verified(process: Program) -> None:
    """
    Who knows no authority of ours does not connect: the tests above trust nothing by themselves.
    """
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await http.get(
                f"https://{process.host}:{process.port}/", ssl=ssl.create_default_context()
            )
