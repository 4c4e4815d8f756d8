"""Opaque tokens: what a real identity server is asked, and what of its answers is remembered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from libs.common.web.health import state_of
from services.auth.identity.asking.answers import Answers
from services.auth.identity.asking.fair_line import FairLine
from services.auth.identity.asking.unknown_tokens import TooManyUnknownTokens, UnknownTokens
from services.auth.identity.bearer_tokens import BadToken, Identity
from services.auth.identity.credentials import Credential
from services.auth.identity.introspection import Introspector
from services.auth.identity.provider import ProviderUnavailable
from services.auth.identity.provider_client import ProviderClient
from services.auth.settings import Introspection
from tests.support.deadline import DEADLINE
from tests.support.fakes.identity_server import Asked, IdentityServer, Said, identity_server

NOW = 1_700_000_000.0
CACHE = 10.0
TOKEN = Credential("1|secret")
ACTIVE = {"active": True, "sub": "7"}
HOME = "192.0.2.1"


class Times:
    """Two clocks that go when a test says so, together."""

    def __init__(self) -> None:
        self.passed = 0.0

    def clock(self) -> float:
        """UTC epoch seconds."""
        return NOW + self.passed

    def timer(self) -> float:
        """Monotonic seconds."""
        return 50.0 + self.passed


@pytest.fixture
async def server() -> AsyncIterator[IdentityServer]:
    """An identity server that knows every token."""
    async with identity_server() as server:
        server.answers(ACTIVE)
        yield server


@pytest.fixture
def times() -> Times:
    return Times()


@asynccontextmanager
async def asking(
    server: IdentityServer,
    times: Times,
    *,
    line: FairLine | None = None,
    unknown: UnknownTokens | None = None,
    answers: Answers[Identity, BadToken] | None = None,
    **settings: Any,
) -> AsyncIterator[Introspector]:
    """Ask the server."""
    spec = msgspec.convert({"url": f"{server.url}/ask", "app": "1"} | settings, Introspection)
    client = ProviderClient()
    async with asyncio.timeout(DEADLINE), client.opened():
        yield Introspector(
            spec,
            client,
            clock=times.clock,
            timer=times.timer,
            line=line or FairLine(),
            unknown=unknown or UnknownTokens(0, burst=1),
            answers=answers,
        )


async def whose(
    introspector: Introspector, credential: Credential = TOKEN, address: str = HOME
) -> Identity:
    return await introspector.user(credential, address=address)


async def is_believed(introspector: Introspector, credential: Credential = TOKEN) -> bool:
    try:
        await whose(introspector, credential)
    except BadToken:
        return False
    return True


class TestAnswers:
    """A clear yes, a no, and neither."""

    async def test_yes(self, server: IdentityServer, times: Times) -> None:
        """RFC 7662: the token is posted, and the answer is the user."""
        async with asking(server, times, client_id="me") as introspector:
            user = await whose(introspector)

        assert (user.id, user.claims) == ("7", ACTIVE)
        (asked,) = server.asked
        assert (asked.method, asked.form) == ("POST", {"token": "1|secret"})
        assert asked.headers["Authorization"] == "Basic bWU6"
        assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"

    async def test_no(self, server: IdentityServer, times: Times) -> None:
        server.answers({"active": False})
        async with asking(server, times) as introspector:
            with pytest.raises(BadToken, match="not active"):
                await whose(introspector)

    @pytest.mark.parametrize(
        "said",
        [
            Said(b"<html>"),
            Said(b'{"active":true,"sub":"7"}' + b" " * 65_536),
            Said(b'{"active":true,"sub":"7"}', 500),
            Said(b"", 302, {"Location": "/yes"}),
            Said(b"", 307, {"Location": "/yes"}),
        ],
    )
    async def test_wrong(self, server: IdentityServer, times: Times, said: Said) -> None:
        """What is no clear answer is a failure; no redirection is followed, with the token least of all."""
        yes = Said(b'{"active":true,"sub":"7"}')
        server.says = lambda asked: said if asked.path == "/ask" else yes
        with capture_logs() as logs:
            async with asking(server, times) as introspector:
                for _ in range(3):
                    with pytest.raises(ProviderUnavailable):
                        await whose(introspector)
                state = await state_of(introspector.check)

        assert {asked.path for asked in server.asked} == {"/ask"}
        assert state != "ok"
        assert [log["event"] for log in logs] == ["backend.lost"]
        assert logs[0]["backend"] == "identity/introspection"
        assert "secret" not in str(logs)

    async def test_slow(self, server: IdentityServer, times: Times) -> None:
        server.hang()
        async with asking(server, times, timeout=0.05) as introspector:
            with pytest.raises(ProviderUnavailable) as caught:
                await whose(introspector)

        assert caught.value.reason == "no answer within 0.05 s"

    async def test_gone(self, server: IdentityServer, times: Times) -> None:
        """A failure is not remembered, nor counted: when the server is back it is asked."""
        await server.go()
        async with asking(server, times, unknown=UnknownTokens(1.0, burst=1)) as introspector:
            with pytest.raises(ProviderUnavailable):
                await whose(introspector)
            await server.come()

            assert await is_believed(introspector)
            assert await state_of(introspector.check) == "ok"

    async def test_cookies_are_nobodys(self, server: IdentityServer, times: Times) -> None:
        """What a server sets for one user is not sent for the next one."""
        said = Said(b'{"id": 1}', headers={"Set-Cookie": "laravel_session=ann; Path=/"})
        server.says = lambda _: said
        by_name = server.url.replace("127.0.0.1", "localhost")  # Numbers have no cookies.
        async with asking(server, times, mode="whoami", url=by_name) as introspector:
            await whose(introspector, Credential("ann"))
            await whose(introspector, Credential("bob"))

        assert [asked.headers.get("Cookie") for asked in server.asked] == [None, None]


class TestCache:
    """Answers are believed for seconds."""

    async def test_yes(self, server: IdentityServer, times: Times) -> None:
        async with asking(server, times, cache=CACHE) as introspector:
            for _ in range(20):
                await whose(introspector)
            times.passed = CACHE - 1
            await whose(introspector)
            within = len(server.asked)
            times.passed = CACHE
            await whose(introspector)

        assert (within, len(server.asked)) == (1, 2)

    async def test_no(self, server: IdentityServer, times: Times) -> None:
        """A no is believed for less: somebody may have signed in."""
        server.answers({"active": False})
        async with asking(server, times, cache=CACHE) as introspector:
            refused = [await is_believed(introspector) for _ in range(20)]
            server.answers(ACTIVE)
            times.passed = CACHE / 5 - 0.1
            refused.append(await is_believed(introspector))
            within = len(server.asked)
            times.passed = CACHE / 5

            assert await is_believed(introspector)

        assert not any(refused)
        assert within == 1

    async def test_revoked(self, server: IdentityServer, times: Times) -> None:
        """What is no longer active is refused when the cache's time is over."""
        async with asking(server, times, cache=CACHE) as introspector:
            await whose(introspector)
            server.answers({"active": False})
            times.passed = CACHE

            assert not await is_believed(introspector)

    async def test_gone(self, server: IdentityServer, times: Times) -> None:
        """A server that is gone leaves what was said in force as long as that counts, and not longer."""
        async with asking(server, times, cache=CACHE) as introspector:
            await whose(introspector)
            await server.go()
            times.passed = CACHE - 1
            await whose(introspector)
            times.passed = CACHE
            with pytest.raises(ProviderUnavailable):
                await whose(introspector)

    async def test_expired(self, server: IdentityServer, times: Times) -> None:
        """Nothing is remembered beyond the token's own end."""
        server.answers(ACTIVE | {"exp": NOW + 3})
        async with asking(server, times, cache=CACHE) as introspector:
            await whose(introspector)
            times.passed = 2.9
            await whose(introspector)
            within = len(server.asked)
            server.answers({"active": False})
            times.passed = 3

            assert not await is_believed(introspector)

        assert within == 1

    async def test_off(self, server: IdentityServer, times: Times) -> None:
        async with asking(server, times, cache=0) as introspector:
            await whose(introspector)
            await whose(introspector)

        assert len(server.asked) == 2

    async def test_each_for_itself(self, server: IdentityServer, times: Times) -> None:
        """One token's answer is no other's."""

        def says(asked: Asked) -> Said:
            known = asked.form["token"] == TOKEN.token
            return Said(msgspec.json.encode(ACTIVE | {"active": known}))

        server.says = says
        async with asking(server, times) as introspector:
            believed = [
                await is_believed(introspector, credential)
                for credential in (TOKEN, Credential("2|guess"), Credential(TOKEN.token + "x"))
            ]

        assert believed == [True, False, False]

    async def test_bound(self, server: IdentityServer, times: Times) -> None:
        """Beyond the bound the oldest answers are forgotten."""
        async with asking(server, times, answers=Answers(most_yes=3)) as introspector:
            for number in range(4):
                await whose(introspector, Credential(str(number)))
            await whose(introspector, Credential("3"))
            await whose(introspector, Credential("1"))
            within = len(server.asked)
            await whose(introspector, Credential("0"))

        assert (within, len(server.asked)) == (4, 5)


class TestFlight:
    """One request is under way for a token."""

    async def test_single(self, server: IdentityServer, times: Times) -> None:
        """Fifty who come at once share one answer, also where nothing is remembered."""
        server.hang()
        async with asking(server, times, cache=0) as introspector, asyncio.TaskGroup() as tasks:
            waiting = [tasks.create_task(whose(introspector)) for _ in range(50)]
            await server.heard(1)
            server.go_on()

        assert {task.result().id for task in waiting} == {"7"}
        assert len(server.asked) == 1

    @pytest.mark.parametrize(
        "said,error",
        [(Said(status=500), ProviderUnavailable), (Said(b'{"active":false}'), BadToken)],
    )
    async def test_refused(
        self, server: IdentityServer, times: Times, said: Said, error: type[Exception]
    ) -> None:
        """They share a no and a failure too."""
        server.says = lambda _: said
        server.hang()
        async with asking(server, times, cache=0) as introspector:
            waiting = [asyncio.ensure_future(whose(introspector)) for _ in range(50)]
            await server.heard(1)
            server.go_on()
            results = await asyncio.gather(*waiting, return_exceptions=True)

        assert {type(result) for result in results} == {error}
        assert len({id(result) for result in results}) == 50
        assert len(server.asked) == 1

    async def test_abandoned(self, server: IdentityServer, times: Times) -> None:
        """When the one who asked is gone, those who wait ask for themselves."""
        server.hang()
        async with asking(server, times) as introspector, asyncio.TaskGroup() as tasks:
            first = tasks.create_task(whose(introspector))
            await server.heard(1)
            waiting = [tasks.create_task(whose(introspector)) for _ in range(5)]
            await asyncio.sleep(0)
            first.cancel()
            await server.heard(2)
            server.go_on()

        assert {task.result().id for task in waiting} == {"7"}
        assert len(server.asked) == 2

    async def test_bound(self, server: IdentityServer, times: Times) -> None:
        """Beyond the bound a token is not queued: its request may be repeated."""
        server.hang()
        async with (
            asking(server, times, line=FairLine(1, most=1)) as introspector,
            asyncio.TaskGroup() as tasks,
        ):
            first = tasks.create_task(whose(introspector))
            await server.heard(1)
            second = tasks.create_task(whose(introspector, Credential("second")))
            await asyncio.sleep(0)
            with pytest.raises(ProviderUnavailable):
                await whose(introspector, Credential("third"))
            server.go_on()

        assert (first.result().id, second.result().id) == ("7", "7")
        assert await state_of(introspector.check) == "ok"  # It was never asked.


class TestStrangers:
    """Tokens that are made up."""

    async def test_rate(self, server: IdentityServer, times: Times) -> None:
        """An address brings so many; it alone is refused, and tokens that were believed count for nothing."""
        unknown = UnknownTokens(1.0, burst=3)
        server.says = lambda asked: Said(
            msgspec.json.encode(ACTIVE | {"active": asked.form["token"] == TOKEN.token})
        )
        async with asking(server, times, cache=0, unknown=unknown) as introspector:
            await whose(introspector)
            assert not any([await is_believed(introspector, Credential(text)) for text in "ab"])
            with pytest.raises(TooManyUnknownTokens):
                await whose(introspector, Credential("c"))
            await whose(introspector)
            with pytest.raises(BadToken):
                await whose(introspector, Credential("c"), "192.0.2.2")

        assert len(server.asked) == 5

    async def test_returning(self, server: IdentityServer, times: Times) -> None:
        """Very many users behind one address come back at once to a process that knows none of them."""
        tokens = [Credential(f"user-{number}") for number in range(500)]
        async with asking(server, times, unknown=UnknownTokens(50.0, burst=500)) as introspector:
            await asyncio.gather(*[whose(introspector, token) for token in tokens])

        assert len(server.asked) == 500

    async def test_remembered(self, server: IdentityServer, times: Times) -> None:
        """A no that is remembered is no question, and holds nothing of the token."""
        server.answers({"active": False})
        unknown, answers = UnknownTokens(1.0, burst=1), Answers[Identity, BadToken]()
        async with asking(server, times, unknown=unknown, answers=answers) as introspector:
            assert [await is_believed(introspector) for _ in range(5)] == [False] * 5

        kept = answers.get(TOKEN.digest, now=times.timer())
        assert isinstance(kept, BadToken)
        assert kept.__traceback__ is None

    async def test_stumbling(self, server: IdentityServer, times: Times) -> None:
        """What a server does to tokens that may be made up is no outage, while it answers others."""
        yes, no = Said(msgspec.json.encode(ACTIVE)), Said(b"", 500)
        server.says = lambda asked: yes if asked.form["token"] == TOKEN.token else no
        with capture_logs() as logs:
            async with asking(server, times, cache=0) as introspector:
                for number in range(5):
                    await whose(introspector)
                    with pytest.raises(ProviderUnavailable):
                        await whose(introspector, Credential(f"made-up-{number}"))
                server.answers({}, 500)
                with pytest.raises(ProviderUnavailable):
                    await whose(introspector)

        assert [log["event"] for log in logs] == ["backend.lost"]
