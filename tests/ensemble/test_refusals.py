"""Settings that cannot work: the program says in one line what is wrong, and does not start."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.deadline import DEADLINE
from tests.support.deployments.program import FANFARE, ROOT, plain_environ
from tests.support.servers import Certificates
from tests.support.servers.ports import free_port

SECRET = "hunter2-hunter2"
GOOD = f"""
[[apps]]
id = "1"
key = "key"
secrets = ["{SECRET}"]
"""
ROUTE = """
[[routes]]
name = "low-stock"
topic = "inventory"
channels = ["stock"]
event = "low"
"""


class Outcome(NamedTuple):
    """How a process ended, and what it wrote."""

    status: int | None
    output: str
    complaint: str


async def run(directory: Path, text: str, *services: str, **variables: str) -> Outcome:
    """Run the program with the text of a file and variables, and wait for its end."""
    config = directory / "fanfare.toml"
    config.write_text(text)
    listen = {
        "FANFARE_SERVER_LISTEN": f"127.0.0.1:{free_port()}",
        "FANFARE_SERVER_INTERNAL_LISTEN": f"127.0.0.1:{free_port()}",
    }
    process = await asyncio.create_subprocess_exec(
        "setpriv", "--pdeathsig=KILL",
        *FANFARE, "run", *services, "--config", str(config),
        cwd=ROOT, env={**plain_environ(), **listen, **variables},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(DEADLINE):
            output, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return Outcome(process.returncode, output.decode(), complaint.decode())


def line(outcome: Outcome) -> str:
    """Return the one line in which it said what is wrong; there is nothing else, and no secret in it."""
    assert outcome.output == ""
    (only,) = outcome.complaint.splitlines()
    assert only.startswith("fanfare: ")
    assert SECRET not in only
    return only.removeprefix("fanfare: ")


class TestSettings:
    """The line names the setting."""

    @pytest.mark.parametrize(
        "text, names",
        [
            (GOOD + "[gateway]\nmax_conections = 5\n", "gateway.max_conections is unknown"),
            (GOOD + "[gateway]\nmax_connections = 'many'\n", "gateway.max_connections: expected"),
            (GOOD.replace('["', '"').replace('"]', '"'), "apps[0].secrets: expected"),
            (GOOD + ROUTE + 'when = "data.quantity <"\n', "route 'low-stock', when"),
            (GOOD + "[[channels]]\npattern = 'private-a'\nallow = 'user.id =='\n", "private-a"),
        ],
    )
    async def test_of_the_file(self, tmp_path: Path, text: str, names: str) -> None:
        outcome = await run(tmp_path, text)

        assert outcome.status == 2
        assert names in line(outcome)

    @pytest.mark.parametrize(
        "name, value, says",
        [
            ("FANFARE_GATEWAY_MAX_CONECTIONS", "5", "FANFARE_GATEWAY_MAX_CONECTIONS"),
            ("FANFARE_BACKENDS_BUS", f"amqp://me:{SECRET}@example.org", "backends.bus: expected"),
        ],
    )
    async def test_of_the_environment(
        self, tmp_path: Path, name: str, value: str, says: str
    ) -> None:
        outcome = await run(tmp_path, GOOD, **{name: value})

        assert outcome.status == 2
        assert says in line(outcome)

    async def test_all_at_once(self, tmp_path: Path) -> None:
        """
        Of several faults each has its line, so that one start is enough to find them.
        """
        outcome = await run(
            tmp_path, GOOD + "[gateway]\nlinger = -1\nfoo = 1\n", FANFARE_LOG_LEVEL="loud"
        )

        assert outcome.status == 2
        assert len(outcome.complaint.splitlines()) == 3
        for name in ("gateway.linger", "gateway.foo", "FANFARE_LOG_LEVEL"):
            assert name in outcome.complaint


class TestCertificates:
    """What the public address would show."""

    async def test_not_there(self, tmp_path: Path) -> None:
        """
        A file that cannot be read is named, with its setting.
        """
        server = '[server]\ncertificate = "/nowhere.pem"\ncertificate_key = "/nowhere.key"\n'

        outcome = await run(tmp_path, GOOD + server)

        assert outcome.status == 2
        assert line(outcome).startswith("server.certificate: cannot read /nowhere.pem: ")

    async def test_another_key(self, tmp_path: Path) -> None:
        """
        A key that does not fit the certificate is named at the start, and not only after a renewal.
        """
        one, two = (Certificates.issue(tmp_path / name) for name in ("one", "two"))
        files = {
            "FANFARE_SERVER_CERTIFICATE": str(one.certificate),
            "FANFARE_SERVER_CERTIFICATE_KEY": str(two.key),
        }

        outcome = await run(tmp_path, GOOD, **files)

        assert outcome.status == 2
        assert line(outcome).startswith(f"server.certificate_key: {two.key} does not fit")

    async def test_without_key(self, tmp_path: Path) -> None:
        """
        A certificate without its key is half of a setting.
        """
        outcome = await run(tmp_path, GOOD, FANFARE_SERVER_CERTIFICATE="/nowhere.pem")

        assert outcome.status == 2
        assert "server: certificate and certificate_key need each other" in line(outcome)


class TestServices:
    """What runs here must meet what runs elsewhere."""

    async def test_some_on_memory(self, tmp_path: Path) -> None:
        """
        Services alone on memory would never meet the others, and are refused with all backends that they need.
        """
        outcome = await run(tmp_path, GOOD, "gateway", "presence")

        assert outcome.status == 2
        assert "backends.bus, backends.roster and backends.control" in line(outcome)


class TestAddresses:
    """Where it listens."""

    async def test_development_secrets_are_not_exposed(self, tmp_path: Path) -> None:
        """
        What everybody knows does not protect what everybody reaches.
        """
        secret = "app-secret"
        outcome = await run(
            tmp_path, GOOD.replace(SECRET, secret), FANFARE_SERVER_LISTEN="0.0.0.0:6001"
        )

        assert outcome.status == 2
        said = line(outcome)
        assert "app 1" in said
        assert "server.listen (0.0.0.0:6001)" in said
        assert secret not in said

    @pytest.fixture
    def taken(self) -> Iterator[str]:
        """Yield an address at which somebody else listens."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            yield f"127.0.0.1:{server.getsockname()[1]}"

    async def test_in_use(self, tmp_path: Path, taken: str) -> None:
        """
        An address that is taken ends the start with status 1, for the settings may be right.
        """
        outcome = await run(tmp_path, GOOD, FANFARE_SERVER_LISTEN=taken)

        assert outcome.status == 1
        assert line(outcome) == (
            f"server.listen: cannot listen on {taken}: address already in use; "
            'listen = "HOST:PORT" below [server], or FANFARE_SERVER_LISTEN=HOST:PORT, '
            "names another address"
        )

    async def test_internal_in_use(self, tmp_path: Path, taken: str) -> None:
        """
        Of the two addresses the one that is taken is named.
        """
        outcome = await run(tmp_path, GOOD, FANFARE_SERVER_INTERNAL_LISTEN=taken)

        assert outcome.status == 1
        said = line(outcome)
        assert f"cannot listen on {taken}: address already in use" in said
        assert "FANFARE_SERVER_INTERNAL_LISTEN=HOST:PORT" in said

    async def test_of_another_machine(self, tmp_path: Path) -> None:
        """
        An address that this machine has not is said to be none of it.
        """
        outcome = await run(tmp_path, GOOD, FANFARE_SERVER_LISTEN="192.0.2.1:6001")

        assert outcome.status == 1
        assert "cannot listen on 192.0.2.1:6001: cannot assign requested address" in line(outcome)

    async def test_in_use_while_a_database_is_away(self, tmp_path: Path, taken: str) -> None:
        """
        That is said as plainly where apps come from PostgreSQL.
        """
        outcome = await run(
            tmp_path,
            "[log]\nlevel = 'error'\n",
            FANFARE_SERVER_LISTEN=taken,
            FANFARE_BACKENDS_APPS=f"postgresql://me:{SECRET}@127.0.0.1:{free_port()}/fanfare",
        )

        assert outcome.status == 1
        assert "in use" in line(outcome)
