"""deploy/haproxy/haproxy.cfg with a certificate: wss and https at one port, everybody sent there from the other."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from libs.common.web.proxies import Caller
from tests.support.balancers.haproxied import BEHIND, Haproxied, staged
from tests.support.deadline import DEADLINE
from tests.support.servers import Certificates, procfs
from tests.support.servers.process import ServerDidNotStart, eventually
from tests.support.servers.web import trusting

HSTS = "Strict-Transport-Security"


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates.issue(tmp_path / "first")


@pytest.fixture
def file(tmp_path: Path, certificates: Certificates) -> Path:
    return certificates.mount(tmp_path / "mount")


@pytest.fixture
async def stage(file: Path) -> AsyncIterator[Haproxied]:
    async with staged(CERTIFICATE=str(file), HSTS="600") as running:
        yield running


class TestSecure:
    """The port with TLS."""

    async def test_requests(self, stage: Haproxied, certificates: Certificates) -> None:
        """Services are told that the client has TLS, and the client that it should stay with it."""
        url = f"{stage.balancer.secure_url}/events"
        async with trusting(certificates) as http, http.get(url) as response:
            told = await response.json()

        assert told["service"] == "dispatcher"
        assert told["headers"]["X-Forwarded-Proto"] == "https"
        assert BEHIND.caller("127.0.0.1", told["pairs"]) == Caller("127.0.0.1", is_secure=True)
        assert response.headers[HSTS] == "max-age=600"

    async def test_sockets(self, stage: Haproxied, certificates: Certificates) -> None:
        """Sockets are opened by wss, and carry on both ways."""
        url = f"{stage.balancer.secure_url}/app/key".replace("https", "wss")
        async with trusting(certificates) as http, http.ws_connect(url) as socket:
            assert (await socket.receive_json())["service"] == "gateway"
            await socket.send_str("hello")
            assert await socket.receive_str(timeout=DEADLINE) == "hello"

    async def test_forged(self, stage: Haproxied, certificates: Certificates) -> None:
        """Nobody talks TLS away from a connection that has it."""
        url = f"{stage.balancer.secure_url}/events"
        said = {"X-Forwarded-Proto": "http"}
        async with trusting(certificates) as http, http.get(url, headers=said) as response:
            told = await response.json()

        assert told["headers"]["X-Forwarded-Proto"] == "https"


class TestPlain:
    """The port without TLS."""

    async def test_sent_on(self, stage: Haproxied) -> None:
        """Whoever comes without is sent to https at its usual port, with all that was asked; HSTS would be void here."""
        url = f"{stage.balancer.url}/apps/1/events?auth_key=key"
        async with (
            aiohttp.ClientSession() as http,
            http.post(url, data=b"{}", allow_redirects=False) as response,
        ):
            assert response.status == 308
            place = f"{stage.balancer.host}/apps/1/events?auth_key=key"
            assert response.headers["Location"] == f"https://{place}"
            assert HSTS not in response.headers

    async def test_behind_another(self, file: Path) -> None:
        """What stands before it and speaks TLS for it is served."""
        async with staged("127.0.0.0/8", CERTIFICATE=str(file)) as stage:
            told = await stage.ask("/events", **{"X-Forwarded-Proto": "https"})

        assert told["headers"]["X-Forwarded-Proto"] == "https"

    async def test_no_certificate(self) -> None:
        """With no certificate it is the port for everybody, as Compose says it: variables that are empty."""
        async with staged(CERTIFICATE="", HSTS="") as stage:
            assert (await stage.ask("/events"))["service"] == "dispatcher"


async def test_no_hsts(file: Path, certificates: Certificates) -> None:
    """Browsers are bound to TLS only where that is asked for."""
    async with (
        staged(CERTIFICATE=str(file)) as stage,
        trusting(certificates) as http,
        http.get(f"{stage.balancer.secure_url}/events") as response,
    ):
        assert response.status == 200
        assert HSTS not in response.headers


class TestRefused:
    """A certificate that cannot be used: HAProxy says which file, and does not start, not even its plain port."""

    async def refusal(self, file: Path) -> str:
        with pytest.raises(ServerDidNotStart, match="ended with status 1") as refused:
            async with staged(CERTIFICATE=str(file)):
                pass
        return str(refused.value)

    async def test_missing(self, tmp_path: Path) -> None:
        assert f"'{tmp_path}/tls.crt' : No such file" in await self.refusal(tmp_path / "tls.crt")

    async def test_no_key(self, file: Path) -> None:
        file.with_suffix(".key").unlink()

        assert f"No Private Key found in '{file.with_suffix('.key')}'" in await self.refusal(file)

    @pytest.mark.parametrize("name", ["tls.crt", "tls.key"])
    async def test_unreadable(self, file: Path, name: str) -> None:
        """What cannot be read, here as it holds nothing that is known, is named."""
        file.with_name(name).write_text("no such thing")

        assert f"from file '{file.with_name(name)}'" in await self.refusal(file)

    async def test_key_of_another(self, file: Path, tmp_path: Path) -> None:
        shutil.copy(Certificates.issue(tmp_path / "second").key, file.with_suffix(".key"))

        assert "inconsistencies between private key and certificate" in await self.refusal(file)


async def test_renewed(
    stage: Haproxied, certificates: Certificates, file: Path, tmp_path: Path
) -> None:
    """
    On SIGUSR2 new handshakes show a renewed certificate, and who was connected stays.
    """
    second = Certificates.issue(tmp_path / "second")
    url = f"{stage.balancer.secure_url}/app/key"

    async def is_renewed() -> bool:
        try:
            async with trusting(second) as http, http.get(url) as response:
                return response.status == 200
        except aiohttp.ClientConnectorError:
            return False

    master = stage.balancer.server.pid

    async def is_master() -> bool:
        return procfs.catches(master, signal.SIGUSR2)  # While it starts it ignores it.

    async with trusting(certificates) as http, http.ws_connect(url) as socket:
        await socket.receive_json()
        await eventually(is_master, timeout=DEADLINE)
        second.mount(file.parent)
        os.kill(master, signal.SIGUSR2)
        await eventually(is_renewed, timeout=DEADLINE)

        await socket.send_str("still here")
        async with asyncio.timeout(DEADLINE):
            assert await socket.receive_str() == "still here"
