"""The keys of one issuer, read from a server that may be slow, wrong, gone, or have others by now."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from libs.common.retry import Backoff
from libs.common.web.health import state_of
from services.auth.identity.bearer_tokens import BadToken, Header
from services.auth.identity.jwks import COOLDOWN, MAX_BODY, PAUSE, Jwks
from services.auth.identity.provider import ProviderQuery, ProviderUnavailable
from services.auth.identity.provider_client import ProviderClient
from services.auth.settings import Issuer
from tests.support.deadline import DEADLINE
from tests.support.fakes.identity_server import (
    EC_KEY,
    OTHER_RSA_KEY,
    RSA_KEY,
    IdentityServer,
    Said,
    identity_server,
    jwk,
    jwks,
)
from tests.support.servers import Certificates

TTL, MAX_AGE = 300.0, 86_400.0
HOME, FLOOD = "192.0.2.1", "203.0.113.66"
K1, K2 = Header("RS256", "k1"), Header("RS256", "k2")
GOOD = jwks(jwk(RSA_KEY), jwk(EC_KEY, "ec"))
ROTATED = jwks(jwk(OTHER_RSA_KEY, "k2"))
OCT = {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "kid": "k1"}
WRONG = {
    "html": Said(b"<html>Sign in</html>"),
    "huge": Said(GOOD + b" " * MAX_BODY),
    "error": Said(GOOD, 500),
    "redirect": Said(b"", 302, {"Location": "/elsewhere"}),
    "oct": Said(jwks(OCT)),
    "empty": Said(jwks()),
    "packed": Said(gzip.compress(GOOD), headers={"Content-Encoding": "gzip"}),
}


class Timer:
    """Monotonic seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def server() -> AsyncIterator[IdentityServer]:
    """A server that publishes keys."""
    async with identity_server() as server:
        server.answers(GOOD)
        yield server


@pytest.fixture
def timer() -> Timer:
    return Timer()


def made(server: IdentityServer, timer: Timer, client: ProviderClient, **bounds: float) -> Jwks:
    """Know the server's keys, and ask for them again at once after a failure."""
    issuer = Issuer(
        issuer="idp", audience="a", algorithms=("RS256", "ES256"), jwks=f"{server.url}/jwks"
    )
    backoff = Backoff(0.01, 0.01)
    return Jwks(issuer, client, ttl=TTL, max_age=MAX_AGE, timer=timer, backoff=backoff, **bounds)


@asynccontextmanager
async def reading(server: IdentityServer, timer: Timer, **bounds: float) -> AsyncIterator[Jwks]:
    """Read the server's keys."""
    client = ProviderClient()
    jwks = made(server, timer, client, **bounds)
    async with asyncio.timeout(DEADLINE), client.opened(), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(jwks.run())
        yield jwks
        running.cancel()


async def is_known(keys: Jwks, header: Header, address: str = HOME) -> bool:
    try:
        await keys.find(header, address=address)
    except BadToken:
        return False
    return True


class TestFresh:
    """Keys are at hand when tokens come."""

    async def test_at_the_start(self, server: IdentityServer, timer: Timer) -> None:
        """They are read before anybody needs them, and once for all tokens."""
        async with reading(server, timer) as keys:
            await server.heard(1)
            for _ in range(20):
                found = await keys.find(K1, address=HOME)

        assert found.kid == "k1"
        assert (len(server.asked), server.asked[0].method) == (1, "GET")

    async def test_while_they_are_read(self, server: IdentityServer, timer: Timer) -> None:
        """The first tokens wait for the first answer, and do not ask again."""
        server.hang()
        async with reading(server, timer) as keys, asyncio.TaskGroup() as tasks:
            await server.heard(1)
            waiting = [tasks.create_task(keys.find(K1, address=HOME)) for _ in range(20)]
            server.go_on()

        assert {task.result().kid for task in waiting} == {"k1"}
        assert len(server.asked) == 1

    async def test_counted(self, server: IdentityServer, timer: Timer) -> None:
        """How old they are is known, and how often they could not be had."""
        server.answers(b"", 503)
        async with reading(server, timer) as keys:
            await server.heard(1)
            before = keys.is_read
            server.answers(GOOD)
            while not keys.is_read:  # Each try begins anew until then.
                await asyncio.sleep(0.01)
            timer.now += 3.0

        assert (before, keys.age) == (False, 3.0)
        assert keys.reads["read"] == 1
        assert keys.reads["failed"] >= 1

    async def test_not_for_the_algorithm(self, server: IdentityServer, timer: Timer) -> None:
        """A key of another kind is no reason to ask again."""
        async with reading(server, timer) as keys:
            with pytest.raises(BadToken, match="not for its algorithm"):
                await keys.find(Header("ES256", "k1"), address=HOME)
            with pytest.raises(BadToken, match="which key"):
                await keys.find(Header("RS256", None), address=HOME)

        assert len(server.asked) == 1


class TestStale:
    """Old keys go on being used while they are read again, up to a bound."""

    async def test_nobody_waits(self, server: IdentityServer, timer: Timer) -> None:
        """While a server hangs that is asked again, tokens are verified, and it is asked once."""
        async with reading(server, timer) as keys:
            await keys.find(K1, address=HOME)
            server.hang()
            timer.now += TTL
            for _ in range(20):
                await keys.find(K1, address=HOME)
            await server.heard(2)
            await keys.find(K1, address=HOME)
            asked = len(server.asked)
            server.go_on()

        assert asked == 2

    async def test_fresh_again(self, server: IdentityServer, timer: Timer) -> None:
        """What is read meanwhile counts: a key that was withdrawn is not used beyond."""
        async with reading(server, timer) as keys:
            await keys.find(K1, address=HOME)
            server.answers(ROTATED)
            timer.now += TTL
            before = await is_known(keys, K1)
            after = await is_known(keys, K2)
            withdrawn = await is_known(keys, K1)

        assert (before, after, withdrawn) == (True, True, False)

    @pytest.mark.parametrize("wrong", WRONG)
    async def test_wrong(self, server: IdentityServer, timer: Timer, wrong: str) -> None:
        """A wrong answer does not take the place of good keys."""
        async with reading(server, timer) as keys:
            await keys.find(K1, address=HOME)
            server.says = lambda _: WRONG[wrong]
            timer.now += MAX_AGE - 1
            await keys.find(K1, address=HOME)
            await server.heard(4)
            assert await is_known(keys, K1)

    async def test_too_old(self, server: IdentityServer, timer: Timer) -> None:
        """Beyond the bound they are unknown, until they are read again."""
        async with reading(server, timer) as keys:
            await keys.find(K1, address=HOME)
            await server.go()
            timer.now += MAX_AGE
            with pytest.raises(ProviderUnavailable):
                await keys.find(K1, address=HOME)
            await server.come()
            await server.heard(2)
            found = await keys.find(K1, address=HOME)

        assert found.kid == "k1"


class TestFailing:
    """Without keys nobody can be judged: that is an outage, and not a refusal."""

    @pytest.mark.parametrize("wrong", WRONG)
    async def test_wrong(self, server: IdentityServer, timer: Timer, wrong: str) -> None:
        """The server is asked again until it is right."""
        server.says = lambda _: WRONG[wrong]
        with capture_logs() as logs:
            async with reading(server, timer) as keys:
                with pytest.raises(ProviderUnavailable):
                    await keys.find(K1, address=HOME)
                state = await state_of(keys.check)
                server.answers(GOOD)
                await server.heard(len(server.asked) + 1)
                await keys.find(K1, address=HOME)

                assert await state_of(keys.check) == "ok"

        assert state != "ok"
        assert {asked.path for asked in server.asked} == {"/jwks"}
        assert [line["event"] for line in logs] == ["backend.lost", "backend.found", "keys.read"]
        assert logs[0]["backend"] == "identity/jwks"

    async def test_gone(self, server: IdentityServer, timer: Timer) -> None:
        """A server that comes later is found."""
        await server.go()
        async with reading(server, timer) as keys:
            with pytest.raises(ProviderUnavailable):
                await keys.find(K1, address=HOME)
            await server.come()
            await server.heard(1)
            found = await keys.find(K1, address=HOME)

        assert found.kid == "k1"

    async def test_slow(self, server: IdentityServer, timer: Timer) -> None:
        """An answer that does not come is not waited for."""
        server.hang()
        async with reading(server, timer, timeout=0.05) as keys:
            with pytest.raises(ProviderUnavailable) as caught:
                await keys.find(K1, address=HOME)
            await server.heard(2)

        assert caught.value.reason == "no answer within 0.05 s"

    async def test_impostor(self, certificates: Certificates, timer: Timer) -> None:
        """A server whose certificate nobody vouches for is not asked."""
        async with identity_server(certificates) as server:
            server.answers(GOOD)
            async with reading(server, timer) as keys:
                with pytest.raises(ProviderUnavailable) as caught:
                    await keys.find(K1, address=HOME)

        assert caught.value.reason == "no answer: the certificate is not trusted"
        assert not server.asked

    async def test_before_the_start(self, server: IdentityServer, timer: Timer) -> None:
        """Who comes before anything runs does not wait for ever."""
        with pytest.raises(ProviderUnavailable):
            await made(server, timer, ProviderClient(), patience=0.05).find(K1, address=HOME)

    async def test_not_running(self, server: IdentityServer) -> None:
        """Before the start nothing is asked."""
        with pytest.raises(ProviderUnavailable):
            await ProviderClient().ask(ProviderQuery("GET", server.url, 10, 1.0))

        assert not server.asked


class TestUnknown:
    """Tokens that name keys which are not known cause one request in a while."""

    async def test_rotated(self, server: IdentityServer, timer: Timer) -> None:
        """Who comes first with a new key, and all who come meanwhile, are believed."""
        async with reading(server, timer) as keys, asyncio.TaskGroup() as tasks:
            await keys.find(K1, address=HOME)
            server.answers(ROTATED)
            server.hang()
            waiting = [tasks.create_task(keys.find(K2, address=HOME)) for _ in range(50)]
            await server.heard(2)
            server.go_on()

        assert {task.result().kid for task in waiting} == {"k2"}
        assert len(server.asked) == 2

    async def test_storm(self, server: IdentityServer, timer: Timer) -> None:
        """However many keys are made up, one request is made; and another one after the cooldown."""
        made_up = [Header("RS256", f"x{number}") for number in range(100)]
        async with reading(server, timer) as keys:
            await keys.find(K1, address=HOME)
            at_once = await asyncio.gather(*[is_known(keys, header) for header in made_up])
            later = [await is_known(keys, header) for header in made_up]
            first = len(server.asked)
            timer.now += COOLDOWN - 1
            await is_known(keys, K2)
            second = len(server.asked)
            timer.now += 1
            await asyncio.gather(*[is_known(keys, header) for header in made_up])

        assert not any(at_once + later)
        assert (first, second, len(server.asked)) == (2, 2, 3)

    async def test_others(self, server: IdentityServer, timer: Timer) -> None:
        """Whoever makes keys up keeps nobody elsewhere from a new one."""
        async with reading(server, timer) as keys:
            await keys.find(K1, address=HOME)
            assert not await is_known(keys, K2, FLOOD)
            server.answers(ROTATED)
            timer.now += PAUSE
            still = await is_known(keys, K2, FLOOD)
            found = await is_known(keys, K2)

            assert await is_known(keys, K2, FLOOD)
        assert (still, found, len(server.asked)) == (False, True, 3)

    async def test_many_addresses(self, server: IdentityServer, timer: Timer) -> None:
        """From however many addresses, one request is made in a pause, for which who comes meanwhile waits."""
        async with reading(server, timer, pause=0.05) as keys:
            await keys.find(K1, address=HOME)
            for storm in range(2):
                made_up = [
                    is_known(keys, Header("RS256", f"x{number}"), f"198.51.{storm}.{number}")
                    for number in range(50)
                ]
                assert not any(await asyncio.gather(*made_up))
            server.answers(ROTATED)

            assert await is_known(keys, K2)
        assert len(server.asked) == 4

    async def test_server_gone(self, server: IdentityServer, timer: Timer) -> None:
        """While nobody can say whether there is such a key, the token is not called bad."""
        async with reading(server, timer) as keys:
            await keys.find(K1, address=HOME)
            await server.go()
            with pytest.raises(ProviderUnavailable):
                await keys.find(K2, address=HOME)

            assert await is_known(keys, K1)

    async def test_known_keys_do_not_wait(self, server: IdentityServer, timer: Timer) -> None:
        """While an unknown key is looked for at a server that hangs, known ones are used."""
        async with reading(server, timer) as keys, asyncio.TaskGroup() as tasks:
            await keys.find(K1, address=HOME)
            server.hang()
            unknown = tasks.create_task(is_known(keys, K2))
            await server.heard(2)
            await keys.find(K1, address=HOME)

            assert not unknown.done()
            server.go_on()

        assert not unknown.result()


class TestStop:
    """Whoever waits when the service stops is told so, and not left waiting."""

    async def test_waiting_for_keys(self, server: IdentityServer, timer: Timer) -> None:
        server.hang()
        keys = made(server, timer, client := ProviderClient())
        async with asyncio.timeout(DEADLINE), client.opened():
            running = asyncio.ensure_future(keys.run())
            await server.heard(1)
            waiting = asyncio.ensure_future(keys.find(K1, address=HOME))
            await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(ProviderUnavailable) as caught:
                await waiting

        assert caught.value.reason == "its keys are not read yet"

    async def test_waiting_for_an_answer(self, server: IdentityServer) -> None:
        server.hang()
        client = ProviderClient()
        async with asyncio.timeout(DEADLINE):
            async with client.opened():
                asking = asyncio.ensure_future(
                    client.ask(ProviderQuery("GET", server.url, 10, DEADLINE))
                )
                await server.heard(1)
            with pytest.raises(ProviderUnavailable):
                await asking
