"""Stock pusher-js and TLS: by itself, and because the app wants it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.clients.back_ends import BackEnd, back_end
from tests.support.clients.pusherjs import Driver, driver, options
from tests.support.deployments.deployment import APP, KEY
from tests.support.deployments.fleet import APP as ACCOUNT
from tests.support.deployments.program import Program, program
from tests.support.servers import Certificates


@pytest.fixture
async def secure(tmp_path: Path, certificates: Certificates) -> AsyncIterator[Program]:
    """Yield a process that speaks TLS, for an app that wants it."""
    environ = {
        "FANFARE_SERVER_CERTIFICATE": str(certificates.certificate),
        "FANFARE_SERVER_CERTIFICATE_KEY": str(certificates.key),
    }
    config = _config(tmp_path)
    async with program(config=config, log=tmp_path / "secure.log", environ=environ) as running:
        yield running


@pytest.fixture
async def plain(tmp_path: Path) -> AsyncIterator[Program]:
    """Yield a process of the same app that does not."""
    async with program(config=_config(tmp_path), log=tmp_path / "plain.log") as running:
        yield running


@pytest.fixture
async def trusting(certificates: Certificates) -> AsyncIterator[Driver]:
    async with driver(certificates.ca) as running:
        yield running


def _config(directory: Path) -> Path:
    config = directory / "tls.toml"
    config.write_text(APP + "tls_only = true\n")
    return config


class TestTls:
    """docs/protocol.md, "Connection URL" and "Error codes"."""

    async def test_by_itself(
        self, trusting: Driver, secure: Program, certificates: Certificates
    ) -> None:
        """
        A client that comes with TLS connects, subscribes and receives.
        """
        await trusting.connect(
            "ann",
            KEY,
            **options(secure.host, secure.port, wssPort=secure.port, forceTLS=True),
        )
        await trusting.subscribe("ann", "news")
        async with back_end(ACCOUNT, trust=certificates.client_context()) as backend:
            await _publish(backend, secure)

        assert await trusting.wait_for_events("ann", "news", 1) == [("step", {"n": 1})]

    async def test_sent_over(self, trusting: Driver, secure: Program, plain: Program) -> None:
        """
        A client that comes without is told so, and returns with TLS by itself.
        """
        made = options(plain.host, plain.port, wssPort=secure.port)
        await trusting.connect("ann", KEY, **made)

        (error,) = [item for item in trusting.seen(client="ann") if "error" in item]
        assert error["error"]["code"] == 4000
        await trusting.subscribe("ann", "news")


async def _publish(backend: BackEnd, entry: Program) -> None:
    answer = await backend.publish(f"https://{entry.host}:{entry.port}", "news", {"n": 1})
    assert answer.status == 200
