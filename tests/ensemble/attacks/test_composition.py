"""
What deploy/haproxy lets one address have: beyond it is asked to return, and others notice nothing.

HAProxy is the real program, before stubs of the services; each address of loopback is a client's.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from tests.support.balancers.balancer import OTHERS, Ports
from tests.support.balancers.haproxied import Haproxied, staged
from tests.support.balancers.nginx import changed_nginx_front
from tests.support.balancers.stage import Stage, stubs
from tests.support.deadline import DEADLINE
from tests.support.deployments.haproxy import FILE
from tests.support.deployments.siege import MIB
from tests.support.servers import Certificates, procfs
from tests.support.servers.ports import free_port
from tests.support.servers.process import eventually

ATTACKER, OTHER = "127.0.0.1", "127.0.0.2"
SOCKET = "/app/key"
TRUSTED = "127.0.0.0/8"


class Caller:
    """
    Whoever comes from an address.

    Args:
        http: Its connections.
    """

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self._sockets: list[aiohttp.ClientWebSocketResponse] = []

    async def ask(self, path: str, times: int, **headers: str) -> Counter[int]:
        """Ask all at once, and count the statuses; who is sent away is told when to return."""

        async def once() -> int:
            async with self._http.get(path, headers=headers) as response:
                assert response.status != 429 or response.headers["Retry-After"] == "1"
                return response.status

        return Counter(await asyncio.gather(*(once() for _ in range(times))))

    async def open(self, **headers: str) -> int:
        """Open a socket that stays; return the status of a refusal, else 101."""
        try:
            socket = await self._http.ws_connect(SOCKET, headers=headers)
        except aiohttp.WSServerHandshakeError as error:
            refusal = error
        else:
            self._sockets.append(socket)
            return 101
        assert refusal.headers is not None
        assert refusal.headers["Retry-After"] == "1"
        return refusal.status


@asynccontextmanager
async def client(stage: Stage, address: str = ATTACKER) -> AsyncIterator[Caller]:
    """Come from an address."""
    trust = stage.front.trust or True
    connector = aiohttp.TCPConnector(local_addr=(address, 0), limit=0, ssl=trust)
    async with aiohttp.ClientSession(stage.front.url, connector=connector) as http:
        yield Caller(http)


@asynccontextmanager
async def silent(port: int, many: int) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Open connections, and say nothing; some may be cut off before they are open."""
    readers: list[asyncio.StreamReader] = []
    async with AsyncExitStack() as stack:
        for _ in range(many):
            with suppress(ConnectionResetError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                stack.callback(writer.close)
                readers.append(reader)
        yield readers


class TestSockets:
    """PER_ADDRESS: sockets, and requests under way, at once."""

    async def test_beyond(self) -> None:
        """As many as it says stay; the next one gets 429, until one of them has gone; others are served."""
        async with (
            staged(PER_ADDRESS="5") as stage,
            client(stage, OTHER) as other,
            client(stage) as attacker,
        ):
            async with client(stage) as leaving:
                assert await leaving.open() == 101
                assert [await attacker.open() for _ in range(6)] == [101] * 4 + [429] * 2
                assert await attacker.ask("/up", 1) == {429: 1}
                assert await other.open() == 101

            async def is_in() -> bool:
                return await attacker.open() == 101

            await eventually(is_in, timeout=DEADLINE)

    async def test_behind_a_proxy(self) -> None:
        """Behind proxies that are trusted the address that they tell counts; of IPv6 all of its /64."""
        async with staged(TRUSTED, PER_ADDRESS="2") as stage, client(stage) as proxy:
            for address in ("203.0.113.7", "2001:db8::1", "1.2.3.4, 198.51.100.9, 127.0.0.9"):
                statuses = [await proxy.open(**told(address)) for _ in range(3)]
                assert statuses == [101, 101, 429], address

            assert await proxy.open(**told("2001:db8::2")) == 429
            assert await proxy.open(**told("203.0.113.8")) == 101
            assert await proxy.open(**told("198.51.100.9")) == 429
            assert await proxy.open(**told("1.2.3.4")) == 101

    async def test_forged(self) -> None:
        """Of nobody else it counts: who writes another address each time is one client all the same."""
        async with staged(PER_ADDRESS="3") as stage, client(stage) as attacker:
            statuses = [await attacker.open(**told(f"203.0.113.{number}")) for number in range(5)]

        assert statuses == [101] * 3 + [429] * 2

    async def test_silent_connections(self) -> None:
        """Of connections that ask for nothing twice as many stay; all others are cut off, and take nobody's place."""
        async with (
            staged(PER_ADDRESS="20", MAX_CONNECTIONS="60") as stage,
            client(stage, OTHER) as other,
            silent(stage.balancer.port, 100) as readers,
        ):
            assert await other.ask("/up", 10) == {200: 10}

            async def are_cut_off() -> bool:
                staying = [each for each in readers if not (each.at_eof() or each.exception())]
                return 1 <= len(staying) <= 40

            await eventually(are_cut_off, timeout=DEADLINE)

    async def test_no_limit(self) -> None:
        """0 is none."""
        async with staged(PER_ADDRESS="0", RATE_PER_ADDRESS="0") as stage, client(stage) as one:
            assert await one.ask("/up", 300) == {200: 300}


class TestRate:
    """RATE_PER_ADDRESS: a second, of what one address may ask of gateways, and of what is refused."""

    @pytest.mark.parametrize("path", ["/", SOCKET, "/nobody's"])
    async def test_beyond(self, path: str) -> None:
        """Beyond it there is 429; others are served."""
        async with (
            staged(RATE_PER_ADDRESS="20") as stage,
            client(stage) as attacker,
            client(stage, OTHER) as other,
        ):
            seen = await attacker.ask(path, 200)
            assert seen[429] > 100
            assert await other.ask("/up", 10) == {200: 10}

    @pytest.mark.parametrize("path", ["/apps/1/events", "/events", "/presence/apps/1/users"])
    async def test_back_ends(self, path: str) -> None:
        """Back ends ask as much as they like, as long as they are not refused."""
        async with staged(RATE_PER_ADDRESS="20") as stage, client(stage) as back_end:
            assert await back_end.ask(path, 200) == {200: 200}

    async def test_channels(self) -> None:
        """So do clients that return, and ask auth for each of their channels."""
        async with staged(RATE_PER_ADDRESS="20") as stage, client(stage) as page:
            assert await page.ask("/broadcasting/auth", 200) == {200: 200}

    @pytest.mark.parametrize("path", ["/apps/1/events", "/broadcasting/auth"])
    async def test_refused(self, path: str) -> None:
        """Who is refused again and again is sent away before a service is asked."""
        async with staged(RATE_PER_ADDRESS="20") as stage, client(stage) as attacker:
            for service in OTHERS.values():
                stage.stubs[service].status = 401
            seen = sum([await attacker.ask(path, 20) for _ in range(10)], Counter())

        assert seen[401] + seen[429] == 200
        assert seen[429] > 100

    async def test_recovers(self) -> None:
        """Whoever goes on trying is let in at that rate: those who are sent away do not count."""
        async with staged(RATE_PER_ADDRESS="5") as stage, client(stage) as attacker:
            assert (await attacker.ask("/up", 50))[429] > 30

            async def is_served() -> bool:
                return 200 in await attacker.ask("/up", 10)

            await eventually(is_served, timeout=DEADLINE)


class TestCosts:
    """What those cost that are sent away."""

    async def test_log(self) -> None:
        """One line of an address, which ends with a count, and then none for ten seconds."""
        async with staged(RATE_PER_ADDRESS="1") as stage, client(stage) as attacker:
            await attacker.ask("/up", 2)
            await attacker.ask("/nobody's", 500)
            refused = [line.split() for line in stage.balancer.lines if " 429 " in line]

        assert len(refused) == 1
        assert (refused[0][0], refused[0][-1]) == (ATTACKER, "1")

    async def test_memory(self) -> None:
        """However many addresses there are, what is kept of them is bounded."""
        async with staged(TRUSTED) as stage, client(stage) as proxy:
            before = resident(stage)
            for block in range(20):
                await asyncio.gather(
                    *(proxy.ask("/", 1, **told(f"10.0.{block}.{n}")) for n in range(100))
                )

            assert resident(stage) - before < 16 * MIB

        assert "size 100k" in FILE.read_text()

    async def test_operators(self) -> None:
        """Who asks for health, at the address for that, is never sent away."""
        async with (
            staged(PER_ADDRESS="1", RATE_PER_ADDRESS="1") as stage,
            aiohttp.ClientSession() as http,
            AsyncExitStack() as stack,
        ):
            for _ in range(20):
                answer = await stack.enter_async_context(http.get(stage.balancer.monitor))
                assert answer.status == 200


async def test_nginx(certificates: Certificates) -> None:
    """nginx, in HAProxy's place on a machine, bounds sockets and requests of one address likewise."""
    ports = Ports(public=free_port(), health=free_port())
    few = {"limit_conn fanfare_addresses 1000;": "limit_conn fanfare_addresses 3;"}
    before = changed_nginx_front(ports, certificates, changes=few)
    async with stubs(ports) as running, before as front:
        stage = Stage(front, running)
        async with client(stage) as attacker, client(stage, OTHER) as other:
            assert [await attacker.open() for _ in range(5)] == [101] * 3 + [429] * 2
            assert await attacker.ask("/app/key", 1) == {429: 1}
            assert await other.ask("/app/key", 3) == {200: 3}


def told(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


def resident(stage: Haproxied) -> int:
    """Return the bytes of HAProxy's worker, or workers, in memory."""
    pids = procfs.children(stage.balancer.server.pid)
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 for pid in pids)
